// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// TestAnExpiredTokenOfASeed has one that says when its time was over.
func TestAnExpiredTokenOfASeed(t *testing.T) {
	r, c := newSeedReconciler(t)
	end := time.Now().Add(-time.Hour).Truncate(time.Second)
	claims := fmt.Sprintf(`{"sub": "system:serviceaccount:canopy-system:canopy-remote-master", "iat": %d, "exp": %d}`, end.Add(-24*time.Hour).Unix(), end.Unix())
	jwt := strings.Join([]string{"e30", base64.RawURLEncoding.EncodeToString([]byte(claims)), "c2lnbmF0dXJl"}, ".")
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "over", Namespace: v1alpha1.SystemNamespace}, Data: map[string][]byte{
		v1alpha1.SeedKubeconfigKey: kubeconfig(t, &seedConfig, func(kc *clientcmdapi.Config) { kc.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: jwt} }),
	}})
	seed := create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "over"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "over", Install: v1alpha1.InstallManual}})
	want := fmt.Sprintf("they expired at %s: make new ones (canopy seed add over)", end.UTC().Format(time.RFC3339))
	if ready := r.step(t, seed); ready.Status != metav1.ConditionUnknown || ready.Reason != v1alpha1.ReasonUnauthorized || !strings.HasSuffix(ready.Message, want) {
		t.Errorf("Ready: %+v\nwant %s", ready, want)
	}
	r.takeAway(t, seed)
}

// TestADatacenterIsGivenToAnotherSeed changes who has a datacenter: it is never two seeds'. What is there stays where it is.
func TestADatacenterIsGivenToAnotherSeed(t *testing.T) {
	c := newClusterTest(t, "given")
	c.step()
	first := c.cluster.DeepCopy()
	second := create(t, c.master, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "given-too"}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: "given-too", Install: v1alpha1.InstallManual}})
	c.seedIs(second, metav1.ConditionTrue, "Ready", "")
	c.Seeds.byName["given-too"] = c.Seeds.byName["given"]
	get(t, c.master, c.datacenter)
	c.datacenter.Spec.Seed = "given-too"
	if err := c.master.Update(t.Context(), c.datacenter); err != nil {
		t.Fatal(err)
	}
	if c.step(); c.cluster.Status.Seed != "given" || c.cluster.Status.ID != first.Status.ID || len(c.hosted()) != 1 {
		t.Errorf("the cluster that was there: seed %s, id %s, %d on seeds", c.cluster.Status.Seed, c.cluster.Status.ID, len(c.hosted()))
	}
	c.cluster = create(t, c.master, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "later", Namespace: first.Namespace}, Spec: first.Spec})
	if c.step(); c.cluster.Status.Seed != "given-too" || c.cluster.Status.ID == first.Status.ID || len(c.hosted()) != 2 {
		t.Errorf("a new cluster: seed %s, id %s, %d on seeds", c.cluster.Status.Seed, c.cluster.Status.ID, len(c.hosted()))
	}
}

// TestANameThatIsTaken renames a cluster to the name of another, as somebody does who edits a file: nothing is mixed up.
func TestANameThatIsTaken(t *testing.T) {
	c := newClusterTest(t, "named")
	c.step()
	old := c.cluster.DeepCopy()
	c.cluster = create(t, c.master, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: old.Namespace}, Spec: old.Spec})
	c.step()
	other := c.cluster.DeepCopy()

	fresh := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: old.Namespace}, Spec: old.Spec}
	if err := c.master.Create(t.Context(), fresh.DeepCopy()); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second one of that name: %v", err)
	}
	renamed := old.DeepCopy()
	renamed.Name = "other"
	if err := c.master.Update(t.Context(), renamed); err == nil {
		t.Error("one became the other")
	}
	// Its name is free only when it is gone; then there is another cluster, which has nothing of the one before.
	c.cluster = old
	if err := c.master.Delete(t.Context(), old.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	again := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: old.Name, Namespace: old.Namespace}, Spec: old.Spec}
	if err := c.master.Create(t.Context(), again.DeepCopy()); !apierrors.IsAlreadyExists(err) {
		t.Errorf("while the old one is going: %v", err)
	}
	for range 20 {
		if err := c.master.Get(t.Context(), client.ObjectKeyFromObject(old), c.cluster); apierrors.IsNotFound(err) {
			break
		}
		_, _ = c.Reconcile(t.Context(), c.cluster)
		c.collect()
	}
	c.cluster = create(t, c.master, again)
	c.step()
	if c.cluster.Status.ID == old.Status.ID || c.cluster.Status.ID == "" || len(c.hosted()) != 2 {
		t.Errorf("the new one has the id %q, the old one had %q; %d are on the seed", c.cluster.Status.ID, old.Status.ID, len(c.hosted()))
	}
	c.cluster = other
	if c.step(); c.cluster.Status.ID != other.Status.ID {
		t.Errorf("the other one has the id %q now", c.cluster.Status.ID)
	}
}

// TestTwoHundredClustersComeToTheirSeed makes many clusters at the same time, and restarts the master among them.
func TestTwoHundredClustersComeToTheirSeed(t *testing.T) {
	const asked = 200
	_, c := newProjectReconciler(t)
	if err := client.IgnoreAlreadyExists(c.Create(t.Context(), &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}})); err != nil {
		t.Fatal(err)
	}
	purge(t, c, create(t, c, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "bulk"}}))
	create(t, c, &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "bulk"}, Spec: v1alpha1.DatacenterSpec{Seed: "bulk", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}}}})
	create(t, c, &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "bulk"}})
	clusters := &v1alpha1.ClusterList{}
	t.Cleanup(func() { // the masters of other tests would look at them
		for i := range clusters.Items {
			letGo(t, c, &clusters.Items[i])
		}
	})
	stop := runMaster(t)
	eventually(t, "the project's namespace", func(ctx context.Context) bool {
		return c.Get(ctx, client.ObjectKey{Name: "project-bulk"}, &corev1.Namespace{}) == nil
	})
	var wait sync.WaitGroup
	for i := range asked {
		wait.Go(func() {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c%d", i), Namespace: "project-bulk"}, Spec: v1alpha1.ClusterSpec{Datacenter: "bulk", Version: "1.37.2"}}
			if err := c.Create(t.Context(), cluster); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	hosted := func(ctx context.Context) map[string]string { // names of Clusters by id
		list := &hostingv1alpha1.HostedClusterList{}
		if err := c.List(ctx, list, client.MatchingLabels{v1alpha1.LabelProject: "bulk"}); err != nil {
			return nil
		}
		names := map[string]string{}
		for _, hc := range list.Items {
			names[hc.Name] = hc.Labels[v1alpha1.LabelCluster]
		}
		return names
	}
	eventually(t, "some are there", func(ctx context.Context) bool { return len(hosted(ctx)) > asked/10 })
	stop()
	if n := len(hosted(t.Context())); n == asked {
		t.Log("the master was done before it was stopped")
	}
	runMaster(t)
	eventually(t, "the master tells of all", func(ctx context.Context) bool {
		if err := c.List(ctx, clusters, client.InNamespace("project-bulk")); err != nil {
			return false
		}
		told := 0
		for _, cluster := range clusters.Items {
			if ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonWaitingForSeed {
				told++
			}
		}
		return told == asked
	})
	ids := hosted(t.Context())
	if len(ids) != asked {
		t.Errorf("%d HostedClusters, want %d", len(ids), asked)
	}
	for _, cluster := range clusters.Items {
		if ids[cluster.Status.ID] != cluster.Name {
			t.Errorf("Cluster %s has the id %q, which is that of %q", cluster.Name, cluster.Status.ID, ids[cluster.Status.ID])
		}
	}
}
