// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// JoinQuery is what somebody wants a command for.
type JoinQuery struct {
	TTL string `json:"ttl,omitempty" maxLength:"20" pattern:"^([0-9]+(h|m|s))+$" example:"1h" doc:"How long the command is good for: between ten minutes and a day. Default: an hour."`
}

// JoinCommand makes a machine a node.
type JoinCommand struct {
	Machine string    `json:"machine" doc:"The machine that it becomes, and the name of its node."`
	Command string    `json:"command" doc:"One line to be run on the machine by root, or by somebody who may use sudo. There is a credential in it."`
	Expires time.Time `json:"expires" doc:"Until when it can be used, and once only."`
}

type joinInput struct {
	Place place
	Body  JoinQuery
}

type joinOutput struct{ Body JoinCommand }

type machineInput struct{ Place place }

// serveJoin registers how machines of bringYourOwn come, and how any machine goes.
func serveJoin(s *Server) {
	const cluster = "/projects/{project}/clusters/{cluster}"
	join := operation(http.MethodPost, cluster+"/nodepools/{name}/join-command", "createJoinCommand", "Make a command that makes a machine of somebody's own a node of a pool")
	join.Tags, join.DefaultStatus = []string{"nodepools"}, http.StatusOK
	huma.Register(s.api, join, func(ctx context.Context, in *joinInput) (*joinOutput, error) {
		out := &joinOutput{}
		_, err := s.audited(ctx, act{verb: "create", resource: "nodepools/joincommand", place: in.Place, fields: []string{"ttl"}}, func() (outcome, error) {
			request, err := s.join(ctx, in, &out.Body)
			return outcome{http.StatusOK, request}, err
		})
		return out, fail(ctx, err)
	})
	remove := operation(http.MethodDelete, cluster+"/machines/{name}", "deleteMachine", "Delete a machine, which its pool replaces")
	remove.Tags, remove.DefaultStatus = []string{"machines"}, http.StatusAccepted
	huma.Register(s.api, remove, func(ctx context.Context, in *machineInput) (*struct{}, error) {
		_, err := s.audited(ctx, act{verb: "delete", resource: "machines", place: in.Place}, func() (outcome, error) {
			return outcome{status: http.StatusAccepted}, s.deleteMachine(ctx, in)
		})
		return nil, fail(ctx, err)
	})
}

// mayChange fails if the caller may not update a pool, or without a name all of a project's.
func (s *Server) mayChange(ctx context.Context, at place, pool string) error {
	return s.access.Check(ctx, Question{
		Verb: "update", Group: v1alpha1.GroupVersion.Group, Resource: "nodepools", Namespace: v1alpha1.ProjectNamespacePrefix + at.Project, Name: pool,
	})
}

// join has the cluster sign a certificate for a machine that waits, and fills in the command.
func (s *Server) join(ctx context.Context, in *joinInput, out *JoinCommand) (client.Object, error) {
	if err := s.mayChange(ctx, in.Place, in.Place.Name); err != nil {
		return nil, err
	}
	slot, err := s.slot(ctx, in)
	if err != nil {
		return nil, err
	}
	request, key, err := s.requested(ctx, v1alpha1.ProjectNamespacePrefix+in.Place.Project, v1alpha1.AccessRequestSpec{
		Cluster: in.Place.Cluster, User: callOf(ctx).user.GetName(), Role: v1alpha1.CertificateMachine,
		Machine: slot, NodePool: in.Place.Name, TTL: cmp.Or(in.Body.TTL, "1h"),
	})
	if err != nil {
		return request, err
	}
	command, err := machine.JoinCommand(request.Status.Script, []byte(request.Status.Certificate), key)
	if err != nil {
		return request, err
	}
	*out = JoinCommand{Machine: slot, Command: command}
	if expires := request.Status.Expires; expires != nil {
		out.Expires = expires.UTC()
	}
	return request, nil
}

// slot returns the name of a machine of the pool that waits, and that nobody has a command for. Two who ask at the same moment
// may get the same: the second machine is then told so, and needs another command.
func (s *Server) slot(ctx context.Context, in *joinInput) (string, error) {
	pool := &v1alpha1.NodePool{}
	if err := s.cache.Get(ctx, client.ObjectKey{Namespace: v1alpha1.ProjectNamespacePrefix + in.Place.Project, Name: in.Place.Name}, pool); err != nil {
		return "", err
	}
	if pool.Spec.Cluster != in.Place.Cluster || pool.Spec.Provider.BringYourOwn == nil {
		p := problem(CodeConflict, "the machines of the pool %s are made by its provider", in.Place.Name)
		p.Hint = "Commands are for pools with the provider bringYourOwn of this cluster."
		return "", p
	}
	machines, partial, err := s.machines(ctx, in.Place)
	if err != nil {
		return "", err
	}
	if len(partial) > 0 {
		return "", problem(CodeUnavailable, "the seed %s cannot be asked: %s", partial[0].Seed, partial[0].Reason)
	}
	taken, err := s.commanded(ctx, in.Place)
	if err != nil {
		return "", err
	}
	for i := range machines {
		m := &machines[i]
		if poolOf(m) == in.Place.Name && !m.Status.NodeRef.IsDefined() && m.DeletionTimestamp.IsZero() && m.Spec.Bootstrap.DataSecretName != nil && !taken[m.Name] {
			return m.Name, nil
		}
	}
	p := problem(CodeConflict, "no machine of the pool %s waits for one to join", in.Place.Name)
	p.Hint = "All have joined, there is a command for each, or the cluster has just been made: raise spec.replicas of the pool, or ask again."
	return "", p
}

// commanded returns the machines of a cluster for which there is a command that has not expired.
func (s *Server) commanded(ctx context.Context, at place) (map[string]bool, error) {
	requests := &v1alpha1.AccessRequestList{}
	if err := s.asCaller.List(ctx, requests, client.InNamespace(v1alpha1.ProjectNamespacePrefix+at.Project)); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, r := range requests.Items {
		if r.Spec.Cluster == at.Cluster && r.Status.Expires != nil && r.Status.Expires.After(time.Now()) {
			taken[r.Spec.Machine] = true
		}
	}
	return taken, nil
}

// deleteMachine makes Cluster API drain and delete a machine on its seed. Its pool makes another.
func (s *Server) deleteMachine(ctx context.Context, in *machineInput) error {
	if err := s.mayChange(ctx, in.Place, ""); err != nil {
		return err
	}
	cluster, err := s.cluster(ctx, in.Place)
	if err != nil {
		return err
	}
	machines, partial, err := s.machines(ctx, in.Place)
	if err != nil {
		return err
	}
	if len(partial) > 0 {
		return problem(CodeUnavailable, "the seed %s cannot be asked: %s", partial[0].Seed, partial[0].Reason)
	}
	i := slices.IndexFunc(machines, func(m clusterv1.Machine) bool { return m.Name == in.Place.Name })
	if i < 0 {
		return problem(CodeNotFound, "cluster %s has no machine %s", in.Place.Cluster, in.Place.Name)
	}
	seed, err := s.seeds.client(ctx, s, cluster.Status.Seed)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, seedPatience)
	defer cancel()
	if err := kube.Delete(ctx, seed.machines, &machines[i]); err != nil {
		logger(ctx).Error(err, "A machine could not be deleted", "seed", cluster.Status.Seed)
		return problem(CodeUnavailable, "the seed %s: %s", cluster.Status.Seed, seedReason(err, "delete machines"))
	}
	return nil
}
