// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"canopy.dev/canopy/test/cloud/core"
)

// operation is something that takes a while: until it, or what it changes, was looked at often enough, or was waited for.
type operation struct {
	compute.Operation

	looks int
	// then is called at its end.
	then func()
	// failure is what it ends with; nil: it works.
	failure *core.Refusal
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`)

// repeated returns the operation that a request with the same ID has begun; nil if there is none.
func (c *Cloud) repeated(r call) (*operation, error) {
	id := r.URL.Query().Get("requestId")
	if id != "" && (!uuidForm.MatchString(id) || id == "00000000-0000-0000-0000-000000000000") {
		return nil, core.Refuse(core.Invalid, "Invalid value for field 'requestId': '%s'. Must be a valid UUID.", id)
	}
	return c.requests[id], nil
}

// begin begins an operation on what is at the path.
func (c *Cloud) begin(r call, kind, path string, failure *core.Refusal, then func()) *compute.Operation {
	now := time.Now().Format(time.RFC3339Nano)
	name := fmt.Sprintf("operation-%d", c.Serial())
	scope := path[:strings.LastIndexByte(path[:strings.LastIndexByte(path, '/')], '/')]
	op := &operation{looks: c.Looks, then: then, failure: failure, Operation: compute.Operation{
		Kind: "compute#operation", Name: name, OperationType: kind, Status: "RUNNING", TargetLink: link(path),
		InsertTime: now, StartTime: now, CreationTimestamp: now, SelfLink: link(scope + "/operations/" + name),
	}}
	switch {
	case r.PathValue("zone") != "":
		op.Zone = link(scope)
	case r.PathValue("region") != "":
		op.Region = link(scope)
	}
	c.operations.Give(scope+"/operations/"+name, op)
	c.changing[path] = op
	if id := r.URL.Query().Get("requestId"); id != "" {
		c.requests[id] = op
	}
	said := op.Operation
	return &said
}

// look brings an operation a step further.
func (c *Cloud) look(op *operation, whole bool) {
	if op == nil || op.Status == "DONE" {
		return
	}
	if op.looks--; op.looks >= 0 && !whole {
		return
	}
	op.Status, op.Progress, op.EndTime = "DONE", 100, time.Now().Format(time.RFC3339Nano)
	if op.failure == nil {
		op.then()
		return
	}
	code := map[core.Kind]string{core.Quota: "QUOTA_EXCEEDED", core.SoldOut: "ZONE_RESOURCE_POOL_EXHAUSTED"}[op.failure.Kind]
	if code == "" {
		code = "INTERNAL_ERROR"
	}
	op.Error = &compute.OperationError{Errors: []*compute.OperationErrorErrors{{Code: code, Message: op.failure.Message}}}
	op.HttpErrorStatusCode, op.HttpErrorMessage = 503, "SERVICE UNAVAILABLE"
}

// settle looks at what changes at the path, and reports whether that still takes a while.
func (c *Cloud) settle(path string) (changing bool) {
	op := c.changing[path]
	c.look(op, false)
	return op != nil && op.Status != "DONE"
}

func (c *Cloud) waitOperation(r call) (any, error) {
	path := pathOf(strings.TrimSuffix(r.URL.Path, "/wait"))
	op, ok := c.operations.Get(path)
	if !ok {
		return nil, core.Refuse(core.NotFound, "The resource '%s' was not found", path)
	}
	c.look(op, true)
	return &op.Operation, nil
}

func (c *Cloud) listOperations(r call) (any, error) {
	var found []*compute.Operation
	scope := pathOf(r.URL.Path) + "/"
	for _, op := range c.operations.All() {
		if strings.HasPrefix(pathOf(op.SelfLink), scope) {
			c.look(op, false)
			found = append(found, &op.Operation)
		}
	}
	return list(c, r, found)
}

// Age makes all that has ended have ended a minute earlier, for tests.
func (c *Cloud) Age() {
	c.Do(func() {
		for _, op := range c.operations.All() {
			if ended, err := time.Parse(time.RFC3339Nano, op.EndTime); err == nil {
				op.EndTime = ended.Add(-time.Minute).Format(time.RFC3339Nano)
			}
		}
	})
}
