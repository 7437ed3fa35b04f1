// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
)

// Seed makes the master a seed of its own, with the datacenter local and the release 1.37.2, and says of each cluster that it is
// ready as soon as the master has asked for it. Namespaces that are deleted go, and quotas are in force, as by kube-controller-manager.
func (p *Platform) Seed(ctx context.Context) error {
	for _, obj := range []client.Object{
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Spec: v1alpha1.SeedSpec{Install: v1alpha1.InstallManual}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: "local"}, Spec: v1alpha1.DatacenterSpec{
			Seed: "local", Provider: hostingv1alpha1.Place{Local: &hostingv1alpha1.LocalPlace{}},
		}},
		&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37.2"}, Spec: v1alpha1.ReleaseSpec{Default: true}},
	} {
		if err := p.Master.Create(ctx, obj); err != nil {
			return err
		}
	}
	if err := follow(ctx, p.Master, &hostingv1alpha1.HostedClusterList{}, p.answer); err != nil {
		return err
	}
	if err := follow(ctx, p.Master, &corev1.ResourceQuotaList{}, p.count); err != nil {
		return err
	}
	return follow(ctx, p.Master, &corev1.NamespaceList{}, p.finalize)
}

// follow calls on for every object, and every change of one, until the context ends.
func follow(ctx context.Context, kube client.WithWatch, list client.ObjectList, on func(context.Context, client.Object)) error {
	watcher, err := kube.Watch(ctx, list)
	if err != nil {
		return err
	}
	go func() {
		defer watcher.Stop()
		for event := range watcher.ResultChan() {
			if obj, ok := event.Object.(client.Object); ok {
				on(ctx, obj)
			}
		}
	}()
	return nil
}

// answer says that a cluster is what it should be. What is refused because the cluster has changed is said again then.
func (p *Platform) answer(ctx context.Context, obj client.Object) {
	hc, ok := obj.(*hostingv1alpha1.HostedCluster)
	if !ok || meta.FindStatusCondition(hc.Status.Conditions, hostingv1alpha1.ConditionReady) != nil && hc.Status.ObservedGeneration == hc.Generation {
		return
	}
	hc.Status.ObservedGeneration, hc.Status.Version, hc.Status.Endpoint = hc.Generation, hc.Spec.Version, "https://127.0.0.1:6443"
	hc.Status.CertificateAuthority = string(p.CA)
	hc.Status.NodePools, hc.Status.ReadyNodes = nil, 0
	for _, pool := range hc.Spec.NodePools {
		n := *pool.Replicas
		if a := pool.Autoscaling; a != nil {
			n = min(max(n, *a.MinReplicas), a.MaxReplicas)
		}
		hc.Status.ReadyNodes += n
		hc.Status.NodePools = append(hc.Status.NodePools, hostingv1alpha1.NodePoolStatus{Name: pool.Name, WantedReplicas: n, Replicas: n, ReadyReplicas: n, UpToDateReplicas: n})
	}
	meta.SetStatusCondition(&hc.Status.Conditions, metav1.Condition{
		Type: hostingv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready", ObservedGeneration: hc.Generation,
	})
	_ = p.Master.Status().Update(ctx, hc)
}

// count says that a new quota is in force, and that nothing of it is used. What is made then, kube-apiserver counts itself.
func (p *Platform) count(ctx context.Context, obj client.Object) {
	quota, ok := obj.(*corev1.ResourceQuota)
	if !ok || equality.Semantic.DeepEqual(quota.Status.Hard, quota.Spec.Hard) {
		return
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{}}
	for name := range quota.Spec.Hard {
		quota.Status.Used[name] = resource.Quantity{}
	}
	_ = p.Master.Status().Update(ctx, quota)
}

// finalize lets a namespace go. What is in it stays: nothing in a test looks there again.
func (p *Platform) finalize(ctx context.Context, obj client.Object) {
	namespace, ok := obj.(*corev1.Namespace)
	if !ok || namespace.DeletionTimestamp.IsZero() || len(namespace.Spec.Finalizers) == 0 {
		return
	}
	namespace.Spec.Finalizers = nil
	_ = p.Master.SubResource("finalize").Update(ctx, namespace)
}
