// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// verifier is a cloud where credentials are good whose key is, everywhere but in zz1.
type verifier struct {
	machine.Cloud

	asked []string
}

func (v *verifier) Verify(_ context.Context, a machine.Account) error {
	location := a.Place.Hetzner.Location
	v.asked = append(v.asked, location)
	switch key := string(a.Credentials["key"]); {
	case key == "down" || location == "zz1":
		return errors.New("connection reset by peer")
	case key != "good":
		return &machine.RefusedError{Reason: hostingv1alpha1.ReasonUnauthorized, Message: "this key may not create firewalls"}
	}
	return nil
}

// TestPresetsSayWhetherTheirCredentialsAreGood goes through the life of one.
func TestPresetsSayWhetherTheirCredentialsAreGood(t *testing.T) {
	c := newClient(t, &masterConfig)
	ensureNamespace(t, c, v1alpha1.SystemNamespace)
	cloud := &verifier{}
	r := &PresetReconciler{Client: c, Clouds: map[hostingv1alpha1.ProviderName]machine.Cloud{hostingv1alpha1.ProviderHetzner: cloud}, Clock: clock.RealClock{}}
	preset := create(t, c, &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "verified"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderHetzner, SecretName: "verified"}})
	purge(t, c, preset)
	step := func(status metav1.ConditionStatus, reason, message string) reconcile.Result {
		t.Helper()
		get(t, c, preset)
		result, err := r.Reconcile(t.Context(), preset)
		if err != nil {
			t.Fatal(err)
		}
		get(t, c, preset)
		ready := meta.FindStatusCondition(preset.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != status || ready.Reason != reason || !strings.Contains(ready.Message, message) {
			t.Fatalf("Ready is %+v, want %s, %s, %q", ready, status, reason, message)
		}
		return result
	}
	datacenter := func(name, location string) client.Object {
		dc := create(t, c, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatacenterSpec{
			Seed: "none", Provider: hostingv1alpha1.Place{Hetzner: &hostingv1alpha1.HetznerPlace{Location: location}},
		}})
		purge(t, c, dc)
		return dc
	}

	step(metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "no Secret verified in the namespace canopy-system")
	secret := create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "verified", Namespace: v1alpha1.SystemNamespace}, StringData: map[string]string{"key": "bad"}})
	purge(t, c, secret)
	step(metav1.ConditionUnknown, v1alpha1.ReasonDatacenterMissing, "hetzner")
	first := datacenter("verified-a", "fsn1")
	datacenter("verified-b", "fsn1")
	datacenter("verified-c", "nbg1")
	step(metav1.ConditionFalse, hostingv1alpha1.ReasonUnauthorized, "datacenter verified-a, verified-b, verified-c: this key may not create firewalls")
	if got := strings.Join(cloud.asked, " "); got != "fsn1 nbg1" {
		t.Errorf("the cloud is asked at %s", got)
	}
	change(t, c, secret, func() { secret.StringData = map[string]string{"key": "down"} })
	step(metav1.ConditionUnknown, v1alpha1.ReasonUnreachable, "datacenter verified-a, verified-b, verified-c: the provider does not answer")
	if preset.Status.Verified != nil {
		t.Error("credentials that were never good are verified")
	}
	change(t, c, secret, func() { secret.StringData = map[string]string{"key": "good"} })
	result := step(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	if preset.Status.Verified == nil || result.RequeueAfter < verifiedFor {
		t.Errorf("verified %v, and again after %s", preset.Status.Verified, result.RequeueAfter)
	}
	datacenter("verified-d", "zz1")
	if result := step(metav1.ConditionUnknown, v1alpha1.ReasonUnreachable, "datacenter verified-d: "); result.RequeueAfter > 2*unreachableFor {
		t.Errorf("one that does not answer is asked again after %s", result.RequeueAfter)
	}

	woken := &PresetReconciler{Client: indexed(t)}
	for what, requests := range map[string][]reconcile.Request{"its Secret": woken.ofSecret(t.Context(), secret), "a Datacenter of its provider": woken.ofDatacenter(t.Context(), first)} {
		if len(requests) != 1 || requests[0].Name != preset.Name {
			t.Errorf("%s wakes %v", what, requests)
		}
	}
	r.Clouds = nil
	step(metav1.ConditionUnknown, v1alpha1.ReasonProviderMissing, "hetzner")
}
