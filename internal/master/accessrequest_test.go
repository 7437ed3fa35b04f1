// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	useraccess "canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/machine"
)

func TestAccessRequests(t *testing.T) {
	c := newClusterTest(t, "access-request")
	clock := clocktesting.NewFakePassiveClock(time.Now())
	var answer error
	asked := 0
	r := &AccessRequestReconciler{Client: c.master, Seeds: c.Seeds, Clock: clock, sign: func(_ context.Context, at useraccess.Place, _ useraccess.Request, _ []byte) ([]byte, error) {
		if asked++; at.ID == "" || at.Seed == nil {
			t.Errorf("asked at %+v", at)
		}
		return []byte("a certificate"), answer
	}}
	request := func(name string, groups ...string) *v1alpha1.AccessRequest {
		t.Helper()
		csr, _, err := useraccess.NewRequest(useraccess.Request{User: "olga@example.com", Groups: groups})
		if err != nil {
			t.Fatal(err)
		}
		return create(t, c.master, &v1alpha1.AccessRequest{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.cluster.Namespace},
			Spec:       v1alpha1.AccessRequestSpec{Cluster: c.cluster.Name, User: "olga@example.com", Role: v1alpha1.CertificateAdmin, TTL: "1h", Request: string(csr)},
		})
	}
	step := func(req *v1alpha1.AccessRequest) metav1.Condition {
		t.Helper()
		get(t, c.master, req)
		_, _ = r.Reconcile(t.Context(), req)
		get(t, c.master, req)
		ready := meta.FindStatusCondition(req.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			t.Fatal("there is no Ready condition")
		}
		return *ready
	}
	good := request("good", useraccess.AdminGroup)
	if ready := step(good); ready.Reason != v1alpha1.ReasonSeedNotConnected {
		t.Errorf("before the cluster has a place: %+v", ready)
	}
	c.step()
	answer = errors.New("the API does not answer")
	if ready := step(good); ready.Reason != v1alpha1.ReasonUnreachable || !strings.Contains(ready.Message, "does not answer") {
		t.Errorf("a cluster that does not answer: %+v", ready)
	}
	answer = nil
	if ready := step(good); ready.Status != metav1.ConditionTrue || good.Status.Certificate != "a certificate" || good.Status.Expires == nil {
		t.Errorf("%+v, %+v", ready, good.Status)
	}
	before := asked
	step(good)
	for name, groups := range map[string][]string{"masters": {"system:masters"}, "more": {useraccess.AdminGroup, "x"}, "viewer": {"canopy:viewers"}, "none": nil} {
		bad := request(name, groups...)
		if ready := step(bad); ready.Reason != v1alpha1.ReasonInvalidSpec || bad.Status.Certificate != "" {
			t.Errorf("a request for %v: %+v", groups, ready)
		}
	}
	person := func(name string, of, asked []string) *v1alpha1.AccessRequest {
		t.Helper()
		req := request("not-used-"+name, asked...)
		return create(t, c.master, &v1alpha1.AccessRequest{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.cluster.Namespace},
			Spec: v1alpha1.AccessRequestSpec{
				Cluster: c.cluster.Name, User: req.Spec.User, Groups: of, Role: v1alpha1.CertificatePerson, TTL: "1h", Request: req.Spec.Request,
			},
		})
	}
	for name, groups := range map[string][]string{"more-than-its-own": {"staff", "admins"}, "less": nil, "administrators": {useraccess.AdminGroup}} {
		if bad := person(name, []string{"staff"}, groups); step(bad).Reason != v1alpha1.ReasonInvalidSpec || bad.Status.Certificate != "" {
			t.Errorf("a person's request for %v is signed", groups)
		}
	}
	// A machine's is only signed for one of the pool that waits, with what it is to run.
	ensureNamespace(t, c.seed, hostingv1alpha1.NamespacePrefix+c.cluster.Status.ID)
	for name, format := range map[string]machine.Format{"own-waits": machine.Script, "own-made": machine.CloudConfig} {
		create(t, c.seed, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: hostingv1alpha1.NamespacePrefix + c.cluster.Status.ID, Name: name, Labels: map[string]string{hostingv1alpha1.LabelPool: "own"}},
			Data:       map[string][]byte{machine.FormatKey: []byte(format), machine.UserDataKey: []byte("a script")},
		})
	}
	ofMachine := func(name, pool string) *v1alpha1.AccessRequest {
		t.Helper()
		spec := v1alpha1.AccessRequestSpec{Cluster: c.cluster.Name, User: "olga@example.com", Role: v1alpha1.CertificateMachine, Machine: name, NodePool: pool, TTL: "1h"}
		csr, _, err := useraccess.NewRequest(useraccess.RequestOf(spec))
		if err != nil {
			t.Fatal(err)
		}
		spec.Request = string(csr)
		return create(t, c.master, &v1alpha1.AccessRequest{ObjectMeta: metav1.ObjectMeta{Name: "m-" + name + "-" + pool, Namespace: c.cluster.Namespace}, Spec: spec})
	}
	for name, pool := range map[string]string{"own-waits": "another", "own-made": "own", "own-absent": "own"} {
		if bad := ofMachine(name, pool); step(bad).Reason != v1alpha1.ReasonInvalidSpec || bad.Status.Certificate != "" || bad.Status.Script != "" {
			t.Errorf("a request for machine %s of pool %s is signed", name, pool)
		}
	}
	if asked != before {
		t.Error("the cluster was asked to sign what must not be, or the same once more")
	}
	if own := ofMachine("own-waits", "own"); step(own).Status != metav1.ConditionTrue || own.Status.Certificate == "" || own.Status.Script == "" {
		t.Errorf("a machine that waits: %+v", own.Status)
	}
	// The encoding has an order of its own.
	if oneself := person("oneself", []string{"b", "aaa", "staff"}, []string{"staff", "b", "aaa"}); step(oneself).Status != metav1.ConditionTrue {
		t.Errorf("a person's own request: %+v", oneself.Status)
	}
	if err := c.master.Patch(t.Context(), good.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"ttl":"20h"}}`))); !apierrors.IsInvalid(err) {
		t.Errorf("changing a request: %v", err)
	}
	clock.SetTime(time.Now().Add(61 * time.Minute))
	if _, err := r.Reconcile(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if err := c.master.Get(t.Context(), client.ObjectKeyFromObject(good), good); !apierrors.IsNotFound(err) {
		t.Errorf("a request whose certificate has run out stays: %v", err)
	}
}
