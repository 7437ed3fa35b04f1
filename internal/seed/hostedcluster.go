// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/identity"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// hostedClusterController is the name of the controller and of the manager of the fields that it writes.
const hostedClusterController = "seed/hostedcluster"

// HostedClusterReconciler makes the control plane, the pools and the addons of each HostedCluster, and says in its status
// how they are: gather (all reads, and what must exist before anything can be built), build (pure), apply, observe (pure).
type HostedClusterReconciler struct {
	client.Client

	APIReader client.Reader
	Applier   *kube.Applier
	Clock     clock.PassiveClock
	Events    events.EventRecorder
	Options   Options

	prober *prober
	addons *addons
	starts *starts
}

// prunedKinds are the kinds among which objects that are no longer wanted are looked for. None of them holds data.
var prunedKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
}

// Reconcile brings one cluster a step further.
func (r *HostedClusterReconciler) Reconcile(ctx context.Context, hc *v1alpha1.HostedCluster) (reconcile.Result, error) {
	before := hc.DeepCopy()
	if !hc.DeletionTimestamp.IsZero() {
		done, err := r.delete(ctx, hc)
		if done {
			observeDeletion(hc, r.Clock.Now())
			return reconcile.Result{}, err
		}
		return kube.Finish(ctx, r.Client, before, hc, err)
	}
	if err := kube.EnsureFinalizer(ctx, r.Client, hc, v1alpha1.Finalizer); err != nil {
		return reconcile.Result{}, err
	}
	before.ObjectMeta = *hc.ObjectMeta.DeepCopy()
	result, err := kube.Finish(ctx, r.Client, before, hc, r.reconcile(ctx, hc))
	observeOperations(before, hc, r.Clock.Now())
	if before.Status.Version == "" && hc.Status.Version != "" {
		err = errors.Join(err, r.wakeQueued(ctx))
	}
	return retryMonitoring(hc, result), err
}

func (r *HostedClusterReconciler) reconcile(ctx context.Context, hc *v1alpha1.HostedCluster) error {
	if hc.Spec.Paused {
		return r.rest(ctx, hc)
	}
	image, err := r.validate(hc)
	if err != nil {
		return err
	}
	if err := r.takeTurn(ctx, hc); err != nil {
		return err
	}
	in, keys, w, err := r.gather(ctx, hc, image)
	if err != nil {
		return err
	}
	secrets, err := r.certificates(ctx, &in, keys)
	if err != nil {
		return err
	}
	owner := kube.Owner{FieldManager: hostedClusterController, Label: v1alpha1.LabelCluster, Value: hc.Name, Object: hc}
	objs, companions := append(controlplane.Objects(in), secrets...), controlplane.Companions(in)
	if err := r.Applier.Apply(ctx, owner, objs); err != nil {
		return err
	}
	scope := kube.PruneScope{Owner: owner, Namespace: hc.Namespace, Kinds: prunedKinds}
	// What watches the cluster comes later, as the companions do, and stays while the API does not answer.
	wanted := slices.Concat(objs, companions, controlplane.Monitoring(in), []client.Object{w.service})
	if err := kube.Prune(ctx, r.Client, r.Client, scope, wanted); err != nil {
		return err
	}
	live, reached, err := r.observe(ctx, in, keys, w)
	if err != nil {
		return err
	}
	if controlplane.Stuck(live) {
		if err := kube.Delete(ctx, r.Client, live.Pod); err != nil {
			return err
		}
	}
	controlPlaneStatus(hc, live)
	answers := live.Health[controlplane.APIServer] == nil
	r.exposedStatus(ctx, hc, w, keys.ca.Cert, answers, reached)
	if hc.Status.Version == "" { // until it has answered once, what follows would only take CPU from the API that is starting
		return summary(hc)
	}
	if err := r.makeWay(ctx, hc); err != nil {
		return err
	}
	err = r.reconcilePools(ctx, hc, owner, answers)
	if answers {
		err = errors.Join(err, r.Applier.Apply(ctx, owner, companions), r.addons.reconcile(ctx, hc, w, newInsideKeys(keys, secrets)))
	}
	if answers && r.watched(hc) {
		r.reconcileMonitoring(ctx, in, keys, owner)
	}
	if err != nil {
		return err
	}
	return summary(hc)
}

// validate returns the image of the wanted version, or an error that says what is wrong with the spec.
func (r *HostedClusterReconciler) validate(hc *v1alpha1.HostedCluster) (string, error) {
	if want := v1alpha1.NamespacePrefix + hc.Name; hc.Namespace != want {
		return "", kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("HostedCluster %s must be in the namespace %s, not %s: delete it and create it there", hc.Name, want, hc.Namespace))
	}
	image, err := images.Kubernetes("kubernetes", hc.Spec.Version)
	if err != nil {
		return "", kube.Reject(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("spec.version: Kubernetes %s is not available; available are %s",
			hc.Spec.Version, strings.Join(images.KubernetesVersions(), ", ")))
	}
	for i, pool := range hc.Spec.NodePools {
		if _, err := images.Kubernetes("node", pool.Version); pool.Version != "" && err != nil {
			return "", kube.Reject(v1alpha1.ReasonUnsupportedVersion, fmt.Sprintf("spec.nodePools[%d].version: Kubernetes %s is not available; available are %s",
				i, pool.Version, strings.Join(images.KubernetesVersions(), ", ")))
		}
	}
	if wrong := append(controlplane.ValidateExtraArgs(hc.Spec), machine.Validate(hc.Spec)...); len(wrong) > 0 {
		return "", kube.Reject(v1alpha1.ReasonInvalidSpec, strings.Join(wrong, "; "))
	}
	if err := identity.Validate(hc.Spec.Authentication.Issuers); err != nil {
		return "", kube.Reject(v1alpha1.ReasonInvalidSpec, "spec.authentication.issuers: "+err.Error())
	}
	if err := validateExposure(hc, r.Options.Exposure); err != nil {
		return "", err
	}
	return image, validateNetwork(hc.Spec.Network, r.Options.ReservedCIDRs)
}

// validateNetwork refuses ranges that overlap with the seed's own: from the cluster's nodes, these could not be reached.
func validateNetwork(network v1alpha1.Network, reserved []string) error {
	for _, field := range []struct{ name, cidr string }{
		{"podCIDR", network.PodCIDR}, {"serviceCIDR", network.ServiceCIDR}, {"tunnelCIDR", network.TunnelCIDR}, {"agentAddress", network.AgentAddress + "/32"},
	} {
		prefix, err := netip.ParsePrefix(field.cidr)
		if err != nil {
			return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.network.%s: %v", field.name, err))
		}
		for _, r := range reserved {
			if other, err := netip.ParsePrefix(r); err == nil && other.Overlaps(prefix) {
				return kube.Reject(v1alpha1.ReasonNetworkOverlap, fmt.Sprintf("spec.network.%s: %s overlaps with %s, which the seed itself uses: create the cluster with another range", field.name, field.cidr, r))
			}
		}
	}
	return nil
}

// gather makes sure of what the objects are built from: the namespace's labels, how the API is reached, keys.
func (r *HostedClusterReconciler) gather(ctx context.Context, hc *v1alpha1.HostedCluster, image string) (controlplane.Input, authorities, ways, error) {
	in := controlplane.Input{Cluster: hc, KubernetesImage: image, OpenVPNImage: r.Options.OpenVPNImage, Alertmanager: r.Options.Alertmanager}
	owner := kube.Owner{FieldManager: hostedClusterController, Label: v1alpha1.LabelCluster, Value: hc.Name, Object: hc}
	w, err := r.ensureWays(ctx, hc, owner)
	if err != nil {
		return in, authorities{}, w, err
	}
	if in.ClusterAutoscalerImage, err = images.Kubernetes(controlplane.ClusterAutoscaler, hc.Spec.Version); err != nil {
		return in, authorities{}, w, err
	}
	in.Names, in.ServiceIP = r.Options.Exposure.Names(hc, w.service), w.service.Spec.ClusterIP
	if err := r.Applier.Apply(ctx, kube.Owner{FieldManager: owner.FieldManager, Label: owner.Label, Value: owner.Value}, []client.Object{namespace(hc)}); err != nil {
		return in, authorities{}, w, err
	}
	if in.Encryption, err = r.encrypt(ctx, hc); err != nil {
		return in, authorities{}, w, err
	}
	keys, err := r.ensureAuthorities(ctx, hc)
	in.KeysChecksum = keys.checksum() + "-" + sansChecksum(append(w.balancerNames(), hc.Spec.APIServer.CertSANs...))
	return in, keys, w, err
}

// namespace returns what is ours of the cluster's namespace. It admits machines of the local provider, which are privileged
// pods, and the server of the VPN, which has a device of its node; what runs there is written by the seed.
func namespace(hc *v1alpha1.HostedCluster) client.Object {
	labels := clusterLabels(hc)
	labels["pod-security.kubernetes.io/enforce"] = "restricted"
	if hasLocalMachines(hc) || hc.Spec.Network.Tunnel == v1alpha1.TunnelOpenVPN {
		labels["pod-security.kubernetes.io/enforce"] = "privileged"
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: hc.Namespace, Labels: labels}}
}

// companions returns the newest pod of each component that stands beside the control plane.
func (r *HostedClusterReconciler) companions(ctx context.Context, hc *v1alpha1.HostedCluster) (map[string]*corev1.Pod, error) {
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(hc.Namespace)); err != nil {
		return nil, fmt.Errorf("reading the pods of %s: %w", hc.Namespace, err)
	}
	newest := map[string]*corev1.Pod{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		name := pod.Labels[v1alpha1.LabelComponent]
		if other := newest[name]; other == nil || other.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest[name] = pod
		}
	}
	return newest, nil
}

// observe reads the live control plane and asks it how it is. It reports whether people reach it, too, as far as that had to be
// asked: an endpoint that answers as before answers for the process behind it, which is then not asked once more.
func (r *HostedClusterReconciler) observe(ctx context.Context, in controlplane.Input, keys authorities, w ways) (live controlplane.Live, reached bool, err error) {
	hc := in.Cluster
	live.Health = map[string]error{controlplane.APIServer: errNotRunning}
	if live.Companions, err = r.companions(ctx, hc); err != nil {
		return live, false, err
	}
	set := &appsv1.StatefulSet{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Name}, set); err == nil {
		live.Set = set
	} else if !apierrors.IsNotFound(err) {
		return live, false, err
	}
	pod := &corev1.Pod{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: hc.Namespace, Name: controlplane.Name + "-0"}, pod); err == nil {
		live.Pod = pod
	} else if !apierrors.IsNotFound(err) {
		return live, false, err
	}
	if !controlplane.Running(live) {
		return live, false, nil
	}
	reached = wasReached(hc, w) && reach(ctx, w, keys.ca.Cert) == nil
	live.Health[controlplane.APIServer] = nil
	if !reached { // whether the process answers, where only the seed is between
		url := "https://" + in.ServiceIP + "/readyz"
		if live.Health[controlplane.APIServer] = ask(ctx, url, "", keys.ca.Cert); live.Health[controlplane.APIServer] != nil {
			//nolint:contextcheck // it goes on when this reconciliation has ended
			r.prober.waitFor(r.Options.Context, hc, url, keys.ca.Cert)
			return live, false, nil
		}
	}
	for name, url := range controlplane.HealthURLs(pod) {
		live.Health[name] = ask(ctx, url, controlplane.ServiceHost(hc), keys.ca.Cert)
	}
	return live, reached, nil
}
