// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	capisecret "sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/local"
	"canopy.dev/canopy/internal/usercluster"
)

// runMachineControllers runs everything that a seed runs for machines, until the test ends.
func runMachineControllers(t *testing.T) {
	t.Helper()
	opts := Options{Workers: 4, Clock: clock.RealClock{}, HealthAddress: "0", MetricsAddress: "0", RegistryMirror: "http://192.0.2.1:5000"}
	mgr, err := newManager(&config, opts)
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := SetupClusterAPI(t.Context(), mgr)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		setupBootstrap(mgr, clusters, opts),
		setupProviderMachine(mgr, clusters, nil, opts),
		setupCSR(mgr, clusters, opts.Workers),
	); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- mgr.Start(t.Context()) }()
	t.Cleanup(func() {
		clusters.(interface{ Shutdown() }).Shutdown()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// poolTest is a cluster with one pool of one machine, whose control plane is pretended.
type poolTest struct {
	*testing.T
	client.Client
	cluster *v1alpha1.HostedCluster
}

func newPoolTest(t *testing.T, name string) poolTest {
	t.Helper()
	return newPoolTestOf(t, name, v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}})
}

func newPoolTestOf(t *testing.T, name string, provider v1alpha1.Provider) poolTest {
	t.Helper()
	p := poolTest{T: t, Client: newClient(t)}
	ns := v1alpha1.NamespacePrefix + name
	create(t, p.Client, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	p.cluster = create(t, p.Client, &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: v1alpha1.HostedClusterSpec{
			Version: "1.37.2",
			Node: v1alpha1.NodeSettings{
				Proxy:           &v1alpha1.Proxy{HTTPSProxy: "http://proxy.example.com:3128"},
				RegistryMirrors: []v1alpha1.RegistryMirror{{Registry: "docker.io", URL: "https://mirror.example.com/hub"}},
			},
			NodePools: []v1alpha1.NodePool{{Name: "workers", Provider: provider}},
		},
	})
	patchStatus(t, p.Client, p.cluster, func() {
		p.cluster.Status.Endpoint, p.cluster.Status.Version = "https://203.0.113.7:31234", "1.37.2"
	})
	p.createSecrets()
	objs, err := machine.Objects(p.cluster, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&kube.Applier{Client: p.Client}).Apply(t.Context(), p.owner(), objs); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p poolTest) owner() kube.Owner {
	return kube.Owner{FieldManager: "test", Label: v1alpha1.LabelCluster, Value: p.cluster.Name, Object: p.cluster}
}

// createSecrets makes what the seed has of a cluster: its authority, and the way to its API, which is this very one.
func (p poolTest) createSecrets() {
	kubeconfig, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "c",
	})
	if err != nil {
		p.Fatal(err)
	}
	labels := map[string]string{v1alpha1.LabelCluster: p.cluster.Name, clusterv1.ClusterNameLabel: p.cluster.Name}
	create(p.T, p.Client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: controlplane.SecretCA, Labels: labels},
		Data:       map[string][]byte{corev1.TLSCertKey: []byte("the authority")},
	})
	create(p.T, p.Client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: capisecret.Name(p.cluster.Name, capisecret.Kubeconfig), Labels: labels},
		Type:       clusterv1.ClusterSecretType,
		Data:       map[string][]byte{capisecret.KubeconfigDataName: kubeconfig},
	})
}

// initialize says that the control plane's API has answered.
func (p poolTest) initialize() {
	hcp := &v1alpha1.HostedControlPlane{ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: p.cluster.Name}}
	patchStatus(p.T, p.Client, hcp, func() {
		hcp.Status.Initialization.ControlPlaneInitialized = true
		hcp.Status.Initialization.Provisioned = true
		hcp.Status.ExternalManagedControlPlane = true
		hcp.Status.Version = "v1.37.2"
	})
}

// machine waits for the pool's machine that is not called other.
func (p poolTest) machine(other string) *clusterv1.Machine {
	p.Helper()
	var found *clusterv1.Machine
	eventually(p.T, "for Cluster API to make a machine", func(ctx context.Context) bool {
		list := &clusterv1.MachineList{}
		if err := p.List(ctx, list, client.InNamespace(p.cluster.Namespace)); err != nil {
			return false
		}
		for i := range list.Items {
			if list.Items[i].Name != other {
				found = &list.Items[i]
			}
		}
		return found != nil
	})
	return found
}

// get reads obj, and reports whether it is there and ok says so.
func (p poolTest) get(ctx context.Context, obj client.Object, ok func() bool) bool {
	return p.Get(ctx, client.ObjectKeyFromObject(obj), obj) == nil && ok()
}

// boot pretends that the machine's pod runs.
func (p poolTest) boot(name, ip string) {
	p.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: name}}
	eventually(p.T, "for the machine's pod", func(ctx context.Context) bool { return p.get(ctx, pod, func() bool { return true }) })
	patchStatus(p.T, p.Client, pod, func() {
		pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: local.Component, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	})
}

// join pretends that kubelet has registered the machine's node.
func (p poolTest) join(name string) {
	node := create(p.T, p.Client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	patchStatus(p.T, p.Client, node, func() {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
}

// ask makes a certificate request as user and waits until it is approved or denied.
func (p poolTest) ask(user string, groups []string, request *certificatesv1.CertificateSigningRequest) certificatesv1.RequestConditionType {
	p.Helper()
	as := rest.CopyConfig(&config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:masters")}
	c, err := client.New(as, client.Options{Scheme: Scheme()})
	if err != nil {
		p.Fatal(err)
	}
	request.GenerateName = "csr-"
	create(p.T, c, request)
	eventually(p.T, "for a decision on the certificate request of "+user, func(ctx context.Context) bool {
		return p.get(ctx, request, func() bool { return len(request.Status.Conditions) > 0 })
	})
	return request.Status.Conditions[0].Type
}

func clientRequest(t *testing.T, node string) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	return &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
		SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
		Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		Request: signed(t, x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
		}),
	}}
}

func servingRequest(t *testing.T, node, ip string) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	return &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
		SignerName: certificatesv1.KubeletServingSignerName,
		Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth},
		Request: signed(t, x509.CertificateRequest{
			Subject:  pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
			DNSNames: []string{node}, IPAddresses: []net.IP{net.ParseIP(ip)},
		}),
	}}
}

// bootstrapUser returns as whom the machine's token makes it known.
func (p poolTest) bootstrapUser(name string) string {
	p.Helper()
	var secrets []corev1.Secret
	eventually(p.T, "for the user cluster to know the machine's token", func(ctx context.Context) bool {
		var err error
		secrets, err = tokens(ctx, p.Client, name)
		return err == nil && len(secrets) == 1
	})
	return "system:bootstrap:" + string(secrets[0].Data[bootstrapapi.BootstrapTokenIDKey])
}

func TestMachines(t *testing.T) {
	runMachineControllers(t)
	t.Run("a machine becomes a node, and is replaced when its instance vanishes", aMachinesLife)
	t.Run("a certificate for an address waits until the provider knows it", aNewAddress)
	t.Run("somebody's own machine joins, and is out when it is deleted", somebodysOwn)
	t.Run("the last machine does not wait for what runs in the cluster itself", theLastMachineGoes)
}

func aMachinesLife(t *testing.T) {
	p := newPoolTest(t, "lifecycle")
	m := p.machine("")

	config := &v1alpha1.BootstrapConfig{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	eventually(t, "for the machine to say that it waits for the API", func(ctx context.Context) bool {
		return p.get(ctx, config, func() bool {
			return len(config.Status.Conditions) == 1 && config.Status.Conditions[0].Reason == v1alpha1.ReasonWaitingForAPI
		})
	})
	p.initialize()
	capi := &clusterv1.Cluster{ObjectMeta: p.cluster.ObjectMeta}
	eventually(t, "for Cluster API to take the cluster for complete, without which it checks no machine's health", func(ctx context.Context) bool {
		return p.get(ctx, capi, func() bool {
			return meta.IsStatusConditionTrue(capi.Status.Conditions, clusterv1.ClusterInfrastructureReadyCondition)
		})
	})
	eventually(t, "for the machine's user data", func(ctx context.Context) bool {
		return p.get(ctx, config, func() bool { return config.Status.Initialization.DataSecretCreated })
	})
	user := p.bootstrapUser(m.Name)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: config.Status.DataSecretName}}
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{strings.TrimPrefix(user, "system:bootstrap:") + ".", "the authority", "https://203.0.113.7:31234", "http://192.0.2.1:5000", "http://proxy.example.com:3128", "https://mirror.example.com/v2/hub"} {
		if !strings.Contains(string(secret.Data[machine.UserDataKey]), part) {
			t.Errorf("the user data does not contain %q", part)
		}
	}

	p.boot(m.Name, "10.0.0.7")
	if got := p.ask(user, []string{"system:bootstrappers:canopy"}, clientRequest(t, m.Name)); got != certificatesv1.CertificateApproved {
		t.Errorf("the machine's first certificate is %s", got)
	}
	if got := p.ask(user, []string{"system:bootstrappers:canopy"}, clientRequest(t, "another")); got != certificatesv1.CertificateDenied {
		t.Errorf("another machine's certificate is %s", got)
	}
	p.join(m.Name)
	if got := p.ask("system:node:"+m.Name, []string{"system:nodes"}, servingRequest(t, m.Name, "10.0.0.7")); got != certificatesv1.CertificateApproved {
		t.Errorf("the node's serving certificate is %s", got)
	}
	eventually(t, "for the machine to be a ready node", func(ctx context.Context) bool {
		return p.get(ctx, m, func() bool { return m.Status.NodeRef.Name == m.Name && m.Spec.ProviderID != "" })
	})
	eventually(t, "for the machine's token to be taken back", func(ctx context.Context) bool {
		left, err := tokens(ctx, p.Client, m.Name)
		return err == nil && len(left) == 0
	})

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	if err := p.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	p.boot(p.machine(m.Name).Name, "10.0.0.8")
	eventually(t, "for the machine without instance to go", func(ctx context.Context) bool { return !p.get(ctx, m, func() bool { return true }) })
}

func aNewAddress(t *testing.T) {
	p := newPoolTest(t, "addresses")
	p.initialize()
	m := p.machine("")
	p.boot(m.Name, "10.0.1.7")
	decided := make(chan certificatesv1.RequestConditionType, 1)
	request := servingRequest(t, m.Name, "10.0.1.8")
	go func() { decided <- p.ask("system:node:"+m.Name, []string{"system:nodes"}, request) }()
	provided := &v1alpha1.ProviderMachine{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	eventually(t, "for the machine's first address", func(ctx context.Context) bool {
		return p.get(ctx, provided, func() bool { return len(provided.Status.Addresses) > 0 })
	})
	p.boot(m.Name, "10.0.1.8")
	if got := <-decided; got != certificatesv1.CertificateApproved {
		t.Errorf("the certificate for the new address is %s", got)
	}
}

func somebodysOwn(t *testing.T) {
	p := newPoolTestOf(t, "own", v1alpha1.Provider{BringYourOwn: &v1alpha1.BringYourOwnMachine{}})
	p.initialize()
	m := p.machine("")
	slot := &v1alpha1.ProviderMachine{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	eventually(t, "for the machine to say that it waits for somebody", func(ctx context.Context) bool {
		return p.get(ctx, slot, func() bool {
			ready := meta.FindStatusCondition(slot.Status.Conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Reason == "WaitingForJoin"
		})
	})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	if machine.Format(secret.Data[machine.FormatKey]) != machine.Script || secret.Labels[v1alpha1.LabelPool] != "workers" || len(secret.Data[keyToken]) > 0 {
		t.Errorf("the script of the pool %q has the format %q and the token %q", secret.Labels[v1alpha1.LabelPool], secret.Data[machine.FormatKey], secret.Data[keyToken])
	}
	joining, groups := usercluster.MachineUserPrefix+m.Name, []string{usercluster.BootstrapGroup}
	if got := p.ask(joining, groups, clientRequest(t, m.Name)); got != certificatesv1.CertificateApproved {
		t.Errorf("the machine's first certificate is %s", got)
	}
	p.join(m.Name)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.Name}}
	if err := p.Get(t.Context(), client.ObjectKeyFromObject(node), node); err != nil {
		t.Fatal(err)
	}
	patchStatus(t, p.Client, node, func() {
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.9"}}
	})
	if got := p.ask("system:node:"+m.Name, []string{"system:nodes"}, servingRequest(t, m.Name, "192.0.2.9")); got != certificatesv1.CertificateApproved {
		t.Errorf("the node's serving certificate is %s", got)
	}
	eventually(t, "for the machine to be a node", func(ctx context.Context) bool {
		return p.get(ctx, m, func() bool { return m.Status.NodeRef.Name == m.Name })
	})
	if got := p.ask(joining, groups, clientRequest(t, m.Name)); got != certificatesv1.CertificateDenied {
		t.Errorf("the certificate of a second machine with the same command is %s", got)
	}

	if err := p.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	gone := func(obj client.Object) func(ctx context.Context) bool {
		return func(ctx context.Context) bool {
			return apierrors.IsNotFound(p.Get(ctx, client.ObjectKeyFromObject(obj), obj))
		}
	}
	eventually(t, "for the machine to go", gone(m))
	eventually(t, "for its node to go", gone(node))
	if next := p.machine(m.Name); next.Name == m.Name {
		t.Error("no other machine is waited for")
	}
	again := create(t, p.Client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.Name, Labels: map[string]string{v1alpha1.LabelPool: "workers"}}})
	eventually(t, "for the node to be expelled that registers again", gone(again))
}

// theLastMachineGoes takes the only pool away, while a disruption budget of the cluster's own DNS allows no eviction.
func theLastMachineGoes(t *testing.T) {
	p := newPoolTest(t, "last")
	p.initialize()
	m := p.machine("")
	p.boot(m.Name, "10.0.2.7")
	p.join(m.Name)
	eventually(t, "for the machine to be a node", func(ctx context.Context) bool {
		return p.get(ctx, m, func() bool { return m.Status.NodeRef.Name == m.Name })
	})
	labels := map[string]string{v1alpha1.LabelComponent: usercluster.CoreDNS}
	pod := create(t, p.Client, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "last-dns", Namespace: metav1.NamespaceSystem, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: m.Name, Containers: []corev1.Container{{Name: "coredns", Image: "coredns"}}},
	})
	patchStatus(t, p.Client, pod, func() {
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	})
	budget := create(t, p.Client, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "last-dns", Namespace: metav1.NamespaceSystem},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels}},
	})
	patchStatus(t, p.Client, budget, func() { // as with one of two, of which the other is evicted
		budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, ExpectedPods: 2, DesiredHealthy: 1, CurrentHealthy: 1}
	})

	pool := &clusterv1.MachineDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: "workers"}}
	if err := p.Delete(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	eventually(t, "for the budget to hold the machine, without which this test shows nothing", func(ctx context.Context) bool {
		return p.get(ctx, m, func() bool {
			deleting := meta.FindStatusCondition(m.Status.Conditions, clusterv1.MachineDeletingCondition)
			return deleting != nil && strings.Contains(deleting.Message, "disruption budget")
		})
	})
	p.cluster.Spec.NodePools = nil
	objs, err := machine.Objects(p.cluster, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&kube.Applier{Client: p.Client}).Apply(t.Context(), p.owner(), objs); err != nil {
		t.Fatal(err)
	}
	eventually(t, "for the last machine to go", func(ctx context.Context) bool { return !p.get(ctx, m, func() bool { return true }) })
	if p.get(t.Context(), pod, func() bool { return !pod.DeletionTimestamp.IsZero() }) {
		t.Error("the cluster's DNS was evicted before the machine went")
	}
}
