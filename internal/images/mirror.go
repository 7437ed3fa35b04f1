// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"slices"
	"strings"
)

// A mirror holds every image below its upstream host: registry.k8s.io/etcd is registry.k8s.io/etcd in the mirror, too.
// So images of different hosts cannot collide, and a mirror may be a folder of a registry that others use.

// upstreamServers are the registries whose API is not at the host that their references name.
var upstreamServers = map[string]string{"docker.io": "registry-1.docker.io"}

// Hosts returns the registry hosts of all images, sorted.
func Hosts() []string {
	var hosts []string
	for _, i := range embedded().images {
		host, _, _ := strings.Cut(i.Repository, "/")
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// HostsFiles returns the files that make containerd pull from a mirror before it tries upstream: names, relative to the
// folder that containerd's registry setting config_path names, and contents. The mirror is a URL such as
// "http://192.0.2.1:5000" or "https://registry.example.com/mirror". Containerd reads the files at every pull.
func HostsFiles(mirror string) map[string]string {
	files := make(map[string]string)
	for _, host := range Hosts() {
		path, content := HostsFile(host, strings.TrimRight(mirror, "/")+"/"+host)
		files[path] = content
	}
	return files
}

// HostsFile returns the file that makes containerd pull the images of one registry host from a mirror that holds them, before
// it tries the host itself: its name, relative to the same folder, and its content.
func HostsFile(host, mirror string) (path, content string) {
	server := host
	if s, ok := upstreamServers[host]; ok {
		server = s
	}
	scheme, rest, _ := strings.Cut(mirror, "://")
	address, folder, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	api := strings.TrimRight(scheme+"://"+address+"/v2/"+folder, "/")
	return host + "/hosts.toml", fmt.Sprintf(`server = "https://%s"

[host."%s"]
  capabilities = ["pull", "resolve"]
  override_path = true
`, server, api)
}
