// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// clusterTest is one Cluster with a project, a seed, a datacenter and a pool of its own, all named after it, and a
// reconciler that is called by hand. Nobody but the test runs on the seed.
type clusterTest struct {
	*testing.T
	*ClusterReconciler

	master, seed client.WithWatch
	project      *v1alpha1.Project
	datacenter   *v1alpha1.Datacenter
	cluster      *v1alpha1.Cluster
}

func newClusterTest(t *testing.T, name string, mods ...func(*v1alpha1.ClusterSpec)) *clusterTest {
	t.Helper()
	c := &clusterTest{T: t, master: newClient(t, &masterConfig), seed: newClient(t, &seedConfig)}
	ensureNamespace(t, c.master, v1alpha1.ProjectNamespacePrefix+name)
	ensureNamespace(t, c.master, v1alpha1.SystemNamespace)
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}}
	if err := client.IgnoreAlreadyExists(c.master.Create(t.Context(), release)); err != nil {
		t.Fatal(err)
	}
	c.project = create(t, c.master, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: name}})
	seed := create(t, c.master, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: name, Install: v1alpha1.InstallManual}})
	c.seedIs(seed, metav1.ConditionTrue, "Ready", "")
	c.datacenter = create(t, c.master, &v1alpha1.Datacenter{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.DatacenterSpec{Seed: name, Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}},
	})
	c.cluster = &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.ProjectNamespacePrefix + name},
		Spec:       v1alpha1.ClusterSpec{Datacenter: name, Version: "1.37.2"},
	}
	for _, mod := range mods {
		mod(&c.cluster.Spec)
	}
	create(t, c.master, c.cluster)
	create(t, c.master, &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: c.cluster.Namespace},
		Spec:       v1alpha1.NodePoolSpec{Cluster: name, MachinePool: v1alpha1.MachinePool{Replicas: ptr.To[int32](2), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}}},
	})
	c.start(c.master, c.seed)
	return c
}

// start makes a reconciler that knows nothing, as after the master was killed.
func (c *clusterTest) start(master, seed client.Client) {
	seeds := newConnections(c.Context())
	seeds.byName[c.project.Name] = &Connection{Client: seed, Live: seed, Applier: &kube.Applier{Client: seed, Live: seed}, synced: true}
	c.ClusterReconciler = &ClusterReconciler{Client: master, APIReader: master, Seeds: seeds, Clock: clock.RealClock{}}
}

func (c *clusterTest) seedIs(seed *v1alpha1.Seed, status metav1.ConditionStatus, reason, message string) {
	c.Helper()
	get(c.T, c.master, seed)
	meta.SetStatusCondition(&seed.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionConnected, Status: status, Reason: reason, Message: message})
	if err := c.master.Status().Update(c.Context(), seed); err != nil {
		c.Fatal(err)
	}
}

// step reconciles once, and returns the Ready condition that comes of it.
func (c *clusterTest) step() metav1.Condition {
	c.Helper()
	get(c.T, c.master, c.cluster)
	_, _ = c.Reconcile(c.Context(), c.cluster) // what it says is in the condition
	get(c.T, c.master, c.cluster)
	ready := meta.FindStatusCondition(c.cluster.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		c.Fatal("there is no Ready condition")
	}
	return *ready
}

// hosted returns the HostedClusters of the project on the seed.
func (c *clusterTest) hosted() []hostingv1alpha1.HostedCluster {
	c.Helper()
	list := &hostingv1alpha1.HostedClusterList{}
	if err := c.seed.List(c.Context(), list, client.MatchingLabels{v1alpha1.LabelProject: c.project.Name}); err != nil {
		c.Fatal(err)
	}
	return list.Items
}

// collect does what a namespace controller would: namespaces that are to go are gone.
func (c *clusterTest) collect() {
	c.Helper()
	list := &corev1.NamespaceList{}
	if err := c.seed.List(c.Context(), list, client.MatchingLabels{v1alpha1.LabelProject: c.project.Name}); err != nil {
		c.Fatal(err)
	}
	for _, ns := range list.Items {
		if ns.DeletionTimestamp.IsZero() {
			continue
		}
		ns.Spec.Finalizers = nil
		if err := c.seed.SubResource("finalize").Update(c.Context(), &ns); client.IgnoreNotFound(err) != nil {
			c.Fatal(err)
		}
	}
}

// seedSays writes the status of the HostedCluster.
func (c *clusterTest) seedSays(ready metav1.ConditionStatus, message string) {
	c.Helper()
	hc := c.hosted()[0]
	hc.Status.Version, hc.Status.Endpoint, hc.Status.ReadyNodes = "1.37.2", "https://192.0.2.1:31234", 2
	hc.Status.NodePools = []hostingv1alpha1.NodePoolStatus{{Name: "workers", Replicas: 2, ReadyReplicas: 2, UpToDateReplicas: 2}}
	hc.Status.ObservedGeneration = hc.Generation
	meta.SetStatusCondition(&hc.Status.Conditions, metav1.Condition{
		Type: hostingv1alpha1.ConditionReady, Status: ready, Reason: "Said", Message: message, ObservedGeneration: hc.Generation,
	})
	if err := c.seed.Status().Update(c.Context(), &hc); err != nil {
		c.Fatal(err)
	}
}

// seedRuns writes the status of a HostedCluster that is ready with a version.
func (c *clusterTest) seedRuns(version string) {
	c.Helper()
	c.seedSays(metav1.ConditionTrue, "")
	hc := c.hosted()[0]
	hc.Status.Version = version
	if err := c.seed.Status().Update(c.Context(), &hc); err != nil {
		c.Fatal(err)
	}
}

func TestAClusterComesToItsSeed(t *testing.T) {
	c := newClusterTest(t, "made")
	if ready := c.step(); ready.Reason != v1alpha1.ReasonWaitingForSeed {
		t.Errorf("Ready: %+v", ready)
	}
	hosted := c.hosted()
	if len(hosted) != 1 || hosted[0].Name != c.cluster.Status.ID || len(hosted[0].Name) != 10 || c.cluster.Status.Seed != "made" {
		t.Fatalf("status %+v, on the seed %+v", c.cluster.Status, hosted)
	}
	if pools := hosted[0].Spec.NodePools; len(pools) != 1 || pools[0].Name != "workers" || *pools[0].Replicas != 2 {
		t.Errorf("pools: %+v", pools)
	}
	c.seedSays(metav1.ConditionFalse, "etcd: starting")
	if ready := c.step(); ready.Reason != "Said" || ready.Message != "etcd: starting" {
		t.Errorf("Ready: %+v", ready)
	}
	c.seedSays(metav1.ConditionTrue, "")
	if ready := c.step(); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready: %+v", ready)
	}
	if s := c.cluster.Status; s.Endpoint != "https://192.0.2.1:31234" || s.ReadyNodes != 2 || s.ObservedGeneration != c.cluster.Generation {
		t.Errorf("status: %+v", s)
	}
	version := c.cluster.ResourceVersion
	onSeed := c.hosted()[0].ResourceVersion
	c.step()
	if c.cluster.ResourceVersion != version || c.hosted()[0].ResourceVersion != onSeed {
		t.Error("one more time wrote something")
	}
}

func TestAClusterThatWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		before          func(*clusterTest)
		reason, message string
	}{
		"no-datacenter": {
			func(c *clusterTest) { _ = c.master.Delete(c.Context(), c.datacenter) },
			v1alpha1.ReasonDatacenterMissing, "spec.datacenter: there is no Datacenter no-datacenter",
		},
		"drained": {
			func(c *clusterTest) {
				seed := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "drained"}}
				get(c.T, c.master, seed)
				seed.Spec.Drained = true
				_ = c.master.Update(c.Context(), seed)
			},
			v1alpha1.ReasonSeedDrained, "seed drained takes no new clusters",
		},
		"no-project": {
			func(c *clusterTest) { _ = c.master.Delete(c.Context(), c.project) },
			v1alpha1.ReasonProjectMissing, "there is no Project no-project",
		},
		"forbidden": {
			func(c *clusterTest) {
				c.datacenter.Spec.Projects = []string{"others"}
				_ = c.master.Update(c.Context(), c.datacenter)
			},
			v1alpha1.ReasonForbidden, "spec.datacenter: forbidden is not open to project forbidden",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClusterTest(t, name)
			tc.before(c)
			ready := c.step()
			if ready.Reason != tc.reason || !strings.HasPrefix(ready.Message, tc.message) {
				t.Errorf("got  %s: %s\nwant %s: %s", ready.Reason, ready.Message, tc.reason, tc.message)
			}
			if len(c.hosted()) != 0 || c.cluster.Status.ID != "" {
				t.Error("something was made")
			}
		})
	}
}

func TestAClusterOfALostSeed(t *testing.T) {
	c := newClusterTest(t, "lost")
	c.step()
	c.seedSays(metav1.ConditionTrue, "")
	c.step()
	seed := &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}
	get(t, c.master, seed)
	contact := metav1.Now().Rfc3339Copy()
	seed.Status.LastContact = &contact
	if err := c.master.Status().Update(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	c.seedIs(seed, metav1.ConditionUnknown, v1alpha1.ReasonUnreachable, "its API does not answer")
	ready := c.step()
	if ready.Status != metav1.ConditionUnknown || ready.Message != "seed lost: its API does not answer" || !c.cluster.Status.LastContact.Equal(&contact) {
		t.Errorf("Ready: %+v, last contact %v, want %v", ready, c.cluster.Status.LastContact, contact)
	}
	if c.cluster.Status.Endpoint == "" {
		t.Error("what was known is lost")
	}
	c.seedIs(seed, metav1.ConditionTrue, "Ready", "")
	if ready := c.step(); ready.Status != metav1.ConditionTrue || c.cluster.Status.LastContact != nil {
		t.Errorf("Ready: %+v, last contact %v", ready, c.cluster.Status.LastContact)
	}
}

func TestCredentialsComeAndGo(t *testing.T) {
	c := newClusterTest(t, "credentials", func(s *v1alpha1.ClusterSpec) { s.Preset = "credentials" })
	if ready := c.step(); ready.Reason != v1alpha1.ReasonPresetMissing {
		t.Errorf("Ready: %+v", ready)
	}
	secret := create(t, c.master, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{"key": []byte("one")}})
	create(t, c.master, &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "credentials"}, Spec: v1alpha1.PresetSpec{Provider: hostingv1alpha1.ProviderLocal, SecretName: "credentials"}})
	onSeed := func() (string, error) {
		s := &corev1.Secret{}
		err := c.seed.Get(t.Context(), client.ObjectKey{Namespace: "cluster-" + c.cluster.Status.ID, Name: hostingv1alpha1.SecretCredentials}, s)
		return string(s.Data["key"]), err
	}
	c.step()
	if got, err := onSeed(); got != "one" {
		t.Errorf("got %q, %v", got, err)
	}
	secret.Data["key"] = []byte("two")
	if err := c.master.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.step()
	if got, err := onSeed(); got != "two" {
		t.Errorf("got %q, %v", got, err)
	}
	// A Preset that is deleted is nobody's to use any more; the clusters that do stay as they are, and say what they want.
	preset := &v1alpha1.Preset{ObjectMeta: metav1.ObjectMeta{Name: "credentials"}}
	if err := c.master.Delete(t.Context(), preset); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason != v1alpha1.ReasonPresetMissing || !strings.Contains(ready.Message, "have an admin make it; until then the cluster stays as it is") {
		t.Errorf("Ready: %+v", ready)
	}
	if got, err := onSeed(); got != "two" || len(c.hosted()) != 1 {
		t.Errorf("got %q, %v, and %d clusters", got, err, len(c.hosted()))
	}
	c.cluster.Spec.Preset = ""
	if err := c.master.Update(t.Context(), c.cluster); err != nil {
		t.Fatal(err)
	}
	c.step()
	if _, err := onSeed(); !apierrors.IsNotFound(err) {
		t.Errorf("they are still there: %v", err)
	}
}

func TestNoClusterGetsAPlaceInAProjectThatGoes(t *testing.T) {
	c := newClusterTest(t, "leaving")
	c.project.Finalizers = []string{v1alpha1.FinalizerProject}
	if err := c.master.Update(t.Context(), c.project); err != nil {
		t.Fatal(err)
	}
	if err := c.master.Delete(t.Context(), c.project); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason != v1alpha1.ReasonDeleting || c.cluster.Status.ID != "" {
		t.Errorf("Ready: %+v, id %q", ready, c.cluster.Status.ID)
	}
}

func TestDeletionSaysWhatItWaitsFor(t *testing.T) {
	c := newClusterTest(t, "deleted")
	c.step()
	hc := c.hosted()[0]
	hc.Finalizers = []string{hostingv1alpha1.Finalizer} // as the seed's manager would
	if err := c.seed.Update(t.Context(), &hc); err != nil {
		t.Fatal(err)
	}
	if err := c.master.Delete(t.Context(), c.cluster); err != nil {
		t.Fatal(err)
	}
	var said []string
	say := func() { said = append(said, c.step().Message) }
	say()
	say()
	hc = c.hosted()[0]
	meta.SetStatusCondition(&hc.Status.Conditions, metav1.Condition{Type: hostingv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: hostingv1alpha1.ReasonDeleting, Message: "waiting for 2 machines to go"})
	if err := c.seed.Status().Update(t.Context(), &hc); err != nil {
		t.Fatal(err)
	}
	say()
	metav1.SetMetaDataAnnotation(&c.cluster.ObjectMeta, hostingv1alpha1.AnnotationAbandonCloud, "true")
	if err := c.master.Update(t.Context(), c.cluster); err != nil {
		t.Fatal(err)
	}
	c.step()
	if hc = c.hosted()[0]; hc.Annotations[hostingv1alpha1.AnnotationAbandonCloud] != "true" {
		t.Error("the seed is not told that nobody waits for the cloud")
	}
	hc.Finalizers = nil
	if err := c.seed.Update(t.Context(), &hc); err != nil {
		t.Fatal(err)
	}
	say()
	want := []string{
		"seed deleted: the deletion begins", "seed deleted: waiting for the seed to begin with the deletion", "seed deleted: waiting for 2 machines to go",
		"seed deleted: waiting for the namespace cluster-" + c.cluster.Status.ID + " to be emptied by Kubernetes",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	c.collect()
	_, _ = c.Reconcile(t.Context(), c.cluster)
	if err := c.master.Get(t.Context(), client.ObjectKeyFromObject(c.cluster), c.cluster); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}
