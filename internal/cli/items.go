// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// place is where something is.
type place struct{ project, cluster string }

// item is one thing of the platform: where it is, and what it is now.
type item struct {
	reference
	place

	object *unstructured.Unstructured
}

// path is that of the thing in the API.
func (i item) path() string {
	id := i.name
	if i.object != nil && i.noun.whole {
		if given, _, _ := unstructured.NestedString(i.object.Object, "id"); given != "" {
			id = given
		}
	}
	return i.noun.collection(i.project, i.cluster) + "/" + url.PathEscape(id)
}

// etag is what a change of exactly this state has to be sent with.
func (i item) etag() http.Header {
	return http.Header{"If-Match": {fmt.Sprintf("%q", i.object.GetResourceVersion())}}
}

// project returns the project that is meant: the one that was said, or the only one that the person has.
func (s *session) project(ctx context.Context) (string, error) {
	if s.current.Project != "" {
		return s.current.Project, nil
	}
	list, err := s.client.List(ctx, api.Path("projects"), nil)
	if err != nil {
		return "", explain("looking for your projects", err)
	}
	var names []string
	for _, project := range list.Items {
		names = append(names, project.GetName())
	}
	switch len(names) {
	case 0:
		return "", &output.Error{Exit: output.ExitNotFound, What: "you are a member of no project", Next: "ask an administrator for one"}
	case 1:
		s.current.Project = names[0]
		return names[0], nil
	}
	slices.Sort(names)
	return "", &output.Error{
		Exit: output.ExitUsage, What: "say which project: " + strings.Join(names, ", "),
		Next: fmt.Sprintf("add --project %s, or choose it for good: %s target project %s", names[0], self(), names[0]),
	}
}

// findCluster returns the cluster that was named. refusal says of something else, with %s for its name, why it will not do.
func (s *session) findCluster(ctx context.Context, name, refusal string) (item, error) {
	ref, err := parseReference(name, "cluster")
	if err != nil {
		return item{}, err
	}
	if ref.noun.name != "cluster" {
		return item{}, output.Usage(refusal+": name a cluster", ref)
	}
	return s.find(ctx, ref)
}

// find returns the thing that was named. A cluster is found in any project, and what is in a cluster in any cluster of the
// project, as long as there is only one of the name.
func (s *session) find(ctx context.Context, ref reference) (item, error) {
	found := item{reference: ref}
	what := "reading " + ref.String()
	switch {
	case ref.noun.scope == global:
	case ref.noun.everywhere && s.current.Project == "":
		return s.findEverywhere(ctx, ref)
	default:
		project, err := s.project(ctx)
		if err != nil {
			return found, err
		}
		found.place = place{project, s.current.Cluster}
		if ref.noun.scope == inCluster && found.cluster == "" {
			return s.findInClusters(ctx, ref, project)
		}
	}
	if ref.noun.whole {
		list, err := s.collection(ctx, ref.noun, found.place, nil)
		if err != nil {
			return found, explain(what, err)
		}
		return only(ref, list.Items, func(*unstructured.Unstructured) place { return found.place }, "-o json to see which")
	}
	var err error
	found.object, err = s.client.Object(ctx, api.Request{Path: found.path()})
	return found, explain(what, err)
}

// collection reads the list of the things in a place.
func (s *session) collection(ctx context.Context, n *noun, at place, query url.Values) (api.List, error) {
	if n.offered {
		return s.offered(ctx, at.project, n.segment(), s.choice)
	}
	path := n.collection(at.project, at.cluster)
	if n.whole {
		return s.client.Whole(ctx, path, query)
	}
	return s.client.List(ctx, path, query)
}

func (s *session) findEverywhere(ctx context.Context, ref reference) (item, error) {
	list, err := s.client.List(ctx, api.Path(ref.noun.segment()), url.Values{"search": {ref.name}})
	if err != nil {
		return item{}, explain("looking for "+ref.String(), err)
	}
	return only(ref, list.Items, func(u *unstructured.Unstructured) place { return place{project: projectOf(u)} }, "--project")
}

func (s *session) findInClusters(ctx context.Context, ref reference, project string) (item, error) {
	list, err := s.listInClusters(ctx, ref.noun, project, nil)
	if err != nil {
		return item{}, explain("looking for "+ref.String(), err)
	}
	return only(ref, list.Items, func(u *unstructured.Unstructured) place {
		cluster, _, _ := unstructured.NestedString(u.Object, "spec", "cluster")
		return place{project, cluster}
	}, "--cluster")
}

// only returns the one thing of the name, or says which flag tells several apart.
func only(ref reference, items []unstructured.Unstructured, at func(*unstructured.Unstructured) place, flag string) (item, error) {
	var found []item
	var where []string
	for i := range items {
		if nameOf(&items[i]) == ref.name {
			there := at(&items[i])
			found = append(found, item{reference: ref, place: there, object: &items[i]})
			where = append(where, strings.TrimSuffix(there.project+"/"+there.cluster, "/"))
		}
	}
	switch len(found) {
	case 0:
		return item{}, &output.Error{
			Exit: output.ExitNotFound, What: fmt.Sprintf("there is no %s %s", ref.noun.name, ref.name),
			Next: fmt.Sprintf("look at what there is: %s get %s", self(), ref.noun.plural),
		}
	case 1:
		return found[0], nil
	}
	return item{}, output.Usage("there are several %s called %s, in %s: say which with %s", ref.noun.plural, ref.name, strings.Join(where, ", "), flag)
}

func nameOf(u *unstructured.Unstructured) string {
	for _, path := range [][]string{{"metadata", "name"}, {"name"}, {"id"}} {
		if name, _, _ := unstructured.NestedString(u.Object, path...); name != "" {
			return name
		}
	}
	return ""
}

// list returns all things of a kind: in the project that is meant; or, if none is, in all of them, where there is a list of
// that.
func (s *session) list(ctx context.Context, n *noun, all bool, query url.Values) (api.List, error) {
	what := "listing " + n.plural
	if n.scope == global || n.everywhere && (all || s.current.Project == "") {
		list, err := s.client.List(ctx, n.collection("", ""), query)
		return list, explain(what, err)
	}
	project, err := s.project(ctx)
	if err != nil {
		return api.List{}, err
	}
	if n.scope == inCluster && s.current.Cluster == "" {
		list, err := s.listInClusters(ctx, n, project, query)
		return list, explain(what, err)
	}
	list, err := s.collection(ctx, n, place{project, s.current.Cluster}, query)
	return list, explain(what, err)
}

// listInClusters returns what is in all clusters of a project, a few clusters at a time.
func (s *session) listInClusters(ctx context.Context, n *noun, project string, query url.Values) (api.List, error) {
	clusters, err := s.client.List(ctx, api.Path("projects", project, "clusters"), nil)
	if err != nil {
		return api.List{}, err
	}
	lists := make([]api.List, len(clusters.Items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range clusters.Items {
		group.Go(func() error {
			var err error
			lists[i], err = s.collection(ctx, n, place{project, clusters.Items[i].GetName()}, query)
			if api.IsNotFound(err) { // deleted since
				return nil
			}
			return err
		})
	}
	all := api.List{Missing: clusters.Missing}
	if err := group.Wait(); err != nil {
		return all, err
	}
	for _, list := range lists {
		all.Items = append(all.Items, list.Items...)
		all.Missing = append(all.Missing, list.Missing...)
	}
	return all, nil
}

// warnMissing says once what a list does not have.
func (s *session) warnMissing(missing []api.Missing) {
	var once sync.Map
	for _, m := range missing {
		if _, said := once.LoadOrStore(m, true); !said {
			s.say("%s the seed %s could not be asked, so what is there is missing: %s\n", s.style.Waiting("Warning:"), m.Seed, m.Reason)
		}
	}
}

// change sends a merge patch, which says all that is meant, whatever else has changed.
func (s *session) change(ctx context.Context, i item, dryRun bool, patch map[string]any) (item, error) {
	request := api.Request{
		Method: http.MethodPatch, Path: i.path(), Body: patch, ContentType: "application/merge-patch+json",
		Header: http.Header{"If-Match": {"*"}}, Query: dryRunQuery(dryRun),
	}
	var err error
	i.object, err = s.client.Object(ctx, request)
	return i, explain("changing "+i.String(), err)
}

func dryRunQuery(dryRun bool) url.Values {
	if dryRun {
		return url.Values{"dryRun": {"true"}}
	}
	return nil
}

// toMap returns the members of something that is written as a JSON object.
func toMap(from any) (map[string]any, error) {
	content, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	var into map[string]any
	return into, json.Unmarshal(content, &into)
}
