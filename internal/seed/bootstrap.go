// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// keyToken is where in the Secret with a machine's user data its token is.
const keyToken = "token"

// BootstrapReconciler makes the user data of each BootstrapConfig, by Cluster API's contract for bootstrap configurations,
// and with it the token by which the machine asks the user cluster for its first certificate, once. The user cluster
// learns of the token while the machine boots. It is taken back when the machine has joined.
type BootstrapReconciler struct {
	client.Client

	// Live reads from the API itself.
	Live     client.Reader
	Applier  *kube.Applier
	Clusters clustercache.ClusterCache
	Clock    clock.PassiveClock
	// RegistryMirror and Proxy are those of the Options.
	RegistryMirror string
	Proxy          machine.Proxy
}

// setupBootstrap adds the controller to the manager.
func setupBootstrap(mgr ctrl.Manager, clusters clustercache.ClusterCache, opts Options) error {
	r := &BootstrapReconciler{
		Client:         mgr.GetClient(),
		Live:           mgr.GetAPIReader(),
		Applier:        &kube.Applier{Client: mgr.GetClient(), Live: mgr.GetClient()},
		Clusters:       clusters,
		Clock:          opts.Clock,
		RegistryMirror: opts.RegistryMirror,
		Proxy:          opts.Proxy,
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(bootstrapController).
		For(&v1alpha1.BootstrapConfig{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(sameName)).
		Watches(&v1alpha1.HostedControlPlane{}, handler.EnqueueRequestsFromMapFunc(r.ofCluster)).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(r.ofCluster), builder.WithPredicates(resumed)).
		WatchesRawSource(clusters.GetClusterSource(bootstrapController, r.ofCluster)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ofCluster returns the BootstrapConfigs of a cluster whose API has answered, or that has been connected.
func (r *BootstrapReconciler) ofCluster(ctx context.Context, cluster client.Object) []reconcile.Request {
	return kube.Requests(ctx, r, &v1alpha1.BootstrapConfigList{}, client.InNamespace(cluster.GetNamespace()))
}

// Reconcile brings the user data of one machine a step further.
func (r *BootstrapReconciler) Reconcile(ctx context.Context, c *v1alpha1.BootstrapConfig) (reconcile.Result, error) {
	if !c.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // the Secret goes with its owner, and the token expires
	}
	if rests, err := machinesRest(ctx, r, c.Namespace); err != nil || rests {
		return reconcile.Result{}, err
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
	joined := capi.Status.NodeRef.IsDefined()
	if joined && c.Status.TokenID == "" {
		return 0, nil
	}
	t := token{}
	if !joined {
		var err error
		if t, err = r.provide(ctx, c, capi); err != nil || t == (token{}) {
			return 0, err
		}
	}
	inside, err := r.Clusters.GetUncachedClient(ctx, client.ObjectKey{Namespace: c.Namespace, Name: capi.Spec.ClusterName})
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return 0, nil // it wakes us when it is
	}
	if err != nil {
		return 0, err
	}
	if joined {
		return 0, r.revoke(ctx, inside, c)
	}
	expires, err := r.ensureToken(ctx, inside, c.Name, t)
	if err != nil {
		return 0, fmt.Errorf("making the machine's token in the user cluster: %w", err)
	}
	return max(expires.Sub(r.Clock.Now())-renewBefore, time.Second), nil
}

// provide makes the user data when the machine can join, and returns the token in it. There is none in a script: somebody may
// wait for long before a machine is there to run it, and gets a credential then.
func (r *BootstrapReconciler) provide(ctx context.Context, c *v1alpha1.BootstrapConfig, capi *clusterv1.Machine) (token, error) {
	hcp := &v1alpha1.HostedControlPlane{}
	err := r.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: capi.Spec.ClusterName}, hcp)
	if client.IgnoreNotFound(err) != nil {
		return token{}, err
	}
	if !hcp.Status.Initialization.ControlPlaneInitialized {
		return token{}, kube.Wait(v1alpha1.ReasonWaitingForAPI, "the cluster's API does not answer yet", 0)
	}
	input, err := r.gather(ctx, c, capi)
	if err != nil {
		return token{}, err
	}
	t := token{}
	data := map[string][]byte{machine.FormatKey: []byte(input.Format)}
	if input.Format != machine.Script {
		if t, err = r.token(ctx, c); err != nil {
			return token{}, err
		}
		input.Token = t.String()
		data[keyToken] = []byte(input.Token)
	}
	if data[machine.UserDataKey], err = machine.UserData(input); err != nil {
		return token{}, err
	}
	owner := kube.Owner{FieldManager: bootstrapController, Label: v1alpha1.LabelCluster, Value: capi.Spec.ClusterName, Object: c}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: c.Name,
			Labels: map[string]string{clusterv1.ClusterNameLabel: capi.Spec.ClusterName, v1alpha1.LabelPool: input.Pool},
		},
		Type: clusterv1.ClusterSecretType,
		Data: data,
	}
	if err := r.Applier.Apply(ctx, owner, []client.Object{secret}); err != nil {
		return token{}, err
	}
	c.Status.Initialization.DataSecretCreated = true
	c.Status.DataSecretName = secret.Name
	c.Status.TokenID = t.id
	return t, nil
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
		Format:   machine.FormatOf(infrastructure.Spec.Provider),
		Name:     c.Name,
		Pool:     c.Labels[v1alpha1.LabelPool],
		Version:  strings.TrimPrefix(capi.Spec.Version, "v"),
		Endpoint: cmp.Or(c.Spec.Endpoint, hc.Status.Endpoint), EndpointAddress: c.Spec.EndpointAddress,
		CA:              ca.Data[corev1.TLSCertKey],
		DNSAddress:      dns,
		DNSDomain:       hc.Spec.Network.DNSDomain,
		Labels:          c.Spec.NodeLabels,
		Taints:          c.Spec.NodeTaints,
		SSHKeys:         hc.Spec.SSHKeys,
		RegistryMirror:  r.RegistryMirror,
		RegistryMirrors: registryMirrors(hc),
		Proxy:           proxyOf(hc, r.Proxy),
		Downloads:       hc.Spec.Node.Downloads,
	}, nil
}

func registryMirrors(hc *v1alpha1.HostedCluster) map[string]string {
	mirrors := map[string]string{}
	for _, m := range hc.Spec.Node.RegistryMirrors {
		mirrors[m.Registry] = m.URL
	}
	return mirrors
}

// proxyOf returns the cluster's proxy, or the seed's if the cluster says nothing.
func proxyOf(hc *v1alpha1.HostedCluster, seed machine.Proxy) machine.Proxy {
	own := hc.Spec.Node.Proxy
	if own == nil {
		return seed
	}
	return machine.Proxy{HTTP: own.HTTPProxy, HTTPS: own.HTTPSProxy, No: strings.Join(own.NoProxy, ",")}
}

// token is a bootstrap token.
type token struct{ id, secret string }

// String returns the token as a machine presents it.
func (t token) String() string { return t.id + "." + t.secret }

// token returns the machine's token: the one in its user data, or a new one.
func (r *BootstrapReconciler) token(ctx context.Context, c *v1alpha1.BootstrapConfig) (token, error) {
	secret := &corev1.Secret{}
	// Not from the cache, which may lag behind: a machine that boots with a token which is replaced can never join.
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(c), secret)
	if client.IgnoreNotFound(err) != nil {
		return token{}, fmt.Errorf("reading the machine's user data: %w", err)
	}
	text := string(secret.Data[keyToken])
	if text == "" {
		if text, err = bootstraputil.GenerateBootstrapToken(); err != nil {
			return token{}, err
		}
	}
	id, secretPart, _ := strings.Cut(text, ".")
	return token{id: id, secret: secretPart}, nil
}

// ensureToken makes the token known to the user cluster, or renews it in time, and returns until when it is good.
func (r *BootstrapReconciler) ensureToken(ctx context.Context, inside client.Client, machineName string, t token) (time.Time, error) {
	now := r.Clock.Now()
	live := &corev1.Secret{}
	err := inside.Get(ctx, client.ObjectKeyFromObject(t.object(now)), live)
	if client.IgnoreNotFound(err) != nil {
		return time.Time{}, err
	}
	if expires := expiry(live); expires.Sub(now) > renewBefore {
		return expires, nil
	}
	expires := now.Add(tokenTTL).UTC().Truncate(time.Second)
	owner := kube.Owner{FieldManager: bootstrapController, Label: v1alpha1.LabelMachine, Value: machineName}
	return expires, (&kube.Applier{Client: inside}).Apply(ctx, owner, []client.Object{t.object(expires)})
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

// tokens returns the Secrets of the machine's tokens.
func tokens(ctx context.Context, inside client.Client, machineName string) ([]corev1.Secret, error) {
	list := &corev1.SecretList{}
	err := inside.List(ctx, list, client.InNamespace(metav1.NamespaceSystem), client.MatchingLabels{v1alpha1.LabelMachine: machineName})
	return list.Items, err
}

// expiry returns until when the token in a Secret is good; one that cannot be read has expired.
func expiry(secret *corev1.Secret) time.Time {
	expires, err := time.Parse(time.RFC3339, string(secret.Data[bootstrapapi.BootstrapTokenExpirationKey]))
	if err != nil {
		return time.Time{}
	}
	return expires
}

// object is the token's Secret in the user cluster. The API server recognizes it by its name and type.
func (t token) object(expires time.Time) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: bootstrapapi.BootstrapTokenSecretPrefix + t.id},
		Type:       bootstrapapi.SecretTypeBootstrapToken,
		Data: map[string][]byte{
			bootstrapapi.BootstrapTokenIDKey:               []byte(t.id),
			bootstrapapi.BootstrapTokenSecretKey:           []byte(t.secret),
			bootstrapapi.BootstrapTokenExpirationKey:       []byte(expires.Format(time.RFC3339)),
			bootstrapapi.BootstrapTokenUsageAuthentication: []byte("true"),
			bootstrapapi.BootstrapTokenExtraGroupsKey:      []byte(usercluster.BootstrapGroup),
		},
	}
}
