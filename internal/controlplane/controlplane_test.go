// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/images"
)

const openVPNImage = "registry.canopy.dev/openvpn:0123456789ab"

// objects returns everything, in the order in which it is applied.
func objects(in Input) []client.Object {
	return slices.Concat(Objects(in), Companions(in), Monitoring(in))
}

func input(t *testing.T, mods ...func(*v1alpha1.HostedCluster)) Input {
	t.Helper()
	hc := &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "cluster-demo"},
		Spec: v1alpha1.HostedClusterSpec{
			Version: "1.37.2",
			Profile: v1alpha1.ProfileCompact,
			Network: v1alpha1.Network{PodCIDR: "172.25.0.0/16", ServiceCIDR: "10.240.16.0/20", DNSDomain: "cluster.local", Tunnel: v1alpha1.TunnelOpenVPN, TunnelCIDR: "169.254.88.0/28"},
			Expose:  v1alpha1.Expose{Strategy: v1alpha1.ExposeNodePort},
			Etcd:    v1alpha1.Etcd{Storage: resource.MustParse("2Gi")},
		},
	}
	for _, mod := range mods {
		mod(hc)
	}
	image, err := images.Kubernetes("kubernetes", hc.Spec.Version)
	if err != nil {
		t.Fatal(err)
	}
	autoscaler, err := images.Kubernetes(ClusterAutoscaler, hc.Spec.Version)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Cluster: hc, KubernetesImage: image, ClusterAutoscalerImage: autoscaler, Names: []string{"192.0.2.1"}, ServiceIP: "10.0.0.7", KeysChecksum: "keys", OpenVPNChecksum: "openvpn-keys", OpenVPNImage: openVPNImage, Alertmanager: "alertmanager.canopy-system.svc:9093"}
}

var variants = map[string]func(*v1alpha1.HostedCluster){
	"previous-minor": func(hc *v1alpha1.HostedCluster) { hc.Spec.Version = "1.36.3" },
	"extra-args": func(hc *v1alpha1.HostedCluster) {
		hc.Spec.APIServer.ExtraArgs = map[string]string{"v": "4", "authorization-mode": "Node,RBAC,Webhook"}
		hc.Spec.Scheduler.ExtraArgs = map[string]string{"v": "2"}
	},
	"issuers": func(hc *v1alpha1.HostedCluster) {
		hc.Spec.Authentication.Issuers = []v1alpha1.Issuer{
			{URL: "https://canopy.example.com/issuer", Audiences: []string{"canopy-cli", "canopy-kubectl"}, CertificateAuthority: "an authority"},
			{URL: "https://login.example.com", Audiences: []string{"kubernetes"}, Username: "claims.upn", Groups: "claims.roles", Rules: []v1alpha1.ClaimRule{{Expression: "claims.hd == 'example.com'", Message: "somebody else's"}}},
		}
	},
	"autoscaling": func(hc *v1alpha1.HostedCluster) {
		hc.Spec.NodePools = []v1alpha1.NodePool{{Name: "workers", Autoscaling: &v1alpha1.Autoscaling{MinReplicas: new(int32(1)), MaxReplicas: 5}}}
	},
	"konnectivity": func(hc *v1alpha1.HostedCluster) { hc.Spec.Network.Tunnel = v1alpha1.TunnelKonnectivity },
	"large-etcd": func(hc *v1alpha1.HostedCluster) {
		hc.Spec.Etcd = v1alpha1.Etcd{Storage: resource.MustParse("20Gi"), StorageClassName: "fast"}
	},
	"no-monitoring": func(hc *v1alpha1.HostedCluster) { hc.Spec.Monitoring.Enabled = new(false) },
	"other-network": func(hc *v1alpha1.HostedCluster) {
		hc.Spec.Network = v1alpha1.Network{PodCIDR: "10.1.0.0/16", ServiceCIDR: "10.2.0.0/24", DNSDomain: "example.test", Tunnel: v1alpha1.TunnelOpenVPN, TunnelCIDR: "10.3.0.0/24"}
	},
}

func TestObjects(t *testing.T) {
	base := golden.YAML(t, scheme.Scheme, objects(input(t)))
	golden.Check(t, "base.yaml", base)
	for name, mod := range variants {
		t.Run(name, func(t *testing.T) {
			golden.CheckVariant(t, name+".diff", base, golden.YAML(t, scheme.Scheme, objects(input(t, mod))))
		})
	}
}

func TestObjectsOfAClusterThatEncryptsItsSecrets(t *testing.T) {
	in := input(t)
	base := golden.YAML(t, scheme.Scheme, objects(in))
	in.Encryption = FirstEncryption(EncryptionKey{Name: "key1", Secret: []byte("01234567890123456789012345678901")})
	golden.CheckVariant(t, "encryption.diff", base, golden.YAML(t, scheme.Scheme, objects(in)))
}

func atAWS(t *testing.T) Input {
	t.Helper()
	in := input(t, func(hc *v1alpha1.HostedCluster) {
		hc.Spec.Cloud = &v1alpha1.Cloud{Place: v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: "us-east-2"}}}
	})
	in.CloudControllerChecksum = "files"
	return in
}

func TestObjectsOfAClusterAtAWS(t *testing.T) {
	base := golden.YAML(t, scheme.Scheme, objects(input(t)))
	golden.CheckVariant(t, "aws.diff", base, golden.YAML(t, scheme.Scheme, objects(atAWS(t))))
	for _, obj := range objects(atAWS(t)) {
		if deployment, ok := obj.(*appsv1.Deployment); ok && obj.GetName() == AWSCloudController {
			checkPod(t, deployment.Spec.Template.Spec)
		}
	}
}

// What must be true of every pod, whatever the spec says.
func TestPodManners(t *testing.T) {
	all := map[string]func(*v1alpha1.HostedCluster){"base": func(*v1alpha1.HostedCluster) {}}
	for name, mod := range variants {
		all[name] = mod
	}
	for name, mod := range all {
		t.Run(name, func(t *testing.T) {
			for _, obj := range objects(input(t, mod)) {
				set, ok := obj.(*appsv1.StatefulSet)
				if !ok {
					continue
				}
				if set.Spec.Selector.MatchLabels[v1alpha1.LabelComponent] != set.Spec.Template.Labels[v1alpha1.LabelComponent] {
					t.Error("the selector does not match the pods")
				}
				checkPod(t, set.Spec.Template.Spec)
			}
		})
	}
}

func checkPod(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Error("may run as root")
	}
	if pod.SecurityContext.SeccompProfile == nil || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("has no seccomp profile")
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("mounts a service-account token that nothing uses")
	}
	if len(pod.InitContainers) > 0 {
		t.Error("an init container delays the API")
	}
	for _, c := range pod.Containers {
		known := c.Image == openVPNImage || slices.ContainsFunc(images.All(), func(i images.Image) bool { return i.Ref() == c.Image })
		sc := c.SecurityContext
		switch {
		case !known:
			t.Errorf("%s: image %q is not in the list", c.Name, c.Image)
		case strings.HasSuffix(c.Image, ":latest"):
			t.Errorf("%s: image %q has no fixed version", c.Name, c.Image)
		case c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero():
			t.Errorf("%s: requests nothing", c.Name)
		case !c.Resources.Limits.Cpu().IsZero():
			t.Errorf("%s: a CPU limit slows its start", c.Name)
		case sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem || len(sc.Capabilities.Drop) == 0:
			t.Errorf("%s: is not restricted", c.Name)
		case c.LivenessProbe == nil || c.ReadinessProbe == nil:
			t.Errorf("%s: has no probes", c.Name)
		}
	}
}

func TestValidateExtraArgs(t *testing.T) {
	tests := map[string]struct {
		args map[string]string
		want string
	}{
		"a flag of the user's is fine":          {map[string]string{"v": "4"}, ""},
		"the port is the seed's":                {map[string]string{"secure-port": "1"}, "spec.apiServer.extraArgs: secure-port is set by the seed and cannot be replaced: remove it"},
		"dashes do not belong to the name":      {map[string]string{"--v": "4"}, `spec.apiServer.extraArgs: "--v" is no name of a flag: write it without dashes and without its value`},
		"the value does not belong to the name": {map[string]string{"v=4": ""}, `spec.apiServer.extraArgs: "v=4" is no name of a flag: write it without dashes and without its value`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := v1alpha1.HostedClusterSpec{}
			spec.APIServer.ExtraArgs = tc.args
			if got := strings.Join(ValidateExtraArgs(spec), "; "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestComponents(t *testing.T) {
	pod := func(states ...corev1.ContainerStatus) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: states}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	tests := map[string]struct {
		live      Live
		component string
		want      v1alpha1.ComponentStatus
	}{
		"no pod": {Live{}, Etcd, v1alpha1.ComponentStatus{Name: Etcd, Reason: "Waiting", Message: "its pod does not exist yet"}},
		"a pod that fits on no node": {
			Live{Pod: &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}}}},
			Etcd,
			v1alpha1.ComponentStatus{Name: Etcd, Reason: "Unschedulable", Message: "its pod cannot be placed on a node of the seed: 0/1 nodes are available"},
		},
		"an image that is not there": {
			Live{Pod: pod(corev1.ContainerStatus{Name: Etcd, Image: "example/etcd:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found\nmore"}}})},
			Etcd,
			v1alpha1.ComponentStatus{Name: Etcd, Reason: "ImageUnavailable", Message: "image example/etcd:1 cannot be pulled; check that the seed's registry has it (canopy images push). not found"},
		},
		"an image that is not there, and is not built": {
			Live{Companions: map[string]*corev1.Pod{ClusterAutoscaler: {
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: ClusterAutoscaler}}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
					Name: ClusterAutoscaler, Image: images.Ref(ClusterAutoscaler),
					State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}},
				}}},
			}}},
			ClusterAutoscaler,
			v1alpha1.ComponentStatus{Name: ClusterAutoscaler, Reason: "ImageUnavailable", Message: "image " + images.Ref(ClusterAutoscaler) + " cannot be pulled; Canopy does not build it: check that the seed reaches the registry, or copy the image into its mirror. not found"},
		},
		"a process that crashes": {
			Live{Pod: pod(corev1.ContainerStatus{
				Name: Etcd, RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}},
			})},
			Etcd,
			v1alpha1.ComponentStatus{Name: Etcd, Reason: "CrashLoopBackOff", Message: "it has ended 3 times; the last time, it ended with exit code 2 (Error)"},
		},
		"an API that answers is ready before its probe says so": {
			Live{Pod: pod(corev1.ContainerStatus{Name: "kubernetes", State: running}), Health: map[string]error{APIServer: nil}},
			APIServer,
			v1alpha1.ComponentStatus{Name: APIServer, Ready: true, Reason: "Running"},
		},
		"a scheduler that does not answer beside an API that does": {
			Live{Pod: pod(corev1.ContainerStatus{Name: "kubernetes", Ready: true, State: running}), Health: map[string]error{APIServer: nil, Scheduler: errTest}},
			Scheduler,
			v1alpha1.ComponentStatus{Name: Scheduler, Reason: "Starting", Message: "its health check says: connection refused"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			components := Components(input(t, variants["autoscaling"]).Cluster, tc.live)
			i := slices.IndexFunc(components, func(c v1alpha1.ComponentStatus) bool { return c.Name == tc.component })
			if i < 0 || components[i] != tc.want {
				t.Errorf("got  %+v\nwant %+v", components, tc.want)
			}
		})
	}
}

type testError string

func (e testError) Error() string { return string(e) }

const errTest = testError("connection refused")
