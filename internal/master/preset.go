// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// presetController is the name of the controller.
const presetController = "master/preset"

const (
	// verifiedFor is how long credentials that were good are believed to be.
	verifiedFor = 24 * time.Hour
	// verifyTimeout is how long a cloud may take to say whether they are, at one place.
	verifyTimeout = time.Minute
	// unreachableFor is how long a cloud is left alone that did not answer.
	unreachableFor = 5 * time.Minute
)

// PresetReconciler asks the clouds whether the credentials of presets may do what they are for, before a machine needs them. A
// preset says no place, so that it is asked at each that a Datacenter of its provider is.
type PresetReconciler struct {
	client.Client

	Clouds map[hostingv1alpha1.ProviderName]machine.Cloud
	Clock  clock.PassiveClock
}

func setupPreset(mgr ctrl.Manager, opts Options) error {
	r := &PresetReconciler{Client: mgr.GetClient(), Clouds: opts.Clouds, Clock: opts.Clock}
	return ctrl.NewControllerManagedBy(mgr).
		Named(presetController).
		For(&v1alpha1.Preset{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, wakes(r.ofSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&v1alpha1.Datacenter{}, wakes(r.ofDatacenter), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: opts.Workers, RateLimiter: kube.RateLimiter()}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ofSecret finds the presets whose credentials a Secret is.
func (r *PresetReconciler) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != v1alpha1.SystemNamespace {
		return nil
	}
	return kube.Requests(ctx, r, &v1alpha1.PresetList{}, client.MatchingFields{indexSecret: secret.GetName()})
}

// ofDatacenter finds the presets that can be used there.
func (r *PresetReconciler) ofDatacenter(ctx context.Context, obj client.Object) []reconcile.Request {
	datacenter, ok := obj.(*v1alpha1.Datacenter)
	if !ok {
		return nil
	}
	return kube.RequestsIf(ctx, r, &v1alpha1.PresetList{}, func(o client.Object) bool {
		return o.(*v1alpha1.Preset).Spec.Provider == datacenter.Spec.Provider.Name()
	})
}

// Reconcile has the credentials of one preset tried.
func (r *PresetReconciler) Reconcile(ctx context.Context, preset *v1alpha1.Preset) (reconcile.Result, error) {
	before := preset.DeepCopy()
	verifyErr := r.verify(ctx, preset)
	result, err := kube.Finish(ctx, r.Client, before, preset, verifyErr)
	if err == nil && verifyErr == nil {
		result.RequeueAfter = wait.Jitter(verifiedFor, 0.1)
	}
	return result, err
}

func (r *PresetReconciler) verify(ctx context.Context, preset *v1alpha1.Preset) error {
	secret := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: preset.Spec.SecretName}, secret)
	if apierrors.IsNotFound(err) {
		return kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("spec.secretName: there is no Secret %s in the namespace %s: make it", preset.Spec.SecretName, v1alpha1.SystemNamespace), 0)
	} else if err != nil {
		return fmt.Errorf("reading the credentials of Preset %s: %w", preset.Name, err)
	}
	provider := preset.Spec.Provider
	if !provider.Cloud() {
		return nil // there is nobody to ask
	}
	cloud := r.Clouds[provider]
	if cloud == nil {
		return kube.Unknown(v1alpha1.ReasonProviderMissing, fmt.Sprintf("this version of Canopy makes no machines at %s", provider))
	}
	places, err := r.places(ctx, provider)
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return kube.Unknown(v1alpha1.ReasonDatacenterMissing, fmt.Sprintf("the credentials are tried when there is a Datacenter of the provider %s", provider))
	}
	if err := r.verifyAt(ctx, cloud, places, secret.Data); err != nil {
		return err
	}
	preset.Status.Verified = &metav1.Time{Time: r.Clock.Now().Truncate(time.Second)}
	return nil
}

// placeOf is where datacenters are: two may be at the same.
type placeOf struct {
	place hostingv1alpha1.Place
	names []string
}

// places are those of a provider, sorted by the names of their datacenters.
func (r *PresetReconciler) places(ctx context.Context, provider hostingv1alpha1.ProviderName) ([]placeOf, error) {
	datacenters := &v1alpha1.DatacenterList{}
	if err := r.List(ctx, datacenters); err != nil {
		return nil, fmt.Errorf("reading the datacenters: %w", err)
	}
	slices.SortFunc(datacenters.Items, func(a, b v1alpha1.Datacenter) int { return strings.Compare(a.Name, b.Name) })
	var places []placeOf
	for _, dc := range datacenters.Items {
		if dc.Spec.Provider.Name() != provider {
			continue
		}
		i := slices.IndexFunc(places, func(p placeOf) bool { return equality.Semantic.DeepEqual(p.place, dc.Spec.Provider) })
		if i < 0 {
			i, places = len(places), append(places, placeOf{place: dc.Spec.Provider})
		}
		places[i].names = append(places[i].names, dc.Name)
	}
	return places, nil
}

// verifyAt tries the credentials at each place. What the cloud refuses at several is said once; what a person has to change
// comes before what may pass by itself.
func (r *PresetReconciler) verifyAt(ctx context.Context, cloud machine.Cloud, places []placeOf, credentials map[string][]byte) error {
	var (
		refused     *machine.RefusedError
		where       []string
		unreachable []string
	)
	for _, p := range places {
		err := r.ask(ctx, cloud, machine.Account{Place: p.place, Credentials: credentials})
		known, ok := errors.AsType[*machine.RefusedError](err)
		switch {
		case err == nil:
		case !ok:
			log.FromContext(ctx).Error(err, "The credentials cannot be tried", "datacenters", p.names)
			unreachable = append(unreachable, p.names...)
		case refused == nil:
			refused, where = known, p.names
		case refused.Message == known.Message:
			where = append(where, p.names...)
		}
	}
	switch {
	case refused != nil:
		return kube.Wait(cmp.Or(refused.Reason, hostingv1alpha1.ReasonConfiguration), fmt.Sprintf("datacenter %s: %s", kube.Few(where), refused.Message), refused.After)
	case len(unreachable) > 0:
		return &kube.WaitingError{
			Reason: v1alpha1.ReasonUnreachable, Message: fmt.Sprintf("datacenter %s: the provider does not answer; it is asked again", kube.Few(unreachable)),
			After: unreachableFor, Unknown: true,
		}
	}
	return nil
}

func (r *PresetReconciler) ask(ctx context.Context, cloud machine.Cloud, account machine.Account) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	return cloud.Verify(ctx, account)
}
