// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstraputil "k8s.io/cluster-bootstrap/token/util"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/usercluster"
)

// bootstrapController is the name of the controller and of the manager of the fields that it writes.
const bootstrapController = "seed/bootstrap"

const (
	// tokenTTL is how long a machine's token is good unless it is renewed. It is for as long as the machine has not
	// joined; so a token outlives its machine, or the seed manager, by no more than this.
	tokenTTL = 15 * time.Minute
	// renewBefore is how much of that is left when the token is renewed.
	renewBefore = 10 * time.Minute
)

// BootstrapReconciler makes the user data of each BootstrapConfig, by Cluster API's contract for bootstrap configurations,
// and with it the token by which the machine asks the user cluster for its first certificate, once. The token is taken
// back when the machine has joined.
type BootstrapReconciler struct {
	client.Client

	Applier  *kube.Applier
	Clusters clustercache.ClusterCache
	Clock    clock.PassiveClock
	// RegistryMirror is Options.RegistryMirror.
	RegistryMirror string
}

// setupBootstrap adds the controller to the manager.
func setupBootstrap(mgr ctrl.Manager, clusters clustercache.ClusterCache, opts Options) error {
	r := &BootstrapReconciler{
		Client:         mgr.GetClient(),
		Applier:        &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()},
		Clusters:       clusters,
		Clock:          opts.Clock,
		RegistryMirror: opts.RegistryMirror,
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(bootstrapController).
		For(&v1alpha1.BootstrapConfig{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(sameName)).
		WatchesRawSource(clusters.GetClusterSource(bootstrapController, r.ofCluster)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: rateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ofCluster returns the BootstrapConfigs of a cluster that has been connected.
func (r *BootstrapReconciler) ofCluster(ctx context.Context, cluster client.Object) []reconcile.Request {
	configs := &v1alpha1.BootstrapConfigList{}
	if err := r.List(ctx, configs, client.InNamespace(cluster.GetNamespace())); err != nil {
		return nil // the cache only fails before it has started
	}
	var requests []reconcile.Request
	for i := range configs.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&configs.Items[i])})
	}
	return requests
}

// Reconcile brings the user data of one machine a step further.
func (r *BootstrapReconciler) Reconcile(ctx context.Context, c *v1alpha1.BootstrapConfig) (reconcile.Result, error) {
	if !c.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // the Secret goes with its owner, and the token expires
	}
	before := c.DeepCopy()
	renewAfter, err := r.reconcile(ctx, c)
	result, err := kube.Finish(ctx, r.Client, before, c, err)
	if renewAfter > 0 && err == nil {
		result.RequeueAfter = min(result.RequeueAfter, renewAfter)
	}
	return result, err
}

// reconcile returns after how long the token has to be renewed; 0: not.
func (r *BootstrapReconciler) reconcile(ctx context.Context, c *v1alpha1.BootstrapConfig) (time.Duration, error) {
	capi := &clusterv1.Machine{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(c), capi); apierrors.IsNotFound(err) {
		return 0, kube.Wait(v1alpha1.ReasonWaitingForMachine, "its Machine does not exist yet", 0)
	} else if err != nil {
		return 0, err
	}
	key := client.ObjectKey{Namespace: c.Namespace, Name: capi.Spec.ClusterName}
	joined := capi.Status.NodeRef.IsDefined()
	if joined && c.Status.TokenID == "" {
		return 0, nil
	}
	inside, err := r.Clusters.GetUncachedClient(ctx, key)
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return 0, kube.Wait(v1alpha1.ReasonWaitingForAPI, "the cluster's API does not answer yet", 0)
	}
	if err != nil {
		return 0, err
	}
	if joined {
		return 0, r.revoke(ctx, inside, c)
	}
	return r.provide(ctx, inside, c, capi)
}

// provide makes the token and the user data.
func (r *BootstrapReconciler) provide(ctx context.Context, inside client.Client, c *v1alpha1.BootstrapConfig, capi *clusterv1.Machine) (time.Duration, error) {
	input, err := r.gather(ctx, c, capi)
	if err != nil {
		return 0, err
	}
	token, err := r.ensureToken(ctx, inside, c.Name)
	if err != nil {
		return 0, fmt.Errorf("making the machine's token in the user cluster: %w", err)
	}
	input.Token = token.id + "." + token.secret
	userData, err := machine.UserData(input)
	if err != nil {
		return 0, err
	}
	owner := kube.Owner{FieldManager: bootstrapController, Label: v1alpha1.LabelCluster, Value: capi.Spec.ClusterName, Object: c}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: c.Name,
			Labels: map[string]string{clusterv1.ClusterNameLabel: capi.Spec.ClusterName},
		},
		Type: clusterv1.ClusterSecretType,
		Data: map[string][]byte{machine.UserDataKey: userData, "format": []byte("cloud-config")},
	}
	if err := r.Applier.Apply(ctx, owner, []client.Object{secret}); err != nil {
		return 0, err
	}
	c.Status.Initialization.DataSecretCreated = true
	c.Status.DataSecretName = secret.Name
	c.Status.TokenID = token.id
	return max(token.expires.Sub(r.Clock.Now())-renewBefore, time.Second), nil
}

// gather reads what the user data is made from, all but the token.
func (r *BootstrapReconciler) gather(ctx context.Context, c *v1alpha1.BootstrapConfig, capi *clusterv1.Machine) (machine.BootstrapInput, error) {
	hc := &v1alpha1.HostedCluster{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: capi.Spec.ClusterName}, hc); err != nil {
		return machine.BootstrapInput{}, fmt.Errorf("reading the machine's cluster: %w", err)
	}
	ca := &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: controlplane.SecretCA}, ca); err != nil {
		return machine.BootstrapInput{}, fmt.Errorf("reading the cluster's authority: %w", err)
	}
	dns, err := controlplane.ServiceAddress(hc.Spec.Network, 10)
	if err != nil {
		return machine.BootstrapInput{}, err
	}
	infrastructure := &v1alpha1.ProviderMachine{}
	err = r.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: capi.Spec.InfrastructureRef.Name}, infrastructure)
	if client.IgnoreNotFound(err) != nil { // not found: a machine of a provider that is not ours
		return machine.BootstrapInput{}, err
	}
	return machine.BootstrapInput{
		Traits:   machine.TraitsOf(infrastructure.Spec.Provider, c.Namespace, c.Name),
		Name:     c.Name,
		Pool:     c.Labels[v1alpha1.LabelPool],
		Version:  strings.TrimPrefix(capi.Spec.Version, "v"),
		Endpoint: cmp.Or(c.Spec.Endpoint, hc.Status.Endpoint), EndpointAddress: c.Spec.EndpointAddress,
		CA:             ca.Data[corev1.TLSCertKey],
		DNSAddress:     dns,
		DNSDomain:      hc.Spec.Network.DNSDomain,
		Labels:         c.Spec.NodeLabels,
		Taints:         c.Spec.NodeTaints,
		RegistryMirror: r.RegistryMirror,
	}, nil
}

// token is a bootstrap token.
type token struct {
	id, secret string
	expires    time.Time
}

// ensureToken returns the machine's token: the one that is there, which is renewed in time, or a new one.
func (r *BootstrapReconciler) ensureToken(ctx context.Context, inside client.Client, machineName string) (token, error) {
	secrets, err := tokens(ctx, inside, machineName)
	if err != nil {
		return token{}, err
	}
	now := r.Clock.Now()
	found := token{}
	for i := range secrets {
		if t := parseToken(&secrets[i]); t.expires.After(now) && found.id == "" {
			found = t
		}
	}
	if found.id != "" && found.expires.Sub(now) > renewBefore {
		return found, nil
	}
	if found.id == "" {
		generated, err := bootstraputil.GenerateBootstrapToken()
		if err != nil {
			return token{}, err
		}
		found.id, found.secret, _ = strings.Cut(generated, ".")
	}
	found.expires = now.Add(tokenTTL).UTC().Truncate(time.Second)
	owner := kube.Owner{FieldManager: bootstrapController, Label: v1alpha1.LabelMachine, Value: machineName}
	return found, (&kube.Applier{Client: inside}).Apply(ctx, owner, []client.Object{found.object()})
}

// revoke takes back every token of the machine.
func (r *BootstrapReconciler) revoke(ctx context.Context, inside client.Client, c *v1alpha1.BootstrapConfig) error {
	secrets, err := tokens(ctx, inside, c.Name)
	if err != nil {
		return fmt.Errorf("taking back the machine's token: %w", err)
	}
	for i := range secrets {
		if err := kube.Delete(ctx, inside, &secrets[i]); err != nil {
			return fmt.Errorf("taking back the machine's token: %w", err)
		}
	}
	c.Status.TokenID = ""
	return nil
}

// tokens returns the Secrets of the machine's tokens, by name.
func tokens(ctx context.Context, inside client.Client, machineName string) ([]corev1.Secret, error) {
	list := &corev1.SecretList{}
	err := inside.List(ctx, list, client.InNamespace(metav1.NamespaceSystem), client.MatchingLabels{v1alpha1.LabelMachine: machineName})
	slices.SortFunc(list.Items, func(a, b corev1.Secret) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, err
}

// parseToken returns the token in its Secret; one that cannot be read has expired.
func parseToken(secret *corev1.Secret) token {
	expires, err := time.Parse(time.RFC3339, string(secret.Data[bootstrapapi.BootstrapTokenExpirationKey]))
	if err != nil {
		return token{}
	}
	return token{
		id:      string(secret.Data[bootstrapapi.BootstrapTokenIDKey]),
		secret:  string(secret.Data[bootstrapapi.BootstrapTokenSecretKey]),
		expires: expires,
	}
}

// object is the token's Secret in the user cluster. The API server recognizes it by its name and type.
func (t token) object() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: bootstrapapi.BootstrapTokenSecretPrefix + t.id},
		Type:       bootstrapapi.SecretTypeBootstrapToken,
		Data: map[string][]byte{
			bootstrapapi.BootstrapTokenIDKey:               []byte(t.id),
			bootstrapapi.BootstrapTokenSecretKey:           []byte(t.secret),
			bootstrapapi.BootstrapTokenExpirationKey:       []byte(t.expires.Format(time.RFC3339)),
			bootstrapapi.BootstrapTokenUsageAuthentication: []byte("true"),
			bootstrapapi.BootstrapTokenExtraGroupsKey:      []byte(usercluster.BootstrapGroup),
		},
	}
}
