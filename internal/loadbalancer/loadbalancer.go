// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package loadbalancer gives Services of type LoadBalancer their addresses where no cloud does: on the local platform, to
// whose node the whole pool is routed. It reads Services and writes their status; that the node then answers at the address
// is kube-proxy's work.
package loadbalancer

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/internal/kube"
)

// retry is how often a Service for which there was no address is looked at again: another one may have ended.
const retry = 10 * time.Second

// reconciler assigns addresses. What is assigned is in the Services and nowhere else; one worker, which reads what it has
// written, is all that keeps two Services from the same address.
type reconciler struct {
	client.Client
	// live reads what was written a moment ago; a cache might not know it yet.
	live client.Reader
	pool netip.Prefix
}

// Reconcile gives one Service an address, or takes it back when it wants none any more.
func (r *reconciler) Reconcile(ctx context.Context, service *corev1.Service) (reconcile.Result, error) {
	before := service.DeepCopy()
	wants := service.Spec.Type == corev1.ServiceTypeLoadBalancer && service.DeletionTimestamp.IsZero()
	if has := Address(service, r.pool).IsValid(); has == wants || !wants && len(service.Status.LoadBalancer.Ingress) == 0 {
		return reconcile.Result{}, nil
	}
	service.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	if wants {
		all := &corev1.ServiceList{}
		if err := r.live.List(ctx, all); err != nil {
			return reconcile.Result{}, fmt.Errorf("reading which addresses are taken: %w", err)
		}
		address, ok := Next(r.pool, all.Items)
		if !ok {
			return reconcile.Result{RequeueAfter: retry}, nil
		}
		service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String(), IPMode: new(corev1.LoadBalancerIPModeVIP)}}
	}
	return reconcile.Result{}, kube.PatchStatus(ctx, r.Client, before, service)
}

// Address returns the address of the pool that the Service has; the zero Addr if it has none.
func Address(service *corev1.Service, pool netip.Prefix) netip.Addr {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if a, err := netip.ParseAddr(ingress.IP); err == nil && pool.Contains(a) {
			return a
		}
	}
	return netip.Addr{}
}

// Next returns the first address of the pool, after the network's own, that none of the Services has; false if all are taken.
func Next(pool netip.Prefix, services []corev1.Service) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for i := range services {
		taken[Address(&services[i], pool)] = true
	}
	for a := pool.Masked().Addr().Next(); pool.Contains(a); a = a.Next() {
		if !taken[a] {
			return a, true
		}
	}
	return netip.Addr{}, false
}
