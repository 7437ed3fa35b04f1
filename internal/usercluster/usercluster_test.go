// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/images"
)

const (
	serverImage      = "registry.canopy.dev/canopy-server:0123456789ab"
	nodeNetworkImage = "registry.canopy.dev/node-network:0123456789ab"
	openVPNImage     = "registry.canopy.dev/openvpn:0123456789ab"
)

func init() { utilruntime.Must(apiregistrationv1.AddToScheme(scheme.Scheme)) }

func input(t *testing.T, mods ...func(*Input)) Input {
	t.Helper()
	in := Input{
		Network:          v1alpha1.Network{PodCIDR: "172.25.0.0/16", ServiceCIDR: "10.240.16.0/20", DNSDomain: "cluster.local", TunnelCIDR: "169.254.88.0/28"},
		APIHost:          "203.0.113.7",
		APIPort:          31234,
		DNSAddress:       "10.240.16.10",
		CoreDNSReplicas:  1,
		KubeProxyImage:   kubeProxyImage(t, "1.37.2"),
		ServerImage:      serverImage,
		NodeNetworkImage: nodeNetworkImage,
		Tunnel: Tunnel{
			Kind: v1alpha1.TunnelOpenVPN, Host: "203.0.113.7", Port: 31235, OpenVPNImage: openVPNImage,
			OpenVPNKeys: map[string][]byte{"ca.crt": []byte("an authority")},
		},
		CA:                []byte("the cluster's authority"),
		MetricsServerKeys: map[string][]byte{"tls.crt": []byte("a certificate"), "tls.key": []byte("a key")},
	}
	for _, mod := range mods {
		mod(&in)
	}
	return in
}

func kubeProxyImage(t *testing.T, version string) string {
	t.Helper()
	image, err := images.Kubernetes("kube-proxy", version)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func variants(t *testing.T) map[string]func(*Input) {
	t.Helper()
	return map[string]func(*Input){
		"autoscaled":      func(in *Input) { in.Autoscaled = true },
		"no-dns":          func(in *Input) { in.CoreDNSReplicas = 0 },
		"two-dns-servers": func(in *Input) { in.CoreDNSReplicas = 2 },
		"previous-minor":  func(in *Input) { in.KubeProxyImage = kubeProxyImage(t, "1.36.3") },
		"konnectivity":    func(in *Input) { in.Tunnel.Kind = v1alpha1.TunnelKonnectivity },
		"ssh-keys":        func(in *Input) { in.SSHKeys = []string{"ssh-ed25519 AAAAC3Nz ada", "ssh-ed25519 AAAAC3Nx ben"} },
		"members": func(in *Input) {
			in.Access = []v1alpha1.Access{
				{Kind: v1alpha1.SubjectUser, Name: "ada@example.com", Role: v1alpha1.AccessOwner},
				{Kind: v1alpha1.SubjectGroup, Name: "developers", Role: v1alpha1.AccessEditor},
				{Kind: v1alpha1.SubjectUser, Name: "ben@example.com", Role: v1alpha1.AccessEditor},
				{Kind: v1alpha1.SubjectUser, Name: "cleo@example.com", Role: v1alpha1.AccessViewer},
			}
		},
		"local-volumes": func(in *Input) { in.LocalVolumes = true },
		"gateway": func(in *Input) {
			in.APIHost, in.APIPort, in.APIAddress = "demo.seed.example.test", 443, "203.0.113.8"
			in.Agent = &Agent{Address: "198.18.77.1", Gateway: "203.0.113.8:443", Forwards: []Forward{
				{Port: 6443, To: "demo.seed.example.test:443"}, {Port: 1194, To: "demo.seed.example.test:1194"},
			}}
		},
		"load-balancer-with-a-name": func(in *Input) {
			in.APIHost, in.APIPort = "lb.example.test", 443
			in.Agent = &Agent{Address: "198.18.77.1", Forwards: []Forward{{Port: 6443, To: "lb.example.test:443"}}}
		},
		"other-endpoint": func(in *Input) { in.APIHost, in.APIPort = "api.example.test", 443 },
		"other-network": func(in *Input) {
			in.Network = v1alpha1.Network{PodCIDR: "10.1.0.0/16", ServiceCIDR: "10.2.0.0/24", DNSDomain: "example.test", TunnelCIDR: "10.3.0.0/24"}
			in.DNSAddress = "10.2.0.10"
		},
	}
}

func TestObjects(t *testing.T) {
	base := golden.YAML(t, scheme.Scheme, Objects(input(t)))
	golden.Check(t, "base.yaml", base)
	for name, mod := range variants(t) {
		t.Run(name, func(t *testing.T) {
			golden.CheckVariant(t, name+".diff", base, golden.YAML(t, scheme.Scheme, Objects(input(t, mod))))
		})
	}
}

// eachVariant returns the objects of the base and of every variant.
func eachVariant(t *testing.T) map[string][]client.Object {
	t.Helper()
	all := map[string][]client.Object{"base": Objects(input(t))}
	for name, mod := range variants(t) {
		all[name] = Objects(input(t, mod))
	}
	return all
}

func TestEveryObjectIsUniqueAndOfAPrunedKind(t *testing.T) {
	for variant, objs := range eachVariant(t) {
		seen := map[string]bool{}
		for _, obj := range objs {
			gvk, err := apiutil.GVKForObject(obj, scheme.Scheme)
			if err != nil {
				t.Fatal(err)
			}
			id := gvk.Kind + " " + obj.GetNamespace() + "/" + obj.GetName()
			if seen[id] {
				t.Errorf("%s: %s is there twice", variant, id)
			}
			seen[id] = true
			if !slices.Contains(PrunedKinds, gvk) {
				t.Errorf("%s: %s is of a kind that is not in PrunedKinds, so nothing would delete it when it is no longer wanted", variant, id)
			}
		}
	}
}

// What must be true of every pod, whatever the input says.
func TestPodManners(t *testing.T) {
	known := map[string]bool{serverImage: true, nodeNetworkImage: true, openVPNImage: true}
	for _, image := range images.All() {
		if len(image.Tags) > 0 {
			known[image.Ref()] = true
		}
	}
	for variant, objs := range eachVariant(t) {
		for name, template := range templates(t, objs) {
			t.Run(variant+"/"+name, func(t *testing.T) { checkPod(t, template.Spec, known) })
		}
	}
}

func checkPod(t *testing.T, spec corev1.PodSpec, known map[string]bool) {
	t.Helper()
	if spec.PriorityClassName == "" {
		t.Error("it has no priority class")
	}
	for _, c := range spec.Containers {
		if !known[c.Image] {
			t.Errorf("image %q is not in the list of images", c.Image)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Error("it requests no CPU or no memory")
		}
		if !c.Resources.Limits.Cpu().IsZero() {
			t.Error("it has a limit of CPU")
		}
		checkSecurity(t, spec.SecurityContext, c.SecurityContext)
	}
}

func checkSecurity(t *testing.T, pod *corev1.PodSecurityContext, container *corev1.SecurityContext) {
	t.Helper()
	if container == nil {
		t.Error("it has no security context")
		return
	}
	seccomp := container.SeccompProfile
	if seccomp == nil && pod != nil {
		seccomp = pod.SeccompProfile
	}
	if seccomp == nil || seccomp.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("it does not run with the runtime's seccomp profile")
	}
	if container.Privileged != nil && *container.Privileged {
		t.Error("it is privileged")
	}
	if e := container.AllowPrivilegeEscalation; e == nil || *e {
		t.Error("it may gain privileges")
	}
	if ro := container.ReadOnlyRootFilesystem; ro == nil || !*ro {
		t.Error("it may write to its root file system")
	}
	if c := container.Capabilities; c == nil || !slices.Equal(c.Drop, []corev1.Capability{"ALL"}) {
		t.Error("it keeps capabilities that it does not name")
	}
}

// templates returns the pod templates by the name of their DaemonSet or Deployment, after it has checked that the
// selectors match them.
func templates(t *testing.T, objs []client.Object) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, obj := range objs {
		var want map[string]string
		switch o := obj.(type) {
		case *appsv1.DaemonSet:
			found[o.Name], want = o.Spec.Template, o.Spec.Selector.MatchLabels
		case *appsv1.StatefulSet:
			found[o.Name], want = o.Spec.Template, o.Spec.Selector.MatchLabels
		case *appsv1.Deployment:
			found[o.Name], want = o.Spec.Template, o.Spec.Selector.MatchLabels
		default:
			continue
		}
		for key, value := range want {
			if found[obj.GetName()].Labels[key] != value {
				t.Errorf("%s selects pods with %s=%s, and its own do not have that", obj.GetName(), key, value)
			}
		}
	}
	return found
}

func TestServicesLeadToTheirPods(t *testing.T) {
	objs := Objects(input(t))
	for _, obj := range objs {
		svc, ok := obj.(*corev1.Service)
		if !ok {
			continue
		}
		template := templates(t, objs)[svc.Labels[v1alpha1.LabelComponent]]
		for key, value := range svc.Spec.Selector {
			if template.Labels[key] != value {
				t.Errorf("Service %s selects %s=%s, which the pods of %s do not have", svc.Name, key, value, svc.Labels[v1alpha1.LabelComponent])
			}
		}
		for _, port := range svc.Spec.Ports {
			if !slices.ContainsFunc(template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
				return p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol
			}) {
				t.Errorf("Service %s leads to port %s, which its pods do not have", svc.Name, port.TargetPort.String())
			}
		}
	}
}

// A change of a configuration must start new pods: nothing else makes the programs read it.
func TestEveryConfigurationIsPartOfItsPods(t *testing.T) {
	before := templates(t, Objects(input(t)))
	after := templates(t, Objects(input(t, variants(t)["other-network"])))
	for _, name := range []string{Flannel, KubeProxy, CoreDNS} {
		if before[name].Annotations[annotationConfig] == after[name].Annotations[annotationConfig] {
			t.Errorf("the pods of %s are the same with another network", name)
		}
	}
}

func TestNodesCannotApproveThemselves(t *testing.T) {
	text := golden.YAML(t, scheme.Scheme, Objects(input(t)))
	for _, role := range []string{"system:certificates.k8s.io:certificatesigningrequests:nodeclient", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"} {
		if strings.Contains(text, role) {
			t.Errorf("something is bound to %s", role)
		}
	}
}

func TestObjectsAreInAStableOrder(t *testing.T) {
	first := golden.YAML(t, scheme.Scheme, Objects(input(t)))
	for range 10 {
		if golden.YAML(t, scheme.Scheme, Objects(input(t))) != first {
			t.Fatal("the same input gave two different sets")
		}
	}
}

// Whoever is told the API's own name must also be told where that is, when no DNS server knows it.
func TestWhoeverIsToldTheNameIsToldTheAddress(t *testing.T) {
	told := 0
	for name, template := range templates(t, Objects(input(t, variants(t)["gateway"]))) {
		for _, env := range template.Spec.Containers[0].Env {
			if env.Name != "KUBERNETES_SERVICE_HOST" {
				continue
			}
			told++
			if len(template.Spec.HostAliases) != 1 || !slices.Contains(template.Spec.HostAliases[0].Hostnames, env.Value) {
				t.Errorf("%s looks for %s and is not told where it is", name, env.Value)
			}
		}
	}
	if told < 4 {
		t.Errorf("only %d pods are told the API's name", told)
	}
}
