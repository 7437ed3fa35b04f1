// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/nodenetwork"
)

// sshKeys are what node-network writes on every node. They are there also when there are none, so that those that were
// are taken away.
func sshKeys(in Input) []client.Object {
	content := ""
	if len(in.SSHKeys) > 0 {
		content = strings.Join(in.SSHKeys, "\n") + "\n"
	}
	return []client.Object{configMap(nodenetwork.SSHKeysConfigMap, map[string]string{nodenetwork.SSHKeysKey: content})}
}
