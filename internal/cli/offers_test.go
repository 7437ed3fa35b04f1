// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
)

func TestWhatACloudOffers(t *testing.T) {
	term := ready(t)
	credentials := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hetzner", Namespace: v1alpha1.SystemNamespace}, StringData: map[string]string{"key": "bad"}}
	for _, obj := range []client.Object{
		credentials,
		&v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "hetzner"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderHetzner, SecretName: "hetzner"}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "helsinki"}, Spec: v1alpha1.DatacenterSpec{
			Seed: "none", Provider: hostingv1alpha1.Place{Hetzner: &hostingv1alpha1.HetznerPlace{Location: "hel1"}},
		}},
	} {
		if err := onMaster.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = onMaster.Delete(context.Background(), obj) })
	}
	// The master finds out by itself whether the credentials are good, and again when they change.
	until := func(what string, args []string, parts ...string) {
		t.Helper()
		var got result
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
			got = term.run("", args...)
			for _, part := range parts {
				if !strings.Contains(got.out+got.err, part) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			t.Fatalf("%s: %s%s", what, got.out, got.err)
		}
	}
	until("bad credentials", []string{"get", "presets", "-o", "wide"}, "InfraUnauthorized", "never", "datacenter helsinki: POST /firewalls: this key may not create firewalls")
	sizes := []string{"get", "sizes", "-p", "shop", "--datacenter", "helsinki"}
	until("what bad credentials get", sizes, "ERR_INFRA_UNAUTHORIZED", "may not create firewalls", "Have an administrator", "for the operator")
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"stringData":{"key":"good"}}`))
	if err := onMaster.Patch(t.Context(), credentials, patch); err != nil {
		t.Fatal(err)
	}
	until("good credentials", []string{"get", "preset", "hetzner"}, "Ready", "s ago")
	want := "NAME   CPUS   MEMORY   GPUS   DISK   PRICE-PER-HOUR   ARCHITECTURE\n" +
		"cx23   2      4Gi      -      40Gi   0.006 EUR        -\n" +
		"cx33   4      8Gi      -      80Gi   -                -\n"
	if diff := cmp.Diff(want, term.does(output.ExitOK, sizes...).out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	has(t, term.does(output.ExitOK, "get", "regions", "-p", "shop", "--datacenter", "helsinki", "--preset", "hetzner").out, "fsn1", "Helsinki")
	has(t, term.does(output.ExitOK, "get", "size", "cx33", "-p", "shop", "--datacenter", "helsinki", "-o", "jsonpath=.cpus").out, "4")
	has(t, term.does(output.ExitOK, "get", "networks", "-p", "shop", "--datacenter", "helsinki").err, "There are no networks")

	got := term.does(output.ExitOK, "render", "cluster", "big", "-p", "shop", "--datacenter", "helsinki", "--preset", "hetzner", "--version", "1.37.2", "--machine", "size=cx33,os=debian").out
	has(t, got, "serverType: cx33", "operatingSystem: debian", "preset: hetzner")
	has(t, term.does(output.ExitUsage, "render", "cluster", "big", "-p", "shop", "--datacenter", "helsinki", "--version", "1.37.2").err, "get sizes --datacenter helsinki")
	has(t, term.does(output.ExitOK, "__complete", "create", "cluster", "big", "-p", "shop", "--datacenter", "helsinki", "--machine", "os=debian,size=cx").out, "os=debian,size=cx23\n", "os=debian,size=cx33\n")
	has(t, term.does(output.ExitOK, "__complete", "create", "cluster", "big", "-p", "shop", "--datacenter", "helsinki", "--machine", "").out, "image=\nos=\nsize=\n")
}

func TestWhatMachinesAreInShort(t *testing.T) {
	for text, tc := range map[string]struct{ provider, want, wrong string }{
		"size=t3.large,disk=100,os=debian,zone=us-east-2a": {"aws", `{"diskGiB":100,"instanceType":"t3.large","operatingSystem":"debian","zone":"us-east-2a"}`, ""},
		"instanceType=t3.large,publicIP=false,spot=true":   {"aws", `{"instanceType":"t3.large","publicIP":false,"spot":{}}`, ""},
		"size=Standard_D2s_v5,zone=1":                      {"azure", `{"size":"Standard_D2s_v5","zone":"1"}`, ""},
		"size=e2-standard-2,spot=true":                     {"gcp", `{"machineType":"e2-standard-2","spot":true}`, ""},
		"size=m1.medium,zone=nova":                         {"openstack", `{"availabilityZone":"nova","flavor":"m1.medium"}`, ""},
		"cpu=4,memory=8Gi,disk=40Gi":                       {"vsphere", `{"cpus":4,"diskGiB":40,"memoryMiB":8192}`, ""},
		"cpu=2,memory=4Gi":                                 {"local", `{"resources":{"limits":{"cpu":"2","memory":"4Gi"}}}`, ""},
		"":                                                 {"local", `{}`, ""},
		"size=cx23,disk=50":                                {"hetzner", "", `machines at hetzner have no "disk"; they have image, os, size`},
		"t3.large":                                         {"aws", "", "is not NAME=VALUE"},
		"size=a,disk=much":                                 {"aws", "", "diskGiB is a number"},
		"size=a,publicIP=perhaps":                          {"aws", "", "publicIP is true or false"},
		"cpu=1,memory=1Gi,addresses=192.0.2.1":             {"vsphere", "", "write --machine as JSON"},
		"size=large":                                       {"local", "", "local machines have cpu and memory"},
		"cpu=two":                                          {"local", "", "is a quantity"},
	} {
		t.Run(text, func(t *testing.T) {
			block, err := machineBlock(tc.provider, text)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("the error is %v, want %q", err, tc.wrong)
				}
				return
			}
			got, marshalErr := json.Marshal(block)
			if diff := cmp.Diff(tc.want, string(got)); err != nil || marshalErr != nil || diff != "" {
				t.Errorf("%v, %v (-want +got):\n%s", err, marshalErr, diff)
			}
		})
	}
}

func TestWhatTheAPITellsBesides(t *testing.T) {
	var told strings.Builder
	s := &session{err: &told}
	s.told(http.Header{
		"Warning":      {`299 canopy "spec.preset: \"aws\" is not verified"`, "something else"},
		"Quota-Effect": {`{"hard":{"clusters":5,"cpu":"16","memory":"32Gi"},"used":{"clusters":3,"cpu":"6","nodes":7}}`},
	})
	s.told(http.Header{"Quota-Effect": {`{"hard":{},"used":{"clusters":3}}`}})
	want := "Warning: spec.preset: \"aws\" is not verified\nWarning: something else\n" +
		"Of the project's quota would be used: clusters 3 of 5, cpu 6 of 16, memory 0 of 32Gi\n"
	if diff := cmp.Diff(want, told.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
