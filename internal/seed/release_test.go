// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/testenv"
)

// leavingTest is a cluster at a cloud that is being deleted, whose API runs for real; a test plays who works there.
type leavingTest struct {
	clusterTest
	env    *envtest.Environment
	inside client.Client
}

func atCloud(spec *v1alpha1.HostedClusterSpec) {
	spec.Cloud = &v1alpha1.Cloud{Place: v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: "us-east-2"}}}
}

func newLeavingTest(t *testing.T, name string, mods ...func(*v1alpha1.HostedClusterSpec)) leavingTest {
	t.Helper()
	l := leavingTest{clusterTest: newClusterTest(t, name, append([]func(*v1alpha1.HostedClusterSpec){atCloud}, mods...)...)}
	l.step()
	l.answered()
	l.env = testenv.Start(t, func(env *envtest.Environment) { env.CRDDirectoryPaths = nil })
	var err error
	if l.inside, err = client.New(l.env.Config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	l.addons.clusters = connected{inside: l.inside}
	return l
}

func (l leavingTest) delete() {
	l.Helper()
	if err := l.Delete(l.Context(), l.hc); err != nil {
		l.Fatal(err)
	}
}

// waits wants the deletion to wait for what message says, with nodes and a control plane that stay, and returns that it does so
// since when.
func (l leavingTest) waits(message string) metav1.Time {
	l.Helper()
	var ready metav1.Condition
	eventually(l.T, message, func(context.Context) bool {
		ready = l.step()
		return ready.Reason == v1alpha1.ReasonDeleting && strings.HasPrefix(ready.Message, message)
	})
	capi := &clusterv1.Cluster{}
	if l.get(capi, l.hc.Name); !capi.DeletionTimestamp.IsZero() {
		l.Error("the nodes go before the cloud has taken back what it has")
	}
	released := meta.FindStatusCondition(l.hc.Status.Conditions, v1alpha1.ConditionCloudReleased)
	if released == nil || released.Status != metav1.ConditionFalse || released.Message != ready.Message {
		l.Fatalf("CloudReleased: %+v, and Ready: %s", released, ready.Message)
	}
	return released.LastTransitionTime
}

// goesOn wants the machines to be next, and returns what is said about the cloud.
func (l leavingTest) goesOn() metav1.Condition {
	l.Helper()
	if ready := l.step(); !strings.Contains(ready.Message, "waiting for Cluster API to learn that the machines are to go") {
		l.Errorf("Ready: %s", ready.Message)
	}
	return *meta.FindStatusCondition(l.hc.Status.Conditions, v1alpha1.ConditionCloudReleased)
}

// finish takes an object's finalizers away, as whoever works at the cloud does when he has.
func (l leavingTest) finish(obj client.Object) {
	l.Helper()
	if err := l.inside.Get(l.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		l.Fatal(err)
	}
	obj.SetFinalizers(nil)
	if err := l.inside.Update(l.Context(), obj); err != nil {
		l.Fatal(err)
	}
}

func webService(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Finalizers: []string{"service.kubernetes.io/load-balancer-cleanup"}},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}},
	}
}

func dataClaim(name, volume string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Finalizers: []string{"kubernetes.io/pvc-protection"}}}
	c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	c.Spec.VolumeName = volume
	return c
}

func dataVolume(name, claim string, policy corev1.PersistentVolumeReclaimPolicy) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{
		Name: name, Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}, Finalizers: []string{"external-provisioner.volume.kubernetes.io/finalizer"},
	}}
	v.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	v.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "ebs.csi.aws.com", VolumeHandle: "vol-" + name}
	v.Spec.PersistentVolumeReclaimPolicy = policy
	v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: claim}
	return v
}

func podOn(node, name, claim string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	p.Spec.NodeName = node
	p.Spec.Containers = []corev1.Container{{Name: "db", Image: "db"}}
	p.Spec.AutomountServiceAccountToken = new(false)
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
	return p
}

func TestDeletionWaitsForLoadBalancersAndVolumes(t *testing.T) {
	l := newLeavingTest(t, "leaving")
	web := create(t, l.inside, webService("web"))
	claim, volume := create(t, l.inside, dataClaim("pg-0", "pv-1")), create(t, l.inside, dataVolume("pv-1", "pg-0", corev1.PersistentVolumeReclaimDelete))
	create(t, l.inside, dataClaim("archive", "pv-2"))
	create(t, l.inside, dataVolume("pv-2", "archive", corev1.PersistentVolumeReclaimRetain))
	database := create(t, l.inside, podOn("node-1", "pg-0", "pg-0"))
	l.delete()
	since := l.waits("waiting for the cloud to remove load balancer default/web, volume default/pg-0 in use by pod pg-0 (2 in all); the annotation")

	if err := l.inside.Create(t.Context(), webService("more")); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "this cluster is being deleted") {
		t.Errorf("there can be another load balancer: %v", err)
	}
	if err := l.inside.Create(t.Context(), dataClaim("more", "")); !apierrors.IsForbidden(err) {
		t.Errorf("there can be another volume: %v", err)
	}
	plain := webService("plain")
	plain.Spec.Type, plain.Finalizers = corev1.ServiceTypeClusterIP, nil
	create(t, l.inside, plain)
	plain.Spec.Type = corev1.ServiceTypeLoadBalancer
	if err := l.inside.Update(t.Context(), plain); !apierrors.IsForbidden(err) {
		t.Errorf("a Service can become a load balancer: %v", err)
	}

	if err := l.inside.Delete(t.Context(), database, client.GracePeriodSeconds(0)); err != nil { // kubelet has stopped it
		t.Fatal(err)
	}
	create(t, l.inside, podOn("", "pg-0", "pg-0")) // who makes pods has made it anew, and it waits for its claim
	l.finish(web)
	l.waits("waiting for the cloud to remove volume default/pg-0 (1 in all)")
	l.finish(claim)
	l.waits("waiting for the cloud to remove volume default/pg-0 (1 in all)") // the volume itself
	if err := l.inside.Delete(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	if again := l.waits("waiting for the cloud to remove volume default/pg-0 (1 in all)"); !again.Equal(&since) {
		t.Errorf("it waits since %v, and then since %v", since, again)
	}
	l.finish(volume)
	released := l.goesOn()
	if want := "what does not go with the cluster stays at the cloud: volume pv-2 of claim default/archive"; released.Status != metav1.ConditionTrue || released.Message != want {
		t.Errorf("CloudReleased: %+v", released)
	}
	if err := l.inside.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "archive"}, claim); err != nil || !claim.DeletionTimestamp.IsZero() {
		t.Errorf("the claim of a volume that stays: %v, %v", claim.DeletionTimestamp, err)
	}
	// Nobody asks the API any more, which goes soon.
	l.addons.clusters = unconnected{}
	if ready := l.step(); strings.Contains(ready.Message, "only the cluster's API knows") || !strings.HasSuffix(ready.Message, released.Message) {
		t.Errorf("Ready: %s", ready.Message)
	}
}

func TestDeletionSaysThatTheAPIIsNeeded(t *testing.T) {
	l := newLeavingTest(t, "mute")
	l.delete()
	l.addons.clusters = unconnected{}
	l.waits("only the cluster's API knows which load balancers and volumes it has at the cloud, and it does not say: the seed manager has no connection to it (kubectl -n cluster-mute get pods shows its control plane)")
	if err := l.env.ControlPlane.GetAPIServer().Stop(); err != nil {
		t.Fatal(err)
	}
	l.addons.clusters = connected{inside: l.inside}
	l.waits("only the cluster's API knows which load balancers and volumes it has at the cloud, and it does not say: ")

	metav1.SetMetaDataAnnotation(&l.hc.ObjectMeta, v1alpha1.AnnotationAbandonCloud, "true")
	if err := l.Update(t.Context(), l.hc); err != nil {
		t.Fatal(err)
	}
	if released := l.goesOn(); released.Status != metav1.ConditionFalse || released.Reason != v1alpha1.ReasonAbandoned {
		t.Errorf("CloudReleased: %+v", released)
	}
	if ready := l.step(); !strings.Contains(ready.Message, "load balancers and volumes of the cluster may stay at the cloud") {
		t.Errorf("Ready: %s", ready.Message)
	}
}

func TestDeletionOfAClusterThatNeverAnswered(t *testing.T) {
	c := newClusterTest(t, "unborn", atCloud)
	c.step()
	if err := c.Delete(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	c.step() // without a connection, it would fail
	if slices.ContainsFunc(c.hc.Status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionCloudReleased }) {
		t.Errorf("conditions: %v", c.hc.Status.Conditions)
	}
}

// unconnected are connections of which none is made.
type unconnected struct{ clustercache.ClusterCache }

// GetUncachedClient says so.
func (unconnected) GetUncachedClient(context.Context, client.ObjectKey) (client.Client, error) {
	return nil, clustercache.ErrClusterNotConnected
}
