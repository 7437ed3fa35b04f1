// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package controlplane

import "strconv"

const schedulerPort = 10259

// schedulerArgs are the flags of kube-scheduler.
func schedulerArgs(in Input) []string {
	return args(map[string]string{
		"authentication-kubeconfig":  keysDir + "/scheduler.conf",
		"authentication-skip-lookup": "true", // it is told what it would look up
		"authorization-kubeconfig":   keysDir + "/scheduler.conf",
		"bind-address":               "0.0.0.0",
		"client-ca-file":             keysDir + "/ca.crt",
		"kube-api-burst":             "200",
		"kube-api-qps":               "100",
		"kubeconfig":                 keysDir + "/scheduler.conf",
		"leader-elect":               "false", // there is one
		"profiling":                  "false",
		"secure-port":                strconv.Itoa(schedulerPort),
		"tls-cert-file":              keysDir + "/apiserver.crt",
		"tls-private-key-file":       keysDir + "/apiserver.key",
	}, in.Cluster.Spec.Scheduler.ExtraArgs)
}
