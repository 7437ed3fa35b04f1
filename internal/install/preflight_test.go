// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kubeversion "k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/testenv"
)

// preflightTest is a cluster without anything, and the chart that is to be installed there.
type preflightTest struct {
	*testing.T
	config *rest.Config
	client.Client
	chart Chart
}

func newPreflightTest(t *testing.T) *preflightTest {
	t.Helper()
	env := testenv.Start(t, func(e *envtest.Environment) { e.CRDDirectoryPaths = nil })
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	with := values()
	with["gateway"] = map[string]any{"domain": "example.com", "service": map[string]any{"type": "NodePort", "nodePort": int64(30043)}}
	return &preflightTest{T: t, config: env.Config, Client: c, chart: Canopy(with)}
}

// want checks what one of the checks finds.
func (p *preflightTest) want(check string, level Level, message string) {
	p.Helper()
	findings, err := Preflight(p.Context(), p.config, p.chart, "this-master")
	if err != nil {
		p.Fatal(err)
	}
	p.found(findings, check, level, message)
}

func (p *preflightTest) found(findings []Finding, check string, level Level, message string) {
	p.Helper()
	for _, f := range findings {
		if f.Check != check {
			continue
		}
		if f.Level != level || !strings.Contains(f.Message, message) {
			p.Errorf("%s: got %s: %s\nwant %s: %s", check, f.Level, f.Message, level, message)
		}
		if err := Err(findings); level == Problem && (err == nil || !strings.Contains(err.Error(), check+": "+f.Message)) {
			p.Errorf("%s does not stop the installation: %v", check, err)
		}
		return
	}
	p.Errorf("there is no check %s in %v", check, findings)
}

func (p *preflightTest) create(objs ...client.Object) {
	p.Helper()
	for _, obj := range objs {
		if err := p.Create(p.Context(), obj); err != nil {
			p.Fatal(err)
		}
	}
}

// while checks what is found while there is an object.
func (p *preflightTest) while(obj client.Object, check string, level Level, message string) {
	p.Helper()
	p.create(obj)
	p.want(check, level, message)
	if err := p.Delete(p.Context(), obj); err != nil {
		p.Fatal(err)
	}
}

func TestPreflight(t *testing.T) {
	p := newPreflightTest(t)
	p.want("storage class", Problem, "there is no default StorageClass")
	p.want("address", Problem, "the cluster has no nodes")
	p.want("network policies", Warning, "nothing is known here that enforces them")

	p.create(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "slow"}, Provisioner: "example.com/disk"})
	p.want("storage class", Problem, "there is no default StorageClass")
	p.create(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast", Annotations: map[string]string{kube.DefaultStorageClassAnnotation: "true"}}, Provisioner: "example.com/disk"})
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}
	p.create(node)
	p.want("address", Warning, "192.0.2.1 is no node's")
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.1"}}
	if err := p.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"app": "cilium"}
	p.create(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "cilium", Namespace: "default"}, Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}},
	}})
	findings, err := Preflight(t.Context(), p.config, p.chart, "this-master")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Level != OK {
			t.Errorf("all is as it should be, and %s says %s: %s", f.Check, f.Level, f.Message)
		}
	}

	port := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "taken", Namespace: "default"}}
	port.Spec.Type, port.Spec.Ports = corev1.ServiceTypeNodePort, []corev1.ServicePort{{Port: 80, NodePort: 30043}}
	p.while(port, "node ports", Problem, "30043, which canopy-gateway is to have, is the Service default/taken's: choose another")
	record := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "release", Namespace: "default", Labels: map[string]string{"owner": "helm", "name": "canopy"}}}
	p.while(record, "another installation", Problem, "there is one in the namespace default: uninstall it (helm uninstall --namespace default canopy)")
	p.whoMayNot()
	p.kindsOfOthers()
	p.versions()

	// At last, because nothing takes a namespace away here.
	ns := Namespace()
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(ns), ns); err != nil {
		t.Fatal(err)
	}
	metav1.SetMetaDataAnnotation(&ns.ObjectMeta, v1alpha1.AnnotationInstallation, "other-master")
	if err := p.Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	p.want("another installation", Problem, "it is the seed of another master, whose cluster is other-master: remove it there first")
}

// whoMayNot asks as somebody without rights.
func (p *preflightTest) whoMayNot() {
	p.Helper()
	as := rest.CopyConfig(p.config)
	as.Impersonate = rest.ImpersonationConfig{UserName: "nobody", Groups: []string{"system:authenticated"}}
	findings, err := Preflight(p.Context(), as, p.chart, "")
	if err != nil {
		p.Fatal(err)
	}
	p.found(findings, "rights", Problem, "use the kubeconfig of an administrator")
}

// kindsOfOthers installs a kind of Cluster API's in several ways.
func (p *preflightTest) kindsOfOthers() {
	p.Helper()
	objs, err := p.chart.Render(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	for _, obj := range objs {
		if obj.GetName() == "machinedrainrules.cluster.x-k8s.io" {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, crd); err != nil {
				p.Fatal(err)
			}
		}
	}
	crd.Labels, crd.Annotations = nil, nil
	p.create(crd)
	for _, tc := range []struct {
		labels, annotations string // JSON
		level               Level
		message             string
	}{
		{"null", "null", Problem, "machinedrainrules.cluster.x-k8s.io (of somebody unknown) are there and not Canopy's"},
		{`{"cluster.x-k8s.io/provider": "cluster-api"}`, "null", Problem, "(of clusterctl)"},
		{"null", `{"meta.helm.sh/release-name": "core", "meta.helm.sh/release-namespace": "capi"}`, Problem, "(of the Helm release capi/core)"},
		{"null", `{"meta.helm.sh/release-name": "canopy", "meta.helm.sh/release-namespace": "canopy-system"}`, OK, "none"},
	} {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata": {"labels": %s, "annotations": %s}}`, tc.labels, tc.annotations))
		if err := p.Patch(p.Context(), crd, patch); err != nil {
			p.Fatal(err)
		}
		p.want("kinds of others", tc.level, tc.message)
	}
}

// versions installs other versions first, and then looks at the chart.
func (p *preflightTest) versions() {
	p.Helper()
	small := func(version string) Chart {
		return Chart{Release: ReleaseName, Namespace: v1alpha1.SystemNamespace, Values: map[string]any{}, Files: fstest.MapFS{
			"Chart.yaml": {Data: []byte("apiVersion: v2\nname: canopy\nversion: " + version + "\n")},
		}}
	}
	p.want("installed version", OK, "none")
	for _, tc := range []struct {
		installed string
		level     Level
		message   string
	}{
		{"0.0.9", OK, "0.0.9, which becomes " + Version},
		{Version, OK, Version + ", as this one"},
		{"0.2.0", Problem, "0.2.0 is installed, and " + Version + " is older"},
	} {
		if err := Run(p.Context(), p.config, small(tc.installed)); err != nil {
			p.Fatal(err)
		}
		p.want("installed version", tc.level, tc.message)
		p.want("another installation", OK, "none but the one that is to be upgraded")
	}
	// Whoever does not ask first is refused as well.
	for version, want := range map[string]string{"0.1.9": "0.2.0 is installed, and 0.1.9 is older", "0.4.0": "upgrade to 0.3 with its own command first"} {
		if err := Run(p.Context(), p.config, small(version)); err == nil || !strings.Contains(err.Error(), want) {
			p.Errorf("%s: want it to be refused with %q, got %v", version, want, err)
		}
	}
	if err := Uninstall(p.Context(), p.config, small("0.2.0")); err != nil {
		p.Fatal(err)
	}
}

func TestPreflightOfAnOldKubernetes(t *testing.T) {
	api := fake.NewClientset()
	discovery, ok := api.Discovery().(*fakediscovery.FakeDiscovery)
	if !ok {
		t.Fatal("no fake discovery")
	}
	for version, want := range map[string]Level{"v1.32.9": Problem, "v1.33.0": OK} {
		discovery.FakedServerVersion = &kubeversion.Info{GitVersion: version}
		level, message, err := (&preflight{api: api}).version(t.Context())
		if level != want || !strings.Contains(message, version) || err != nil {
			t.Errorf("%s: %s, %s, %v", version, level, message, err)
		}
	}
}
