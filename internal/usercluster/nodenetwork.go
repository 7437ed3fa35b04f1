// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/nodenetwork"
)

// CNIConfig is where the CNI configuration of nodes is written. It must be gone after a boot, so that pods wait for the
// node's network again.
const CNIConfig = "/etc/cni/net.d/10-canopy.conflist"

// nodeNetwork enforces network policies, and lets pods onto a node when its other agents are ready there.
func nodeNetwork(in Input) []client.Object {
	waitFor := []string{
		fmt.Sprintf("http://127.0.0.1:%d/readyz", flannelHealthPort),
		fmt.Sprintf("http://127.0.0.1:%d/healthz", kubeProxyHealthPort),
	}
	if in.Agent != nil {
		waitFor = append(waitFor, fmt.Sprintf("http://127.0.0.1:%d/healthz", agentHealthPort))
	}
	return nodenetwork.Objects(nodenetwork.Input{
		Image:       in.NodeNetworkImage,
		APIHost:     in.APIHost,
		APIPort:     in.APIPort,
		HostAliases: hostAliases(in),
		CNIConfig:   CNIConfig,
		WaitFor:     waitFor,
		SSHKeys:     true,
	})
}
