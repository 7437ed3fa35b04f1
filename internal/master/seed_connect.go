// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
)

// probeTimeout is how long one answer may take; it is asked twice before it counts as lost.
const probeTimeout = 4 * time.Second

// remote is a seed's API.
type remote struct {
	config *rest.Config
	// fingerprint identifies the cluster and the user, and no token that is renewed.
	fingerprint string
	// api gives up after probeTimeout.
	api *kubernetes.Clientset
	own bool
}

// connect reaches the seed, and checks that the master may use it.
func (r *SeedReconciler) connect(ctx context.Context, seed *v1alpha1.Seed) (*remote, error) {
	access, err := r.access(ctx, seed)
	if err != nil {
		r.Seeds.Disconnect(seed.Name)
		return nil, err
	}
	config := rest.CopyConfig(access.config)
	config.Timeout, config.QPS = probeTimeout, -1
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, kube.Wait(v1alpha1.ReasonInvalidKubeconfig, "its kubeconfig cannot be used: "+err.Error(), 0)
	}
	to := &remote{config: access.config, fingerprint: access.fingerprint(), api: api, own: access.secret == nil}
	if err := r.probe(ctx, seed, to, access); err != nil {
		return nil, err
	}
	if err := r.claim(ctx, seed, to); err != nil {
		return nil, err
	}
	if err := r.renew(ctx, access, to); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "The seed's credentials could not be renewed", "expire", access.expires())
	}
	seed.Status.CredentialsExpire = access.expires()
	return to, r.checkRights(ctx, seed, to, access)
}

// probe asks the seed how it is, and whether it is the right one.
func (r *SeedReconciler) probe(ctx context.Context, seed *v1alpha1.Seed, to *remote, access *access) error {
	system, err := to.api.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil && !apierrors.IsUnauthorized(err) && !apierrors.IsForbidden(err) {
		system, err = to.api.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsUnauthorized(err):
		return kube.Unknown(v1alpha1.ReasonUnauthorized, fmt.Sprintf("its API at %s does not accept the credentials in %s: %s", to.config.Host, access.where(), access.advice(r.Clock.Now(), seed.Name)))
	case apierrors.IsForbidden(err):
		return kube.Wait(v1alpha1.ReasonMissingPermission, fmt.Sprintf("the credentials in %s may not get namespaces there: %s", access.where(), renewAdvice(seed.Name)), 0)
	case err != nil:
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not answer: %s", to.config.Host, cause(err)))
	}
	if err := r.checkIdentity(ctx, seed, string(system.UID)); err != nil {
		return err
	}
	version, err := to.api.Discovery().ServerVersion()
	if err != nil {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say its version: %s", to.config.Host, cause(err)))
	}
	seed.Status.KubernetesVersion = version.GitVersion
	if err := install.CheckKubernetes(version.GitVersion); err != nil {
		return kube.Wait(v1alpha1.ReasonKubernetesTooOld, err.Error(), 0)
	}
	return nil
}

// checkKinds fails if the kinds of a seed are not known there.
func (to *remote) checkKinds() error {
	group := hostingv1alpha1.GroupVersion.String()
	_, err := to.api.Discovery().ServerResourcesForGroupVersion(group)
	if apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonKindsMissing, fmt.Sprintf("it does not know the kinds of %s: install Canopy there (canopy install apply), or let the master do it (spec.install: Managed)", group), 0)
	}
	if err != nil {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say its kinds: %s", to.config.Host, cause(err)))
	}
	return nil
}

// rightsPeriod is how often a seed whose credentials are the same is asked again what the master may do there.
const rightsPeriod = 5 * time.Minute

// review is when somebody with these credentials had all rights.
type review struct {
	fingerprint, version string
	at                   time.Time
}

// checkRights fails if the master lacks a right there that it needs for clusters. A seed that is well, and where the master had
// them all, is not asked at each probe again.
func (r *SeedReconciler) checkRights(ctx context.Context, seed *v1alpha1.Seed, to *remote, access *access) error {
	now := review{fingerprint: to.fingerprint, version: access.version(), at: r.Clock.Now()}
	if last, ok := r.reviews.Load(seed.Name); ok {
		last, well := last.(review), meta.IsStatusConditionTrue(seed.Status.Conditions, v1alpha1.ConditionReady)
		if well && last.fingerprint == now.fingerprint && last.version == now.version && now.at.Sub(last.at) < rightsPeriod {
			return nil
		}
		r.reviews.Delete(seed.Name)
	}
	rights := install.HandoverRights()
	if to.own {
		rights = install.OwnRights()
	}
	rights = slices.DeleteFunc(rights, func(r install.Right) bool { return r.Optional })
	denied, err := install.Denied(ctx, to.api, rights)
	if err != nil {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say what the master may do: %s", to.config.Host, cause(err)))
	}
	if len(denied) > 0 {
		return kube.Wait(v1alpha1.ReasonMissingPermission, missingPermission(denied), 0)
	}
	r.reviews.Store(seed.Name, now)
	return nil
}

// missingPermission names what the master may not do on a seed.
func missingPermission(denied []install.Access) string {
	names := make([]string, 0, len(denied))
	for _, access := range denied {
		names = append(names, access.String())
	}
	return fmt.Sprintf("the master may not %s there: give it its rights again (canopy seed add, or see docs/reference/permissions.md)", kube.Few(names))
}

// ownUID returns what identifies the master's own cluster.
func (r *SeedReconciler) ownUID(ctx context.Context) (string, error) {
	own := &metav1.PartialObjectMetadata{}
	own.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, own); err != nil {
		return "", fmt.Errorf("reading the master's own identity: %w", err)
	}
	return string(own.UID), nil
}

// checkIdentity fails if the cluster that answers is the master's or another seed's by mistake, or not the one of before.
func (r *SeedReconciler) checkIdentity(ctx context.Context, seed *v1alpha1.Seed, uid string) error {
	own, err := r.ownUID(ctx)
	if err != nil {
		return err
	}
	if seed.Spec.KubeconfigSecretName != "" && uid == own {
		return kube.Wait(v1alpha1.ReasonWrongCluster, "its kubeconfig leads to the master's own cluster: put another into the Secret, or remove spec.kubeconfigSecretName if the master is to be a seed", 0)
	}
	if seed.Status.Clusters > 0 && seed.Status.ClusterUID != "" && seed.Status.ClusterUID != uid {
		return kube.Wait(v1alpha1.ReasonWrongCluster, fmt.Sprintf("its kubeconfig leads to another cluster (%s) than the one that has its %d clusters (%s): put that one's into the Secret", uid, seed.Status.Clusters, seed.Status.ClusterUID), 0)
	}
	seeds := &v1alpha1.SeedList{}
	if err := r.List(ctx, seeds); err != nil {
		return err
	}
	for _, other := range seeds.Items {
		older := other.CreationTimestamp.Before(&seed.CreationTimestamp) || other.CreationTimestamp.Equal(&seed.CreationTimestamp) && other.Name < seed.Name
		if other.Name != seed.Name && older && other.Status.ClusterUID == uid {
			return kube.Wait(v1alpha1.ReasonWrongCluster, fmt.Sprintf("it is the same cluster as Seed %s: delete one of the two, or correct the kubeconfig", other.Name), 0)
		}
	}
	seed.Status.ClusterUID = uid
	return nil
}

// claim writes into the seed's namespace canopy-system whose seed it is, once; it fails if that is another master's.
func (r *SeedReconciler) claim(ctx context.Context, seed *v1alpha1.Seed, to *remote) error {
	own, err := r.ownUID(ctx)
	if err != nil {
		return err
	}
	ns, err := to.api.CoreV1().Namespaces().Get(ctx, v1alpha1.SystemNamespace, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return kube.Unknown(v1alpha1.ReasonUnreachable, fmt.Sprintf("its API at %s does not say whose seed it is: %s", to.config.Host, cause(err)))
	}
	switch owner := ns.Annotations[v1alpha1.AnnotationInstallation]; {
	case err == nil && owner == own:
		return nil
	case owner != "":
		return kube.Wait(v1alpha1.ReasonTakenByAnother, fmt.Sprintf("it is the seed of another master, whose cluster is %s: remove it there first (canopy seed remove); if that master is gone for good, take the annotation %s from the namespace %s of the seed",
			owner, v1alpha1.AnnotationInstallation, v1alpha1.SystemNamespace), 0)
	}
	c, err := client.New(to.config, client.Options{Scheme: kube.Scheme()})
	if err != nil {
		return err
	}
	if ns.Name == "" {
		if !seed.IsManaged() {
			return nil // without the namespace it is nobody's seed yet
		}
		ns = install.Namespace()
		ns.Annotations = map[string]string{v1alpha1.AnnotationInstallation: own}
		return kube.CreateNew(ctx, c, ns)
	}
	return kube.PatchFresh(ctx, c, ns, func() {
		if ns.Annotations == nil {
			ns.Annotations = map[string]string{}
		}
		ns.Annotations[v1alpha1.AnnotationInstallation] = own
	})
}

// release takes away what claim has written.
func (r *SeedReconciler) release(ctx context.Context, seed *v1alpha1.Seed) error {
	access, err := r.access(ctx, seed)
	if err != nil {
		return err
	}
	own, err := r.ownUID(ctx)
	if err != nil {
		return err
	}
	config := rest.CopyConfig(access.config)
	config.Timeout = probeTimeout
	c, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: v1alpha1.SystemNamespace}, ns); err != nil {
		return client.IgnoreNotFound(err)
	}
	if ns.Annotations[v1alpha1.AnnotationInstallation] != own {
		return nil
	}
	return kube.PatchFresh(ctx, c, ns, func() { delete(ns.Annotations, v1alpha1.AnnotationInstallation) })
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
