// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

func TestServicesGetAddressesOfTheirOwn(t *testing.T) {
	c, err := client.New(&config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{Client: c, live: c, pool: netip.MustParsePrefix("198.51.100.0/30")}
	step := func(s *corev1.Service) string {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Reconcile(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
			t.Fatal(err)
		}
		if a := Address(s, r.pool); a.IsValid() {
			return a.String()
		}
		return ""
	}
	var services []*corev1.Service
	var got []string
	for _, name := range []string{"a", "b", "c", "d"} {
		s := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		if err := c.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), s) })
		services = append(services, s)
		got = append(got, step(s))
	}
	if want := []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", ""}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if again := step(services[1]); again != "198.51.100.2" {
		t.Errorf("an address changed: %s", again)
	}
	services[1].Spec.Type = corev1.ServiceTypeNodePort
	if err := c.Update(t.Context(), services[1]); err != nil {
		t.Fatal(err)
	}
	if kept := step(services[1]); kept != "" {
		t.Errorf("a Service that wants no load balancer has %s", kept)
	}
	if freed := step(services[3]); freed != "198.51.100.2" {
		t.Errorf("the freed address was not handed out again: %q", freed)
	}
}
