// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/master"
)

// Event is something that has happened to an object.
type Event struct {
	Type      string    `json:"type" doc:"Normal, or Warning."`
	Reason    string    `json:"reason" doc:"One word."`
	Message   string    `json:"message" doc:"What has happened."`
	Kind      string    `json:"kind" doc:"The kind of the object."`
	Name      string    `json:"name" doc:"The name of the object."`
	Count     int32     `json:"count" doc:"How often it has happened."`
	FirstTime time.Time `json:"firstTime" doc:"When it happened first."`
	LastTime  time.Time `json:"lastTime" doc:"When it happened last."`
}

// Upgrades is where a cluster's version can go.
type Upgrades struct {
	Version  string    `json:"version,omitempty" doc:"What the control plane runs."`
	Target   string    `json:"target,omitempty" doc:"What it has or goes to."`
	Message  string    `json:"message,omitempty" doc:"What there is to know of upgrades of this cluster."`
	Upgrades []Upgrade `json:"upgrades" doc:"The newer releases of this minor and of the next, the newest last."`
}

// Upgrade is a newer release.
type Upgrade struct {
	Version   string `json:"version" doc:"The release."`
	Possible  bool   `json:"possible" doc:"Whether spec.version can be set to it now."`
	Problem   string `json:"problem,omitempty" doc:"Why not, and what to do."`
	EndOfLife string `json:"endOfLife,omitempty" doc:"From which day on the release gets no fixes."`
}

type detailInput struct{ Place place }

type eventsInput struct {
	Place place
	Most  int    `query:"pageSize" minimum:"1" maximum:"500" default:"50" doc:"How many there are at the most, the newest."`
	Type  string `query:"type" enum:"Normal,Warning" doc:"Only these."`
}

type eventsOutput struct{ Body List[Event] }

type quotaOutput struct{ Body v1alpha1.QuotaStatus }

type upgradesOutput struct{ Body Upgrades }

// quantitySchema stands for a Quantity, which is a text.
type quantitySchema struct{}

// Schema describes it.
func (quantitySchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: []any{"4", "8Gi"}, Description: "A quantity as in Kubernetes."}
}

// serveDetails registers what is known of projects and clusters besides themselves.
func serveDetails(s *Server) {
	s.api.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[quantity.Quantity](), reflect.TypeFor[quantitySchema]())
	quota := operation(http.MethodGet, "/projects/{project}/quota", "getQuota", "Say how much a project may have, and has")
	huma.Register(s.api, quota, func(ctx context.Context, in *detailInput) (*quotaOutput, error) {
		project, err := s.project(ctx, in.Place)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &quotaOutput{Body: project.Status.Quota}, nil
	})
	for _, of := range []struct{ path, noun string }{{"/projects/{project}/events", "Project"}, {"/projects/{project}/clusters/{cluster}/events", "Cluster"}} {
		events := operation(http.MethodGet, of.path, "list"+of.noun+"Events", "List what has happened lately, the newest first")
		huma.Register(s.api, events, func(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
			list, err := s.events(ctx, in)
			return &eventsOutput{Body: list}, fail(ctx, err)
		})
	}
	upgrades := operation(http.MethodGet, "/projects/{project}/clusters/{cluster}/upgrades", "getUpgrades", "Say to which versions a cluster can be upgraded, and why not to others")
	huma.Register(s.api, upgrades, func(ctx context.Context, in *detailInput) (*upgradesOutput, error) {
		body, err := s.upgrades(ctx, in.Place)
		return &upgradesOutput{Body: body}, fail(ctx, err)
	})
}

// project returns a project that the caller may see.
func (s *Server) project(ctx context.Context, at place) (*v1alpha1.Project, error) {
	if err := s.access.Check(ctx, Question{Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "projects", Name: at.Project}); err != nil {
		return nil, err
	}
	project := &v1alpha1.Project{}
	return project, s.cache.Get(ctx, client.ObjectKey{Name: at.Project}, project)
}

// cluster returns a cluster that the caller may see.
func (s *Server) cluster(ctx context.Context, at place) (*v1alpha1.Cluster, error) {
	if err := s.checkCluster(ctx, at); err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{}
	return cluster, s.cache.Get(ctx, client.ObjectKey{Namespace: v1alpha1.ProjectNamespacePrefix + at.Project, Name: at.Cluster}, cluster)
}

// events reads events in the caller's name: Kubernetes keeps them for an hour.
func (s *Server) events(ctx context.Context, in *eventsInput) (List[Event], error) {
	out := List[Event]{Items: []Event{}}
	namespace := v1alpha1.ProjectNamespacePrefix + in.Place.Project
	mine := func(corev1.ObjectReference) bool { return true }
	if in.Place.Cluster != "" {
		pools, err := s.poolsOf(ctx, in.Place)
		if err != nil {
			return out, err
		}
		mine = func(ref corev1.ObjectReference) bool {
			return ref.Kind == "Cluster" && ref.Name == in.Place.Cluster ||
				ref.Kind == "NodePool" && slices.ContainsFunc(pools, func(p v1alpha1.NodePool) bool { return p.Name == ref.Name })
		}
	}
	list := &corev1.EventList{}
	if err := s.asCaller.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return out, err
	}
	for i := range list.Items {
		if e := &list.Items[i]; mine(e.InvolvedObject) && (in.Type == "" || e.Type == in.Type) {
			out.Items = append(out.Items, shownEvent(e))
		}
	}
	slices.SortFunc(out.Items, func(a, b Event) int {
		return cmp.Or(b.LastTime.Compare(a.LastTime), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason))
	})
	out.TotalSize = len(out.Items)
	out.Items = out.Items[:min(len(out.Items), in.Most)]
	return out, nil
}

func shownEvent(e *corev1.Event) Event {
	first, last, count := e.FirstTimestamp.Time, e.LastTimestamp.Time, e.Count
	if last.IsZero() {
		first, last = e.EventTime.Time, e.EventTime.Time
	}
	if e.Series != nil {
		last, count = e.Series.LastObservedTime.Time, e.Series.Count
	}
	return Event{
		Type: e.Type, Reason: e.Reason, Message: e.Message, Kind: e.InvolvedObject.Kind, Name: e.InvolvedObject.Name,
		Count: max(count, 1), FirstTime: first.UTC(), LastTime: last.UTC(),
	}
}

// poolsOf returns the pools of a cluster that the caller may see.
func (s *Server) poolsOf(ctx context.Context, at place) ([]v1alpha1.NodePool, error) {
	if err := s.checkCluster(ctx, at); err != nil {
		return nil, err
	}
	pools := &v1alpha1.NodePoolList{}
	if err := s.cache.List(ctx, pools, client.InNamespace(v1alpha1.ProjectNamespacePrefix+at.Project), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(pools.Items), func(p v1alpha1.NodePool) bool { return p.Spec.Cluster != at.Cluster }), nil
}

// upgrades asks the master's own rules, as the master does.
func (s *Server) upgrades(ctx context.Context, at place) (Upgrades, error) {
	out := Upgrades{Upgrades: []Upgrade{}}
	cluster, err := s.cluster(ctx, at)
	if err != nil {
		return out, err
	}
	pools, err := s.poolsOf(ctx, at)
	if err != nil {
		return out, err
	}
	releases := &v1alpha1.ReleaseList{}
	if err := s.cache.List(ctx, releases); err != nil {
		return out, err
	}
	out.Version, out.Target = cluster.Status.Version, cmp.Or(cluster.Status.TargetVersion, cluster.Spec.Version)
	for _, condition := range cluster.Status.Conditions {
		if condition.Type == v1alpha1.ConditionUpgradeAvailable {
			out.Message = condition.Message
		}
	}
	in := master.Input{Cluster: cluster, NodePools: pools, Releases: releases.Items, Now: time.Now()}
	in.Current = &hostingv1alpha1.HostedCluster{}
	in.Current.Status.Version = cluster.Status.Version
	for _, option := range master.UpgradeOptions(in, out.Target) {
		out.Upgrades = append(out.Upgrades, Upgrade{option.Version, option.Problem == "", option.Problem, option.EndOfLife})
	}
	return out, nil
}
