// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// VersionOf returns the Kubernetes version that the pool's machines should have now, without a leading v. No kubelet may
// be newer than the API it talks to, so a pool follows spec.version only when the control plane runs it.
func VersionOf(cluster *v1alpha1.HostedCluster, pool v1alpha1.NodePool) string {
	running := strings.TrimPrefix(cluster.Status.Version, "v")
	if running == "" {
		running = cluster.Spec.Version // nothing has run yet, so nothing is older
	}
	if pool.Version == "" || newer(pool.Version, running) {
		return running
	}
	return pool.Version
}

// newer reports whether a is a higher version than b. A version that cannot be read is newer than none.
func newer(a, b string) bool {
	va, err := version.ParseSemantic(a)
	if err != nil {
		return false
	}
	vb, err := version.ParseSemantic(b)
	if err != nil {
		return false
	}
	return vb.LessThan(va)
}
