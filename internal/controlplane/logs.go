// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"maps"
	"slices"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/openvpn"
)

// Log is where a component's log is: in a container of the pods that have these labels.
type Log struct {
	Pods      map[string]string
	Container string
}

// logs are the pods, by their component label, and the container of each component that runs on the seed. Machines are not among
// them: what they write are its users' affairs.
var logs = map[string][2]string{
	Etcd:               {Name, Etcd},
	APIServer:          {Name, kubernetesContainer},
	ControllerManager:  {Name, kubernetesContainer},
	Scheduler:          {Name, kubernetesContainer},
	KonnectivityServer: {Name, KonnectivityServer},
	openvpn.Server:     {openvpn.Server, openvpn.Server},
	ClusterAutoscaler:  {ClusterAutoscaler, ClusterAutoscaler},
	AWSCloudController: {AWSCloudController, AWSCloudController},
	Prometheus:         {Prometheus, Prometheus},
	KubeStateMetrics:   {Prometheus, KubeStateMetrics},
}

// LogOf returns where the log of a component of a cluster is; false: there is no such component, or it does not run on the seed.
// The three components that are one process have one log.
func LogOf(clusterID, component string) (Log, bool) {
	at, ok := logs[component]
	return Log{Pods: map[string]string{v1alpha1.LabelCluster: clusterID, v1alpha1.LabelComponent: at[0]}, Container: at[1]}, ok
}

// WithLogs are the names of the components of which LogOf knows the log, sorted.
func WithLogs() []string { return slices.Sorted(maps.Keys(logs)) }
