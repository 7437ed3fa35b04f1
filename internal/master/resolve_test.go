// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/kube"
)

func input(mods ...func(*Input)) Input {
	in := Input{
		Cluster: &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "project-payments"},
			Spec: v1alpha1.ClusterSpec{
				Datacenter: "local", Version: "1.37.2", Profile: hostingv1alpha1.ProfileCompact,
				Network: hostingv1alpha1.Network{
					PodCIDR: "172.25.0.0/16", ServiceCIDR: "10.240.16.0/20", DNSDomain: "cluster.local",
					Tunnel: hostingv1alpha1.TunnelOpenVPN, TunnelCIDR: "169.254.88.0/28",
				},
				CoreDNS:    hostingv1alpha1.CoreDNS{Replicas: ptr.To[int32](1)},
				Monitoring: hostingv1alpha1.Monitoring{Enabled: ptr.To(true)},
			},
			Status: v1alpha1.ClusterStatus{ID: "abcdefghij", Seed: "local"},
		},
		NodePools:  []v1alpha1.NodePool{pool("workers", 2)},
		Project:    &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "payments"}},
		Datacenter: &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Spec: v1alpha1.DatacenterSpec{Seed: "local", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}},
		Seed:       &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "local"}},
		Releases:   []v1alpha1.Release{{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}}, {ObjectMeta: metav1.ObjectMeta{Name: "1.36.3"}}},
	}
	for _, mod := range mods {
		mod(&in)
	}
	return in
}

func pool(name string, replicas int32) v1alpha1.NodePool {
	return v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-payments"},
		Spec: v1alpha1.NodePoolSpec{Cluster: "staging", MachinePool: v1alpha1.MachinePool{
			Replicas: &replicas, Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}},
		}},
	}
}

// autoscaled gives the pool a range, from two machines on.
func autoscaled(most int32) func(*Input) {
	return func(in *Input) {
		in.NodePools[0].Spec.Autoscaling = &hostingv1alpha1.Autoscaling{MinReplicas: ptr.To[int32](2), MaxReplicas: most}
		in.ProjectPools = in.NodePools
	}
}

// onAWS puts the cluster into a datacenter that wants credentials.
func onAWS(in *Input) {
	in.Datacenter.Name = "aws-us-east-2"
	in.Datacenter.Spec.Provider = hostingv1alpha1.Place{AWS: &hostingv1alpha1.AWSPlace{Region: "us-east-2"}}
	in.NodePools = nil
	in.Preset = &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "aws"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderAWS, SecretName: "aws"}}
	in.Credentials = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "aws"}, Data: map[string][]byte{"key": []byte("example")}}
}

// defaults are those of a seed that has some.
func defaults(in *Input) {
	in.Seed.Spec.Defaults = v1alpha1.ClusterDefaults{
		ExposeStrategy: hostingv1alpha1.ExposeLoadBalancer, EtcdStorage: ptr.To(resource.MustParse("8Gi")), EtcdStorageClassName: "fast",
	}
}

// sizes are those of a datacenter that is particular about them.
func sizes(in *Input) {
	in.Datacenter.Spec.Node.Sizes = &v1alpha1.MachineSizes{
		CPU:    &v1alpha1.QuantityRange{Min: ptr.To(resource.MustParse("1")), Max: ptr.To(resource.MustParse("4"))},
		Memory: &v1alpha1.QuantityRange{Max: ptr.To(resource.MustParse("8Gi"))},
	}
}

// sized gives the pool's machines requests and limits.
func sized(requests, limits corev1.ResourceList) func(*Input) {
	return func(in *Input) {
		sizes(in)
		in.NodePools[0].Spec.Provider.Local.Resources = corev1.ResourceRequirements{Requests: requests, Limits: limits}
	}
}

func cpuAndMemory(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func current(mod func(*hostingv1alpha1.HostedClusterSpec)) func(*Input) {
	return func(in *Input) {
		in.Current = &hostingv1alpha1.HostedCluster{Spec: hostingv1alpha1.HostedClusterSpec{
			Version: "1.37.2", Etcd: hostingv1alpha1.Etcd{Storage: resource.MustParse("4Gi"), StorageClassName: "slow"},
		}}
		mod(&in.Current.Spec)
	}
}

func render(t *testing.T, in Input) string {
	t.Helper()
	hc, secrets, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	objs := []client.Object{hc}
	for _, s := range secrets {
		objs = append(objs, s)
	}
	return golden.YAML(t, kube.Scheme(), objs)
}

func TestResolve(t *testing.T) {
	base := render(t, input())
	golden.Check(t, "base.yaml", base)
	for name, mod := range map[string]func(*Input){
		"credentials":   onAWS,
		"seed-defaults": defaults,
		"own-choice": func(in *Input) {
			defaults(in)
			in.Cluster.Spec.Expose.Strategy = hostingv1alpha1.ExposeNodePort
			in.Cluster.Spec.Etcd.Storage = ptr.To(resource.MustParse("16Gi"))
		},
		"kept-choice": func(in *Input) {
			defaults(in)
			current(func(*hostingv1alpha1.HostedClusterSpec) {})(in)
		},
		"two-pools": func(in *Input) {
			large := pool("large", 5)
			large.Spec.Version, large.Spec.Labels = "1.36.3", map[string]string{"example.com/size": "large"}
			large.Spec.Taints = []corev1.Taint{{Key: "example.com/large", Effect: corev1.TaintEffectNoSchedule}}
			in.NodePools = append(in.NodePools, large)
		},
		"datacenter-settings": func(in *Input) {
			in.Datacenter.Spec.Node.Proxy = &hostingv1alpha1.Proxy{HTTPSProxy: "http://proxy.example.com:3128", NoProxy: []string{"10.0.0.0/8"}}
			in.Datacenter.Spec.Node.RegistryMirrors = []hostingv1alpha1.RegistryMirror{{Registry: "docker.io", URL: "https://mirror.example.com/docker.io"}}
		},
		"ssh-keys": func(in *Input) {
			in.Cluster.Spec.SSHKeys = []string{"ben", "ada", "nobody", "broken"}
			for name, key := range map[string]string{
				"ada":    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1 ada@laptop",
				"ben":    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL2",
				"cleo":   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL3",
				"broken": "ssh-ed25519 AAAA",
			} {
				in.SSHKeys = append(in.SSHKeys, v1alpha1.SSHKey{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SSHKeySpec{PublicKey: key}})
			}
		},
		"issuers": func(in *Input) {
			in.Issuers = []hostingv1alpha1.Issuer{{URL: "https://canopy.example.com/issuer", Audiences: []string{"canopy-cli"}, CertificateAuthority: "an authority"}}
		},
		"members": func(in *Input) {
			in.Project.Spec.Members = []v1alpha1.Member{
				{Kind: v1alpha1.MemberUser, Name: "cleo@example.com", Role: v1alpha1.RoleViewer},
				{Kind: v1alpha1.MemberServiceAccount, Namespace: "ci", Name: "deployer", Role: v1alpha1.RoleOwner},
				{Kind: v1alpha1.MemberUser, Name: "ada@example.com", Role: v1alpha1.RoleOwner},
				{Kind: v1alpha1.MemberGroup, Name: "developers", Role: v1alpha1.RoleEditor},
			}
		},
		"autoscaling": autoscaled(5),
		"autoscaling-within-the-quota": func(in *Input) {
			autoscaled(5)(in)
			in.Project.Spec.Quota = &v1alpha1.Quota{Nodes: ptr.To[int32](3)}
		},
		"autoscaling-below-the-quota": func(in *Input) {
			autoscaled(5)(in)
			in.Project.Spec.Quota = &v1alpha1.Quota{Nodes: ptr.To[int32](1)}
		},
		"settings": func(in *Input) {
			in.Cluster.Spec.Paused = true
			in.Cluster.Spec.Network.Tunnel = hostingv1alpha1.TunnelKonnectivity
			in.Cluster.Spec.Monitoring.Enabled = ptr.To(false)
			in.Cluster.Spec.APIServer.CertSANs = []string{"api.example.com"}
			in.Cluster.Spec.Scheduler.ExtraArgs = map[string]string{"v": "4"}
		},
	} {
		t.Run(name, func(t *testing.T) { golden.CheckVariant(t, name+".diff", base, render(t, input(mod))) })
	}
}

func TestResolveIsPure(t *testing.T) {
	in := input(onAWS, defaults)
	before := render(t, in)
	hc, secrets, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	hc.Spec.Network.PodCIDR, hc.Labels["x"], secrets[0].Data["key"] = "changed", "changed", []byte("changed")
	*hc.Spec.Monitoring.Enabled = false
	if after := render(t, in); before != after {
		t.Errorf("changing what it returned changed its input:\n%s", after)
	}
}

func TestResolveRefuses(t *testing.T) {
	tests := map[string]struct {
		mod      func(*Input)
		reason   string
		want     string
		rejected bool // else it waits for somebody else
	}{
		"a datacenter that the project may not use": {
			mod:    func(in *Input) { in.Project.Spec.Datacenters = []string{"a", "b"} },
			reason: v1alpha1.ReasonForbidden, want: "spec.datacenter: project payments may use a, b, not local",
		},
		"a datacenter for other projects": {
			mod:    func(in *Input) { in.Datacenter.Spec.Projects = []string{"web"} },
			reason: v1alpha1.ReasonForbidden, want: "spec.datacenter: local is not open to project payments",
		},
		"a datacenter for other people": {
			mod: func(in *Input) {
				in.Datacenter.Spec.RequiredEmails = []string{"@example.com"}
				in.Project.Spec.Members = []v1alpha1.Member{{Kind: v1alpha1.MemberUser, Name: "ada@example.com"}, {Kind: v1alpha1.MemberUser, Name: "eve@example.com.evil.test"}}
			},
			reason: v1alpha1.ReasonForbidden, want: "has the member eve@example.com.evil.test",
		},
		"no preset where one is needed": {
			mod:    func(in *Input) { onAWS(in); in.Preset, in.Credentials = nil, nil },
			reason: v1alpha1.ReasonInvalidSpec, want: "spec.preset: datacenter aws-us-east-2 is of the provider aws", rejected: true,
		},
		"a preset for another provider": {
			mod:    func(in *Input) { onAWS(in); in.Preset.Spec.Provider = hostingv1alpha1.ProviderGCP },
			reason: v1alpha1.ReasonInvalidSpec, want: "spec.preset: aws is for the provider gcp", rejected: true,
		},
		"a preset of other projects": {
			mod:    func(in *Input) { onAWS(in); in.Preset.Spec.Projects = []string{"web"} },
			reason: v1alpha1.ReasonForbidden, want: "spec.preset: aws is not open to project payments",
		},
		"a version without a release": {
			mod:    func(in *Input) { in.Cluster.Spec.Version = "1.35.0" },
			reason: v1alpha1.ReasonUnsupportedVersion, want: "spec.version: there is no Release 1.35.0: choose one of 1.36.3, 1.37.2",
		},
		"any version without releases": {
			mod:    func(in *Input) { in.Releases = nil },
			reason: v1alpha1.ReasonUnsupportedVersion, want: "none (there are no Releases)",
		},
		"a pool's version without a release": {
			mod:    func(in *Input) { in.NodePools[0].Spec.Version = "1.35.0" },
			reason: v1alpha1.ReasonUnsupportedVersion, want: "NodePool workers: spec.version: there is no Release 1.35.0",
		},
		"machines without limits where there is a most": {
			mod:    sizes,
			reason: v1alpha1.ReasonInvalidSpec, rejected: true,
			want: "NodePool workers: spec.provider.local.resources.limits.cpu is missing, without which there is no limit; datacenter local allows machines with 1 to 4 CPUs and at most 8Gi of memory",
		},
		"machines with too many CPUs": {
			mod:    sized(nil, cpuAndMemory("6", "8Gi")),
			reason: v1alpha1.ReasonInvalidSpec, want: "resources.limits.cpu: 6 is too much; datacenter local allows", rejected: true,
		},
		"machines with too few CPUs": {
			mod:    sized(cpuAndMemory("100m", "1Gi"), cpuAndMemory("2", "8Gi")),
			reason: v1alpha1.ReasonInvalidSpec, want: "resources.requests.cpu: 100m is too little; datacenter local allows", rejected: true,
		},
		"machines with too much memory": {
			mod:    sized(nil, cpuAndMemory("2", "16Gi")),
			reason: v1alpha1.ReasonInvalidSpec, want: "resources.limits.memory: 16Gi is too much; datacenter local allows", rejected: true,
		},
		"a pool of another provider": {
			mod:    func(in *Input) { onAWS(in); in.NodePools = []v1alpha1.NodePool{pool("workers", 1)} },
			reason: v1alpha1.ReasonInvalidSpec, want: "NodePool workers: spec.provider: it is for the provider local, and datacenter aws-us-east-2 is of aws", rejected: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := Resolve(input(tc.mod))
			var rejected *kube.RejectedError
			var waiting *kube.WaitingError
			switch {
			case tc.rejected && errors.As(err, &rejected) && rejected.Reason == tc.reason && strings.Contains(rejected.Message, tc.want):
			case !tc.rejected && errors.As(err, &waiting) && waiting.Reason == tc.reason && strings.Contains(waiting.Message, tc.want):
			default:
				t.Errorf("got %T %v, want %s: %s", err, err, tc.reason, tc.want)
			}
		})
	}
	t.Run("not a size that is allowed", func(t *testing.T) {
		if _, _, err := Resolve(input(sized(nil, cpuAndMemory("4", "8Gi")))); err != nil {
			t.Error(err)
		}
	})
	t.Run("not a size that the cluster has already", func(t *testing.T) {
		in := input(sizes, current(func(s *hostingv1alpha1.HostedClusterSpec) {
			s.NodePools = nodePools(input(func(in *Input) { in.NodePools = []v1alpha1.NodePool{pool("workers", 1)} }))
		}))
		if _, _, err := Resolve(in); err != nil {
			t.Error(err)
		}
	})
	t.Run("not a version that the cluster has already", func(t *testing.T) {
		in := input(current(func(*hostingv1alpha1.HostedClusterSpec) {}))
		in.Releases = nil
		if _, _, err := Resolve(in); err != nil {
			t.Error(err)
		}
	})
}
