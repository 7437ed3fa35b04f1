// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostsFile(t *testing.T) {
	for mirror, api := range map[string]string{
		"https://mirror.example.com":            "https://mirror.example.com/v2",
		"https://mirror.example.com:8443/hub/":  "https://mirror.example.com:8443/v2/hub",
		"http://192.0.2.1:5000/team/registry-a": "http://192.0.2.1:5000/v2/team/registry-a",
	} {
		path, content := HostsFile("registry.example.com:5000", mirror)
		want := `server = "https://registry.example.com:5000"

[host."` + api + `"]
  capabilities = ["pull", "resolve"]
  override_path = true
`
		if diff := cmp.Diff([]string{"registry.example.com:5000/hosts.toml", want}, []string{path, content}); diff != "" {
			t.Errorf("%s: %s", mirror, diff)
		}
	}
}

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
