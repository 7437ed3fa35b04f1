// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

// monitoringLater is how long after a cluster's API its nodes may take before the cluster is watched all the same.
const monitoringLater = time.Minute

// monitoringRetry is how soon it is tried again to apply what watches a cluster.
const monitoringRetry = 30 * time.Second

// reconcileMonitoring applies what watches the cluster, or removes it, and writes its health into the status. It returns no
// error, because a cluster that nobody watches serves its users all the same: what is wrong is in the components' status.
func (r *HostedClusterReconciler) reconcileMonitoring(ctx context.Context, in controlplane.Input, keys authorities, owner kube.Owner) {
	hc := in.Cluster
	components, err := r.applyMonitoring(ctx, in, keys, owner)
	if err != nil {
		ctrllog.FromContext(ctx).Error(err, "applying what watches the cluster")
		components = []v1alpha1.ComponentStatus{{Name: controlplane.Prometheus, Reason: v1alpha1.ReasonError, Message: err.Error()}}
	}
	hc.Status.Components = slices.DeleteFunc(hc.Status.Components, func(c v1alpha1.ComponentStatus) bool {
		return c.Name == controlplane.Prometheus || c.Name == controlplane.KubeStateMetrics
	})
	hc.Status.Components = mergeComponents(hc.Status.Components, components)
}

func (r *HostedClusterReconciler) applyMonitoring(ctx context.Context, in controlplane.Input, keys authorities, owner kube.Owner) ([]v1alpha1.ComponentStatus, error) {
	hc, objs := in.Cluster, controlplane.Monitoring(in)
	if len(objs) > 0 {
		secret, err := r.leafSecret(ctx, hc, controlplane.SecretPrometheus, keys, controlplane.MonitoringCertificates(), controlplane.MonitoringKubeconfigs(in))
		if err != nil {
			return nil, err
		}
		secret.Labels[v1alpha1.LabelComponent] = controlplane.Prometheus
		secret.Data["ca.crt"] = keys.ca.Cert
		objs = append(objs, secret)
		if err := r.Applier.Apply(ctx, owner, objs); err != nil {
			return nil, err
		}
	}
	scope := kube.PruneScope{
		Owner:     kube.Owner{Label: v1alpha1.LabelComponent, Value: controlplane.Prometheus},
		Namespace: hc.Namespace,
		Kinds:     []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}}, // the rest is pruned with what belongs to the control plane
	}
	if err := kube.Prune(ctx, r.Client, r.Client, scope, objs); err != nil || len(objs) == 0 {
		return nil, err
	}
	live := r.liveMonitoring(ctx, hc)
	if controlplane.Stuck(live) {
		if err := kube.Delete(ctx, r.Client, live.Pod); err != nil {
			return nil, err
		}
	}
	return controlplane.MonitoringComponents(live), nil
}

// liveMonitoring reads what watches the cluster.
func (r *HostedClusterReconciler) liveMonitoring(ctx context.Context, hc *v1alpha1.HostedCluster) controlplane.Live {
	live := controlplane.Live{Set: &appsv1.StatefulSet{}, Pod: &corev1.Pod{}}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Prometheus}, live.Set); err != nil {
		live.Set = nil // it was applied a moment ago: the cache has not seen it
	}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Prometheus + "-0"}, live.Pod); err != nil {
		live.Pod = nil
	}
	return live
}

// watched reports whether it is time for what watches the cluster: when its nodes are there, because it would only take CPU from
// those that boot on the same seed, or when they have had the time to.
func (r *HostedClusterReconciler) watched(hc *v1alpha1.HostedCluster) bool {
	if meta.IsStatusConditionTrue(hc.Status.Conditions, v1alpha1.ConditionNodesReady) || slices.ContainsFunc(hc.Status.Components, isPrometheus) {
		return true
	}
	answered := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionControlPlaneAvailable)
	return answered != nil && r.Clock.Since(answered.LastTransitionTime.Time) >= monitoringLater
}

func isPrometheus(c v1alpha1.ComponentStatus) bool { return c.Name == controlplane.Prometheus }

// retryMonitoring makes a reconciliation that went well but for the monitoring come back soon.
func retryMonitoring(hc *v1alpha1.HostedCluster, result reconcile.Result) reconcile.Result {
	if hc.Monitored() && hc.Status.Version != "" && !slices.ContainsFunc(hc.Status.Components, isPrometheus) && result.RequeueAfter > monitoringLater {
		result.RequeueAfter = monitoringLater
	}
	failed := slices.ContainsFunc(hc.Status.Components, func(c v1alpha1.ComponentStatus) bool {
		return c.Name == controlplane.Prometheus && c.Reason == v1alpha1.ReasonError
	})
	if failed && result.RequeueAfter > monitoringRetry {
		result.RequeueAfter = monitoringRetry
	}
	return result
}
