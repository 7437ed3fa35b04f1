// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// Self is who the caller is.
type Self struct {
	Name     string           `json:"name" doc:"The name by which rights are given: an e-mail address, or system:serviceaccount:<namespace>:<name>."`
	Groups   []string         `json:"groups" doc:"The groups that the login's issuer says."`
	Admin    bool             `json:"admin" doc:"Whether all projects, seeds and users are the caller's to change."`
	Viewer   bool             `json:"globalViewer" doc:"Whether the caller may see all projects."`
	Projects []SelfMembership `json:"projects" doc:"The projects of the caller, by name."`
}

// SelfMembership is a project of the caller's.
type SelfMembership struct {
	Name        string          `json:"name"`
	DisplayName string          `json:"displayName,omitempty"`
	Roles       []v1alpha1.Role `json:"roles" doc:"The roles that the caller has there, by itself or by a group; none: it is seen by a right on the whole platform."`
}

type selfOutput struct{ Body Self }

// VersionInfo is what the server is.
type VersionInfo struct {
	Version string `json:"version" doc:"The version of the platform."`
	API     string `json:"api" doc:"The version of the API."`
}

type versionOutput struct{ Body VersionInfo }

func serveSelf(s *Server) {
	huma.Register(s.api, operation(http.MethodGet, "/me", "getSelf", "Say who you are"), func(ctx context.Context, _ *struct{}) (*selfOutput, error) {
		self, err := s.self(ctx)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &selfOutput{Body: *self}, nil
	})
	op := public(operation(http.MethodGet, "/version", "getVersion", "Say which version this is"))
	huma.Register(s.api, op, func(context.Context, *struct{}) (*versionOutput, error) {
		return &versionOutput{Body: VersionInfo{Version: s.opts.Version, API: v1alpha1.GroupVersion.Version}}, nil
	})
}

// public makes an operation one for everybody.
func public(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{publicKey: true}
	op.Security = []map[string][]string{}
	return op
}

func (s *Server) self(ctx context.Context) (*Self, error) {
	caller := callOf(ctx).user
	self := &Self{
		Name: caller.GetName(), Projects: []SelfMembership{},
		Groups: slices.DeleteFunc(slices.Clone(caller.GetGroups()), func(group string) bool { return group == user.AllAuthenticated }),
	}
	var err error
	// What only administrators may, and what only they and global viewers may.
	if self.Admin, err = s.access.Allowed(ctx, Question{Verb: "update", Group: v1alpha1.GroupVersion.Group, Resource: "users"}); err != nil {
		return nil, err
	}
	if self.Viewer, err = s.access.Allowed(ctx, Question{Verb: verbList, Group: v1alpha1.GroupVersion.Group, Resource: "projects"}); err != nil {
		return nil, err
	}
	names, all, err := s.access.Accessible(ctx, "projects")
	if err != nil {
		return nil, err
	}
	projects := &v1alpha1.ProjectList{}
	if err := s.cache.List(ctx, projects, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range projects.Items {
		project := &projects.Items[i]
		roles := rolesIn(project, caller)
		if all && len(roles) > 0 || names[project.Name] {
			self.Projects = append(self.Projects, SelfMembership{Name: project.Name, DisplayName: project.Spec.DisplayName, Roles: roles})
		}
	}
	slices.SortFunc(self.Projects, func(a, b SelfMembership) int { return cmp.Compare(a.Name, b.Name) })
	return self, nil
}

// rolesIn returns the roles that somebody is given in a project's spec, sorted. It says what is written there; what it allows is for RBAC.
func rolesIn(project *v1alpha1.Project, caller user.Info) []v1alpha1.Role {
	roles := []v1alpha1.Role{}
	for _, member := range project.Spec.Members {
		if isMember(member, caller) {
			roles = append(roles, member.Role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func isMember(member v1alpha1.Member, caller user.Info) bool {
	switch member.Kind {
	case v1alpha1.MemberGroup:
		return slices.Contains(caller.GetGroups(), member.Name)
	case v1alpha1.MemberServiceAccount:
		return caller.GetName() == serviceaccount.MakeUsername(member.Namespace, member.Name)
	}
	return caller.GetName() == member.Name
}
