// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// seedController is the name of the controller.
const seedController = "master/seed"

const (
	// kubeconfigKey is where a seed's kubeconfig is in its Secret.
	kubeconfigKey = "kubeconfig"
	// probeTimeout is how long one answer may take; it is asked twice before it counts as lost.
	probeTimeout = 4 * time.Second
	// contactPrecision is how exact status.lastContact is, so that it costs few writes.
	contactPrecision = 30 * time.Second
)

// SeedReconciler keeps the connection to each seed, and says in its status how the seed is.
type SeedReconciler struct {
	client.Client

	APIReader client.Reader
	Seeds     *Connections
	// Config is the master's own.
	Config *rest.Config
	Clock  clock.PassiveClock
	// ProbePeriod is how often a seed is asked how it is: nothing tells us when it goes.
	ProbePeriod time.Duration
}

func setupSeed(mgr ctrl.Manager, seeds *Connections, opts Options) error {
	r := &SeedReconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Seeds: seeds, Config: mgr.GetConfig(),
		Clock: opts.Clock, ProbePeriod: opts.ProbePeriod,
	}
	ofSecret := func(ctx context.Context, secret client.Object) []reconcile.Request {
		if secret.GetNamespace() != v1alpha1.SystemNamespace {
			return nil
		}
		return kube.Requests(ctx, r, &v1alpha1.SeedList{}, client.MatchingFields{indexKubeconfig: secret.GetName()})
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named(seedController).
		For(&v1alpha1.Seed{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, wakes(ofSecret)).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reconcile looks at one seed.
func (r *SeedReconciler) Reconcile(ctx context.Context, seed *v1alpha1.Seed) (reconcile.Result, error) {
	before := seed.DeepCopy()
	clusters := &v1alpha1.ClusterList{}
	if err := r.List(ctx, clusters, client.MatchingFields{indexSeed: seed.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("counting the clusters of seed %s: %w", seed.Name, err)
	}
	seed.Status.Clusters = int32(len(clusters.Items))
	if !seed.DeletionTimestamp.IsZero() && len(clusters.Items) == 0 {
		r.Seeds.Disconnect(seed.Name)
		return reconcile.Result{}, kube.RemoveFinalizer(ctx, r.Client, seed, v1alpha1.FinalizerSeed)
	}
	if seed.DeletionTimestamp.IsZero() {
		counted := seed.Status.Clusters // the answer to a patch has the old status
		if err := kube.EnsureFinalizer(ctx, r.Client, seed, v1alpha1.FinalizerSeed); err != nil {
			return reconcile.Result{}, err
		}
		before.ObjectMeta, seed.Status.Clusters = *seed.ObjectMeta.DeepCopy(), counted
	}
	err := r.reconcile(ctx, seed)
	result, err := kube.Finish(ctx, r.Client, before, seed, err)
	if err == nil {
		result.RequeueAfter = min(result.RequeueAfter, wait.Jitter(r.ProbePeriod, 0.2))
	}
	return result, err
}

func (r *SeedReconciler) reconcile(ctx context.Context, seed *v1alpha1.Seed) error {
	config, fingerprint, err := r.config(ctx, seed)
	if err != nil {
		r.Seeds.Disconnect(seed.Name)
		return err
	}
	if err := r.probe(ctx, seed, config); err != nil {
		return err
	}
	if now := r.Clock.Now(); seed.Status.LastContact == nil || now.Sub(seed.Status.LastContact.Time) >= contactPrecision {
		seed.Status.LastContact = &metav1.Time{Time: now}
	}
	//nolint:contextcheck // the connection goes on when this reconciliation has ended
	conn, err := r.Seeds.Connect(seed.Name, config, fingerprint)
	if err != nil {
		return err
	}
	if _, err := conn.state(); err != nil {
		return kube.Wait(v1alpha1.ReasonConnecting, "its HostedClusters cannot be read: "+err.Error(), 0)
	}
	if !seed.DeletionTimestamp.IsZero() {
		return kube.Wait(v1alpha1.ReasonInUse, fmt.Sprintf("it is to be removed and has %d clusters: delete them first (kubectl get clusters -A --field-selector status.seed=%s)",
			seed.Status.Clusters, seed.Name), 0)
	}
	return nil
}

// config returns how to reach the seed, and what identifies that.
func (r *SeedReconciler) config(ctx context.Context, seed *v1alpha1.Seed) (*rest.Config, string, error) {
	name := seed.Spec.KubeconfigSecretName
	if name == "" {
		return r.Config, "this cluster", nil
	}
	secret := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, "", kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("spec.kubeconfigSecretName: there is no Secret %s in %s: make it, with the seed's kubeconfig as its key %s", name, v1alpha1.SystemNamespace, kubeconfigKey), 0)
	}
	if err != nil {
		return nil, "", err
	}
	config, err := parseKubeconfig(secret.Data[kubeconfigKey])
	if err != nil {
		return nil, "", kube.Wait(v1alpha1.ReasonInvalidKubeconfig, fmt.Sprintf("Secret %s/%s, key %s: %v", v1alpha1.SystemNamespace, name, kubeconfigKey, err), 0)
	}
	sum := sha256.Sum256(secret.Data[kubeconfigKey])
	return config, hex.EncodeToString(sum[:]), nil
}

// parseKubeconfig takes kubeconfigs that hold all they need: no command is run and no file is read on the master because
// of one. Its errors do not repeat the content.
func parseKubeconfig(content []byte) (*rest.Config, error) {
	errUnusable := errors.New("it is not a kubeconfig with a current context, a server and credentials")
	kubeconfig, err := clientcmd.Load(content)
	if err != nil {
		return nil, errUnusable
	}
	errFiles := errors.New("it names files: use one that holds their content (kubectl config view --flatten --minify)")
	for _, cluster := range kubeconfig.Clusters {
		if cluster.CertificateAuthority != "" {
			return nil, errFiles
		}
	}
	for _, user := range kubeconfig.AuthInfos {
		if user.Exec != nil || user.AuthProvider != nil {
			return nil, errors.New("it wants a command or plugin to be run for its credentials: use the token of a service account, or a client certificate")
		}
		if user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "" {
			return nil, errFiles
		}
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	if err != nil {
		return nil, errUnusable
	}
	return config, nil
}

// probe asks the seed how it is, and whether it is the right one.
func (r *SeedReconciler) probe(ctx context.Context, seed *v1alpha1.Seed, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = probeTimeout
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return kube.Wait(v1alpha1.ReasonInvalidKubeconfig, "its kubeconfig cannot be used: "+err.Error(), 0)
	}
	system, err := api.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		if system, err = api.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{}); err != nil {
			return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not answer: %s", config.Host, cause(err)))
		}
	}
	seed.Status.ClusterUID = string(system.UID)
	if err := r.checkIdentity(ctx, seed); err != nil {
		return err
	}
	version, err := api.Discovery().ServerVersion()
	if err != nil {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say its version: %s", config.Host, cause(err)))
	}
	seed.Status.KubernetesVersion = version.GitVersion
	group := hostingv1alpha1.GroupVersion.String()
	if _, err := api.Discovery().ServerResourcesForGroupVersion(group); apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonKindsMissing, fmt.Sprintf("it does not know the kinds of %s: install Canopy's chart there", group), 0)
	} else if err != nil {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say its kinds: %s", config.Host, cause(err)))
	}
	return nil
}

// checkIdentity fails if the seed's cluster is the master's or another seed's by mistake.
func (r *SeedReconciler) checkIdentity(ctx context.Context, seed *v1alpha1.Seed) error {
	own := &corev1.Namespace{}
	if err := r.APIReader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, own); err != nil {
		return fmt.Errorf("reading the master's own identity: %w", err)
	}
	if seed.Spec.KubeconfigSecretName != "" && seed.Status.ClusterUID == string(own.UID) {
		return kube.Wait(v1alpha1.ReasonInvalidKubeconfig, "its kubeconfig leads to the master's own cluster: put another into the Secret, or remove spec.kubeconfigSecretName if the master is to be a seed", 0)
	}
	seeds := &v1alpha1.SeedList{}
	if err := r.List(ctx, seeds); err != nil {
		return err
	}
	for _, other := range seeds.Items {
		older := other.CreationTimestamp.Before(&seed.CreationTimestamp) || other.CreationTimestamp.Equal(&seed.CreationTimestamp) && other.Name < seed.Name
		if other.Name != seed.Name && older && other.Status.ClusterUID == seed.Status.ClusterUID {
			return kube.Wait(v1alpha1.ReasonInvalidKubeconfig, fmt.Sprintf("it is the same cluster as Seed %s: delete one of the two, or correct the kubeconfig", other.Name), 0)
		}
	}
	return nil
}

// cause says why there was no answer, without what differs each time, such as local ports.
func cause(err error) string {
	var status apierrors.APIStatus
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &status):
		return err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("nothing came within %s", probeTimeout)
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}
