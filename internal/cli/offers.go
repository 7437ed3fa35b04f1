// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// choice is where, and with which credentials, something could be had of a provider; what is empty is found out where there is
// one only.
type choice struct{ preset, datacenter string }

func (c *choice) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.preset, "preset", "", "of sizes, regions, zones, images, networks and subnets: with these credentials")
	cmd.Flags().StringVar(&c.datacenter, "datacenter", "", "of sizes, regions, zones, images, networks and subnets: in this datacenter")
	complete(cmd, "preset", completeNames("preset"))
	complete(cmd, "datacenter", completeNames("datacenter"))
}

// offered returns what a provider offers of one sort, such as "sizes".
func (s *session) offered(ctx context.Context, project, sort string, c choice) (api.List, error) {
	datacenter, err := s.datacenterOf(ctx, c.datacenter)
	if err != nil {
		return api.List{}, err
	}
	provider := datacenter.Spec.Provider.Name()
	if !provider.Cloud() {
		return api.List{}, output.Usage("there are no %s to choose from in the datacenter %s: its machines are of the provider %s", sort, datacenter.Name, provider)
	}
	preset := c.preset
	if preset == "" {
		if preset, err = s.presetFor(ctx, project, provider); err != nil {
			return api.List{}, err
		}
	}
	var offers map[string]any
	request := api.Request{Path: api.Path("projects", project, "presets", preset, "offers"), Query: url.Values{"datacenter": {datacenter.Name}}}
	if err := s.client.Into(ctx, request, &offers); err != nil {
		return api.List{}, err
	}
	var list api.List
	found, _, _ := unstructured.NestedSlice(offers, sort) // there may be none of this sort
	for _, offer := range found {
		if offer, ok := offer.(map[string]any); ok {
			list.Items = append(list.Items, unstructured.Unstructured{Object: offer})
		}
	}
	return list, nil
}

// presetFor returns the only preset that a project may use for a provider.
func (s *session) presetFor(ctx context.Context, project string, provider hostingv1alpha1.ProviderName) (string, error) {
	list, err := s.client.List(ctx, api.Path("projects", project, "presets"), nil)
	if err != nil {
		return "", err
	}
	var names []string
	for i := range list.Items {
		preset := &v1alpha1.Preset{}
		if err := fromUnstructured(&list.Items[i], preset); err != nil {
			return "", err
		}
		if preset.Spec.Provider == provider {
			names = append(names, preset.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", &output.Error{
			Exit: output.ExitNotFound, What: fmt.Sprintf("the project %s has no preset for the provider %s", project, provider), Next: "ask an administrator for one",
		}
	case 1:
		return names[0], nil
	}
	slices.Sort(names)
	return "", output.Usage("say with which credentials, with --preset: %s", strings.Join(names, ", "))
}

// datacenterOf returns the datacenter of the name, or the only one that there is, or that of the cluster that is meant.
func (s *session) datacenterOf(ctx context.Context, name string) (*v1alpha1.Datacenter, error) {
	if name == "" && s.current.Cluster != "" {
		found, err := s.find(ctx, reference{mustNoun("cluster"), s.current.Cluster})
		if err != nil {
			return nil, err
		}
		name, _, _ = unstructured.NestedString(found.object.Object, "spec", "datacenter")
	}
	return s.datacenter(ctx, name)
}

// machineValues proposes values for a field of machines.
func (s *session) machineValues(ctx context.Context, field string, c choice) []string {
	sort := "sizes"
	switch field {
	case "operatingSystem":
		return []string{string(hostingv1alpha1.Debian), string(hostingv1alpha1.Flatcar), string(hostingv1alpha1.Ubuntu)}
	case "zone", "availabilityZone":
		sort = "zones"
	case "image":
		sort = "images"
	case "instanceType", "machineType", "serverType", "flavor", "size":
	default:
		return nil
	}
	project, err := s.project(ctx)
	if err != nil {
		return nil
	}
	list, err := s.offered(ctx, project, sort, c)
	if err != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, nameOf(&list.Items[i]))
	}
	return names
}
