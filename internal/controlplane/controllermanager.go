// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import "strconv"

const controllerManagerPort = 10257

// controllerManagerArgs are the flags of kube-controller-manager.
func controllerManagerArgs(in Input) []string {
	spec := in.Cluster.Spec
	return args(map[string]string{
		"allocate-node-cidrs":              "true",
		"authentication-skip-lookup":       "true", // it is told what it would look up
		"authentication-kubeconfig":        keysDir + "/controller-manager.conf",
		"authorization-kubeconfig":         keysDir + "/controller-manager.conf",
		"bind-address":                     "0.0.0.0",
		"client-ca-file":                   keysDir + "/ca.crt",
		"cluster-cidr":                     spec.Network.PodCIDR,
		"cluster-name":                     in.Cluster.Name,
		"cluster-signing-cert-file":        keysDir + "/ca.crt",
		"cluster-signing-key-file":         keysDir + "/ca.key",
		"controllers":                      "*,bootstrap-signer-controller,token-cleaner-controller",
		"kube-api-burst":                   "200",
		"kube-api-qps":                     "100",
		"kubeconfig":                       keysDir + "/controller-manager.conf",
		"leader-elect":                     "false", // there is one
		"node-cidr-mask-size":              "24",
		"profiling":                        "false",
		"root-ca-file":                     keysDir + "/ca.crt",
		"secure-port":                      strconv.Itoa(controllerManagerPort),
		"service-account-private-key-file": keysDir + "/sa.key",
		"service-cluster-ip-range":         spec.Network.ServiceCIDR,
		"tls-cert-file":                    keysDir + "/apiserver.crt",
		"tls-private-key-file":             keysDir + "/apiserver.key",
		"use-service-account-credentials":  "true",
	}, spec.ControllerManager.ExtraArgs)
}
