// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// args renders flags in a stable order, with extra added to them or replacing those of the same name.
func args(flags, extra map[string]string) []string {
	all := maps.Clone(flags)
	maps.Copy(all, extra)
	rendered := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rendered = append(rendered, "--"+name+"="+all[name])
	}
	return rendered
}

// reserved are flags by which the seed reaches a component or the components each other. Replacing one would not give
// another cluster but a broken one.
var reserved = map[string][]string{
	APIServer: {
		"advertise-address", "authentication-config", "bind-address", "client-ca-file", "egress-selector-config-file", "enable-bootstrap-token-auth",
		"encryption-provider-config", "encryption-provider-config-automatic-reload", "endpoint-reconciler-type", "etcd-servers", "kubelet-certificate-authority", "kubelet-client-certificate", "kubelet-client-key",
		"proxy-client-cert-file", "proxy-client-key-file", "secure-port", "service-account-key-file",
		"service-account-signing-key-file", "service-cluster-ip-range", "tls-cert-file", "tls-private-key-file",
	},
	ControllerManager: {
		"allocate-node-cidrs", "authentication-kubeconfig", "authorization-kubeconfig", "bind-address", "cluster-cidr",
		"cluster-signing-cert-file", "cluster-signing-key-file", "kubeconfig", "leader-elect", "root-ca-file", "secure-port",
		"service-account-private-key-file", "service-cluster-ip-range", "tls-cert-file", "tls-private-key-file",
	},
	Scheduler: {
		"authentication-kubeconfig", "authorization-kubeconfig", "bind-address", "config", "kubeconfig", "leader-elect",
		"secure-port", "tls-cert-file", "tls-private-key-file",
	},
}

// ValidateExtraArgs returns what is wrong with the extra flags of the components, one sentence each.
func ValidateExtraArgs(spec v1alpha1.HostedClusterSpec) []string {
	var wrong []string
	for _, c := range []struct {
		name, field string
		extra       map[string]string
	}{
		{APIServer, "apiServer", spec.APIServer.ExtraArgs},
		{ControllerManager, "controllerManager", spec.ControllerManager.ExtraArgs},
		{Scheduler, "scheduler", spec.Scheduler.ExtraArgs},
	} {
		for _, name := range slices.Sorted(maps.Keys(c.extra)) {
			switch {
			case name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, "= \t\n"):
				wrong = append(wrong, fmt.Sprintf("spec.%s.extraArgs: %q is no name of a flag: write it without dashes and without its value", c.field, name))
			case slices.Contains(reserved[c.name], name):
				wrong = append(wrong, fmt.Sprintf("spec.%s.extraArgs: %s is set by the seed and cannot be replaced: remove it", c.field, name))
			}
		}
	}
	return wrong
}
