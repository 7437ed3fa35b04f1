// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	canopyv1alpha1 "canopy.dev/canopy/api/v1alpha1"
)

// object returns a master's object with a spec; those that have one are in the namespace default.
func object(t *testing.T, kind, name, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	var content map[string]any
	if err := yaml.UnmarshalStrict([]byte(spec), &content); err != nil {
		t.Fatal(err)
	}
	u.Object["spec"] = content
	u.SetGroupVersionKind(canopyv1alpha1.GroupVersion.WithKind(kind))
	u.SetName(name)
	if slices.Contains([]string{"SSHKey", "Cluster", "NodePool", "ClusterTemplate", "ClusterSet"}, kind) {
		u.SetNamespace("default")
	}
	return u
}

// check fails the test if err is not the wanted one; want "" is none.
func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Errorf("want no error, got %v", err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("want an error with %q, got %v", want, err)
	}
}

const key = "AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1"

func TestMasterCreate(t *testing.T) {
	tests := map[string]struct{ kind, name, spec, want string }{
		"a user":                              {"User", "a", `{email: a@example.com}`, ""},
		"a user without a domain":             {"User", "a", `{email: ada}`, "must be an e-mail address"},
		"a user in capitals":                  {"User", "a", `{email: Ada@example.com}`, "must be an e-mail address"},
		"a project":                           {"Project", "a", `{members: [{name: a@example.com, role: Owner}, {kind: Group, name: a, role: Viewer}]}`, ""},
		"an empty project":                    {"Project", "a", `{}`, ""},
		"a project with a long name":          {"Project", strings.Repeat("a", 51), `{}`, "at most 50"},
		"a project with a dot":                {"Project", "a.b", `{}`, "lower-case letters"},
		"a member twice":                      {"Project", "a", `{members: [{name: a, role: Owner}, {name: a, role: Viewer}]}`, "Duplicate value"},
		"a user and a group of one name":      {"Project", "a", `{members: [{name: a, role: Owner}, {kind: Group, name: a, role: Viewer}]}`, ""},
		"a member with an unknown role":       {"Project", "a", `{members: [{name: a, role: Boss}]}`, "spec.members[0].role"},
		"a member with a custom role":         {"Project", "a", `{members: [{name: a, role: "acme:scaler"}]}`, ""},
		"a service account as a user":         {"Project", "a", `{members: [{name: "system:serviceaccount:a:b", role: Owner}]}`, "Kubernetes' own"},
		"Kubernetes' own group":               {"Project", "a", `{members: [{kind: Group, name: "system:authenticated", role: Viewer}]}`, "Kubernetes' own"},
		"a service account with no namespace": {"Project", "a", `{members: [{kind: ServiceAccount, name: a, role: Owner}]}`, "must have one"},
		"a user with a namespace":             {"Project", "a", `{members: [{name: a, namespace: b, role: Owner}]}`, "namespace is for the kind ServiceAccount"},
		"a key":                               {"SSHKey", "a", `{publicKey: ssh-ed25519 ` + key + ` ada}`, ""},
		"a private key":                       {"SSHKey", "a", `{publicKey: "-----BEGIN OPENSSH PRIVATE KEY-----"}`, "spec.publicKey"},
		"a key with options":                  {"SSHKey", "a", `{publicKey: no-pty ssh-ed25519 ` + key + `}`, "spec.publicKey"},
		"two keys in one":                     {"SSHKey", "a", `{publicKey: "ssh-ed25519 ` + key + ` a\nssh-ed25519 ` + key + ` b"}`, "spec.publicKey"},
		"a preset":                            {"Preset", "a", `{provider: aws, secretName: a}`, ""},
		"a preset of no provider":             {"Preset", "a", `{provider: acme, secretName: a}`, "Unsupported value"},
		"a preset without a Secret":           {"Preset", "a", `{provider: aws}`, "spec.secretName"},
		"the master's own seed":               {"Seed", "a", `{}`, ""},
		"a seed in no country":                {"Seed", "a", `{country: Germany}`, "spec.country"},
		"a seed with a tiny etcd":             {"Seed", "a", `{defaults: {etcdStorage: 1Mi}}`, "at least 512Mi"},
		"a datacenter":                        {"Datacenter", "a", `{seed: a, provider: {bringYourOwn: {}}}`, ""},
		"a datacenter without a seed":         {"Datacenter", "a", `{provider: {local: {}}}`, "spec.seed"},
		"a datacenter without a provider":     {"Datacenter", "a", `{seed: a, provider: {}}`, "should have at least 1 properties"},
		"a datacenter with two providers":     {"Datacenter", "a", `{seed: a, provider: {local: {}, aws: {region: b}}}`, "must have at most 1"},
		"a region of nothing":                 {"Datacenter", "a", `{seed: a, provider: {aws: {}}}`, "spec.provider.aws.region"},
		"an OpenStack":                        {"Datacenter", "a", `{seed: a, provider: {openstack: {authURL: "https://a/v3", region: b, dnsServers: [192.0.2.1]}}}`, ""},
		"an OpenStack without a URL":          {"Datacenter", "a", `{seed: a, provider: {openstack: {authURL: a, region: b}}}`, "must be a URL"},
		"a DNS server with a name":            {"Datacenter", "a", `{seed: a, provider: {openstack: {authURL: "https://a/v3", region: b, dnsServers: [a]}}}`, "must be an IP address"},
		"a vSphere":                           {"Datacenter", "a", `{seed: a, provider: {vsphere: {endpoint: "https://a", datacenter: b, cluster: c, datastore: d}}}`, ""},
		"a vSphere without TLS":               {"Datacenter", "a", `{seed: a, provider: {vsphere: {endpoint: "http://a", datacenter: b, cluster: c, datastore: d}}}`, "must be a URL with https"},
		"required e-mails":                    {"Datacenter", "a", `{seed: a, provider: {local: {}}, requiredEmails: ["@example.com", a@example.org]}`, ""},
		"a required e-mail without a domain":  {"Datacenter", "a", `{seed: a, provider: {local: {}}, requiredEmails: [example.com]}`, "requiredEmails"},
		"settings of nodes":                   {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {proxy: {httpsProxy: "http://proxy.example.com:3128", noProxy: [10.0.0.0/8, .example.com]}, registryMirrors: [{registry: docker.io, url: "https://a/b"}], sizes: {cpu: {min: 1, max: 500}}}}`, ""},
		"a proxy with a password":             {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {proxy: {httpProxy: "http://a:b@proxy.example.com"}}}`, "spec.node.proxy.httpProxy"},
		"a proxy that is a command":           {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {proxy: {noProxy: ["$(reboot)"]}}}`, "spec.node.proxy.noProxy"},
		"a mirror of a path":                  {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {registryMirrors: [{registry: docker.io/library, url: "https://a"}]}}`, "registryMirrors[0].registry"},
		"a mirror of another protocol":        {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {registryMirrors: [{registry: docker.io, url: "ftp://a"}]}}`, "registryMirrors[0].url"},
		"sizes that cannot be":                {"Datacenter", "a", `{seed: a, provider: {local: {}}, node: {sizes: {memory: {min: 2Gi, max: 1Gi}}}}`, "min must not be more than max"},
		"an announcement":                     {"Announcement", "sunday", `{message: Maintenance on Sunday, severity: Warning, from: "2026-11-29T00:00:00Z", until: "2026-11-30T00:00:00Z"}`, ""},
		"an announcement that ends first":     {"Announcement", "sunday", `{message: Maintenance, from: "2026-11-30T00:00:00Z", until: "2026-11-29T00:00:00Z"}`, "until must be after from"},
		"an announcement of nothing":          {"Announcement", "sunday", `{message: ""}`, "spec.message"},
		"a release":                           {"Release", "1.37.2", `{endOfLife: "2027-10-28"}`, ""},
		"a release with a leading v":          {"Release", "v1.37.2", `{}`, "must be a version"},
		"a release that ends on no day":       {"Release", "1.37.2", `{endOfLife: soon}`, "spec.endOfLife"},
		"a blocked release":                   {"Release", "1.37.2", `{blocked: loses volumes, upgradesFrom: [1.36.3, "1.37"]}`, ""},
		"a release that comes from anything":  {"Release", "1.37.2", `{upgradesFrom: ["*"]}`, "spec.upgradesFrom"},
		"a window":                            {"Cluster", "a", `{datacenter: a, version: 1.37.2, maintenance: {autoUpgrade: Patch, window: {days: [Monday], start: "23:30", length: 1h30m, timeZone: Europe/Berlin}}}`, ""},
		"a window on no day of the week":      {"Cluster", "a", `{datacenter: a, version: 1.37.2, maintenance: {window: {days: [Mon], start: "23:30"}}}`, "Unsupported value"},
		"a window at no time of the day":      {"Cluster", "a", `{datacenter: a, version: 1.37.2, maintenance: {window: {start: "24:00"}}}`, "window.start"},
		"a window of two days":                {"Cluster", "a", `{datacenter: a, version: 1.37.2, maintenance: {window: {start: "23:30", length: 48h}}}`, "must be between 30m and 24h"},
		"upgrades of minors by themselves":    {"Cluster", "a", `{datacenter: a, version: 1.37.2, maintenance: {autoUpgrade: Minor}}`, "Unsupported value"},
		"a seed that upgrades less than none": {"Seed", "a", `{maxAutomaticUpgrades: -1}`, "greater than or equal to 0"},
		"a cluster":                           {"Cluster", "a", `{datacenter: a, version: 1.37.2}`, ""},
		"a cluster without a version":         {"Cluster", "a", `{datacenter: a}`, "spec.version"},
		"a cluster without a datacenter":      {"Cluster", "a", `{version: 1.37.2}`, "spec.datacenter"},
		"a cluster with overlapping ranges":   {"Cluster", "a", `{datacenter: a, version: 1.37.2, network: {podCIDR: 10.0.0.0/16, serviceCIDR: 10.0.16.0/20}}`, "must not overlap"},
		"a cluster with a dot":                {"Cluster", "a.b", `{datacenter: a, version: 1.37.2}`, "lower-case letters"},
		"a cluster with a tiny etcd":          {"Cluster", "a", `{datacenter: a, version: 1.37.2, etcd: {storage: 1Mi}}`, "at least 512Mi"},
		"a pool":                              {"NodePool", "a", `{cluster: a, provider: {local: {}}}`, ""},
		"a pool without a provider":           {"NodePool", "a", `{cluster: a, provider: {}}`, "should have at least 1 properties"},
		"a pool with autoscaling":             {"NodePool", "a", `{cluster: a, autoscaling: {minReplicas: 0, maxReplicas: 3}, provider: {local: {}}}`, ""},
		"a pool with a range that is none":    {"NodePool", "a", `{cluster: a, autoscaling: {minReplicas: 3, maxReplicas: 2}, provider: {local: {}}}`, "minReplicas must not be more than maxReplicas"},
		"somebody's own machines, scaled":     {"NodePool", "a", `{cluster: a, autoscaling: {minReplicas: 0, maxReplicas: 3}, provider: {bringYourOwn: {}}}`, "autoscaling is for machines that Canopy makes"},
		"a template's pool with such a range": {"ClusterTemplate", "a", `{cluster: {datacenter: a, version: 1.37.2}, nodePools: [{name: a, autoscaling: {minReplicas: 3, maxReplicas: 2}, provider: {local: {}}}]}`, "minReplicas must not be more than maxReplicas"},
		"a pool with negative replicas":       {"NodePool", "a", `{cluster: a, replicas: -1, provider: {local: {}}}`, "greater than or equal to 0"},
		"a template":                          {"ClusterTemplate", "a", `{cluster: {datacenter: a, version: 1.37.2}, nodePools: [{name: a, provider: {local: {}}}]}`, ""},
		"a set":                               {"ClusterSet", "a", `{template: {name: a}, clusters: [{name: eu, version: 1.37.2, nodePools: [{name: a, replicas: 0}]}, {name: us}], rollout: {revision: abc, maxUnavailable: 2}}`, ""},
		"a set of no template":                {"ClusterSet", "a", `{template: {}}`, "spec.template.name"},
		"a set with one cluster twice":        {"ClusterSet", "a", `{template: {name: a}, clusters: [{name: eu}, {name: eu}]}`, "Duplicate value"},
		"a set with a long cluster":           {"ClusterSet", "a", `{template: {name: a}, clusters: [{name: ` + strings.Repeat("a", 39) + `}]}`, "may not be more than 38"},
		"a set that changes none at a time":   {"ClusterSet", "a", `{template: {name: a}, rollout: {maxUnavailable: 0}}`, "greater than or equal to 1"},
		"a template with one pool twice":      {"ClusterTemplate", "a", `{cluster: {datacenter: a, version: 1.37.2}, nodePools: [{name: a, provider: {local: {}}}, {name: a, provider: {local: {}}}]}`, "Duplicate value"},
	}
	c := newClient(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, c.Create(t.Context(), object(t, tc.kind, tc.name, tc.spec), client.DryRunAll), tc.want)
		})
	}
}

func TestMasterUpdate(t *testing.T) {
	tests := map[string]struct{ kind, from, to, want string }{
		"another e-mail":             {"User", `{email: a@example.com}`, `{email: b@example.com}`, "email cannot be changed"},
		"an admin":                   {"User", `{email: a@example.com}`, `{email: a@example.com, admin: true}`, ""},
		"another provider's secret":  {"Preset", `{provider: aws, secretName: a}`, `{provider: gcp, secretName: a}`, "provider cannot be changed"},
		"another secret":             {"Preset", `{provider: aws, secretName: a}`, `{provider: aws, secretName: b}`, ""},
		"a datacenter moves":         {"Datacenter", `{seed: a, provider: {local: {}}}`, `{seed: b, provider: {local: {}}}`, ""},
		"another provider":           {"Datacenter", `{seed: a, provider: {local: {}}}`, `{seed: a, provider: {bringYourOwn: {}}}`, "cannot become another provider's"},
		"another datacenter":         {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: b, version: 1.37.2}`, "datacenter cannot be changed"},
		"a minor up":                 {"Cluster", `{datacenter: a, version: 1.36.3}`, `{datacenter: a, version: 1.37.2}`, ""},
		"a minor down":               {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: a, version: 1.36.3}`, "can only go up"},
		"a patch down":               {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: a, version: 1.37.1}`, "can only go up"},
		"a minor skipped":            {"Cluster", `{datacenter: a, version: 1.35.0}`, `{datacenter: a, version: 1.37.2}`, "one minor at a time"},
		"another range":              {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: a, version: 1.37.2, network: {podCIDR: 10.0.0.0/16}}`, "cannot be changed"},
		"the other tunnel":           {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: a, version: 1.37.2, network: {tunnel: Konnectivity}}`, ""},
		"another strategy":           {"Cluster", `{datacenter: a, version: 1.37.2}`, `{datacenter: a, version: 1.37.2, expose: {strategy: LoadBalancer}}`, ""},
		"a smaller volume":           {"Cluster", `{datacenter: a, version: 1.37.2, etcd: {storage: 4Gi}}`, `{datacenter: a, version: 1.37.2, etcd: {storage: 2Gi}}`, "cannot shrink"},
		"a pool of another cluster":  {"NodePool", `{cluster: a, provider: {local: {}}}`, `{cluster: b, provider: {local: {}}}`, "cluster cannot be changed"},
		"more nodes":                 {"NodePool", `{cluster: a, provider: {local: {}}}`, `{cluster: a, replicas: 3, provider: {local: {}}}`, ""},
		"a template changes its all": {"ClusterTemplate", `{cluster: {datacenter: a, version: 1.37.2}}`, `{cluster: {datacenter: b, version: 1.36.3, network: {podCIDR: 10.0.0.0/16}}}`, ""},
	}
	c := newClient(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			obj := object(t, tc.kind, "updated", tc.from)
			if err := c.Create(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Delete(t.Context(), obj) })
			obj.Object["spec"] = object(t, tc.kind, "updated", tc.to).Object["spec"]
			check(t, c.Update(t.Context(), obj), tc.want)
			if err := c.Delete(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestClusterIDStays(t *testing.T) {
	c := newClient(t)
	cluster := &canopyv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "id", Namespace: "default"},
		Spec:       canopyv1alpha1.ClusterSpec{Datacenter: "a", Version: "1.37.2"},
	}
	if err := c.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Status.ID = "abcdefghij"
	if err := c.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Status.ID = "jihgfedcba"
	check(t, c.Status().Update(t.Context(), cluster), "id cannot be changed")
}

// A merge patch leaves out what is zero before and after; kubectl would show nothing there.
func TestCountsAreThereWhenTheyAreZero(t *testing.T) {
	c := newClient(t)
	for kind, tc := range map[string]struct{ spec, field string }{
		"Project":  {`{}`, "clusters"},
		"Seed":     {`{}`, "clusters"},
		"Cluster":  {`{datacenter: a, version: 1.37.2}`, "readyNodes"},
		"NodePool": {`{cluster: a, provider: {local: {}}}`, "readyReplicas"},
	} {
		obj := object(t, kind, "counted", tc.spec)
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), obj) })
		patch := client.RawPatch(types.MergePatchType, []byte(`{"status": {"conditions": []}}`))
		if err := c.Status().Patch(t.Context(), obj, patch); err != nil {
			t.Fatal(err)
		}
		if n, found, err := unstructured.NestedInt64(obj.Object, "status", tc.field); n != 0 || !found || err != nil {
			t.Errorf("%s: status.%s is %d, %v, %v", kind, tc.field, n, found, err)
		}
	}
}

func TestNodePoolScales(t *testing.T) {
	c := newClient(t)
	pool := object(t, "NodePool", "scaled", `{cluster: a, provider: {local: {}}}`)
	if err := c.Create(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	scale := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(7)}}}
	scale.SetAPIVersion("autoscaling/v1")
	scale.SetKind("Scale")
	if err := c.SubResource("scale").Update(t.Context(), pool, client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	got := &canopyv1alpha1.NodePool{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(pool), got); err != nil {
		t.Fatal(err)
	}
	if *got.Spec.Replicas != 7 {
		t.Errorf("replicas: %d, want 7", *got.Spec.Replicas)
	}
}

// TestExamples applies every example to one master.
func TestExamples(t *testing.T) {
	c := newClient(t)
	for _, ns := range []string{"canopy-system", "project-demo", "project-payments"} {
		if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, obj := range readAll(t, file) {
				err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner("test"))
				if err != nil {
					t.Errorf("%s %s: %v", obj.GetKind(), obj.GetName(), err)
				}
			}
		})
	}
	t.Run("the layout has its seeds and datacenters", func(t *testing.T) {
		var datacenters canopyv1alpha1.DatacenterList
		if err := c.List(t.Context(), &datacenters); err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, dc := range datacenters.Items {
			got[dc.Spec.Seed] = append(got[dc.Spec.Seed], dc.Name)
		}
		delete(got, "local")
		want := map[string][]string{
			"seed-us": {"aws-us-east-2", "aws-us-west-1", "digitalocean-nyc1", "gcp-us-east1", "gcp-us-west1"},
			"seed-eu": {"aws-eu-central-1", "aws-eu-west-1", "digitalocean-ams1", "digitalocean-lon1"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func readAll(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var objs []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(obj); errors.Is(err, io.EOF) {
			return objs
		} else if err != nil {
			t.Fatal(err)
		}
		objs = append(objs, obj)
	}
}
