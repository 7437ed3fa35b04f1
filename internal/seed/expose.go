// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

// reachRetry is how often an endpoint that nobody reaches is tried again: no watch tells when DNS or a network is mended.
const reachRetry = 5 * time.Second

// ways are how a control plane is reached.
type ways struct {
	service *corev1.Service
	// endpoint is what status names: that of the wanted strategy as soon as there is one.
	endpoint controlplane.Endpoint
	// waits says why it is not yet; nil when it is.
	waits *kube.WaitingError
	// agent is the endpoint for which agents run on the nodes: this one, or an older one that is still in use; nil: none.
	agent *controlplane.Endpoint
	// old are the URLs that machines still use which have not been replaced since the endpoint changed.
	old []string
}

// ensureWays makes the Service of the control plane, open for the wanted strategy and for those that are still in use.
func (r *HostedClusterReconciler) ensureWays(ctx context.Context, hc *v1alpha1.HostedCluster, owner kube.Owner) (ways, error) {
	exposure := r.Options.Exposure
	wanted := exposure.StrategyOf(hc)
	open := []v1alpha1.ExposeStrategy{wanted}
	before := hc.Status.ExposeStrategy
	if hc.Status.Endpoint != "" && before == "" {
		before = v1alpha1.ExposeNodePort
	}
	if before != "" {
		open = append(open, before)
	}
	configs := &v1alpha1.BootstrapConfigList{}
	if err := r.List(ctx, configs, client.InNamespace(hc.Namespace)); err != nil {
		return ways{}, fmt.Errorf("reading which endpoints the machines use: %w", err)
	}
	for _, c := range configs.Items {
		open = append(open, cmp.Or(c.Spec.ExposeStrategy, v1alpha1.ExposeNodePort))
	}
	service, err := r.ensureService(ctx, hc, owner, open)
	if err != nil {
		return ways{}, err
	}
	w := ways{service: service}
	var known bool
	if w.endpoint, known = exposure.Endpoint(hc, wanted, service); !known {
		w.waits = &kube.WaitingError{Reason: v1alpha1.ReasonWaitingForBalancer, Message: fmt.Sprintf(
			"the load balancer of Service %s/%s has no address yet: kubectl -n %[1]s describe service %[2]s says what it waits for; a seed without load balancers needs the strategy NodePort or Gateway",
			service.Namespace, service.Name)}
		if before == "" || before == wanted {
			return w, w.waits
		}
		if w.endpoint, known = exposure.Endpoint(hc, before, service); !known {
			return w, w.waits
		}
	}
	for _, strategy := range append(open, w.endpoint.Strategy) { // the last one wins
		if e, known := exposure.Endpoint(hc, strategy, service); known && e.NeedsAgent() {
			w.agent = &e
		}
	}
	for _, c := range configs.Items {
		if u := c.Spec.Endpoint; u != "" && u != w.endpoint.NodeURL() && !slices.Contains(w.old, u) {
			w.old = append(w.old, u)
		}
	}
	slices.Sort(w.old)
	return w, nil
}

// ensureService returns the live Service with its assigned ports and addresses.
func (r *HostedClusterReconciler) ensureService(ctx context.Context, hc *v1alpha1.HostedCluster, owner kube.Owner, open []v1alpha1.ExposeStrategy) (*corev1.Service, error) {
	wanted := controlplane.Service(hc, open...)
	live := &corev1.Service{}
	err := r.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if err == nil && hasPorts(live, wanted) {
		return live, r.Applier.Apply(ctx, owner, []client.Object{wanted})
	}
	if err := r.Applier.ApplyOne(ctx, owner, wanted); err != nil {
		if apierrors.IsInvalid(err) && hc.Spec.Expose.Port != 0 {
			return nil, kube.Wait(v1alpha1.ReasonPortTaken, fmt.Sprintf("spec.expose.port: node port %d cannot be had on this seed: another Service has it, or it is outside of the seed's range; free it, or create the cluster with another or no port. %v", hc.Spec.Expose.Port, err), portRetry)
		}
		return nil, err
	}
	return wanted, nil
}

// hasPorts reports whether live is of the type and has all ports of wanted, with node ports where they belong to the type.
func hasPorts(live, wanted *corev1.Service) bool {
	if live.Spec.ClusterIP == "" || live.Spec.Type != wanted.Spec.Type {
		return false
	}
	return slices.EqualFunc(live.Spec.Ports, wanted.Spec.Ports, func(l, w corev1.ServicePort) bool {
		return l.Name == w.Name && (l.NodePort != 0 || wanted.Spec.Type == corev1.ServiceTypeClusterIP)
	})
}

// validateExposure refuses a strategy that the seed does not offer, and an agent's address that the seed uses.
func validateExposure(hc *v1alpha1.HostedCluster, exposure controlplane.Exposure) error {
	strategy := exposure.StrategyOf(hc)
	if strategy == v1alpha1.ExposeGateway && exposure.Domain == "" {
		return kube.Reject(v1alpha1.ReasonNoGateway, "spec.expose.strategy: this seed has no gateway: choose NodePort or LoadBalancer, or give the seed a gateway (value gateway.domain of its chart)")
	}
	if strategy != v1alpha1.ExposeNodePort && hc.Spec.Expose.Port != 0 {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.expose.port is for the strategy NodePort, and the seed's strategy is %s: remove the port, or set spec.expose.strategy to NodePort", strategy))
	}
	return nil
}

// exposedStatus writes into the status where the API is reached, and whether it is, if that is not known (reached) yet. What has changed for people is told in
// an event as well.
func (r *HostedClusterReconciler) exposedStatus(ctx context.Context, hc *v1alpha1.HostedCluster, w ways, ca []byte, answers, reached bool) {
	url := w.endpoint.URL()
	if old := hc.Status.Endpoint; old != "" && old != url {
		r.Events.Eventf(hc, nil, corev1.EventTypeNormal, v1alpha1.ReasonEndpointChanged, "Expose",
			"The API is now at %s, by the strategy %s. Fetch kubeconfigs anew (canopy kubeconfig %s): %s works only until the machines that use it are replaced.", url, w.endpoint.Strategy, hc.Name, old)
	}
	hc.Status.Endpoint, hc.Status.TLSServerName = url, w.endpoint.TLSServerName
	hc.Status.CertificateAuthority = string(ca)
	hc.Status.TunnelEndpoint, hc.Status.ExposeStrategy = w.endpoint.Tunnel(), w.endpoint.Strategy
	if w.waits != nil {
		setCondition(hc, v1alpha1.ConditionExposed, false, w.waits.Reason, w.waits.Message+"; until then the API stays at "+url)
		return
	}
	if !answers { // not even inside the seed: there is nothing to find out
		return
	}
	if !reached {
		if err := reach(ctx, w, ca); err != nil {
			reason, message := explainUnreachable(err, w.endpoint, r.Options)
			setCondition(hc, v1alpha1.ConditionExposed, false, reason, message)
			return
		}
	}
	message := ""
	if len(w.old) > 0 {
		message = "kubeconfigs have to be fetched anew: " + strings.Join(w.old, ", ") + " works only until the machines that use it are replaced"
	}
	setCondition(hc, v1alpha1.ConditionExposed, true, string(w.endpoint.Strategy), message)
}

// reach returns nil if the API answers at the endpoint that people use.
func reach(ctx context.Context, w ways, ca []byte) error {
	return ask(ctx, w.endpoint.URL()+"/readyz", w.endpoint.TLSServerName, ca)
}

// wasReached reports whether the API answered at the same endpoint the last time.
func wasReached(hc *v1alpha1.HostedCluster, w ways) bool {
	conditions := hc.Status.Conditions
	return w.waits == nil && w.endpoint.Host != "" && hc.Status.Endpoint == w.endpoint.URL() &&
		meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionControlPlaneAvailable) && meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionExposed)
}

// explainUnreachable says what to do about an endpoint at which the API does not answer, though it answers inside the seed.
func explainUnreachable(err error, e controlplane.Endpoint, opts Options) (reason, message string) {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && e.Strategy == v1alpha1.ExposeGateway:
		return v1alpha1.ReasonNameUnresolved, fmt.Sprintf(
			"no DNS server knows %s: make a record *.%s that leads to the address of the gateway (kubectl get service -A -l app.kubernetes.io/component=canopy-gateway shows it), or tell the seed that address (value gateway.address of its chart)",
			e.Host, opts.Exposure.Domain)
	case errors.As(err, &dns):
		return v1alpha1.ReasonNameUnresolved, fmt.Sprintf("no DNS server knows %s, the name of the load balancer, yet", e.Host)
	case e.Strategy == v1alpha1.ExposeGateway:
		return v1alpha1.ReasonUnreachable, fmt.Sprintf("the API runs, but is not reached through the gateway at %s: see the pods of the Deployment canopy-gateway. %v", net.JoinHostPort(e.Host, fmt.Sprint(e.Port)), err)
	default:
		return v1alpha1.ReasonUnreachable, fmt.Sprintf("the API runs, but is not reached at %s: %v", e.URL(), err)
	}
}

// balancerNames are the names of the certificate that only come when a load balancer does: processes that have started
// must be started anew to show them at once.
func (w ways) balancerNames() []string {
	if w.service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	return controlplane.BalancerHosts(w.service)
}
