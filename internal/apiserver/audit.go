// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

const (
	// auditAge and auditNumber are how long records are kept, and how many of a project.
	auditAge, auditNumber = 90 * 24 * time.Hour, 2000
	// pruneEvery is how often those that are too old or too many are looked for.
	pruneEvery = time.Hour
	// idempotencyAge is how long an Idempotency-Key is remembered.
	idempotencyAge = 24 * time.Hour
	// completion is how long it may take to record what has come of a request, whatever becomes of the request's client.
	completion = 5 * time.Second
)

// act is what somebody wants to do, for the record.
type act struct {
	// verb and resource are those of the API.
	verb, resource string
	place          place
	// change is the request's body, of which only a hash is kept, and fields are what it names.
	change []byte
	fields []string
	// key is the Idempotency-Key.
	key string
	// dryRun is for what changes nothing, which is not recorded.
	dryRun bool
}

// outcome is what a change has come to.
type outcome struct {
	// status is that of the response.
	status int
	// object is what was written; nil: nothing that has a name.
	object client.Object
}

// audited makes a change that is recorded, before and after: a change that cannot be recorded is not made. It returns the record's
// path as an operation.
func (s *Server) audited(ctx context.Context, a act, change func() (outcome, error)) (operation string, err error) {
	if a.dryRun {
		_, err := change()
		return "", err
	}
	record := newRecord(ctx, a, time.Now())
	if err := s.keepRecord(ctx, record, a); err != nil {
		return "", err
	}
	result, err := change()
	// The client may be gone; what it has done is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completion)
	defer cancel()
	completed := record.DeepCopy()
	if patchErr := kube.Patch(ctx, s.own, completed, func() { completed.Result = resultOf(result, err) }); patchErr != nil {
		logger(ctx).Error(patchErr, "A record of a change is not complete", "record", client.ObjectKeyFromObject(record))
	}
	return operationPath(record), err
}

// newRecord returns the record of a request. Its name sorts before those of all earlier ones.
func newRecord(ctx context.Context, a act, now time.Time) *v1alpha1.AuditRecord {
	c := callOf(ctx)
	record := &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{Name: recordName(now, rand.Text())},
		Spec: v1alpha1.AuditRecordSpec{
			Time: metav1.NewMicroTime(now), User: c.user.GetName(), Verb: a.verb, Resource: a.resource,
			Groups: slices.DeleteFunc(slices.Clone(c.user.GetGroups()), func(group string) bool { return group == user.AllAuthenticated }),
			Token:  tokenOf(c.user), Project: a.place.Project, Cluster: a.place.Cluster, Name: a.place.Name,
			Fields: a.fields, RequestID: c.id, Source: c.source, UserAgent: cut(c.userAgent, 256),
		},
	}
	if a.resource == "projects" {
		record.Spec.Project = a.place.Name
	}
	if a.change != nil {
		record.Spec.ChangeHash = hashOf(string(a.change))
	}
	if a.key != "" {
		record.Labels = map[string]string{v1alpha1.LabelIdempotencyKey: idempotencyLabel(c.user.GetName(), a)}
	}
	return record
}

// recordName is shorter for nobody, and the later the smaller.
func recordName(now time.Time, random string) string {
	return fmt.Sprintf("%011x-%s", 1<<43-now.UnixMilli(), strings.ToLower(random[:10]))
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func idempotencyLabel(user string, a act) string {
	return hashOf(strings.Join([]string{user, a.verb, a.resource, a.place.Project, a.place.Cluster, a.key}, "\x00"))[:40]
}

func cut(text string, most int) string { return text[:min(len(text), most)] }

// tokenOf returns what a login says of the credentials themselves.
func tokenOf(info user.Info) string {
	for _, key := range []string{"authentication.kubernetes.io/credential-id", "canopy.dev/session"} {
		if ids := info.GetExtra()[key]; len(ids) > 0 {
			return cut(ids[0], 512)
		}
	}
	return ""
}

// keepRecord writes a record in its project's namespace, or in the system's if there is none to write into.
func (s *Server) keepRecord(ctx context.Context, record *v1alpha1.AuditRecord, a act) error {
	namespaces := []string{v1alpha1.SystemNamespace}
	// The records of a project that is deleted would go with it.
	if record.Spec.Project != "" && (a.resource != "projects" || a.verb != "delete") {
		namespaces = append([]string{v1alpha1.ProjectNamespacePrefix + record.Spec.Project}, namespaces...)
	}
	var err error
	for _, record.Namespace = range namespaces {
		record.ResourceVersion = ""
		if err = kube.CreateNew(ctx, s.own, record); err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, "NamespaceTerminating") {
			break
		}
	}
	logger(ctx).Error(err, "A change was refused because it cannot be recorded")
	return problem(CodeUnavailable, "the change cannot be recorded, and was not made")
}

func resultOf(result outcome, err error) *v1alpha1.AuditResult {
	if err == nil {
		out := &v1alpha1.AuditResult{Status: int32(result.status)}
		if result.object != nil {
			out.Name, out.UID, out.Generation = result.object.GetName(), string(result.object.GetUID()), result.object.GetGeneration()
		}
		return out
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = kubernetesProblem(err)
	}
	return &v1alpha1.AuditResult{Status: int32(p.Status), Code: string(p.Code), Detail: cut(p.Detail, 1024)}
}

// replayed looks for a request with the same Idempotency-Key. It returns its record if it has succeeded; nil: there was none.
func (s *Server) replayed(ctx context.Context, a act) (*v1alpha1.AuditRecord, error) {
	if a.key == "" || a.dryRun {
		return nil, nil
	}
	namespace := v1alpha1.SystemNamespace
	if a.place.Project != "" {
		namespace = v1alpha1.ProjectNamespacePrefix + a.place.Project
	}
	records := &v1alpha1.AuditRecordList{}
	labels := client.MatchingLabels{v1alpha1.LabelIdempotencyKey: idempotencyLabel(callOf(ctx).user.GetName(), a)}
	if err := s.own.List(ctx, records, client.InNamespace(namespace), labels); err != nil {
		return nil, err
	}
	for i := range records.Items {
		record := &records.Items[i]
		if time.Since(record.Spec.Time.Time) > idempotencyAge {
			continue
		}
		switch {
		case record.Spec.ChangeHash != hashOf(string(a.change)):
			return nil, problem(CodeKeyReused, "another request was sent with this Idempotency-Key")
		case record.Result == nil && time.Since(record.Spec.Time.Time) < patience:
			return nil, problem(CodeConflict, "the same request is being served")
		case record.Result != nil && record.Result.Code == "":
			return record, nil
		}
	}
	return nil, nil
}

// pruneRecords deletes records that are too old or too many, until ctx ends.
func (s *Server) pruneRecords(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			projects := &v1alpha1.ProjectList{}
			err := s.cache.List(ctx, projects, client.UnsafeDisableDeepCopy)
			namespaces := []string{v1alpha1.SystemNamespace}
			for i := range projects.Items {
				namespaces = append(namespaces, v1alpha1.ProjectNamespacePrefix+projects.Items[i].Name)
			}
			for _, namespace := range namespaces {
				err = errors.Join(err, s.pruneNamespace(ctx, namespace, auditNumber, now.Add(-auditAge)))
			}
			if err != nil {
				logger(ctx).Error(err, "Old records could not be deleted; it is tried again")
			}
		}
	}
}

// pruneNamespace keeps the newest records, which come first, and none that is older than a time.
func (s *Server) pruneNamespace(ctx context.Context, namespace string, number int, oldest time.Time) error {
	seen := 0
	for next := ""; ; {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AuditRecordList"))
		if err := s.own.List(ctx, page, client.InNamespace(namespace), client.Limit(500), client.Continue(next)); err != nil {
			return err
		}
		for i := range page.Items {
			if seen++; seen <= number && page.Items[i].CreationTimestamp.After(oldest) {
				continue
			}
			if err := kube.Delete(ctx, s.own, &page.Items[i]); err != nil {
				return err
			}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}
