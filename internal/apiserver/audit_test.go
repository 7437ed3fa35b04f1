// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// patch changes an object as the administrator of Kubernetes.
func (s *testServer) patch(t *testing.T, obj client.Object, body string) {
	t.Helper()
	if err := s.kube.Patch(t.Context(), obj, client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		t.Fatal(err)
	}
}

func TestEveryChangeIsRecorded(t *testing.T) {
	shared.project(t, "recorded", olga, ed, vera)
	editor, viewer := shared.as(t, ed.Name), shared.as(t, vera.Name)
	const clusters = "/api/v1/projects/recorded/clusters"
	editor.do(http.MethodPost, clusters, newCluster("shop"), "X-Request-Id", "my-request").is(t, http.StatusCreated)
	editor.do(http.MethodPost, clusters+"?dryRun=true", newCluster("dry")).is(t, http.StatusCreated)
	viewer.do(http.MethodDelete, clusters+"/shop", nil, "If-Match", "*").isProblem(t, CodeForbidden)
	editor.do(http.MethodPatch, clusters+"/shop", `{"spec":{"paused":true},"metadata":{"labels":{"password":"hunter2"}}}`, "If-Match", "*").is(t, http.StatusOK)

	type line struct {
		User, Verb, Resource, Name string
		Status                     int32
		Code                       string
		Fields                     []string
	}
	page := shared.as(t, olga.Name).get("/api/v1/projects/recorded/audit").is(t, http.StatusOK)
	if strings.Contains(string(page.body), "hunter2") {
		t.Error("what was sent is in the record")
	}
	records := into[List[v1alpha1.AuditRecord]](t, page)
	var got []line
	for _, r := range records.Items {
		if r.Result == nil {
			t.Fatalf("not complete: %+v", r)
		}
		got = append(got, line{r.Spec.User, r.Spec.Verb, r.Spec.Resource, r.Spec.Name, r.Result.Status, r.Result.Code, r.Spec.Fields})
	}
	want := []line{
		{ed.Name, "patch", "clusters", "shop", 200, "", []string{"metadata.labels", "spec.paused"}},
		{vera.Name, "delete", "clusters", "shop", 403, "ERR_FORBIDDEN", nil},
		{ed.Name, "create", "clusters", "shop", 201, "", nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if first := records.Items[2].Spec; first.RequestID != "my-request" || first.ChangeHash == "" || first.Source == "" {
		t.Errorf("the first is %+v", first)
	}

	t.Run("in pages and lines", func(t *testing.T) {
		var names []string
		for next := "/api/v1/projects/recorded/audit?pageSize=2"; ; {
			page := into[List[v1alpha1.AuditRecord]](t, viewer.get(next).is(t, http.StatusOK))
			for _, r := range page.Items {
				names = append(names, r.Name)
			}
			if page.TotalSize != 3 {
				t.Errorf("there are %d in all", page.TotalSize)
			}
			if page.NextPageToken == "" {
				break
			}
			next = "/api/v1/projects/recorded/audit?pageSize=2&pageToken=" + page.NextPageToken
		}
		lines := strings.Split(strings.TrimSpace(string(viewer.get("/api/v1/projects/recorded/audit/export").is(t, http.StatusOK).body)), "\n")
		if len(names) != 3 || len(lines) != 3 || !strings.Contains(lines[0], names[0]) {
			t.Errorf("names %v, lines %v", names, lines)
		}
		for query, want := range map[string]int{
			"user=ed@example.com": 2, "user=ed@example.com&verb=create": 1, "failed=true": 1, "resource=clusters&name=shop": 3, "name=none": 0,
			"since=" + records.Items[1].Spec.Time.UTC().Format(time.RFC3339Nano): 2, "until=" + records.Items[1].Spec.Time.UTC().Format(time.RFC3339Nano): 1,
		} {
			first := into[List[v1alpha1.AuditRecord]](t, viewer.get("/api/v1/projects/recorded/audit?pageSize=1&"+query).is(t, http.StatusOK))
			all := first.Items
			for token := first.NextPageToken; token != ""; {
				page := into[List[v1alpha1.AuditRecord]](t, viewer.get("/api/v1/projects/recorded/audit?pageSize=1&pageToken="+token+"&"+query).is(t, http.StatusOK))
				all, token = append(all, page.Items...), page.NextPageToken
			}
			if len(all) != want || first.TotalSize != want {
				t.Errorf("%s: %d of %d records, want %d", query, len(all), first.TotalSize, want)
			}
		}
		viewer.get("/api/v1/projects/recorded/audit?pageToken=bm9uZQ").isProblem(t, CodeInvalid)
		shared.as(t, "eve@example.com").get("/api/v1/projects/recorded/audit").isProblem(t, CodeForbidden)
		viewer.get("/api/v1/audit").isProblem(t, CodeForbidden)
	})

	t.Run("nobody changes them", func(t *testing.T) {
		record := &records.Items[0]
		record.Spec.User = "mallory@example.com"
		if err := shared.kube.Update(t.Context(), record.DeepCopy()); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("changed by an administrator: %v", err)
		}
		forged := &v1alpha1.AuditRecord{ObjectMeta: metav1.ObjectMeta{Name: "forged", Namespace: record.Namespace}, Spec: record.Spec}
		if err := shared.kube.Create(t.Context(), forged); !apierrors.IsForbidden(err) {
			t.Errorf("made by an administrator: %v", err)
		}
		if err := shared.kube.Delete(t.Context(), record.DeepCopy()); !apierrors.IsForbidden(err) {
			t.Errorf("deleted by an administrator: %v", err)
		}
		if err := shared.own.Update(t.Context(), record.DeepCopy()); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("changed by the server: %v", err)
		}
	})

	t.Run("the oldest go", func(t *testing.T) {
		if err := shared.pruneNamespace(t.Context(), "project-recorded", 2, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		left := into[List[v1alpha1.AuditRecord]](t, viewer.get("/api/v1/projects/recorded/audit").is(t, http.StatusOK))
		if len(left.Items) != 2 || left.Items[0].Name != records.Items[0].Name {
			t.Errorf("left are %+v", left.Items)
		}
	})
}

func TestTheSameRequestTwice(t *testing.T) {
	shared.project(t, "twice", ed)
	editor := shared.as(t, ed.Name)
	const clusters = "/api/v1/projects/twice/clusters"
	first := editor.do(http.MethodPost, clusters, newCluster("shop"), "Idempotency-Key", "a").is(t, http.StatusCreated)
	again := editor.do(http.MethodPost, clusters, newCluster("shop"), "Idempotency-Key", "a").is(t, http.StatusCreated)
	if again.Header.Get("Idempotent-Replayed") != "true" || again.Header.Get("Location") != first.Header.Get("Location") ||
		into[v1alpha1.Cluster](t, again).UID != into[v1alpha1.Cluster](t, first).UID {
		t.Errorf("the second answer is %v %s", again.Header, again.body)
	}
	editor.do(http.MethodPost, clusters, newCluster("other"), "Idempotency-Key", "a").isProblem(t, CodeKeyReused)
	editor.do(http.MethodPost, clusters, newCluster("shop"), "Idempotency-Key", "b").isProblem(t, CodeAlreadyExists)
	editor.do(http.MethodPost, clusters, newCluster("shop")).isProblem(t, CodeAlreadyExists)
}

func TestOperations(t *testing.T) {
	shared.project(t, "operations", ed, vera)
	editor, viewer := shared.as(t, ed.Name), shared.as(t, vera.Name)
	created := editor.do(http.MethodPost, "/api/v1/projects/operations/clusters", newCluster("shop")).is(t, http.StatusCreated)
	path := created.Header.Get("Operation-Location")
	var op Operation
	eventually(t, "the operation says what it waits for", func(context.Context) bool {
		op = into[Operation](t, viewer.get(path).is(t, http.StatusOK))
		return len(op.Errors) > 0
	})
	if op.Type != "Create" || op.State != OperationRunning || op.Name != "shop" || op.User != ed.Name || !strings.Contains(op.Message, v1alpha1.ReasonDatacenterMissing) || op.TypicalSeconds == 0 {
		t.Errorf("it is %+v", op)
	}
	if list := into[List[Operation]](t, viewer.get("/api/v1/projects/operations/operations").is(t, http.StatusOK)); len(list.Items) != 1 || list.Items[0].ID != op.ID {
		t.Errorf("the list is %+v", list)
	}
	deleted := editor.do(http.MethodDelete, "/api/v1/projects/operations/clusters/shop", nil, "If-Match", "*").is(t, http.StatusAccepted)
	eventually(t, "the deletion is done", func(context.Context) bool {
		return into[Operation](t, viewer.get(deleted.Header.Get("Operation-Location")).is(t, http.StatusOK)).State == OperationSucceeded
	})
	if op := into[Operation](t, viewer.get(path).is(t, http.StatusOK)); op.State != OperationSuperseded {
		t.Errorf("the creation of what is gone is %+v", op)
	}
	key := `{"metadata":{"name":"ada"},"spec":{"publicKey":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1"}}`
	created = editor.do(http.MethodPost, "/api/v1/projects/operations/sshkeys", key).is(t, http.StatusCreated)
	eventually(t, "the key is ready", func(context.Context) bool {
		return into[Operation](t, viewer.get(created.Header.Get("Operation-Location")).is(t, http.StatusOK)).State == OperationSucceeded
	})
}

func TestOperationOf(t *testing.T) {
	start := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	record := func(verb string, result *v1alpha1.AuditResult) *v1alpha1.AuditRecord {
		return &v1alpha1.AuditRecord{
			ObjectMeta: metav1.ObjectMeta{Name: "a"}, Result: result,
			Spec: v1alpha1.AuditRecordSpec{Time: metav1.NewMicroTime(start), Verb: verb, Resource: "clusters", Project: "p", Name: "shop"},
		}
	}
	done := &v1alpha1.AuditResult{Status: 200, UID: "1", Generation: 2}
	cluster := func(uid string, observed int64, status metav1.ConditionStatus) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "1", CreationTimestamp: metav1.NewTime(start)}}
		if uid != "1" {
			c.UID = "2"
			c.CreationTimestamp = metav1.NewTime(start.Add(time.Minute))
		}
		c.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: "WaitingForNodes", ObservedGeneration: observed, LastTransitionTime: metav1.NewTime(start.Add(9 * time.Second))}}
		c.Status.ID = "abc"
		return c
	}
	tests := map[string]struct {
		record  *v1alpha1.AuditRecord
		cluster *v1alpha1.Cluster
		state   OperationState
		elapsed int64
	}{
		"one that was refused":                     {record("patch", &v1alpha1.AuditResult{Status: 403, Code: "ERR_FORBIDDEN"}), cluster("1", 2, metav1.ConditionTrue), OperationFailed, 0},
		"one whose server has died":                {record("patch", nil), cluster("1", 2, metav1.ConditionTrue), OperationFailed, 0},
		"one that nobody has looked at":            {record("patch", done), cluster("1", 1, metav1.ConditionTrue), OperationRunning, 60},
		"one that goes on":                         {record("patch", done), cluster("1", 2, metav1.ConditionFalse), OperationRunning, 60},
		"one that is done":                         {record("patch", done), cluster("1", 3, metav1.ConditionTrue), OperationSucceeded, 9},
		"one on what is gone":                      {record("patch", done), nil, OperationSuperseded, 0},
		"one on what was made anew":                {record("patch", done), cluster("2", 3, metav1.ConditionTrue), OperationSuperseded, 0},
		"a deletion that goes on":                  {record("delete", &v1alpha1.AuditResult{Status: 202}), cluster("1", 2, metav1.ConditionFalse), OperationRunning, 60},
		"a deletion that is done":                  {record("delete", &v1alpha1.AuditResult{Status: 202}), nil, OperationSucceeded, 0},
		"a deletion after which it was made again": {record("delete", &v1alpha1.AuditResult{Status: 202}), cluster("2", 2, metav1.ConditionTrue), OperationSucceeded, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			op := doOperation(tc.record, tc.cluster, start.Add(time.Minute))
			if op.State != tc.state || op.ElapsedSeconds != tc.elapsed {
				t.Errorf("it is %+v, want %s after %d s", op, tc.state, tc.elapsed)
			}
		})
	}
}

func doOperation(record *v1alpha1.AuditRecord, cluster *v1alpha1.Cluster, now time.Time) Operation {
	if cluster == nil {
		return operationOf(record, nil, now)
	}
	return operationOf(record, cluster, now)
}
