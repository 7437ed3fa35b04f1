// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
)

var testImages = Images{Server: "server:1", NodeNetwork: "node-network:1", OpenVPN: "openvpn:1", Prometheus: "prometheus:1", Alertmanager: "alertmanager:1"}

// bareSeed is a cluster on which nothing of Canopy's is, but for the master's account and its rights.
type bareSeed struct {
	*testing.T
	*SeedReconciler
	master, remote client.Client
	clock          *testclock.FakePassiveClock
	seed           *v1alpha1.Seed
}

func newBareSeed(t *testing.T) *bareSeed {
	t.Helper()
	r, c := newSeedReconciler(t)
	b := &bareSeed{T: t, SeedReconciler: r, master: c, clock: testclock.NewFakePassiveClock(time.Now())}
	r.Clock, r.Images = b.clock, testImages
	scheme := kube.Scheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.remote, err = client.New(&bareConfig, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	ensureDefaultClass(t, b.remote)
	b.adoptKinds()
	b.seed = &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "bare"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "bare", Address: "192.0.2.1"}}
	return b
}

// adoptKinds makes Helm take the kinds, which are there already, for its own.
func (b *bareSeed) adoptKinds() {
	b.Helper()
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := b.remote.List(b.Context(), crds); err != nil {
		b.Fatal(err)
	}
	for i := range crds.Items {
		crd := &crds.Items[i]
		before := crd.DeepCopy()
		metav1.SetMetaDataLabel(&crd.ObjectMeta, "app.kubernetes.io/managed-by", "Helm")
		metav1.SetMetaDataAnnotation(&crd.ObjectMeta, "meta.helm.sh/release-name", install.ReleaseName)
		metav1.SetMetaDataAnnotation(&crd.ObjectMeta, "meta.helm.sh/release-namespace", v1alpha1.SystemNamespace)
		if err := b.remote.Patch(b.Context(), crd, client.MergeFrom(before)); err != nil {
			b.Fatal(err)
		}
	}
}

// giveRights makes the master's account on the seed, as `canopy seed add` does, and its Secret on the master.
func (b *bareSeed) giveRights() {
	b.Helper()
	objs, err := install.Canopy(ChartValues(b.seed, testImages)).Render(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	rights, err := install.RightsFor(objs)
	if err != nil {
		b.Fatal(err)
	}
	ns := install.Namespace()
	ns.Labels[v1alpha1.LabelManagedBy] = b.seed.Name
	if err := client.IgnoreAlreadyExists(b.remote.Create(b.Context(), ns)); err != nil {
		b.Fatal(err)
	}
	get(b.T, b.remote, ns)
	for _, obj := range install.MasterObjects(append(install.HandoverRights(), rights...), ns) {
		create(b.T, b.remote, obj)
	}
	api, err := kubernetes.NewForConfig(&bareConfig)
	if err != nil {
		b.Fatal(err)
	}
	seconds := int64(TokenLifetime.Seconds())
	token, err := api.CoreV1().ServiceAccounts(ns.Name).CreateToken(b.Context(), install.MasterAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	create(b.T, b.master, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bare", Namespace: v1alpha1.SystemNamespace},
		Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: kubeconfig(b.T, &rest.Config{Host: bareConfig.Host, TLSClientConfig: rest.TLSClientConfig{CAData: bareConfig.CAData}}, func(kc *clientcmdapi.Config) {
			kc.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
		})},
	})
}

// want reconciles once and checks the Ready condition that comes of it.
func (b *bareSeed) want(what, reason, message string) {
	b.Helper()
	if ready := b.step(b.T, b.seed); ready.Reason != reason || !strings.Contains(ready.Message, message) {
		b.Fatalf("%s: got  %s: %s\nwant %s: %s", what, ready.Reason, ready.Message, reason, message)
	}
}

// run says that the pods of a Deployment run, which nobody starts here.
func (b *bareSeed) run(name string) {
	b.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.SystemNamespace}}
	get(b.T, b.remote, d)
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas, ReadyReplicas: *d.Spec.Replicas, AvailableReplicas: *d.Spec.Replicas}
	if err := b.remote.Status().Update(b.Context(), d); err != nil {
		b.Fatal(err)
	}
}

// revisions returns how many revisions the release has had.
func (b *bareSeed) revisions() int {
	b.Helper()
	records := &corev1.SecretList{}
	if err := b.remote.List(b.Context(), records, client.InNamespace(v1alpha1.SystemNamespace), client.MatchingLabels{"owner": "helm"}); err != nil {
		b.Fatal(err)
	}
	return len(records.Items)
}

func (b *bareSeed) token() string {
	b.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bare", Namespace: v1alpha1.SystemNamespace}}
	get(b.T, b.master, secret)
	_, config, err := kube.ParseKubeconfig(secret.Data[v1alpha1.SeedKubeconfigKey])
	if err != nil {
		b.Fatal(err)
	}
	return config.BearerToken
}

// TestTheLifeOfASeed goes from a cluster that has nothing to one that has nothing again, with the rights that `canopy seed add`
// gives and no others.
func TestTheLifeOfASeed(t *testing.T) {
	b := newBareSeed(t)
	b.giveRights()
	create(t, b.master, b.seed)
	purge(t, b.master, b.seed)

	b.want("it was installed", v1alpha1.ReasonWaitingForPods, "canopy-seed: its new version is about to start")
	if installed := meta.FindStatusCondition(b.seed.Status.Conditions, v1alpha1.ConditionInstalled); installed == nil || installed.Status != metav1.ConditionTrue || b.seed.Status.InstalledVersion != install.Version {
		t.Errorf("Installed: %+v, version %q", installed, b.seed.Status.InstalledVersion)
	}
	b.run(seedManagerName)
	b.want("its pods run", v1alpha1.ReasonReady, "")
	if capacity := b.seed.Status.Capacity; capacity == nil || capacity.Nodes != 0 {
		t.Errorf("capacity: %+v", capacity)
	}
	if expires := b.seed.Status.CredentialsExpire; expires == nil || time.Until(expires.Time) < 6*24*time.Hour {
		t.Errorf("the credentials expire at %v", expires)
	}
	b.want("nothing changed", v1alpha1.ReasonReady, "")
	if n := b.revisions(); n != 1 {
		t.Errorf("%d revisions of the release, want 1", n)
	}

	b.tokenIsRenewed()
	b.changeIsInstalled()
	b.missingRightIsNamed()
	b.rightsAreReviewedAgain()
	b.isRemoved()
}

func (b *bareSeed) tokenIsRenewed() {
	b.Helper()
	first := b.token()
	b.clock.SetTime(time.Now().Add(24 * time.Hour))
	b.want("a day later", v1alpha1.ReasonReady, "")
	if b.token() != first {
		b.Error("the token was renewed too early")
	}
	eventually(b.T, "the connection is there", func(context.Context) bool { return b.Seeds.Get("bare") != nil })
	conn := b.Seeds.Get("bare")
	b.clock.SetTime(time.Now().Add(3 * 24 * time.Hour))
	eventually(b.T, "the token is renewed", func(context.Context) bool { // tokens of the same second are the same
		b.want("after a third of its time", v1alpha1.ReasonReady, "")
		return b.token() != first
	})
	b.want("with the new token", v1alpha1.ReasonReady, "")
	if b.Seeds.Get("bare") != conn {
		b.Error("a new token made a new connection")
	}
}

func (b *bareSeed) changeIsInstalled() {
	b.Helper()
	before := b.revisions()
	b.seed.Spec.RegistryMirror = "https://registry.example.com"
	if err := b.master.Update(b.Context(), b.seed); err != nil {
		b.Fatal(err)
	}
	b.want("a change", v1alpha1.ReasonWaitingForPods, "canopy-seed: its new version is about to start")
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: seedManagerName, Namespace: v1alpha1.SystemNamespace}}
	get(b.T, b.remote, d)
	if n := b.revisions(); n != before+1 || !slices.Contains(d.Spec.Template.Spec.Containers[0].Args, "--registry-mirror=https://registry.example.com") {
		b.Errorf("%d revisions, arguments %v", n, d.Spec.Template.Spec.Containers[0].Args)
	}
	// What somebody deletes comes back.
	if err := b.remote.Delete(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	b.want("it was deleted", v1alpha1.ReasonWaitingForPods, "canopy-seed: its new version is about to start")
	b.run(seedManagerName)
	b.want("and its pods run", v1alpha1.ReasonReady, "")
}

func (b *bareSeed) missingRightIsNamed() {
	b.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: install.MasterAccount}}
	get(b.T, b.remote, role)
	whole := slices.Clone(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "storageclasses") })
	if err := b.remote.Update(b.Context(), role); err != nil {
		b.Fatal(err)
	}
	eventually(b.T, "the API server knows of the role", func(context.Context) bool {
		return b.step(b.T, b.seed).Reason == v1alpha1.ReasonMissingPermission
	})
	b.want("a right is missing", v1alpha1.ReasonMissingPermission, "the master may not get storageclasses.storage.k8s.io, list storageclasses.storage.k8s.io there")
	if seedError(b.seed) == "" {
		b.Error("its clusters are told nothing")
	}
	role.Rules = whole
	if err := b.remote.Update(b.Context(), role); err != nil {
		b.Fatal(err)
	}
	eventually(b.T, "it is ready again", func(context.Context) bool { return b.step(b.T, b.seed).Reason == v1alpha1.ReasonReady })
}

// rightsAreReviewedAgain takes a right away that no probe needs.
func (b *bareSeed) rightsAreReviewedAgain() {
	b.Helper()
	b.clock.SetTime(time.Now()) // at which the token is not renewed
	b.reviews.Clear()
	b.want("all rights are there", v1alpha1.ReasonReady, "")
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: install.MasterAccount, Namespace: v1alpha1.SystemNamespace}}
	get(b.T, b.remote, role)
	whole := slices.Clone(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "serviceaccounts/token") })
	if err := b.remote.Update(b.Context(), role); err != nil || len(role.Rules) == len(whole) {
		b.Fatal(err, role.Rules)
	}
	b.want("a moment later", v1alpha1.ReasonReady, "")
	eventually(b.T, "the right is missed", func(context.Context) bool {
		b.clock.SetTime(b.clock.Now().Add(rightsPeriod))
		return b.step(b.T, b.seed).Reason == v1alpha1.ReasonMissingPermission
	})
	role.Rules = whole
	if err := b.remote.Update(b.Context(), role); err != nil {
		b.Fatal(err)
	}
	eventually(b.T, "it is ready again", func(context.Context) bool { return b.step(b.T, b.seed).Reason == v1alpha1.ReasonReady })
}

func (b *bareSeed) isRemoved() {
	b.Helper()
	ensureNamespace(b.T, b.remote, "cluster-stray")
	stray := create(b.T, b.remote, &hostingv1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: "stray", Namespace: "cluster-stray"}, Spec: hostingv1alpha1.HostedClusterSpec{Version: "1.37.2"}})
	if err := b.master.Delete(b.Context(), b.seed); err != nil {
		b.Fatal(err)
	}
	b.want("somebody's cluster is there", v1alpha1.ReasonInUse, "1 HostedClusters that are no Cluster's of this master: delete stray there")
	if err := b.remote.Delete(b.Context(), stray); err != nil {
		b.Fatal(err)
	}
	if _, err := b.Reconcile(b.Context(), b.seed); err != nil {
		b.Fatal(err)
	}
	if err := b.master.Get(b.Context(), client.ObjectKeyFromObject(b.seed), b.seed); !apierrors.IsNotFound(err) {
		b.Errorf("the Seed is still there: %v", err)
	}
	ns := install.Namespace()
	get(b.T, b.remote, ns)
	err := b.remote.Get(b.Context(), client.ObjectKey{Namespace: ns.Name, Name: seedManagerName}, &appsv1.Deployment{})
	roleErr := b.remote.Get(b.Context(), client.ObjectKey{Name: seedManagerName}, &rbacv1.ClusterRole{})
	if ns.DeletionTimestamp.IsZero() || !apierrors.IsNotFound(err) || !apierrors.IsNotFound(roleErr) {
		b.Errorf("left over: the namespace (deleted at %v), the Deployment (%v), the ClusterRole (%v)", ns.DeletionTimestamp, err, roleErr)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := b.remote.Get(b.Context(), client.ObjectKey{Name: "hostedclusters.hosting.canopy.dev"}, crd); err != nil {
		b.Errorf("the kinds are gone: %v", err)
	}
}

func TestASeedOfAnotherMaster(t *testing.T) {
	r, c := newSeedReconciler(t)
	remote := newClient(t, &seedConfig)
	ensureNamespace(t, remote, v1alpha1.SystemNamespace)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	mark := func(owner string) {
		t.Helper()
		get(t, remote, ns)
		metav1.SetMetaDataAnnotation(&ns.ObjectMeta, v1alpha1.AnnotationInstallation, owner)
		if owner == "" {
			delete(ns.Annotations, v1alpha1.AnnotationInstallation)
		}
		if err := remote.Update(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
	}
	mark("somebody-else")
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "taken", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: kubeconfig(t, &seedConfig)}})
	seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "taken"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "taken", Install: v1alpha1.InstallManual}})
	if ready := r.step(t, seed); ready.Reason != v1alpha1.ReasonTakenByAnother || !strings.Contains(ready.Message, "somebody-else") {
		t.Errorf("Ready: %+v", ready)
	}
	mark("")
	if ready := r.step(t, seed); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready: %+v", ready)
	}
	get(t, remote, ns)
	if ns.Annotations[v1alpha1.AnnotationInstallation] == "" {
		t.Error("nothing says whose seed it is")
	}
	r.takeAway(t, seed)
	get(t, remote, ns)
	if owner := ns.Annotations[v1alpha1.AnnotationInstallation]; owner != "" {
		t.Errorf("it is still %s's", owner)
	}
}

func TestUnavailable(t *testing.T) {
	one := int32(1)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: &one}}
	running := appsv1.DeploymentStatus{ObservedGeneration: 2, UpdatedReplicas: 1, AvailableReplicas: 1}
	for name, tc := range map[string]struct {
		status appsv1.DeploymentStatus
		pod    corev1.PodStatus
		want   string
	}{
		"it runs":           {running, corev1.PodStatus{}, ""},
		"it is not seen":    {appsv1.DeploymentStatus{ObservedGeneration: 1, UpdatedReplicas: 1, AvailableReplicas: 1}, corev1.PodStatus{}, "its new version is about to start"},
		"there is no image": {appsv1.DeploymentStatus{}, corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "seed", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}}}}, "its container seed waits: ImagePullBackOff: not found"},
		"there is no room":  {appsv1.DeploymentStatus{}, corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}}, "no node takes its pod: 0/1 nodes are available"},
		"it crashes":        {appsv1.DeploymentStatus{}, corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "seed", LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}}}}, "its container seed ended with code 1 (Error) and was started again"},
	} {
		t.Run(name, func(t *testing.T) {
			deployment := d.DeepCopy()
			deployment.Status = tc.status
			if got := unavailable(deployment, []corev1.Pod{{Status: tc.pod}}); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
