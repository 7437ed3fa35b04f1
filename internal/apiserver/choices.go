// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/master"
)

// serveChoices registers what a project may choose from for a cluster. How large machines may be is in a Datacenter itself.
func serveChoices(s *Server) {
	serveChoice(s, &resource[v1alpha1.Datacenter, *v1alpha1.Datacenter]{nouns: "Datacenters", plural: "datacenters"}, master.DatacenterOpenTo)
	serveChoice(s, &resource[v1alpha1.Preset, *v1alpha1.Preset]{nouns: "Presets", plural: "presets"}, master.PresetOpenTo)
}

func serveChoice[T any, P object[T]](s *Server, r *resource[T, P], open func(P, *v1alpha1.Project) bool) {
	op := operation(http.MethodGet, "/projects/{project}/"+r.plural, "listProject"+r.nouns, "List the "+r.plural+" that a project may use")
	huma.Register(s.api, op, func(ctx context.Context, in *listInput) (*listOutput[T], error) {
		out, err := r.choices(ctx, s, in, open)
		return out, fail(ctx, err)
	})
}

// choices returns a page of what the caller may see and the project may use.
func (r *resource[T, P]) choices(ctx context.Context, s *Server, in *listInput, open func(P, *v1alpha1.Project) bool) (*listOutput[T], error) {
	wanted, err := newFilter(in)
	if err != nil {
		return nil, err
	}
	project, err := s.project(ctx, in.Place)
	if err != nil {
		return nil, err
	}
	visible, err := r.visible(ctx, s, place{})
	if err != nil {
		return nil, err
	}
	var all []P
	if err := r.each(ctx, s, "", func(obj P) {
		if visible(obj) && wanted.matches(obj) && open(obj, project) {
			all = append(all, obj)
		}
	}); err != nil {
		return nil, err
	}
	return r.page(ctx, in, all)
}
