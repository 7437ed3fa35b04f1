// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/audit"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/login"
)

const (
	// auditAge is how long records are kept; auditNumber how many of a project, and platformNumber of what is in none, such as
	// the logins of everybody.
	auditAge, auditNumber, platformNumber = 90 * 24 * time.Hour, 2000, 10_000
	// pruneEvery is how often those that are too old or too many are looked for.
	pruneEvery = time.Hour
	// idempotencyAge is how long an Idempotency-Key is remembered.
	idempotencyAge = 24 * time.Hour
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

// audited makes a change that is recorded. It returns the record's path as an operation.
func (s *Server) audited(ctx context.Context, a act, change func() (outcome, error)) (operation string, err error) {
	if a.dryRun {
		_, err := change()
		return "", err
	}
	record := newRecord(ctx, a)
	err = audit.Do(ctx, s.own, record, func() (v1alpha1.AuditResult, error) {
		out, err := change()
		return resultOf(out, err), err
	})
	if errors.Is(err, audit.ErrNotRecorded) {
		logger(ctx).Error(err, "A change was refused because it cannot be recorded")
		return "", problem(CodeUnavailable, "the change cannot be recorded, and was not made")
	}
	return operationPath(record), err
}

// newRecord returns the record of what somebody wants to do.
func newRecord(ctx context.Context, a act) *v1alpha1.AuditRecord {
	caller := callOf(ctx).user
	record := &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
		User: caller.GetName(), Verb: a.verb, Resource: a.resource,
		Groups: slices.DeleteFunc(slices.Clone(caller.GetGroups()), func(group string) bool { return group == user.AllAuthenticated }),
		Token:  tokenOf(caller), Project: a.place.Project, Cluster: a.place.Cluster, Name: a.place.Name, Fields: a.fields,
	}}
	if a.resource == "projects" {
		record.Spec.Project = a.place.Name
	}
	if a.change != nil {
		record.Spec.ChangeHash = hashOf(string(a.change))
	}
	if a.key != "" {
		record.Labels = map[string]string{v1alpha1.LabelIdempotencyKey: idempotencyLabel(caller.GetName(), a)}
	}
	return record
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func idempotencyLabel(user string, a act) string {
	return hashOf(strings.Join([]string{user, a.verb, a.resource, a.place.Project, a.place.Cluster, a.key}, "\x00"))[:40]
}

// tokenOf returns what a login says of the credentials themselves.
func tokenOf(info user.Info) string {
	for _, key := range []string{login.ExtraToken, login.ExtraSession, user.CredentialIDKey} {
		if ids := info.GetExtra()[key]; len(ids) > 0 {
			return audit.Cut(ids[0], 512)
		}
	}
	return ""
}

func resultOf(result outcome, err error) v1alpha1.AuditResult {
	if err == nil {
		out := v1alpha1.AuditResult{Status: int32(result.status)}
		if result.object != nil {
			out.Name, out.UID, out.Generation = result.object.GetName(), string(result.object.GetUID()), result.object.GetGeneration()
		}
		return out
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = kubernetesProblem(err)
	}
	return v1alpha1.AuditResult{Status: int32(p.Status), Code: string(p.Code), Detail: audit.Cut(p.Detail, 1024)}
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
			err = errors.Join(err, s.pruneNamespace(ctx, v1alpha1.SystemNamespace, platformNumber, now.Add(-auditAge)))
			for i := range projects.Items {
				namespace := v1alpha1.ProjectNamespacePrefix + projects.Items[i].Name
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
