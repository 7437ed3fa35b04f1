// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import "testing"

// TestSideBySide runs what waits more than it computes at the same time, each with clusters of its own. None of these touches
// what others stand on.
func TestSideBySide(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"a live cluster moves to the gateway": aLiveClusterMovesToTheGateway,
		"an upgrade keeps data":               anUpgradeKeepsData,
		"monitoring":                          monitoring,
		"SSH keys log in":                     sshKeysLogIn,
		"the tunnel":                          theTunnel,
		"what people see":                     whatPeopleSee,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
