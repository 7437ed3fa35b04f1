// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// testCloud offers two sizes to whoever has the right key. It belongs to the shared server.
type testCloud struct {
	machine.Cloud

	asked atomic.Int32
}

func (c *testCloud) Offers(_ context.Context, a machine.Account) (machine.Offers, error) {
	c.asked.Add(1)
	switch key := string(a.Credentials["key"]); key {
	case "good":
		return machine.Offers{
			Places: []machine.Offer{{Name: a.Place.Hetzner.Location}},
			Sizes: []machine.Size{
				{Offer: machine.Offer{Name: "cx23"}, CPUs: 2, Memory: quantity.MustParse("4Gi"), PricePerHour: "0.006", Currency: "EUR", Architecture: "amd64"},
				{Offer: machine.Offer{Name: "cx33"}, CPUs: 4, Memory: quantity.MustParse("8Gi"), Disk: quantity.MustParse("80Gi")},
			},
		}, nil
	case "broken":
		return machine.Offers{}, errors.New("connection reset by peer")
	default:
		return machine.Offers{}, &machine.RefusedError{Reason: key, Message: "GET /server_types: no"}
	}
}

var cloud = &testCloud{}

func TestWhatACloudOffers(t *testing.T) {
	shared.project(t, "offers", ed, vera)
	create := func(obj client.Object) {
		t.Helper()
		if err := shared.kube.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	preset := func(name, key string, projects ...string) {
		t.Helper()
		create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "offers-" + name, Namespace: v1alpha1.SystemNamespace}, StringData: map[string]string{"key": key}})
		create(&v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "offers-" + name}, Spec: v1alpha1.PresetSpec{
			Provider: hostingv1alpha1.ProviderHetzner, SecretName: "offers-" + name, Projects: projects,
		}})
	}
	fsn := hostingv1alpha1.Place{Hetzner: &hostingv1alpha1.HetznerPlace{Location: "fsn1"}}
	create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "offers-fsn"}, Spec: v1alpha1.DatacenterSpec{Seed: "none", Provider: fsn}})
	create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "offers-closed"}, Spec: v1alpha1.DatacenterSpec{Seed: "none", Provider: fsn, Projects: []string{"others"}}})
	create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "offers-local"}, Spec: v1alpha1.DatacenterSpec{Seed: "none", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}})
	preset("good", "good")
	preset("same", "good")
	preset("closed", "good", "others")
	editor := shared.as(t, ed.Name)
	path := func(preset, datacenter string) string {
		return "/api/v1/projects/offers/presets/offers-" + preset + "/offers?datacenter=offers-" + datacenter
	}
	eventually(t, "the editor sees presets and datacenters", func(context.Context) bool { return editor.get(path("good", "fsn")).StatusCode == http.StatusOK })

	before := cloud.asked.Load()
	got := editor.get(path("good", "fsn")).is(t, http.StatusOK)
	want := `{"places":[{"name":"fsn1"}],"sizes":[` +
		`{"name":"cx23","cpus":2,"memory":"4Gi","pricePerHour":"0.006","currency":"EUR","architecture":"amd64"},` +
		`{"name":"cx33","cpus":4,"memory":"8Gi","disk":"80Gi"}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(string(got.body))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	eventually(t, "the other preset is known", func(context.Context) bool { return editor.get(path("same", "fsn")).StatusCode == http.StatusOK })
	if asked := cloud.asked.Load(); asked != before {
		t.Errorf("the cloud was asked %d times for what is known", asked-before)
	}

	shared.as(t, vera.Name).get(path("good", "fsn")).isProblem(t, CodeForbidden) // a viewer uses no presets
	for name, tc := range map[string]struct {
		preset, datacenter string
		code               Code
	}{
		"a preset of other projects":       {"closed", "fsn", CodeForbidden},
		"a datacenter of other projects":   {"good", "closed", CodeForbidden},
		"a datacenter of another provider": {"good", "local", CodeInvalid},
	} {
		if p := editor.get(path(tc.preset, tc.datacenter)).isProblem(t, tc.code); p.Owner != ownerUser {
			t.Errorf("%s is for the %s to solve", name, p.Owner)
		}
	}
}

func TestWhatACloudRefusesHasACode(t *testing.T) {
	shared.project(t, "refusing", ed)
	if err := shared.kube.Create(t.Context(), &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "refusing"}, Spec: v1alpha1.DatacenterSpec{
		Seed: "none", Provider: hostingv1alpha1.Place{Hetzner: &hostingv1alpha1.HetznerPlace{Location: "hel1"}},
	}}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "refusing", Namespace: v1alpha1.SystemNamespace}}
	if err := shared.kube.Create(t.Context(), &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "refusing"}, Spec: v1alpha1.PresetSpec{
		Provider: hostingv1alpha1.ProviderHetzner, SecretName: secret.Name,
	}}); err != nil {
		t.Fatal(err)
	}
	editor := shared.as(t, ed.Name)
	ask := func() answer {
		return editor.get("/api/v1/projects/refusing/presets/refusing/offers?datacenter=refusing")
	}
	eventually(t, "the editor sees the preset", func(context.Context) bool { return ask().StatusCode == http.StatusConflict })
	if p := ask().isProblem(t, CodeInfraUnauthenticated); !strings.Contains(p.Detail, "Secret of preset refusing is missing") {
		t.Errorf("without the Secret: %s", p.Detail)
	}
	if err := shared.kube.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	for reason, code := range cloudCodes {
		shared.patch(t, secret, `{"stringData":{"key":"`+reason+`"}}`)
		if p := ask().isProblem(t, code); !strings.Contains(p.Detail, "datacenter refusing: GET /server_types: no") {
			t.Errorf("%s: %s", reason, p.Detail)
		}
	}
	shared.patch(t, secret, `{"stringData":{"key":"broken"}}`)
	ask().isProblem(t, CodeInfraUnavailable)
}
