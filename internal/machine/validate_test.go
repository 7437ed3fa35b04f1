// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestValidate(t *testing.T) {
	taint := func(key, value, effect string) v1alpha1.NodePool {
		return v1alpha1.NodePool{Taints: []corev1.Taint{{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}}}
	}
	label := func(key, value string) v1alpha1.NodePool {
		return v1alpha1.NodePool{Labels: map[string]string{key: value}}
	}
	for name, c := range map[string]struct {
		pool v1alpha1.NodePool
		want string // part of what is said; empty: nothing is wrong
	}{
		"a pool without labels and taints":  {v1alpha1.NodePool{}, ""},
		"labels as people write them":       {label("team", "search"), ""},
		"labels that kubelet may not set":   {label("node-role.kubernetes.io/worker", ""), ""},
		"a label's key with a space":        {label("my team", "search"), "spec.nodePools[0].labels"},
		"a label's value with a slash":      {label("team", "a/b"), "spec.nodePools[0].labels"},
		"a label of ours":                   {label("hosting.canopy.dev/node-pool", "other"), "set by Canopy"},
		"a taint as people write it":        {taint("team", "search", "NoSchedule"), ""},
		"a taint without value":             {taint("team", "", "NoExecute"), ""},
		"a taint without effect":            {taint("team", "search", ""), "spec.nodePools[0].taints[0].effect"},
		"a taint with an effect of its own": {taint("team", "search", "Whatever"), "spec.nodePools[0].taints[0].effect"},
		"a taint without key":               {taint("", "search", "NoSchedule"), "spec.nodePools[0].taints[0].key"},
		"a taint's value with a slash":      {taint("team", "a/b", "NoSchedule"), "spec.nodePools[0].taints[0].value"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Validate(v1alpha1.HostedClusterSpec{NodePools: []v1alpha1.NodePool{c.pool}}), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("Validate() = %q, want %q in it", got, c.want)
			}
		})
	}
}
