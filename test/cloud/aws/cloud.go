// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package aws is a test cloud that speaks EC2's, ELB's, IAM's, STS's and SSM's protocols, as far as machines and load
// balancers of Services need it. It checks signatures, refuses what the models of AWS's SDK and the API references say that
// AWS refuses, and answers in their forms. It runs inside tests and benchmarks, as an http.Handler.
//
//	cloud.go       which operation it is, and how AWS says no
//	signature.go   whose call it is
//	operations.go  all operations, and the parameters that each must have
//	query.go       parameters, filters and pages of EC2
//	network.go     VPCs and what is in them
//	groups.go      security groups
//	instances.go   instances
//	balancers.go   classic load balancers
//	catalog.go     regions, instance types, images
//	identity.go    IAM, STS and SSM
package aws

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"canopy.dev/canopy/test/cloud/core"
)

// Cloud is an account at AWS, in all its regions. Its operations are called by the actions of policies, such as
// "ec2:RunInstances".
type Cloud struct {
	*core.Cloud

	keys       map[string]key
	vpcs       *core.Table[*vpc]
	subnets    *core.Table[*subnet]
	gateways   *core.Table[*gateway]
	tables     *core.Table[*routeTable]
	groups     *core.Table[*group]
	interfaces *core.Table[*networkInterface]
	balancers  *core.Table[*balancer]
	// launched are all instances that there ever were, and tokens those that were made with one.
	launched map[string]*record
	order    []string
	tokens   map[string]*record
}

// New returns an account with a network and an instance profile that somebody else made.
func New() *Cloud {
	c := &Cloud{
		Cloud: core.New(), launched: map[string]*record{}, tokens: map[string]*record{},
		keys: map[string]key{AccessKeyID: {secret: SecretAccessKey, arn: UserARN}},
	}
	c.vpcs = core.NewTable[*vpc](c.Cloud, "vpc")
	c.subnets = core.NewTable[*subnet](c.Cloud, "subnet")
	c.gateways = core.NewTable[*gateway](c.Cloud, "internet-gateway")
	c.tables = core.NewTable[*routeTable](c.Cloud, "route-table")
	c.groups = core.NewTable[*group](c.Cloud, "security-group")
	c.interfaces = core.NewTable[*networkInterface](c.Cloud, "network-interface")
	c.balancers = core.NewTable[*balancer](c.Cloud, "load-balancer")
	c.give()
	return c
}

// call is a call that is being answered.
type call struct {
	*http.Request

	params  params
	region  string
	service string
}

// operation answers a call with what is in the answer, or with a *failure or a *core.Refusal.
type operation func(*Cloud, *call) (any, error)

// ServeHTTP answers a call.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked has gone
	}
	request := &call{Request: r}
	_, request.region, request.service = scopeOf(r)
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	if request.service == "ssm" {
		request.params = jsonParams(body)
	} else {
		form, _ := url.ParseQuery(string(body)) // an action that is not there is refused
		request.params, action = params(form), form.Get("Action")
	}
	action = request.service + ":" + action
	refuse := func(w http.ResponseWriter, refusal *core.Refusal) {
		request.refuse(w, failureOf(request.service, action, refusal))
	}
	c.Serve(w, action, refuse, func(w http.ResponseWriter) {
		answer, err := c.answer(request, action, body)
		if err != nil {
			request.refuse(w, failureOf(request.service, action, err))
			return
		}
		request.write(w, action, answer)
	})
}

func (c *Cloud) answer(r *call, action string, body []byte) (any, error) {
	if err := c.authenticate(r, body); err != nil {
		return nil, err
	}
	op, ok := operations[action]
	if !ok {
		return nil, fail("InvalidAction", "The action %s is not valid for this web service.", action)
	}
	for _, name := range op.required {
		if !r.params.has(name) {
			return nil, fail("MissingParameter", "The request must contain the parameter %s", name)
		}
	}
	if r.params.get("DryRun") == "true" {
		return nil, &failure{status: http.StatusPreconditionFailed, code: "DryRunOperation", message: "Request would have succeeded, but DryRun flag is set."}
	}
	return op.do(c, r)
}

// failure is an error of AWS.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(code, format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// notFound is an error about an object that is not there, in the words of EC2.
func notFound(kind, id string) error {
	if kind == "InstanceType" { // an exception to the rule
		return fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", id)
	}
	return fail("Invalid"+kind+".NotFound", "The %s '%s' does not exist", strings.TrimSuffix(kind, "ID"), id)
}

// failures are what a service says for a kind of refusal.
var failures = map[string]map[core.Kind]failure{
	"ec2": {
		core.Unauthenticated: {http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials"},
		core.Unauthorized: {
			http.StatusForbidden, "UnauthorizedOperation",
			"You are not authorized to perform this operation. Encoded authorization failure message: cXVvZA-of-the-test-cloud",
		},
		core.Quota:       {http.StatusBadRequest, "VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit allows."},
		core.SoldOut:     {http.StatusInternalServerError, "InsufficientInstanceCapacity", "We currently do not have sufficient capacity in the Availability Zone you requested."},
		core.RateLimited: {http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded."},
		core.Invalid:     {http.StatusBadRequest, "InvalidParameterValue", "Invalid value"},
		core.NotFound:    {http.StatusBadRequest, "InvalidInstanceID.NotFound", "The instance ID does not exist"},
		core.Conflict:    {http.StatusBadRequest, "DependencyViolation", "resource has a dependent object"},
		core.Internal:    {http.StatusInternalServerError, "InternalError", "An internal error has occurred"},
	},
	"elasticloadbalancing": balancingFailures,

	"iam": identityFailures,
	"sts": identityFailures,
	"ssm": {
		core.Unauthenticated: {http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid."},
		core.Unauthorized:    {http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform this action"},
		core.RateLimited:     {http.StatusBadRequest, "ThrottlingException", "Rate exceeded"},
		core.NotFound:        {http.StatusBadRequest, "ParameterNotFound", ""},
		core.Internal:        {http.StatusInternalServerError, "InternalServerError", "An error occurred on the server side."},
	},
}

var identityFailures = map[core.Kind]failure{
	core.Unauthenticated: {http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."},
	core.Unauthorized:    {http.StatusForbidden, "AccessDenied", "User is not authorized to perform this action"},
	core.RateLimited:     {http.StatusBadRequest, "Throttling", "Rate exceeded"},
	core.NotFound:        {http.StatusNotFound, "NoSuchEntity", "It cannot be found."},
	core.Internal:        {http.StatusInternalServerError, "ServiceFailure", "The request processing has failed because of an unknown error."},
}

// limits are the codes for a quota, where it is not one of instances.
var limits = map[string]string{
	"ec2:CreateVpc": "VpcLimitExceeded", "ec2:CreateSubnet": "SubnetLimitExceeded", "ec2:CreateInternetGateway": "InternetGatewayLimitExceeded",
	"ec2:CreateRouteTable": "RouteTableLimitExceeded", "ec2:CreateSecurityGroup": "SecurityGroupLimitExceeded",
}

func failureOf(service, action string, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	refusal, ok := errors.AsType[*core.Refusal](err)
	if !ok {
		return &failure{http.StatusInternalServerError, "InternalError", err.Error()}
	}
	f, ok := failures[service][refusal.Kind]
	if !ok {
		f = failure{http.StatusBadRequest, "ValidationError", refusal.Message}
	}
	if code, ok := limits[action]; ok && refusal.Kind == core.Quota {
		f.code, f.message = code, "The maximum number has been reached."
	}
	return &f
}

// requestID is in every answer, and different each time at AWS.
func (r *call) requestID() string { return "59dbff89-of-the-test-cloud" }

// refuse says no as the service does.
func (r *call) refuse(w http.ResponseWriter, f *failure) {
	type codeAndMessage struct {
		Type    string `xml:"Type,omitempty"`
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	said := codeAndMessage{Code: f.code, Message: f.message}
	switch r.service {
	case "ssm":
		r.json(w, f.status, map[string]string{"__type": f.code, "message": f.message})
	case "ec2":
		r.xml(w, f.status, "Response", struct {
			Errors    []codeAndMessage `xml:"Errors>Error"`
			RequestID string           `xml:"RequestID"`
		}{[]codeAndMessage{said}, r.requestID()})
	default:
		said.Type = "Sender"
		r.xml(w, f.status, "ErrorResponse", struct {
			Error     codeAndMessage
			RequestID string `xml:"RequestId"`
		}{said, r.requestID()})
	}
}

func (r *call) write(w http.ResponseWriter, action string, answer any) {
	_, name, _ := strings.Cut(action, ":")
	switch r.service {
	case "ssm":
		r.json(w, http.StatusOK, answer)
	case "ec2":
		r.xml(w, http.StatusOK, name+"Response", answer)
	default:
		var result bytes.Buffer
		_ = xml.NewEncoder(&result).EncodeElement(answer, xml.StartElement{Name: xml.Name{Local: name + "Result"}}) // of a buffer
		r.xml(w, http.StatusOK, name+"Response", struct {
			Result string `xml:",innerxml"`
		}{result.String()})
	}
}

func (r *call) xml(w http.ResponseWriter, status int, root string, content any) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).EncodeElement(content, xml.StartElement{Name: xml.Name{Local: root}}) // whoever asked may have gone
}

func (r *call) json(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", r.requestID())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) // whoever asked may have gone
}
