// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostsFiles(t *testing.T) {
	tests := map[string]struct{ mirror, base string }{
		"a registry of its own":         {mirror: "http://192.0.2.1:5000", base: "http://192.0.2.1:5000/v2"},
		"a slash at the end":            {mirror: "http://192.0.2.1:5000/", base: "http://192.0.2.1:5000/v2"},
		"a folder of a shared registry": {mirror: "https://registry.example.com/team/mirror", base: "https://registry.example.com/v2/team/mirror"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			want := make(map[string]string)
			for host, server := range map[string]string{
				"docker.io":           "registry-1.docker.io",
				"ghcr.io":             "ghcr.io",
				"quay.io":             "quay.io",
				"registry.canopy.dev": "registry.canopy.dev",
				"registry.k8s.io":     "registry.k8s.io",
			} {
				want[host+"/hosts.toml"] = `server = "https://` + server + `"

[host."` + tc.base + `/` + host + `"]
  capabilities = ["pull", "resolve"]
  override_path = true
`
			}
			if diff := cmp.Diff(want, HostsFiles(tc.mirror)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
