// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"canopy.dev/canopy/internal/local/sandbox"
)

//go:embed templates
var templates embed.FS

// Ports in the sandbox.
const (
	apiPort      = 6443
	registryPort = 5000 // in the registry image's own configuration
)

// daemonNames are the daemons of the sandbox, in the order in which they are started.
var daemonNames = []string{"containerd", "registry", "kubelet"}

// kubeadmConfigPath is in the sandbox.
const kubeadmConfigPath = "/etc/canopy/kubeadm.yaml"

// nodeInput is everything the node's files are made from.
type nodeInput struct {
	Settings
	NodeName    string
	NodePodBits int
	// MTU of the host's uplink, in bytes.
	MTU     int
	APIPort int
	imageNames
	// Digests of the images by reference: the same reference may stand for something newer.
	Digests map[string]string
	// Nameservers are the addresses of the host's DNS servers that can be reached from the sandbox.
	Nameservers []string
	// Mirrors are files below /etc/containerd/certs.d, by path.
	Mirrors map[string]string
}

// render fills in the template called name.
func (in nodeInput) render(name string) string {
	t := template.Must(template.ParseFS(templates, "templates/"+name))
	var out bytes.Buffer
	if err := t.Execute(&out, in); err != nil {
		panic(fmt.Sprintf("template %s: %v", name, err)) // the templates are part of the program
	}
	return out.String()
}

// rootFiles returns the files to write into the node's root file system, by path.
func (in nodeInput) rootFiles() map[string]string {
	files := map[string]string{
		"/etc/hostname":                     in.NodeName + "\n",
		"/etc/hosts":                        fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", in.NodeAddress(), in.NodeName),
		"/etc/resolv.conf":                  resolvConf(in.Nameservers),
		"/etc/containerd/config.toml":       in.render("containerd.toml"),
		"/etc/cni/net.d/10-canopy.conflist": in.render("cni.conflist"),
		"/etc/canopy/kubelet.yaml":          in.render("kubelet.yaml"),
		kubeadmConfigPath:                   in.kubeadmConfig(),
	}
	for path, content := range in.Mirrors {
		files[filepath.Join("/etc/containerd/certs.d", path)] = content
	}
	for path, content := range kubeadmPatches(in.configHash()) {
		files[filepath.Join(patchesDir, path)] = content
	}
	return files
}

// kubeadmConfig includes kubelet's configuration, so that the copies which kubeadm keeps in the cluster are true.
func (in nodeInput) kubeadmConfig() string {
	return in.render("kubeadm.yaml") + in.render("kubelet.yaml")
}

// configHash changes with everything that kubeadm makes the cluster's own pods from.
func (in nodeInput) configHash() string {
	return sandbox.Hash([]any{in.kubeadmConfig(), kubeadmPatches(""), in.Digests})
}

// daemons returns what runs in the sandbox beside pods. Files are what rootFiles returned: a daemon is restarted when
// one that it only reads at its start has changed.
func (in nodeInput) daemons(files map[string]string) []sandbox.Daemon {
	version := func(paths ...string) string {
		var contents []string
		for _, path := range paths {
			contents = append(contents, files[path])
		}
		return sandbox.Hash(contents)
	}
	return []sandbox.Daemon{
		{
			Name:          "containerd",
			Args:          []string{"/usr/bin/containerd", "--log-level=warn"},
			ConfigVersion: version("/etc/containerd/config.toml"),
		},
		{
			Name: "registry",
			Args: []string{registryRoot + "/usr/local/bin/registry", "serve", registryRoot + "/etc/distribution/config.yml"},
			Env:  []string{"OTEL_TRACES_EXPORTER=none"},
		},
		{
			Name: "kubelet",
			Args: []string{
				"/usr/local/bin/kubelet", "--config=/etc/canopy/kubelet.yaml", "--kubeconfig=/etc/kubernetes/kubelet.conf",
				"--hostname-override=" + in.NodeName, "--node-ip=" + in.NodeAddress().String(),
			},
			After:         []string{"/run/containerd/containerd.sock", "/etc/kubernetes/kubelet.conf"},
			ConfigVersion: version("/etc/canopy/kubelet.yaml", "/etc/resolv.conf"),
		},
	}
}

func resolvConf(nameservers []string) string {
	var b strings.Builder
	for _, ns := range nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", ns)
	}
	return b.String()
}

// parseNameservers returns the IPv4 DNS servers in the content of a resolv.conf that can be reached from another network
// namespace.
func parseNameservers(resolvConf string) []string {
	var servers []string
	for line := range strings.Lines(resolvConf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(f[1])
		if err == nil && addr.Is4() && !addr.IsLoopback() {
			servers = append(servers, addr.String())
		}
	}
	return slices.Compact(servers)
}
