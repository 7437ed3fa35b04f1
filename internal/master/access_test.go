// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// membersAre writes the members of the cluster's project.
func (c *clusterTest) membersAre(members ...v1alpha1.Member) {
	c.Helper()
	get(c.T, c.master, c.project)
	c.project.Spec.Members = members
	if err := c.master.Update(c.Context(), c.project); err != nil {
		c.Fatal(err)
	}
}

func TestMembersGetIntoTheCluster(t *testing.T) {
	c := newClusterTest(t, "access")
	c.step()
	ada := v1alpha1.Member{Name: "ada@example.com", Role: v1alpha1.RoleOwner}
	ben := v1alpha1.Member{Name: "ben@example.com", Role: v1alpha1.RoleViewer}
	check := func(what string, want ...string) {
		t.Helper()
		c.step()
		var got []string
		for _, a := range c.hosted()[0].Spec.Access {
			got = append(got, string(a.Kind)+" "+a.Name+" "+string(a.Role))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	c.membersAre(ada, ben)
	check("two come", "User ada@example.com Owner", "User ben@example.com Viewer")
	c.membersAre(ada)
	check("one goes", "User ada@example.com Owner")

	get(t, c.master, c.cluster)
	c.cluster.Spec.Preset = "missing"
	if err := c.master.Update(t.Context(), c.cluster); err != nil {
		t.Fatal(err)
	}
	c.membersAre(ben)
	check("one goes while the cluster cannot be resolved", "User ben@example.com Viewer")
	c.membersAre()
	check("the last goes")
	if ready := c.step(); ready.Reason != v1alpha1.ReasonPresetMissing {
		t.Errorf("Ready: %+v", ready)
	}

	c.membersAre(ada)
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: c.cluster.Spec.Datacenter}}
	if err := c.master.Delete(t.Context(), dc); err != nil {
		t.Fatal(err)
	}
	check("one comes while the datacenter is missing", "User ada@example.com Owner")
	if ready := c.step(); ready.Reason != v1alpha1.ReasonDatacenterMissing {
		t.Errorf("Ready: %+v", ready)
	}
	c.membersAre()
	check("and goes")

	hc := c.hosted()[0]
	hc.Spec.Access = []hostingv1alpha1.Access{{Kind: hostingv1alpha1.SubjectUser, Name: "eve@example.com", Role: hostingv1alpha1.AccessOwner}}
	if err := c.seed.Update(t.Context(), &hc); err != nil {
		t.Fatal(err)
	}
	check("whom somebody lets in on the seed goes")
}

func TestMembersWakeTheClustersOfTheirProject(t *testing.T) {
	c := newClient(t, &masterConfig)
	for _, project := range []string{"waking", "sleeping"} {
		ensureNamespace(t, c, v1alpha1.ProjectNamespacePrefix+project)
		for _, name := range []string{"a", "b"} {
			create(t, c, &v1alpha1.Cluster{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.ProjectNamespacePrefix + project},
				Spec:       v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"},
			})
		}
	}
	var woken []client.ObjectKey
	for _, request := range (referrers{c}).ofProject(t.Context(), &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "waking"}}) {
		woken = append(woken, request.NamespacedName)
	}
	want := []client.ObjectKey{{Namespace: "project-waking", Name: "a"}, {Namespace: "project-waking", Name: "b"}}
	if diff := cmp.Diff(want, woken); diff != "" {
		t.Error(diff)
	}
}

func TestSSHKeysComeAndGo(t *testing.T) {
	c := newClusterTest(t, "ssh-keys", func(s *v1alpha1.ClusterSpec) { s.SSHKeys = []string{"ada"} })
	c.step()
	c.seedSays(metav1.ConditionTrue, "")
	if ready := c.step(); ready.Reason != v1alpha1.ReasonSSHKeyMissing || len(c.hosted()[0].Spec.SSHKeys) != 0 {
		t.Errorf("Ready: %+v, keys %v", ready, c.hosted()[0].Spec.SSHKeys)
	}
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPArbZ/ew5uTvLG/FhEmW96Q8mixYwOlkr2NCej+TBL1"
	key := create(t, c.master, &v1alpha1.SSHKey{ObjectMeta: metav1.ObjectMeta{Name: "ada", Namespace: c.cluster.Namespace}, Spec: v1alpha1.SSHKeySpec{PublicKey: public + " ada@laptop"}})
	want := []client.ObjectKey{client.ObjectKeyFromObject(c.cluster)}
	var woken []client.ObjectKey
	for _, request := range (referrers{c.master}).ofSSHKey(t.Context(), key) {
		woken = append(woken, request.NamespacedName)
	}
	if diff := cmp.Diff(want, woken); diff != "" {
		t.Errorf("the key wakes (-want +got):\n%s", diff)
	}
	c.step()
	if diff := cmp.Diff([]string{public + " ada"}, c.hosted()[0].Spec.SSHKeys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	c.seedSays(metav1.ConditionTrue, "")
	if ready := c.step(); ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready: %+v", ready)
	}
	if err := c.master.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	c.step()
	if keys := c.hosted()[0].Spec.SSHKeys; len(keys) != 0 {
		t.Errorf("a key is still there that has gone: %v", keys)
	}
}
