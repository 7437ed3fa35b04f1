// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// TestMachinesOfOnesOwn asks for commands for a pool of one machine on the master's own seed, and deletes the machine.
func TestMachinesOfOnesOwn(t *testing.T) {
	shared.project(t, "own",
		v1alpha1.Member{Name: "ed@own", Role: v1alpha1.RoleEditor}, v1alpha1.Member{Name: "vera@own", Role: v1alpha1.RoleViewer})
	pool := func(name string, provider hostingv1alpha1.Provider) *v1alpha1.NodePool {
		return &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "project-own"},
			Spec:       v1alpha1.NodePoolSpec{Cluster: "shop", MachinePool: v1alpha1.MachinePool{Provider: provider}},
		}
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "project-own"}, Spec: v1alpha1.ClusterSpec{Datacenter: "none", Version: "1.37.2"}}
	waiting := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: "own-abc", Namespace: "cluster-ownownowno", Labels: map[string]string{clusterv1.MachineDeploymentNameLabel: "mine"}},
		Spec: clusterv1.MachineSpec{
			ClusterName: "ownownowno", Bootstrap: clusterv1.Bootstrap{DataSecretName: new("own-abc")},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{APIGroup: "hosting.canopy.dev", Kind: "ProviderMachine", Name: "own-abc"},
		},
	}
	direct, err := client.New(&kubeConfig, client.Options{Scheme: machineScheme()})
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "cluster-ownownowno"}},
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1alpha1.SeedSpec{Install: v1alpha1.InstallManual}},
		cluster, pool("mine", hostingv1alpha1.Provider{BringYourOwn: &hostingv1alpha1.BringYourOwnMachine{}}),
		pool("made", hostingv1alpha1.Provider{Local: &hostingv1alpha1.LocalMachine{}}),
	} {
		if err := shared.kube.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	if err := direct.Create(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"id":"ownownowno","seed":"own"}}`))
	if err := shared.kube.Status().Patch(t.Context(), cluster, patch); err != nil {
		t.Fatal(err)
	}
	ed, vera := shared.as(t, "ed@own"), shared.as(t, "vera@own")
	base := "/api/v1/projects/own/clusters/shop"
	eventually(t, "the machine is known", func(context.Context) bool {
		return strings.Contains(string(vera.get(base+"/machines").body), "own-abc")
	})
	signMachines(t, "project-own")
	path := base + "/nodepools/mine/join-command"
	vera.do(http.MethodPost, path, map[string]any{}).isProblem(t, CodeForbidden)
	ed.do(http.MethodPost, base+"/nodepools/made/join-command", map[string]any{}).isProblem(t, CodeConflict)
	made := into[JoinCommand](t, ed.do(http.MethodPost, path, map[string]any{"ttl": "10m"}).is(t, http.StatusOK))
	if made.Machine != "own-abc" || !strings.HasSuffix(made.Command, "| sudo sh") || made.Expires.IsZero() {
		t.Errorf("the command is %+v", made)
	}
	ed.do(http.MethodPost, path, map[string]any{}).isProblem(t, CodeConflict) // there is one for the only machine
	page := ed.get("/api/v1/projects/own/audit?pageSize=10").is(t, http.StatusOK)
	if !strings.Contains(string(page.body), "nodepools/joincommand") || strings.Contains(string(page.body), made.Command) {
		t.Errorf("the record of the command: %s", page.body)
	}

	vera.do(http.MethodDelete, base+"/machines/own-abc", nil).isProblem(t, CodeForbidden)
	ed.do(http.MethodDelete, base+"/machines/own-xyz", nil).isProblem(t, CodeNotFound)
	ed.do(http.MethodDelete, base+"/machines/own-abc", nil).is(t, http.StatusAccepted)
	eventually(t, "the machine is gone", func(context.Context) bool {
		return !strings.Contains(string(ed.get(base+"/machines").body), "own-abc")
	})
}

// signMachines does the part of clusters and their seeds for what machines are asked for.
func signMachines(t *testing.T, namespace string) {
	t.Helper()
	script, err := machine.Pack([]byte("true\n"))
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := shared.kube.Watch(t.Context(), &v1alpha1.AccessRequestList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	go func() {
		for event := range watcher.ResultChan() {
			if request, ok := event.Object.(*v1alpha1.AccessRequest); ok && request.Status.Certificate == "" {
				before := request.DeepCopy()
				request.Status = v1alpha1.AccessRequestStatus{Certificate: "a certificate", Script: script, Expires: &metav1.Time{Time: time.Now().Add(time.Hour)}}
				_ = shared.kube.Status().Patch(context.WithoutCancel(t.Context()), request, client.MergeFrom(before))
			}
		}
	}()
}
