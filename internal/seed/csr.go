// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// csrController is the name of the controller.
const csrController = "seed/csr"

// CSRApprover decides on the certificate requests of machines in the user clusters: kubelet's first client certificate,
// its renewals, and its serving certificates. What it decides on is in csr_decision.go. Requests of others are left to
// the user cluster's own administrators.
//
// A request is named by the namespace of its cluster on the seed and its own name in the user cluster; a request without
// a name stands for the connection to the cluster.
type CSRApprover struct {
	client.Client

	Clusters clustercache.ClusterCache

	controller clustercache.SourceWatcher[reconcile.Request]
}

// setupCSR adds the controller to the manager.
func setupCSR(mgr ctrl.Manager, clusters clustercache.ClusterCache, workers int) error {
	r := &CSRApprover{Client: mgr.GetClient(), Clusters: clusters}
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named(csrController).
		WatchesRawSource(clusters.GetClusterSource(csrController, func(_ context.Context, cluster client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: cluster.GetNamespace()}}}
		})).
		// What was not known of a machine when it asked may be known now.
		Watches(&v1alpha1.BootstrapConfig{}, handler.EnqueueRequestsFromMapFunc(r.pending), builder.WithPredicates(tokenChanged)).
		Watches(&v1alpha1.ProviderMachine{}, handler.EnqueueRequestsFromMapFunc(r.pending), builder.WithPredicates(addressesChanged)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: kube.RateLimiter()}).
		Build(r)
	r.controller = c
	return err
}

// Reconcile decides on one request, or starts to watch the requests of a cluster.
func (r *CSRApprover) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cluster := clusterKey(req.Namespace)
	err := r.watch(ctx, cluster)
	if err == nil && req.Name != "" {
		err = r.decide(ctx, cluster, req.Name)
	}
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return reconcile.Result{}, nil // it wakes us when it is
	}
	return reconcile.Result{}, err
}

func (r *CSRApprover) watch(ctx context.Context, cluster client.ObjectKey) error {
	return r.Clusters.Watch(ctx, cluster, clustercache.NewWatcher(clustercache.WatcherOptions{
		Name: csrController, Watcher: r.controller, Kind: &certificatesv1.CertificateSigningRequest{},
		EventHandler: handler.EnqueueRequestsFromMapFunc(func(_ context.Context, csr client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: cluster.Namespace, Name: csr.GetName()}}}
		}),
		Predicates: []predicate.Predicate{predicate.NewPredicateFuncs(isPending)},
	}))
}

func (r *CSRApprover) decide(ctx context.Context, cluster client.ObjectKey, name string) error {
	inside, err := r.Clusters.GetClient(ctx, cluster)
	if err != nil {
		return err
	}
	csr := &certificatesv1.CertificateSigningRequest{}
	if err := inside.Get(ctx, client.ObjectKey{Name: name}, csr); err != nil {
		return client.IgnoreNotFound(err)
	}
	known, err := r.known(ctx, cluster)
	if err != nil {
		return err
	}
	d := decideCSR(csr, known)
	log.FromContext(ctx).Info("Certificate request", "requestor", csr.Spec.Username, "verdict", d.verdict, "message", d.message)
	if d.verdict == leave {
		return nil
	}
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.RequestConditionType(d.verdict), Status: corev1.ConditionTrue, Reason: d.reason, Message: d.message,
		LastUpdateTime: metav1.Now(),
	})
	return kube.UpdateSubResource(ctx, inside, csr, "approval")
}

// known reads what is known of the cluster's machines.
func (r *CSRApprover) known(ctx context.Context, cluster client.ObjectKey) (knownMachines, error) {
	configs, instances := &v1alpha1.BootstrapConfigList{}, &v1alpha1.ProviderMachineList{}
	if err := errors.Join(
		r.List(ctx, configs, client.InNamespace(cluster.Namespace)),
		r.List(ctx, instances, client.InNamespace(cluster.Namespace)),
	); err != nil {
		return knownMachines{}, fmt.Errorf("reading the machines of cluster %s: %w", cluster, err)
	}
	known := knownMachines{byToken: map[string]string{}, open: map[string]bool{}, names: map[string][]string{}}
	for _, c := range configs.Items {
		if c.Status.TokenID != "" {
			known.byToken[c.Status.TokenID] = c.Name
		}
	}
	for _, m := range instances.Items {
		known.open[m.Name] = m.Spec.Provider.BringYourOwn != nil && !m.Status.Initialization.Provisioned
		known.names[m.Name] = []string{m.Name}
		for _, a := range m.Status.Addresses {
			known.names[m.Name] = append(known.names[m.Name], a.Address)
		}
	}
	return known, nil
}

// pending returns the undecided requests in the machine's cluster.
func (r *CSRApprover) pending(ctx context.Context, machine client.Object) []reconcile.Request {
	inside, err := r.Clusters.GetReader(ctx, clusterKey(machine.GetNamespace()))
	if err != nil {
		return nil // once connected, all requests come by
	}
	csrs := &certificatesv1.CertificateSigningRequestList{}
	if err := inside.List(ctx, csrs); err != nil {
		return nil // so it is when the connection is lost
	}
	var requests []reconcile.Request
	for i := range csrs.Items {
		if isPending(&csrs.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: machine.GetNamespace(), Name: csrs.Items[i].Name}})
		}
	}
	return requests
}

// isPending reports whether nobody has decided on the request.
func isPending(obj client.Object) bool {
	csr, ok := obj.(*certificatesv1.CertificateSigningRequest)
	return ok && len(csr.Status.Conditions) == 0 && len(csr.Status.Certificate) == 0
}

// clusterKey returns the name of the cluster that lives in a namespace of the seed.
func clusterKey(namespace string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: strings.TrimPrefix(namespace, v1alpha1.NamespacePrefix)}
}

var tokenChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok1 := e.ObjectOld.(*v1alpha1.BootstrapConfig)
	after, ok2 := e.ObjectNew.(*v1alpha1.BootstrapConfig)
	return ok1 && ok2 && before.Status.TokenID != after.Status.TokenID
}}

var addressesChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok1 := e.ObjectOld.(*v1alpha1.ProviderMachine)
	after, ok2 := e.ObjectNew.(*v1alpha1.ProviderMachine)
	return ok1 && ok2 && !reflect.DeepEqual(before.Status.Addresses, after.Status.Addresses)
}}
