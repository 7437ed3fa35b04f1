// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/master"
)

const (
	// offersTTL is how long it is believed what a cloud offers: as long as somebody fills in a form.
	offersTTL = 2 * time.Minute
	// offersKept is how many answers are kept; one of a large cloud has a thousand sizes.
	offersKept = 64
	// offersTimeout is how long a cloud may take: a little less than a request.
	offersTimeout = patience - 5*time.Second
)

type offersInput struct {
	Place      place
	Datacenter string `query:"datacenter" required:"true" minLength:"1" maxLength:"253" doc:"Where the machines would be: one of the preset's provider that the project may use."`
}

type offersOutput struct{ Body machine.Offers }

// serveOffers registers what there is to choose from at clouds.
func serveOffers(s *Server) {
	op := operation(http.MethodGet, "/projects/{project}/presets/{name}/offers", "getOffers", "Say what can be had at a datacenter: sizes, images, networks")
	op.Tags = []string{"presets"}
	op.Description = "The provider is asked with the preset's credentials, which nobody sees; answers are two minutes old at the most. Providers that " +
		"are no clouds have nothing to choose from. Needs the right to create clusters in the project, which is what presets are for."
	huma.Register(s.api, op, func(ctx context.Context, in *offersInput) (*offersOutput, error) {
		out, err := s.offersOf(ctx, in)
		return &offersOutput{Body: out}, fail(ctx, err)
	})
}

// offersOf asks the cloud, after it is known that the caller may use the preset there.
func (s *Server) offersOf(ctx context.Context, in *offersInput) (machine.Offers, error) {
	preset, datacenter, err := s.usable(ctx, in)
	if err != nil || !preset.Spec.Provider.Cloud() {
		return machine.Offers{}, err
	}
	secret := &corev1.Secret{}
	err = s.own.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: preset.Spec.SecretName}, secret)
	if apierrors.IsNotFound(err) {
		return machine.Offers{}, problem(CodeInfraUnauthenticated, "the Secret of preset %s is missing", preset.Name)
	}
	if err != nil {
		return machine.Offers{}, err
	}
	out, err := s.offers.at(ctx, machine.Account{Place: datacenter.Spec.Provider, Credentials: secret.Data})
	return out, cloudProblem(datacenter.Name, err)
}

// usable returns a preset and a datacenter with which the caller could create a cluster in the project.
func (s *Server) usable(ctx context.Context, in *offersInput) (*v1alpha1.Preset, *v1alpha1.Datacenter, error) {
	use := Question{Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: "clusters", Namespace: v1alpha1.ProjectNamespacePrefix + in.Place.Project}
	if err := s.access.Check(ctx, use); err != nil {
		return nil, nil, err
	}
	project, err := s.project(ctx, place{Project: in.Place.Project})
	if err != nil {
		return nil, nil, err
	}
	presets := resource[v1alpha1.Preset, *v1alpha1.Preset]{plural: "presets"}
	preset, err := presets.find(ctx, s, place{Name: in.Place.Name})
	if err != nil {
		return nil, nil, err
	}
	datacenters := resource[v1alpha1.Datacenter, *v1alpha1.Datacenter]{plural: "datacenters"}
	datacenter, err := datacenters.find(ctx, s, place{Name: in.Datacenter})
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !master.PresetOpenTo(preset, project):
		return nil, nil, problem(CodeForbidden, "preset %s is not open to project %s", preset.Name, project.Name)
	case !master.DatacenterOpenTo(datacenter, project):
		return nil, nil, problem(CodeForbidden, "datacenter %s is not open to project %s", datacenter.Name, project.Name)
	case datacenter.Spec.Provider.Name() != preset.Spec.Provider:
		p := problem(CodeInvalid, "preset %s is for the provider %s, and datacenter %s is of %s", preset.Name, preset.Spec.Provider, datacenter.Name, datacenter.Spec.Provider.Name())
		return nil, nil, p.at("query.datacenter", "must be of the provider "+string(preset.Spec.Provider))
	}
	return preset, datacenter, nil
}

// offers asks clouds what can be had. Who asks at the same time, or soon after, for the same place with the same credentials gets
// the same answer, through whichever preset.
type offers struct {
	clouds map[hostingv1alpha1.ProviderName]machine.Cloud
	kept   *utilcache.LRUExpireCache
	asking singleflight.Group
}

func newOffers(clouds map[hostingv1alpha1.ProviderName]machine.Cloud) *offers {
	return &offers{clouds: clouds, kept: utilcache.NewLRUExpireCache(offersKept)}
}

func (o *offers) at(ctx context.Context, account machine.Account) (machine.Offers, error) {
	cloud := o.clouds[account.Place.Name()]
	if cloud == nil {
		return machine.Offers{}, &machine.RefusedError{
			Reason: hostingv1alpha1.ReasonConfiguration, Message: fmt.Sprintf("this version of Canopy makes no machines at %s", account.Place.Name()),
		}
	}
	sum, err := account.Key()
	if err != nil {
		return machine.Offers{}, err
	}
	key := string(sum[:])
	if known, ok := o.kept.Get(key); ok {
		if known, ok := known.(machine.Offers); ok {
			return known, nil
		}
	}
	// Whoever asked first may go: others wait for the same answer.
	answer := o.asking.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), offersTimeout)
		defer cancel()
		found, err := cloud.Offers(ctx, account)
		if err == nil {
			o.kept.Add(key, found, offersTTL)
		}
		return found, err
	})
	select {
	case <-ctx.Done():
		return machine.Offers{}, ctx.Err()
	case got := <-answer:
		found, _ := got.Val.(machine.Offers)
		return found, got.Err
	}
}

// cloudCodes are the codes for the reasons for which clouds refuse.
var cloudCodes = map[string]Code{
	hostingv1alpha1.ReasonUnauthenticated:   CodeInfraUnauthenticated,
	hostingv1alpha1.ReasonUnauthorized:      CodeInfraUnauthorized,
	hostingv1alpha1.ReasonQuotaExceeded:     CodeInfraQuotaExceeded,
	hostingv1alpha1.ReasonResourcesDepleted: CodeInfraDepleted,
	hostingv1alpha1.ReasonRateLimited:       CodeInfraRateLimited,
	hostingv1alpha1.ReasonDependencies:      CodeInfraDependencies,
	hostingv1alpha1.ReasonConfiguration:     CodeInfraConfiguration,
}

// cloudProblem says what a cloud refused, and who has to act. Clouds leave credentials out of their errors.
func cloudProblem(datacenter string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	refused, ok := errors.AsType[*machine.RefusedError](err)
	if !ok {
		return problem(CodeInfraUnavailable, "datacenter %s: %v", datacenter, err)
	}
	code, ok := cloudCodes[refused.Reason]
	if !ok {
		code = CodeInfraConfiguration
	}
	return problem(code, "datacenter %s: %s", datacenter, refused.Message)
}
