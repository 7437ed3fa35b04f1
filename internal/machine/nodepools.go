// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

// VolumesClaim is the claim whose volume all local machines of a cluster have in common, so that the data of their pods
// is still there when a machine is replaced.
const VolumesClaim = "node-volumes"

// volumesSize is what is asked for; provisioners of local folders do not hold anybody to it.
const volumesSize = "10Gi"

const (
	// drainSeconds is how long pods with a disruption budget may keep a machine from being replaced.
	drainSeconds = 600
	// detachSeconds is how long is waited for volumes to be detached from a drained node.
	detachSeconds = 120
	// nodeDeletionSeconds is how long is tried to delete the node of a machine that is gone; Cluster API's own default.
	nodeDeletionSeconds = 10
)

// Objects returns what makes Cluster API keep the machines of the cluster's pools: the Cluster, what it asks about the
// control plane, for each pool two templates, a MachineDeployment and, where machines can be replaced, a MachineHealthCheck, and where no machine is to stay
// a MachineDrainRule. The order is that of the pools. Cluster API's webhooks do not run on a seed, so that every default that they would fill in is filled in here.
// A pool with autoscaling that is there already says nothing of its number of machines: Resizes does, where it is to be another.
func Objects(cluster *v1alpha1.HostedCluster, live Deployments) ([]client.Object, error) {
	capi, err := capiCluster(cluster)
	if err != nil {
		return nil, err
	}
	objs := []client.Object{controlPlane(cluster), capi}
	if AtCloud(cluster) {
		objs = append(objs, providerCluster(cluster))
	}
	local := false
	for _, pool := range cluster.Spec.NodePools {
		p, err := newPool(cluster, pool)
		if err != nil {
			return nil, err
		}
		p.live = live[pool.Name]
		objs = append(objs, p.infrastructure, p.bootstrap, p.deployment())
		if pool.Provider.BringYourOwn == nil { // nobody but its owner can replace such a machine
			objs = append(objs, p.healthCheck())
		}
		local = local || pool.Provider.Local != nil
	}
	if local {
		objs = append(objs, volumesClaim(cluster))
	}
	if !slices.ContainsFunc(cluster.Spec.NodePools, func(pool v1alpha1.NodePool) bool { return wanted(pool, live[pool.Name]) > 0 }) {
		objs = append(objs, stayToTheEnd(cluster))
	}
	return objs, nil
}

// stayToTheEnd keeps the pods that make the cluster work on the last machines while these are drained. They have nowhere to
// go, so that their disruption budgets would hold the machines for ten minutes; and until the other pods have ended, those
// have names, and webhooks a tunnel.
func stayToTheEnd(cluster *v1alpha1.HostedCluster) *clusterv1.MachineDrainRule {
	return &clusterv1.MachineDrainRule{
		ObjectMeta: objectMeta(cluster, "stay-to-the-end"),
		Spec: clusterv1.MachineDrainRuleSpec{
			Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorSkip},
			Pods: []clusterv1.MachineDrainRulePodSelector{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}},
			}},
		},
	}
}

func capiCluster(cluster *v1alpha1.HostedCluster) (*clusterv1.Cluster, error) {
	endpoint, err := controlplane.EndpointOfStatus(cluster)
	if err != nil {
		return nil, err
	}
	network := cluster.Spec.Network
	hosted := clusterv1.ContractVersionedObjectReference{APIGroup: v1alpha1.GroupVersion.Group, Kind: "HostedControlPlane", Name: cluster.Name}
	infrastructure := hosted
	if AtCloud(cluster) {
		infrastructure.Kind = "ProviderCluster"
	}
	m := objectMeta(cluster, cluster.Name)
	// Cluster API would add it a moment later: in between, a deletion would leave the pools behind for ever.
	m.Finalizers = []string{clusterv1.ClusterFinalizer}
	return &clusterv1.Cluster{
		ObjectMeta: m,
		Spec: clusterv1.ClusterSpec{
			Paused: new(cluster.Spec.Paused),
			ClusterNetwork: clusterv1.ClusterNetwork{
				Pods:          clusterv1.NetworkRanges{CIDRBlocks: []string{network.PodCIDR}},
				Services:      clusterv1.NetworkRanges{CIDRBlocks: []string{network.ServiceCIDR}},
				ServiceDomain: network.DNSDomain,
			},
			ControlPlaneEndpoint: clusterv1.APIEndpoint{Host: endpoint.Host, Port: endpoint.Port},
			ControlPlaneRef:      hosted,
			InfrastructureRef:    infrastructure,
		},
	}, nil
}

// AtCloud reports whether the cluster's machines are at a cloud.
func AtCloud(cluster *v1alpha1.HostedCluster) bool {
	return cluster.Spec.Cloud != nil && cluster.Spec.Cloud.Place.Name().Cloud()
}

func providerCluster(cluster *v1alpha1.HostedCluster) *v1alpha1.ProviderCluster {
	return &v1alpha1.ProviderCluster{
		ObjectMeta: objectMeta(cluster, cluster.Name),
		Spec:       v1alpha1.ProviderClusterSpec{Cloud: *cluster.Spec.Cloud},
	}
}

func controlPlane(cluster *v1alpha1.HostedCluster) *v1alpha1.HostedControlPlane {
	return &v1alpha1.HostedControlPlane{
		ObjectMeta: objectMeta(cluster, cluster.Name),
		Spec:       v1alpha1.HostedControlPlaneSpec{Version: "v" + cluster.Spec.Version},
	}
}

// pool is one pool of a cluster with its templates.
type pool struct {
	v1alpha1.NodePool
	cluster        *v1alpha1.HostedCluster
	live           *clusterv1.MachineDeployment // nil where there is none yet
	infrastructure *v1alpha1.ProviderMachineTemplate
	bootstrap      *v1alpha1.BootstrapConfigTemplate
}

// newPool makes the templates. Their names contain a hash of their contents: what changes gets another name, which makes
// Cluster API replace the machines.
func newPool(cluster *v1alpha1.HostedCluster, spec v1alpha1.NodePool) (pool, error) {
	p := pool{NodePool: spec, cluster: cluster}
	labels := p.meta("").Labels
	p.infrastructure = &v1alpha1.ProviderMachineTemplate{Spec: v1alpha1.ProviderMachineTemplateSpec{
		Template: v1alpha1.ProviderMachineTemplateResource{
			ObjectMeta: clusterv1.ObjectMeta{Labels: labels},
			Spec:       v1alpha1.ProviderMachineSpec{Provider: spec.Provider},
		},
	}}
	p.bootstrap = &v1alpha1.BootstrapConfigTemplate{Spec: v1alpha1.BootstrapConfigTemplateSpec{
		Template: v1alpha1.BootstrapConfigTemplateResource{
			ObjectMeta: clusterv1.ObjectMeta{Labels: labels},
			Spec:       v1alpha1.BootstrapConfigSpec{NodeLabels: spec.Labels, NodeTaints: spec.Taints},
		},
	}}
	endpoint, err := controlplane.EndpointOfStatus(cluster)
	if err != nil {
		return p, err
	}
	b := &p.bootstrap.Spec.Template.Spec
	b.Endpoint, b.ExposeStrategy = endpoint.NodeURL(), endpoint.Strategy
	_, b.EndpointAddress = endpoint.NodeHost()
	for obj, spec := range map[client.Object]any{p.infrastructure: p.infrastructure.Spec, p.bootstrap: p.bootstrap.Spec} {
		content, err := json.Marshal(spec)
		if err != nil {
			return p, fmt.Errorf("node pool %s: %w", p.Name, err)
		}
		sum := sha256.Sum256(content)
		m := p.meta(p.Name + "-" + hex.EncodeToString(sum[:4]))
		obj.SetName(m.Name)
		obj.SetNamespace(m.Namespace)
		obj.SetLabels(m.Labels)
	}
	return p, nil
}

func (p pool) deployment() *clusterv1.MachineDeployment {
	selector := map[string]string{
		clusterv1.ClusterNameLabel:           p.cluster.Name,
		clusterv1.MachineDeploymentNameLabel: p.Name,
	}
	d := &clusterv1.MachineDeployment{ObjectMeta: p.meta(p.Name)}
	// Cluster API would begin with it, and go on a second later.
	d.Finalizers = []string{clusterv1.MachineDeploymentFinalizer}
	d.Spec = clusterv1.MachineDeploymentSpec{
		ClusterName: p.cluster.Name,
		Replicas:    new(wanted(p.NodePool, p.live)),
		Selector:    metav1.LabelSelector{MatchLabels: selector},
		Template: clusterv1.MachineTemplateSpec{
			ObjectMeta: clusterv1.ObjectMeta{Labels: p.machineLabels(selector)},
			Spec: clusterv1.MachineSpec{
				ClusterName: p.cluster.Name,
				Version:     "v" + VersionOf(p.cluster, p.NodePool),
				Bootstrap: clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: v1alpha1.GroupVersion.Group, Kind: "BootstrapConfigTemplate", Name: p.bootstrap.Name,
				}},
				InfrastructureRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: v1alpha1.GroupVersion.Group, Kind: "ProviderMachineTemplate", Name: p.infrastructure.Name,
				},
				Deletion: clusterv1.MachineDeletionSpec{
					NodeDrainTimeoutSeconds:        new(int32(drainSeconds)),
					NodeVolumeDetachTimeoutSeconds: new(int32(detachSeconds)),
					NodeDeletionTimeoutSeconds:     new(int32(nodeDeletionSeconds)),
				},
			},
		},
	}
	if p.Autoscaling != nil && p.live != nil {
		d.Spec.Replicas, d.Annotations = nil, p.autoscaling()
	}
	if p.Provider.BringYourOwn != nil {
		// Somebody has to run a command on the machine: it is replaced when its owner deletes it.
		d.Spec.Rollout.Strategy.Type = clusterv1.OnDeleteMachineDeploymentStrategyType
		return d
	}
	// One machine more comes before one goes.
	d.Spec.Rollout.Strategy = clusterv1.MachineDeploymentRolloutStrategy{
		Type: clusterv1.RollingUpdateMachineDeploymentStrategyType,
		RollingUpdate: clusterv1.MachineDeploymentRolloutStrategyRollingUpdate{
			MaxSurge: new(intstr.FromInt32(1)), MaxUnavailable: new(intstr.FromInt32(0)),
		},
	}
	return d
}

// machineLabels are the labels of the pool's machines: ours, Cluster API's, and those of the pool that only Cluster API may
// set on nodes.
func (p pool) machineLabels(selector map[string]string) map[string]string {
	labels := p.meta("").Labels
	for key, value := range p.Labels {
		if reservedLabel.MatchString(key) {
			labels[key] = value
		}
	}
	for key, value := range selector {
		labels[key] = value
	}
	return labels
}

// healthCheck makes Cluster API replace a machine whose node never comes or dies: a local one sooner, because nothing else
// than the seed itself can be slow there. When many fail at once the fault is elsewhere, and nothing is replaced.
func (p pool) healthCheck() *clusterv1.MachineHealthCheck {
	startup, dead := int32(900), int32(300)
	if p.Provider.Local != nil {
		startup, dead = 300, 60
	}
	atMost := intstr.FromInt32(max(2, (wanted(p.NodePool, p.live)*2+4)/5))
	return &clusterv1.MachineHealthCheck{
		ObjectMeta: p.meta(p.Name),
		Spec: clusterv1.MachineHealthCheckSpec{
			ClusterName: p.cluster.Name,
			Selector: metav1.LabelSelector{MatchLabels: map[string]string{
				clusterv1.ClusterNameLabel:           p.cluster.Name,
				clusterv1.MachineDeploymentNameLabel: p.Name,
			}},
			Checks: clusterv1.MachineHealthCheckChecks{
				NodeStartupTimeoutSeconds: &startup,
				UnhealthyNodeConditions: []clusterv1.UnhealthyNodeCondition{
					{Type: corev1.NodeReady, Status: corev1.ConditionFalse, TimeoutSeconds: &dead},
					{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, TimeoutSeconds: &dead},
				},
			},
			Remediation: clusterv1.MachineHealthCheckRemediation{
				TriggerIf: clusterv1.MachineHealthCheckRemediationTriggerIf{UnhealthyLessThanOrEqualTo: &atMost},
			},
		},
	}
}

func volumesClaim(cluster *v1alpha1.HostedCluster) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: objectMeta(cluster, VolumesClaim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(volumesSize)}},
		},
	}
}

func (p pool) meta(name string) metav1.ObjectMeta {
	m := objectMeta(p.cluster, name)
	m.Labels[v1alpha1.LabelPool] = p.Name
	return m
}

func objectMeta(cluster *v1alpha1.HostedCluster, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: v1alpha1.NamespacePrefix + cluster.Name,
		Name:      name,
		Labels: map[string]string{
			v1alpha1.LabelCluster:      cluster.Name,
			clusterv1.ClusterNameLabel: cluster.Name,
		},
	}
}
