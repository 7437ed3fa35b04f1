// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package api_test asks a real API server which objects it takes: the rules are in the CRDs.
package api_test

import (
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	canopyv1alpha1 "canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

func newClient(t *testing.T) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme, canopyv1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(&config, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func cluster(t *testing.T, spec string) *v1alpha1.HostedCluster {
	t.Helper()
	hc := &v1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{GenerateName: "c", Namespace: "default"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &hc.Spec); err != nil {
		t.Fatal(err)
	}
	return hc
}

func TestDefaults(t *testing.T) {
	hc := cluster(t, `{version: 1.37.2, nodePools: [{name: a, provider: {local: {}}}]}`)
	if err := newClient(t).Create(t.Context(), hc); err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(hc.Spec)
	if err != nil {
		t.Fatal(err)
	}
	want := `apiServer: {}
controllerManager: {}
coreDNS:
  replicas: 1
encryption:
  rotation: 1
etcd:
  storage: 2Gi
expose: {}
monitoring:
  enabled: true
network:
  agentAddress: 198.18.77.1
  dnsDomain: cluster.local
  podCIDR: 172.25.0.0/16
  serviceCIDR: 10.240.16.0/20
  tunnel: OpenVPN
  tunnelCIDR: 169.254.88.0/28
nodePools:
- name: a
  provider:
    local:
      resources: {}
  replicas: 1
profile: Compact
scheduler: {}
version: 1.37.2
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCreateRejects(t *testing.T) {
	tests := map[string]struct{ spec, want string }{
		"a version with a leading v":       {`{version: v1.37.2}`, "spec.version"},
		"a version without a patch":        {`{version: "1.37"}`, "spec.version"},
		"a malformed range of pods":        {`{version: 1.37.2, network: {podCIDR: 10.0.0.0}}`, "must be an IPv4 range"},
		"a range with host bits":           {`{version: 1.37.2, network: {podCIDR: 10.0.0.1/16}}`, "must be an IPv4 range"},
		"an IPv6 range":                    {`{version: 1.37.2, network: {serviceCIDR: "fd00::/108"}}`, "must be an IPv4 range"},
		"a range too small for nodes":      {`{version: 1.37.2, network: {podCIDR: 10.0.0.0/24}}`, "each node takes a /24"},
		"overlapping ranges":               {`{version: 1.37.2, network: {podCIDR: 10.0.0.0/16, serviceCIDR: 10.0.16.0/20}}`, "podCIDR and serviceCIDR must not overlap"},
		"pods in the tunnel's range":       {`{version: 1.37.2, network: {podCIDR: 10.0.0.0/16, tunnelCIDR: 10.0.16.0/24}}`, "podCIDR and tunnelCIDR must not overlap"},
		"services in the tunnel's range":   {`{version: 1.37.2, network: {serviceCIDR: 10.0.0.0/20, tunnelCIDR: 10.0.0.0/16}}`, "serviceCIDR and tunnelCIDR must not overlap"},
		"nodes in the pods' range":         {`{version: 1.37.2, network: {podCIDR: 10.0.0.0/16, nodeCIDRs: [192.168.0.0/24, 10.0.3.0/24]}}`, "podCIDR and nodeCIDRs must not overlap"},
		"nodes in the services' range":     {`{version: 1.37.2, network: {serviceCIDR: 10.0.0.0/20, nodeCIDRs: [10.0.0.0/8]}}`, "serviceCIDR and nodeCIDRs must not overlap"},
		"nodes in the tunnel's range":      {`{version: 1.37.2, network: {nodeCIDRs: [169.254.0.0/16]}}`, "tunnelCIDR and nodeCIDRs must not overlap"},
		"a malformed range of nodes":       {`{version: 1.37.2, network: {nodeCIDRs: [10.0.0.1/8]}}`, "each must be an IPv4 range"},
		"an unknown tunnel":                {`{version: 1.37.2, network: {tunnel: WireGuard}}`, "Unsupported value"},
		"an agent in the pods' range":      {`{version: 1.37.2, network: {podCIDR: 198.18.0.0/16}}`, "agentAddress must not be in podCIDR"},
		"an agent in the services' range":  {`{version: 1.37.2, network: {agentAddress: 10.240.16.5}}`, "agentAddress must not be in serviceCIDR"},
		"an agent in the tunnel's range":   {`{version: 1.37.2, network: {agentAddress: 10.9.0.5, tunnelCIDR: 10.9.0.0/28}}`, "agentAddress must not be in tunnelCIDR"},
		"an agent among the nodes":         {`{version: 1.37.2, network: {nodeCIDRs: [10.0.0.0/16, 198.18.64.0/18]}}`, "agentAddress must not be in one of nodeCIDRs"},
		"an agent that is no endpoint":     {`{version: 1.37.2, network: {agentAddress: 169.254.77.1}}`, "Kubernetes takes no link-local or loopback address"},
		"a node port behind a gateway":     {`{version: 1.37.2, expose: {strategy: Gateway, port: 31000}}`, "port is for the strategy NodePort"},
		"a pool with negative replicas":    {`{version: 1.37.2, nodePools: [{name: a, replicas: -1, provider: {local: {}}}]}`, "should be greater than or equal to 0"},
		"a range that is none":             {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {minReplicas: 3, maxReplicas: 2}, provider: {local: {}}}]}`, "minReplicas must not be more than maxReplicas"},
		"a range below zero":               {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {minReplicas: -1, maxReplicas: 2}, provider: {local: {}}}]}`, "should be greater than or equal to 0"},
		"a range of no machines":           {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {minReplicas: 0, maxReplicas: 0}, provider: {local: {}}}]}`, "maxReplicas"},
		"a range without an end":           {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {minReplicas: 1}, provider: {local: {}}}]}`, "maxReplicas: Required value"},
		"a range without a beginning":      {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {maxReplicas: 1}, provider: {local: {}}}]}`, "minReplicas: Required value"},
		"scaling somebody's own machines":  {`{version: 1.37.2, nodePools: [{name: a, autoscaling: {minReplicas: 0, maxReplicas: 2}, provider: {bringYourOwn: {}}}]}`, "autoscaling is for machines that Canopy makes"},
		"a pool without a provider":        {`{version: 1.37.2, nodePools: [{name: a, provider: {}}]}`, "should have at least 1 properties"},
		"two pools of one name":            {`{version: 1.37.2, nodePools: [{name: a, provider: {local: {}}}, {name: a, provider: {local: {}}}]}`, "Duplicate value"},
		"a pool newer than the API":        {`{version: 1.36.3, nodePools: [{name: a, version: 1.37.2, provider: {local: {}}}]}`, "upgrade the control plane first"},
		"a pool of a newer patch":          {`{version: 1.36.3, nodePools: [{name: a, version: 1.36.4, provider: {local: {}}}]}`, "upgrade the control plane first"},
		"a pool more than 3 minors behind": {`{version: 1.37.2, nodePools: [{name: a, version: 1.33.0, provider: {local: {}}}]}`, "upgrade the pool first"},
		"an unknown profile":               {`{version: 1.37.2, profile: Huge}`, "Unsupported value"},
		"a tiny etcd":                      {`{version: 1.37.2, etcd: {storage: 1Mi}}`, "at least 512Mi"},
		"a port out of range":              {`{version: 1.37.2, expose: {port: 70000}}`, "less than or equal to 65535"},
		"access of Kubernetes' own group":  {`{version: 1.37.2, access: [{kind: Group, name: "system:authenticated", role: Owner}]}`, "Kubernetes' own"},
		"access of a service account":      {`{version: 1.37.2, access: [{kind: ServiceAccount, name: a, role: Owner}]}`, "Unsupported value"},
		"a key that is none":               {`{version: 1.37.2, sshKeys: ["ssh-ed25519 AAAA a\nb"]}`, "spec.sshKeys[0]"},
		"a key with a command":             {`{version: 1.37.2, sshKeys: ['command="sh" ssh-ed25519 AAAA']}`, "spec.sshKeys[0]"},
		"a rotation before the first":      {`{version: 1.37.2, encryption: {rotation: -1}}`, "greater than or equal to 1"},
		"a name that is no address":        {`{version: 1.37.2, apiServer: {certSANs: ["not a name"]}}`, "certSANs"},
	}
	c := newClient(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := c.Create(t.Context(), cluster(t, tc.spec))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want an error with %q, got %v", tc.want, err)
			}
		})
	}
	t.Run("a name too long", func(t *testing.T) {
		hc := cluster(t, `{version: 1.37.2}`)
		hc.Name = strings.Repeat("a", 41)
		if err := c.Create(t.Context(), hc); err == nil || !strings.Contains(err.Error(), "at most 40") {
			t.Errorf("want an error about the name, got %v", err)
		}
	})
}

func TestUpdateRejects(t *testing.T) {
	tests := map[string]struct {
		from, to string
		want     string // empty: the update is fine
	}{
		"a patch up":            {`{version: 1.36.3}`, `{version: 1.36.4}`, ""},
		"a minor up":            {`{version: 1.36.3}`, `{version: 1.37.0}`, ""},
		"a patch down":          {`{version: 1.36.3}`, `{version: 1.36.2}`, "version can only go up"},
		"a minor down":          {`{version: 1.37.2}`, `{version: 1.36.3}`, "version can only go up"},
		"a minor skipped":       {`{version: 1.35.0}`, `{version: 1.37.2}`, "one minor at a time"},
		"another network":       {`{version: 1.37.2}`, `{version: 1.37.2, network: {podCIDR: 10.0.0.0/16}}`, "podCIDR cannot be changed"},
		"a smaller volume":      {`{version: 1.37.2}`, `{version: 1.37.2, etcd: {storage: 1Gi}}`, "cannot shrink"},
		"a larger volume":       {`{version: 1.37.2}`, `{version: 1.37.2, etcd: {storage: 4Gi}}`, ""},
		"the other tunnel":      {`{version: 1.37.2}`, `{version: 1.37.2, network: {tunnel: Konnectivity}}`, ""},
		"another agent":         {`{version: 1.37.2}`, `{version: 1.37.2, network: {agentAddress: 100.64.0.1}}`, "agentAddress cannot be changed"},
		"another strategy":      {`{version: 1.37.2}`, `{version: 1.37.2, expose: {strategy: Gateway}}`, ""},
		"an older key":          {`{version: 1.37.2, encryption: {enabled: true, rotation: 2}}`, `{version: 1.37.2, encryption: {enabled: true, rotation: 1}}`, "rotation can only go up"},
		"a newer key":           {`{version: 1.37.2, encryption: {enabled: true}}`, `{version: 1.37.2, encryption: {enabled: true, rotation: 2}}`, ""},
		"no encryption":         {`{version: 1.37.2, encryption: {enabled: true}}`, `{version: 1.37.2}`, ""},
		"more replicas of DNS":  {`{version: 1.37.2}`, `{version: 1.37.2, coreDNS: {replicas: 3}}`, ""},
		"a minor up past pools": {`{version: 1.36.3, nodePools: [{name: a, version: 1.33.1, provider: {local: {}}}]}`, `{version: 1.37.2, nodePools: [{name: a, version: 1.33.1, provider: {local: {}}}]}`, "upgrade the pool first"},
	}
	c := newClient(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			hc := cluster(t, tc.from)
			if err := c.Create(t.Context(), hc); err != nil {
				t.Fatal(err)
			}
			hc.Spec = cluster(t, tc.to).Spec
			err := c.Update(t.Context(), hc)
			if tc.want == "" && err != nil {
				t.Errorf("want no error, got %v", err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("want an error with %q, got %v", tc.want, err)
			}
		})
	}
}

func TestIssuers(t *testing.T) {
	c := newClient(t)
	for spec, want := range map[string]string{
		`{version: 1.37.2, authentication: {issuers: [{url: "https://login.example.com", audiences: [a]}]}}`:                         "",
		`{version: 1.37.2, authentication: {issuers: [{url: "http://login.example.com", audiences: [a]}]}}`:                          "url",
		`{version: 1.37.2, authentication: {issuers: [{url: "https://login.example.com/?a", audiences: [a]}]}}`:                      "url",
		`{version: 1.37.2, authentication: {issuers: [{url: "https://login.example.com", audiences: []}]}}`:                          "audiences",
		`{version: 1.37.2, authentication: {issuers: [{url: "https://a.b", audiences: [a]}, {url: "https://a.b", audiences: [b]}]}}`: "Duplicate value",
	} {
		err := c.Create(t.Context(), cluster(t, spec), client.DryRunAll)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		}
	}
}
