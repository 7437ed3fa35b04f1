// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package audit writes the records of who has changed what, logged in, or tried to. It runs in the API, and is called by what serves
// requests, what logs browsers in, and the embedded issuer.
package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// The verbs of logins, whose resource is ResourceSessions.
const (
	VerbLogin        = "login"
	VerbLogout       = "logout"
	ResourceSessions = "sessions"
)

// ErrNotRecorded is why something was not done: it could not be recorded.
var ErrNotRecorded = errors.New("it cannot be recorded, and was not done")

// completion is how long it may take to record what has come of a request, whatever becomes of the request's client.
const completion = 5 * time.Second

// Request is what a record says of the request.
type Request struct {
	// ID is how the request is called in the server's log.
	ID string
	// Source is the address of the client, and UserAgent how its program calls itself.
	Source, UserAgent string
}

type requestKey struct{}

// WithRequest says which request is served.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// Do makes a change that is recorded, before and after: one that cannot be recorded is not made. The record has the spec and the
// labels that it gets; it gets its name, its place, and what there is to say of the request.
func Do(ctx context.Context, c client.Client, record *v1alpha1.AuditRecord, change func() (v1alpha1.AuditResult, error)) error {
	if err := Add(ctx, c, record); err != nil {
		return err
	}
	result, err := change()
	// The client may be gone; what it has done is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completion)
	defer cancel()
	completed := record.DeepCopy()
	if patchErr := kube.Patch(ctx, c, completed, func() { completed.Result = &result }); patchErr != nil {
		ctrl.Log.WithName("audit").Error(patchErr, "A record of a change is not complete", "record", client.ObjectKeyFromObject(record))
	}
	return err
}

// Add writes a record in its project's namespace, or in the system's if there is none to write into.
func Add(ctx context.Context, c client.Client, record *v1alpha1.AuditRecord) error {
	now := time.Now()
	request, _ := ctx.Value(requestKey{}).(Request)
	record.Name, record.Spec.Time = name(now, rand.Text()), metav1.NewMicroTime(now)
	record.Spec.RequestID, record.Spec.Source, record.Spec.UserAgent = request.ID, request.Source, Cut(request.UserAgent, 256)
	namespaces := []string{v1alpha1.SystemNamespace}
	// The records of a project that is deleted would go with it.
	if record.Spec.Project != "" && (record.Spec.Resource != "projects" || record.Spec.Verb != "delete") {
		namespaces = append([]string{v1alpha1.ProjectNamespacePrefix + record.Spec.Project}, namespaces...)
	}
	var err error
	for _, record.Namespace = range namespaces {
		record.ResourceVersion = ""
		if err = kube.CreateNew(ctx, c, record); err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, "NamespaceTerminating") {
			break
		}
	}
	return fmt.Errorf("%w: %w", ErrNotRecorded, err)
}

// name returns the name of a record of a time, to which something random is added. It is shorter for nobody, and the later the smaller.
func name(at time.Time, random string) string {
	return fmt.Sprintf("%011x-%s", 1<<43-at.UnixMilli(), strings.ToLower(random[:10]))
}

// Cut returns at most so many bytes of a text.
func Cut(text string, most int) string { return text[:min(len(text), most)] }
