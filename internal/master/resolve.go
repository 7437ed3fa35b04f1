// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// defaultEtcdStorage is the size of etcd's volume where neither the cluster nor its seed says.
const defaultEtcdStorage = "2Gi"

// Input is everything that a HostedCluster depends on.
type Input struct {
	// Cluster has its id and seed already.
	Cluster *v1alpha1.Cluster
	// NodePools are the cluster's.
	NodePools []v1alpha1.NodePool
	// ProjectPools are all of the project, which share its quota.
	ProjectPools []v1alpha1.NodePool
	// ProjectClusters are all of the project, if it has a quota: they say which machines are left of deleted pools.
	ProjectClusters []v1alpha1.Cluster
	Project         *v1alpha1.Project
	Datacenter      *v1alpha1.Datacenter
	Seed            *v1alpha1.Seed
	// Preset is the one that the cluster names, and Credentials its Secret; nil if it names none.
	Preset      *v1alpha1.Preset
	Credentials *corev1.Secret
	// SSHKeys are the project's.
	SSHKeys []v1alpha1.SSHKey
	// Issuers are the installation's, by whose tokens people get into clusters.
	Issuers []hostingv1alpha1.Issuer
	// IssuersError says why Issuers are not those that somebody wants; nil: they are.
	IssuersError error
	// Releases are all that there are.
	Releases []v1alpha1.Release
	// Current is the HostedCluster as it is, from which what was once chosen is kept; nil: there is none yet.
	Current *hostingv1alpha1.HostedCluster
	// Now is when it is asked: releases have an end of life.
	Now time.Time
}

// Resolve returns the HostedCluster and the Secrets beside it that the seed is to have, with nothing left to be looked up.
// The error is a *kube.RejectedError when the cluster or its pools must be changed, and a *kube.WaitingError when
// something else must; either says what and where. If a HostedCluster comes with it, the rest of the cluster need not wait.
func Resolve(in Input) (*hostingv1alpha1.HostedCluster, []*corev1.Secret, error) {
	for _, check := range []func(Input) error{checkDatacenter, checkPreset, checkMaintenance, checkPools, checkSizes} {
		if err := check(in); err != nil {
			return nil, nil, err
		}
	}
	version, held := targetVersion(in)
	if version == "" {
		return nil, nil, held
	}
	if err := checkPoolVersions(in, version); err != nil {
		return nil, nil, err
	}
	spec := in.Cluster.Spec
	hc := &hostingv1alpha1.HostedCluster{
		ObjectMeta: objectMeta(in, in.Cluster.Status.ID),
		Spec: hostingv1alpha1.HostedClusterSpec{
			Version:           version,
			Paused:            spec.Paused,
			Profile:           spec.Profile,
			Network:           spec.Network,
			Expose:            hostingv1alpha1.Expose{Strategy: spec.Expose.Strategy},
			Etcd:              etcd(in),
			Encryption:        spec.Encryption,
			APIServer:         spec.APIServer,
			ControllerManager: spec.ControllerManager,
			Scheduler:         spec.Scheduler,
			CoreDNS:           spec.CoreDNS,
			Monitoring:        spec.Monitoring,
			Node:              in.Datacenter.Spec.Node.NodeSettings,
			SSHKeys:           sshKeys(in),
			Access:            accessOf(in.Project),
			Authentication:    hostingv1alpha1.Authentication{Issuers: in.Issuers},
			Cloud:             cloudOf(in),
			NodePools:         nodePools(in),
		},
	}
	if hc.Spec.Expose.Strategy == "" {
		hc.Spec.Expose.Strategy = in.Seed.Spec.Defaults.ExposeStrategy
	}
	return hc.DeepCopy(), secrets(in), cmp.Or(held, in.IssuersError)
}

// objectMeta is that of an object on the seed. Its labels lead back to the Cluster.
func objectMeta(in Input, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: hostingv1alpha1.NamespacePrefix + in.Cluster.Status.ID,
		Labels: map[string]string{
			hostingv1alpha1.LabelCluster: in.Cluster.Status.ID,
			v1alpha1.LabelProject:        in.Project.Name,
			v1alpha1.LabelCluster:        in.Cluster.Name,
		},
	}
}

// etcd keeps the volume that was once chosen where the cluster does not say: it cannot shrink or change its class.
func etcd(in Input) hostingv1alpha1.Etcd {
	defaults := in.Seed.Spec.Defaults
	e := hostingv1alpha1.Etcd{Storage: etcdStorage(in.Cluster, defaults.EtcdStorage), StorageClassName: defaults.EtcdStorageClassName}
	if in.Current != nil {
		e = in.Current.Spec.Etcd
	}
	if wanted := in.Cluster.Spec.Etcd.Storage; wanted != nil {
		e.Storage = *wanted
	}
	return e
}

// accessOf is that of the project's members, sorted by kind and name. It leaves out service accounts, which are the master's:
// whoever may make one of the same name in the cluster would have the member's role there. Roles of an administrator's own
// are for the project only.
func accessOf(project *v1alpha1.Project) []hostingv1alpha1.Access {
	var resolved []hostingv1alpha1.Access
	for _, m := range project.Spec.Members {
		if m.Kind != v1alpha1.MemberServiceAccount && !m.Role.Custom() {
			resolved = append(resolved, hostingv1alpha1.Access{
				Kind: hostingv1alpha1.SubjectKind(m.Kind), Name: m.Name, Role: hostingv1alpha1.AccessRole(m.Role),
			})
		}
	}
	slices.SortFunc(resolved, func(a, b hostingv1alpha1.Access) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return resolved
}

// cloudOf is where the machines are, unless they are on the seed or are somebody else's.
func cloudOf(in Input) *hostingv1alpha1.Cloud {
	place := in.Datacenter.Spec.Provider
	if !place.Name().Cloud() {
		return nil
	}
	return &hostingv1alpha1.Cloud{Place: place, Network: in.Cluster.Spec.CloudNetwork}
}

// nodePools are sorted by name, and none has more machines than the project's quota allows.
func nodePools(in Input) []hostingv1alpha1.NodePool {
	less := grants(in.Project.Spec.Quota, in.ProjectPools, leaving(in.ProjectClusters, in.ProjectPools))
	var resolved []hostingv1alpha1.NodePool
	for _, pool := range in.NodePools {
		replicas, autoscaling := pool.Spec.Replicas, pool.Spec.Autoscaling
		if granted, ok := less[pool.Name]; ok {
			replicas, autoscaling = &granted.replicas, upTo(autoscaling, granted.replicas)
		}
		resolved = append(resolved, hostingv1alpha1.NodePool{
			Name:        pool.Name,
			Replicas:    replicas,
			Autoscaling: autoscaling,
			Version:     pool.Spec.Version,
			Labels:      pool.Spec.Labels,
			Taints:      pool.Spec.Taints,
			Provider:    pool.Spec.Provider,
		})
	}
	slices.SortFunc(resolved, func(a, b hostingv1alpha1.NodePool) int { return strings.Compare(a.Name, b.Name) })
	return resolved
}

// upTo returns the part of a range that has no more machines than granted; nil: there is none, and nothing to scale.
func upTo(a *hostingv1alpha1.Autoscaling, granted int32) *hostingv1alpha1.Autoscaling {
	if a == nil || granted == 0 || granted < ptr.Deref(a.MinReplicas, 0) {
		return nil
	}
	return &hostingv1alpha1.Autoscaling{MinReplicas: a.MinReplicas, MaxReplicas: granted}
}

func secrets(in Input) []*corev1.Secret {
	if in.Credentials == nil {
		return nil
	}
	return []*corev1.Secret{{
		ObjectMeta: objectMeta(in, hostingv1alpha1.SecretCredentials),
		Data:       maps.Clone(in.Credentials.Data),
	}}
}

// DatacenterOpenTo reports whether a project may have clusters in a datacenter.
func DatacenterOpenTo(dc *v1alpha1.Datacenter, project *v1alpha1.Project) bool {
	return checkDatacenter(Input{Datacenter: dc, Project: project}) == nil
}

// PresetOpenTo reports whether a project may use a preset.
func PresetOpenTo(preset *v1alpha1.Preset, project *v1alpha1.Project) bool {
	return len(preset.Spec.Projects) == 0 || slices.Contains(preset.Spec.Projects, project.Name)
}

// checkDatacenter says whether the project may have clusters in the datacenter.
func checkDatacenter(in Input) error {
	dc, project := in.Datacenter, in.Project
	if allowed := project.Spec.Datacenters; len(allowed) > 0 && !slices.Contains(allowed, dc.Name) {
		return kube.Wait(v1alpha1.ReasonForbidden, fmt.Sprintf("spec.datacenter: project %s may use %s, not %s: choose one of them, or have an admin add it to spec.datacenters of the Project",
			project.Name, strings.Join(allowed, ", "), dc.Name), 0)
	}
	if allowed := dc.Spec.Projects; len(allowed) > 0 && !slices.Contains(allowed, project.Name) {
		return kube.Wait(v1alpha1.ReasonForbidden, fmt.Sprintf("spec.datacenter: %s is not open to project %s: choose another, or have an admin add the project to spec.projects of the Datacenter",
			dc.Name, project.Name), 0)
	}
	for _, member := range project.Spec.Members {
		if member.Kind == v1alpha1.MemberUser && !emailAllowed(dc.Spec.RequiredEmails, member.Name) {
			return kube.Wait(v1alpha1.ReasonForbidden, fmt.Sprintf("spec.datacenter: %s is for %s only, and project %s has the member %s: choose another datacenter, or remove the member",
				dc.Name, strings.Join(dc.Spec.RequiredEmails, ", "), project.Name, member.Name), 0)
		}
	}
	return nil
}

// emailAllowed reports whether email is one of allowed, or of one of its domains; all are if allowed is empty.
func emailAllowed(allowed []string, email string) bool {
	return len(allowed) == 0 || slices.ContainsFunc(allowed, func(a string) bool {
		return a == email || strings.HasPrefix(a, "@") && strings.HasSuffix(email, a)
	})
}

// checkPreset says whether the project may use the preset, and whether it fits.
func checkPreset(in Input) error {
	provider := in.Datacenter.Spec.Provider.Name()
	if in.Preset == nil {
		if !provider.Cloud() {
			return nil
		}
		return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.preset: datacenter %s is of the provider %s, which wants credentials: name a Preset for it",
			in.Datacenter.Name, provider))
	}
	if in.Preset.Spec.Provider != provider {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.preset: %s is for the provider %s, and datacenter %s is of %s: name another Preset",
			in.Preset.Name, in.Preset.Spec.Provider, in.Datacenter.Name, provider))
	}
	if !PresetOpenTo(in.Preset, in.Project) {
		return kube.Wait(v1alpha1.ReasonForbidden, fmt.Sprintf("spec.preset: %s is not open to project %s: name another, or have an admin add the project to spec.projects of the Preset",
			in.Preset.Name, in.Project.Name), 0)
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none (there are no Releases)"
	}
	return strings.Join(names, ", ")
}

// checkMaintenance says whether there is the time zone of the window.
func checkMaintenance(in Input) error {
	window := in.Cluster.Spec.Maintenance.Window
	if window == nil {
		return nil
	}
	if _, err := timeZone(window.TimeZone); err != nil {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, err.Error())
	}
	return nil
}

// mostNodePools is how many pools a HostedCluster may have.
const mostNodePools = 50

// checkPools says whether the pools fit to the datacenter.
func checkPools(in Input) error {
	if n := len(in.NodePools); n > mostNodePools {
		return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("the cluster has %d NodePools, and may have %d: delete some", n, mostNodePools))
	}
	for _, pool := range in.NodePools {
		if want, got := in.Datacenter.Spec.Provider.Name(), pool.Spec.Provider.Name(); want != got {
			return kube.Reject(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("NodePool %s: spec.provider: it is for the provider %s, and datacenter %s is of %s: delete the pool, or make the cluster in another datacenter",
				pool.Name, got, in.Datacenter.Name, want))
		}
	}
	return nil
}
