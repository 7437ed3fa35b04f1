// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/pki"
)

// pausedMessage begins what Ready says of a paused cluster.
const pausedMessage = "spec.paused is true: nothing about the cluster is changed until it is false"

// rest makes the machines of a paused cluster rest, changes nothing else, and writes what it sees into the status.
func (r *HostedClusterReconciler) rest(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	if _, err := r.setPaused(ctx, hc, true); err != nil {
		return err
	}
	began, err := r.observeOnly(ctx, hc)
	if err != nil {
		return err
	}
	message := pausedMessage
	if !began {
		message += "; it has not been made yet"
	} else if err := summary(hc); err != nil {
		message += "; " + err.Error()
	}
	return kube.Wait(v1alpha1.ReasonPaused, message, 0)
}

// observeOnly writes how the cluster is into its status, and reports whether there is any of it.
func (r *HostedClusterReconciler) observeOnly(ctx context.Context, hc *v1alpha1.HostedCluster) (bool, error) {
	service, ca := &corev1.Service{}, &corev1.Secret{}
	for name, obj := range map[string]client.Object{controlplane.APIServer: service, controlplane.SecretCA: ca} {
		if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: name}, obj); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	in := controlplane.Input{Cluster: hc, ServiceIP: service.Spec.ClusterIP}
	live, _, err := r.observe(ctx, in, authorities{ca: pki.KeyPair{Cert: ca.Data[corev1.TLSCertKey]}}, ways{})
	if err != nil {
		return true, err
	}
	controlPlaneStatus(hc, live)
	if hc.Monitored() {
		hc.Status.Components = mergeComponents(hc.Status.Components, controlplane.MonitoringComponents(r.liveMonitoring(ctx, hc)))
	}
	if live.Health[controlplane.APIServer] == nil {
		if err := r.addons.observeOnly(ctx, hc); err != nil {
			return true, err
		}
	}
	_, err = r.observePools(ctx, hc)
	return true, err
}

// resume lets Cluster API work again on the machines of a cluster that is to be deleted.
func (r *HostedClusterReconciler) resume(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	changed, err := r.setPaused(ctx, hc, false)
	if err != nil || !changed {
		return "", err
	}
	return "waiting for Cluster API to learn that the cluster is not paused any more", nil
}

// setPaused makes Cluster API and our own controllers of machines rest or go on, and reports whether they did not already.
func (r *HostedClusterReconciler) setPaused(ctx context.Context, hc *v1alpha1.HostedCluster, paused bool) (changed bool, err error) {
	capi := &clusterv1.Cluster{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(hc), capi); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if ptr.Deref(capi.Spec.Paused, false) == paused {
		return false, nil
	}
	if err := kube.Patch(ctx, r.Client, capi, func() { capi.Spec.Paused = &paused }); err != nil {
		return false, fmt.Errorf("telling Cluster API whether the cluster is paused: %w", err)
	}
	return true, nil
}

// machinesRest reports whether the cluster in a namespace is paused.
func machinesRest(ctx context.Context, c client.Reader, namespace string) (bool, error) {
	capi := &clusterv1.Cluster{}
	err := c.Get(ctx, clusterKey(namespace), capi)
	return ptr.Deref(capi.Spec.Paused, false), client.IgnoreNotFound(err)
}

// resumed lets clusters through that are not paused any more.
var resumed = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*clusterv1.Cluster)
		after, ok2 := e.ObjectNew.(*clusterv1.Cluster)
		return ok1 && ok2 && ptr.Deref(before.Spec.Paused, false) && !ptr.Deref(after.Spec.Paused, false)
	},
}
