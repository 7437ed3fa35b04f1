// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// parseMember returns the member that a path names: User:ada@example.com, Group:developers, ServiceAccount:<namespace>:<name>.
func parseMember(id string) (v1alpha1.Member, error) {
	kind, name, ok := strings.Cut(id, ":")
	member := v1alpha1.Member{Kind: v1alpha1.MemberKind(kind), Name: name}
	if member.Kind == v1alpha1.MemberServiceAccount {
		member.Namespace, member.Name, ok = strings.Cut(name, ":")
	}
	if !ok || member.Name == "" || !slices.Contains([]v1alpha1.MemberKind{v1alpha1.MemberUser, v1alpha1.MemberGroup, v1alpha1.MemberServiceAccount}, member.Kind) {
		return member, problem(CodeInvalid, "%q names no member", id).at("path.member", "must be User:<e-mail>, Group:<name> or ServiceAccount:<namespace>:<name>")
	}
	return member, nil
}

func idOf(member v1alpha1.Member) string {
	if member.Kind == v1alpha1.MemberServiceAccount {
		return string(member.Kind) + ":" + member.Namespace + ":" + member.Name
	}
	return string(member.Kind) + ":" + member.Name
}

// ProjectMember is somebody in a project.
type ProjectMember struct {
	ID        string              `json:"id,omitempty" readOnly:"true" doc:"Names the member in paths."`
	Kind      v1alpha1.MemberKind `json:"kind,omitempty" enum:"User,Group,ServiceAccount" default:"User" doc:"What it is."`
	Name      string              `json:"name" minLength:"1" maxLength:"254" doc:"A user's e-mail address, a group's name at the login's issuer, or a service account's name."`
	Namespace string              `json:"namespace,omitempty" maxLength:"63" doc:"Of a service account."`
	Role      v1alpha1.Role       `json:"role" minLength:"1" maxLength:"63" doc:"Owner, Editor, Viewer, or the name of a role that an administrator has made."`
}

func shownMember(member v1alpha1.Member) ProjectMember {
	return ProjectMember{ID: idOf(member), Kind: member.Kind, Name: member.Name, Namespace: member.Namespace, Role: member.Role}
}

type membersInput struct{ Place place }

type membersOutput struct{ Body List[ProjectMember] }

type addMemberInput struct {
	WriteQuery
	Place place
	Body  ProjectMember
}

type changeMemberInput struct {
	WriteQuery
	Place  place
	Member string `path:"member" maxLength:"400" doc:"Who: User:ada@example.com, Group:developers or ServiceAccount:<namespace>:<name>."`
	Body   struct {
		Role v1alpha1.Role `json:"role" minLength:"1" maxLength:"63" doc:"Owner, Editor, Viewer, or the name of a role that an administrator has made."`
	}
}

type removeMemberInput struct {
	WriteQuery
	Place  place
	Member string `path:"member" maxLength:"400" doc:"Who: User:ada@example.com, Group:developers or ServiceAccount:<namespace>:<name>."`
}

type memberOutput struct {
	Status    int
	Operation string `header:"Operation-Location"`
	Body      ProjectMember
}

// serveMembers registers a view of spec.members of a project, in which one member can be changed without the others.
func serveMembers(s *Server) {
	const list, item = "/projects/{project}/members", "/projects/{project}/members/{member}"
	huma.Register(s.api, operation(http.MethodGet, list, "listMembers", "List members"), func(ctx context.Context, in *membersInput) (*membersOutput, error) {
		out, err := s.members(ctx, in.Place)
		return out, fail(ctx, err)
	})
	add := operation(http.MethodPost, list, "addMember", "Add a member")
	add.DefaultStatus = http.StatusCreated
	huma.Register(s.api, add, func(ctx context.Context, in *addMemberInput) (*memberOutput, error) {
		member := v1alpha1.Member{Kind: in.Body.Kind, Name: in.Body.Name, Namespace: in.Body.Namespace, Role: in.Body.Role}
		operation, err := s.changeMembers(ctx, "create", in.WriteQuery, in.Place, member, func(members []v1alpha1.Member, i int) ([]v1alpha1.Member, error) {
			if i >= 0 {
				return nil, problem(CodeAlreadyExists, "%s is a member already, with the role %s", idOf(member), members[i].Role)
			}
			return append(members, member), nil
		})
		return &memberOutput{http.StatusCreated, operation, shownMember(member)}, fail(ctx, err)
	})
	change := memberOperation(http.MethodPut, item, "setMember", "Add a member, or change a member's role")
	huma.Register(s.api, change, func(ctx context.Context, in *changeMemberInput) (*memberOutput, error) {
		member, err := pathMember(in.Member)
		if err != nil {
			return nil, fail(ctx, err)
		}
		member.Role = in.Body.Role
		operation, err := s.changeMembers(ctx, "update", in.WriteQuery, in.Place, member, func(members []v1alpha1.Member, i int) ([]v1alpha1.Member, error) {
			if i < 0 {
				return append(members, member), nil
			}
			members[i].Role = member.Role
			return members, nil
		})
		return &memberOutput{http.StatusOK, operation, shownMember(member)}, fail(ctx, err)
	})
	remove := memberOperation(http.MethodDelete, item, "removeMember", "Remove a member")
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, remove, func(ctx context.Context, in *removeMemberInput) (*deleteOutput, error) {
		member, err := pathMember(in.Member)
		if err != nil {
			return nil, fail(ctx, err)
		}
		operation, err := s.changeMembers(ctx, "delete", in.WriteQuery, in.Place, member, func(members []v1alpha1.Member, i int) ([]v1alpha1.Member, error) {
			if i < 0 {
				return nil, problem(CodeNotFound, "%s is no member of the project", idOf(member))
			}
			return slices.Delete(members, i, i+1), nil
		})
		return &deleteOutput{Operation: operation}, fail(ctx, err)
	})
}

// memberOperation documents the member in the path by its field, which is no name.
func memberOperation(method, path, id, summary string) huma.Operation {
	op := operation(method, path, id, summary)
	op.Parameters = slices.DeleteFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "member" })
	op.Tags = []string{"members"}
	return op
}

func pathMember(raw string) (v1alpha1.Member, error) {
	id, err := url.PathUnescape(raw)
	if err != nil {
		return v1alpha1.Member{}, problem(CodeInvalid, "the path is not valid").at("path.member", "must be escaped once")
	}
	return parseMember(id)
}

func (s *Server) members(ctx context.Context, at place) (*membersOutput, error) {
	if err := s.access.Check(ctx, Question{Verb: verbGet, Group: v1alpha1.GroupVersion.Group, Resource: "projects", Name: at.Project}); err != nil {
		return nil, err
	}
	project := &v1alpha1.Project{}
	if err := s.cache.Get(ctx, client.ObjectKey{Name: at.Project}, project); err != nil {
		return nil, err
	}
	out := &membersOutput{Body: List[ProjectMember]{Items: []ProjectMember{}, TotalSize: len(project.Spec.Members)}}
	for _, member := range project.Spec.Members {
		out.Body.Items = append(out.Body.Items, shownMember(member))
	}
	return out, nil
}

// changeMembers changes the list of members as it is when it is written; change gets it, and where in it the member is, or -1.
func (s *Server) changeMembers(ctx context.Context, verb string, query WriteQuery, at place, member v1alpha1.Member, change func([]v1alpha1.Member, int) ([]v1alpha1.Member, error)) (string, error) {
	body, err := json.Marshal(member)
	if err != nil {
		return "", err
	}
	if member.Kind == v1alpha1.MemberUser && member.Name != strings.ToLower(member.Name) {
		return "", problem(CodeInvalid, "users are known by their e-mail addresses in lower case").at("body.name", "must be in lower case")
	}
	a := act{verb: verb, resource: "members", place: place{Project: at.Project, Name: idOf(member)}, change: body, dryRun: query.DryRun}
	project := &v1alpha1.Project{}
	operation, err := s.audited(ctx, a, func() (outcome, error) {
		return outcome{http.StatusOK, nil}, retry.RetryOnConflict(retry.DefaultRetry, func() error {
			if err := s.asCaller.Get(ctx, client.ObjectKey{Name: at.Project}, project); err != nil {
				return err
			}
			i := slices.IndexFunc(project.Spec.Members, func(m v1alpha1.Member) bool { return idOf(m) == idOf(member) })
			var err error
			if project.Spec.Members, err = change(project.Spec.Members, i); err != nil {
				return err
			}
			return s.requests(query).Replace(ctx, project)
		})
	})
	if err == nil && !query.DryRun {
		s.awaitCache(ctx, project)
	}
	return operation, err
}
