// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// setTest is a ClusterSet with a template in a namespace of its own, and a reconciler that is called by hand.
type setTest struct {
	*testing.T
	*ClusterSetReconciler

	clock    *clocktesting.FakePassiveClock
	template *v1alpha1.ClusterTemplate
	set      *v1alpha1.ClusterSet
}

func newSetTest(t *testing.T, name string, clusters ...string) *setTest {
	t.Helper()
	master := newClient(t, &masterConfig)
	namespace := v1alpha1.ProjectNamespacePrefix + name
	ensureNamespace(t, master, namespace)
	s := &setTest{T: t, clock: clocktesting.NewFakePassiveClock(thursday)}
	s.ClusterSetReconciler = &ClusterSetReconciler{Client: master, Clock: s.clock}
	s.template = create(t, master, &v1alpha1.ClusterTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "standard", Namespace: namespace},
		Spec: v1alpha1.ClusterTemplateSpec{
			Cluster: v1alpha1.ClusterSpec{Datacenter: "local", Version: "1.36.3"},
			NodePools: []v1alpha1.TemplateNodePool{{Name: "workers", MachinePool: v1alpha1.MachinePool{
				Replicas: ptr.To[int32](2), Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}},
			}}},
		},
	})
	s.set = &v1alpha1.ClusterSet{ObjectMeta: metav1.ObjectMeta{Name: "shops", Namespace: namespace}}
	s.set.Spec.Template.Name = "standard"
	s.set.Spec.Rollout.MinReadySeconds = ptr.To[int32](0)
	for _, cluster := range clusters {
		s.set.Spec.Clusters = append(s.set.Spec.Clusters, v1alpha1.SetCluster{Name: cluster})
	}
	create(t, master, s.set)
	return s
}

// step reconciles once, and returns the condition and the state of each cluster that come of it.
func (s *setTest) step() (ready, states string) {
	s.Helper()
	get(s.T, s.Client, s.set)
	_, _ = s.Reconcile(s.Context(), s.set) // what it says is in the condition
	get(s.T, s.Client, s.set)
	condition := meta.FindStatusCondition(s.set.Status.Conditions, v1alpha1.ConditionReady)
	if condition == nil {
		s.Fatal("there is no Ready condition")
	}
	var all []string
	for _, c := range s.set.Status.Clusters {
		all = append(all, c.Name+" "+string(c.State))
	}
	return condition.Reason + ": " + condition.Message, strings.Join(all, ", ")
}

// expect reconciles once, and compares the states, and the beginning of the condition.
func (s *setTest) expect(ready, states string) {
	s.Helper()
	if r, st := s.step(); !strings.HasPrefix(r, ready) || st != states {
		s.Errorf("got  %s; %s\nwant %s; %s", st, r, states, ready)
	}
}

// clustersAre says that clusters are as their spec wants them, or not.
func (s *setTest) clustersAre(status metav1.ConditionStatus, names ...string) {
	s.Helper()
	for _, name := range names {
		cluster := s.cluster(name)
		meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: "Said", ObservedGeneration: cluster.Generation})
		if err := s.Status().Update(s.Context(), cluster); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *setTest) cluster(name string) *v1alpha1.Cluster {
	s.Helper()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.set.Namespace}}
	get(s.T, s.Client, cluster)
	return cluster
}

func (s *setTest) pool(name string) *v1alpha1.NodePool {
	s.Helper()
	pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.set.Namespace}}
	get(s.T, s.Client, pool)
	return pool
}

// change writes an object as somebody does who uses an editor.
func (s *setTest) change(obj client.Object) {
	s.Helper()
	if err := s.Update(s.Context(), obj, client.FieldOwner("an-editor")); err != nil {
		s.Fatal(err)
	}
}

func (s *setTest) versions(names ...string) string {
	s.Helper()
	var all []string
	for _, name := range names {
		all = append(all, s.cluster(name).Spec.Version)
	}
	return strings.Join(all, " ")
}

// approve writes the revision that is in the status into the spec.
func (s *setTest) approve() {
	s.Helper()
	s.set.Spec.Rollout.Revision = s.set.Status.Revision
	s.change(s.set)
}

func TestASetRollsOut(t *testing.T) {
	s := newSetTest(t, "rolls-out", "a", "b", "c")
	s.expect("WaitingForClusters: waiting for a, b, c", "a Progressing, b Progressing, c Progressing")
	if pool := s.pool("b-workers"); *pool.Spec.Replicas != 2 || pool.Spec.Cluster != "b" {
		t.Errorf("pool: %+v", pool.Spec)
	}
	s.clustersAre(metav1.ConditionTrue, "a", "b", "c")
	s.expect("Ready: ", "a UpToDate, b UpToDate, c UpToDate")
	if s.set.Status.UpToDate != 3 || s.set.Status.Total != 3 {
		t.Errorf("status: %+v", s.set.Status)
	}

	s.template.Spec.Cluster.Version = "1.37.2"
	s.template.Spec.NodePools[0].Replicas = ptr.To[int32](3)
	s.change(s.template)
	s.expect("ChangesPlanned: 3 of 3 clusters differ", "a Behind, b Behind, c Behind")
	want := `[{spec.version "1.36.3" "1.37.2" } {NodePool a-workers: spec.replicas 2 3 }]`
	if got := fmt.Sprint(s.set.Status.Clusters[0].Changes); got != want {
		t.Errorf("changes: %s, want %s", got, want)
	}
	if got := s.versions("a", "b", "c"); got != "1.36.3 1.36.3 1.36.3" {
		t.Errorf("changed without approval: %s", got)
	}

	s.approve()
	s.expect("RollingOut: 3 of 3 clusters are still to be changed; these are being changed: a", "a Behind, b Behind, c Behind")
	s.expect("RollingOut: 2 of 3 clusters are still to be changed, when these are ready: a", "a Progressing, b Behind, c Behind")
	if got := s.versions("a", "b", "c"); got != "1.37.2 1.36.3 1.36.3" || *s.pool("a-workers").Spec.Replicas != 3 {
		t.Errorf("the first one: %s", got)
	}
	s.clustersAre(metav1.ConditionTrue, "a")
	s.step()
	s.clustersAre(metav1.ConditionFalse, "b") // it fails
	for range 3 {
		s.expect("RollingOut: 1 of 3 clusters are still to be changed, when these are ready: b", "a UpToDate, b Progressing, c Behind")
	}
	if got := s.versions("a", "b", "c"); got != "1.37.2 1.37.2 1.36.3" {
		t.Errorf("after the first failure: %s", got)
	}

	// The template changes once more: what was approved is not what would come.
	s.template.Spec.Cluster.CoreDNS.Replicas = ptr.To[int32](2)
	s.change(s.template)
	s.clustersAre(metav1.ConditionTrue, "b")
	s.expect("ChangesPlanned: 3 of 3 clusters differ", "a Behind, b Behind, c Behind")

	get(t, s.Client, s.set)
	s.set.Spec.Rollout.MaxUnavailable, s.set.Spec.Rollout.MinReadySeconds = ptr.To[int32](2), ptr.To[int32](60)
	s.approve()
	s.clock.SetTime(thursday.Add(time.Hour))
	s.expect("RollingOut: 3 of 3 clusters are still to be changed; these are being changed: a, b", "a Behind, b Behind, c Behind")
	s.clustersAre(metav1.ConditionTrue, "a", "b")
	s.expect("RollingOut: 1 of 3 clusters are still to be changed, when minReadySeconds have passed", "a UpToDate, b UpToDate, c Behind")
	s.clock.SetTime(thursday.Add(time.Hour + time.Minute))
	s.step()
	s.clustersAre(metav1.ConditionTrue, "c")
	s.expect("Ready: ", "a UpToDate, b UpToDate, c UpToDate")
	version := s.set.ResourceVersion
	if s.step(); s.set.ResourceVersion != version {
		t.Error("one more time wrote something")
	}
}

func TestASetAndWhatIsDoneByHand(t *testing.T) {
	s := newSetTest(t, "by-hand", "a", "b")
	s.step()
	s.clustersAre(metav1.ConditionTrue, "a", "b")
	s.step()
	s.approve()
	s.expect("Ready: ", "a UpToDate, b UpToDate")

	a := s.cluster("a")
	a.Spec.Version = "1.36.4"
	s.change(a)
	pool := s.pool("b-workers")
	pool.Spec.Replicas = ptr.To[int32](5)
	s.change(pool)
	extra := s.cluster("b")
	extra.Spec.APIServer.CertSANs = []string{"b.example.com"} // the template says nothing of it
	s.change(extra)
	s.clustersAre(metav1.ConditionTrue, "a", "b")
	s.expect("ClustersDiffer: 2 of 2 clusters are left as they are", "a Refused, b ChangedByHand")
	if got := s.set.Status.Clusters[0].Message; !strings.Contains(got, "can only go up") || !strings.HasSuffix(got, "(spec.version was changed by hand, by an-editor)") {
		t.Error(got)
	}
	want := `[{NodePool b-workers: spec.replicas 5 2 an-editor}]`
	if got := fmt.Sprint(s.set.Status.Clusters[1].Changes); got != want {
		t.Errorf("changes: %s, want %s", got, want)
	}
	if s.cluster("a").Spec.Version != "1.36.4" || *s.pool("b-workers").Spec.Replicas != 5 {
		t.Error("it was overwritten")
	}

	// The set says the same of one of the two, and a pool is deleted by hand.
	s.set.Spec.Clusters[0].Version = "1.36.4"
	s.change(s.set)
	if err := s.Delete(t.Context(), s.pool("a-workers")); err != nil {
		t.Fatal(err)
	}
	s.expect("RollingOut: 1 of 2", "a Behind, b ChangedByHand")
	s.expect("ClustersDiffer: 1 of 2", "a UpToDate, b ChangedByHand")
	if err := s.Delete(t.Context(), s.pool("a-workers")); err != nil {
		t.Fatal(err)
	}
	s.expect("ClustersDiffer: 2 of 2", "a ChangedByHand, b ChangedByHand")
	if got, want := fmt.Sprint(s.set.Status.Clusters[0].Changes), "[{NodePool a-workers  made unknown}]"; got != want {
		t.Errorf("changes: %s, want %s", got, want)
	}

	s.set.Spec.Rollout.Overwrite, s.set.Spec.Rollout.MaxUnavailable = true, ptr.To[int32](2)
	s.change(s.set)
	s.expect("RollingOut: 2 of 2", "a ChangedByHand, b ChangedByHand")
	s.expect("Ready: ", "a UpToDate, b UpToDate")
	if *s.pool("b-workers").Spec.Replicas != 2 || *s.pool("a-workers").Spec.Replicas != 2 {
		t.Error("it was not overwritten")
	}
	if sans := s.cluster("b").Spec.APIServer.CertSANs; len(sans) != 1 {
		t.Errorf("what the template says nothing of: %v", sans)
	}
}

func TestClustersComeAndGoWithTheirNames(t *testing.T) {
	s := newSetTest(t, "come-and-go", "a", "b")
	s.step()
	s.clustersAre(metav1.ConditionTrue, "a", "b")

	// Deleted by hand, it is made again; taken out of the list, it stays.
	if err := s.Delete(t.Context(), s.cluster("a")); err != nil {
		t.Fatal(err)
	}
	s.set.Spec.Clusters = s.set.Spec.Clusters[:1]
	s.change(s.set)
	s.expect("WaitingForClusters: ", "a Progressing")
	if s.cluster("a").Labels[v1alpha1.LabelClusterSet] != "shops" {
		t.Error("a is not the set's")
	}
	if b := s.cluster("b"); b.Labels[v1alpha1.LabelClusterSet] != "" || s.pool("b-workers").Labels[v1alpha1.LabelClusterSet] != "" {
		t.Errorf("b is still the set's: %v", b.Labels)
	}

	// Another set takes in one that is nobody's, and not one that is somebody's, until that set is gone.
	other := create(t, s.Client, &v1alpha1.ClusterSet{
		ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: s.set.Namespace},
		Spec:       v1alpha1.ClusterSetSpec{Template: v1alpha1.TemplateReference{Name: "standard"}, Clusters: []v1alpha1.SetCluster{{Name: "a"}, {Name: "b"}}},
	})
	first := s.set
	s.set = other
	s.expect("ClustersDiffer: 1 of 2", "a Taken, b UpToDate")
	if err := s.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s.clustersAre(metav1.ConditionTrue, "a")
	s.expect("Ready: ", "a UpToDate, b UpToDate")
	if got := s.cluster("a").Labels[v1alpha1.LabelClusterSet]; got != "other" {
		t.Errorf("a is of the set %q", got)
	}

	if err := s.Delete(t.Context(), s.template); err != nil {
		t.Fatal(err)
	}
	if ready, _ := s.step(); !strings.HasPrefix(ready, "TemplateMissing: spec.template: there is no ClusterTemplate project-come-and-go/standard") {
		t.Error(ready)
	}
	s.cluster("a")
	s.cluster("b")
}

func TestChangesThatAreRefused(t *testing.T) {
	s := newSetTest(t, "refused", "a", "b")
	s.step()
	s.clustersAre(metav1.ConditionTrue, "a", "b")
	s.template.Spec.Cluster.Datacenter = "elsewhere"
	s.change(s.template)
	s.expect("ClustersDiffer: 2 of 2", "a Refused, b Refused")
	if got := s.set.Status.Clusters[0].Message; !strings.Contains(got, "spec.datacenter cannot be changed") {
		t.Error(got)
	}
	// What cannot be made is told, too.
	s.set.Spec.Clusters = append(s.set.Spec.Clusters, v1alpha1.SetCluster{Name: strings.Repeat("c", 35)})
	s.change(s.set)
	if _, states := s.step(); !strings.HasSuffix(states, "c Refused") || !strings.Contains(s.set.Status.Clusters[2].Message, "at most 40") {
		t.Errorf("%s: %+v", states, s.set.Status.Clusters)
	}
}

func TestAPoolIsTakenOutOfTheTemplate(t *testing.T) {
	s := newSetTest(t, "no-pool", "a")
	s.step()
	s.clustersAre(metav1.ConditionTrue, "a")
	create(t, s.Client, &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "a-own", Namespace: s.set.Namespace},
		Spec:       v1alpha1.NodePoolSpec{Cluster: "a", MachinePool: v1alpha1.MachinePool{Provider: hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}}},
	})
	s.template.Spec.NodePools = nil
	s.change(s.template)
	s.expect("ChangesPlanned: ", "a Behind")
	if got, want := fmt.Sprint(s.set.Status.Clusters[0].Changes), "[{NodePool a-workers  deleted }]"; got != want {
		t.Errorf("changes: %s, want %s", got, want)
	}
	s.pool("a-workers")
	s.approve()
	s.step()
	s.expect("Ready: ", "a UpToDate")
	if err := s.Get(t.Context(), client.ObjectKey{Namespace: s.set.Namespace, Name: "a-workers"}, &v1alpha1.NodePool{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pool is still there: %v", err)
	}
	s.pool("a-own") // which is not the template's
}

func TestATemplateForAllProjects(t *testing.T) {
	s := newSetTest(t, "platform-template", "a")
	ensureNamespace(t, s.Client, v1alpha1.SystemNamespace)
	create(t, s.Client, &v1alpha1.ClusterTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "standard", Namespace: v1alpha1.SystemNamespace},
		Spec:       v1alpha1.ClusterTemplateSpec{Cluster: v1alpha1.ClusterSpec{Datacenter: "local", Version: "1.35.4"}},
	})
	s.set.Spec.Template.Scope = v1alpha1.TemplateScopePlatform
	s.change(s.set)
	s.step()
	if got := s.versions("a"); got != "1.35.4" {
		t.Errorf("version %s", got)
	}
}

func TestTemplatesOfThePlatformAreReadByAll(t *testing.T) {
	installRoles(t, newClient(t, &masterConfig))
	anybody := as(t, "anybody@example.com")
	if err := anybody.List(t.Context(), &v1alpha1.ClusterTemplateList{}, client.InNamespace(v1alpha1.SystemNamespace)); err != nil {
		t.Error(err)
	}
	template := &v1alpha1.ClusterTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: v1alpha1.SystemNamespace},
		Spec:       v1alpha1.ClusterTemplateSpec{Cluster: v1alpha1.ClusterSpec{Datacenter: "local", Version: "1.36.3"}},
	}
	if err := anybody.Create(t.Context(), template); !apierrors.IsForbidden(err) {
		t.Errorf("somebody who is no admin made one: %v", err)
	}
}

func TestAPausedClusterOfASet(t *testing.T) {
	s := newSetTest(t, "paused-one", "a", "b")
	s.step()
	s.clustersAre(metav1.ConditionTrue, "b")
	a := s.cluster("a")
	a.Spec.Paused = true
	s.change(a)
	s.clustersAre(metav1.ConditionFalse, "a")
	s.expect("ClustersDiffer: 1 of 2 clusters are left as they are, see status.clusters: a", "a Paused, b UpToDate")
	if message := s.set.Status.Clusters[0].Message; !strings.Contains(message, "its spec.paused is true") {
		t.Errorf("it says %q", message)
	}
	s.template.Spec.Cluster.Version = "1.37.2"
	s.change(s.template)
	s.step()
	s.approve()
	s.expect("RollingOut: 1 of 2 clusters are still to be changed; these are being changed: b", "a Paused, b Behind")
	if got := s.versions("a", "b"); got != "1.36.3 1.37.2" {
		t.Errorf("versions of a and b: %s", got)
	}
	s.clustersAre(metav1.ConditionTrue, "b")
	a = s.cluster("a")
	a.Spec.Paused = false
	s.change(a)
	s.clustersAre(metav1.ConditionTrue, "a")
	s.expect("RollingOut: 1 of 2 clusters are still to be changed; these are being changed: a", "a Behind, b UpToDate")
	if got := s.versions("a"); got != "1.37.2" {
		t.Errorf("the version of a: %s", got)
	}
}
