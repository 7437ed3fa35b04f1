// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"embed"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/nodenetwork"
)

// UserDataKey is the key of a machine's Secret under which its user data is.
const UserDataKey = "value"

const (
	// upstreamKubelet and upstreamPlugins are where a machine whose image lacks kubelet or the CNI plugins downloads them.
	upstreamKubelet = "https://dl.k8s.io"
	upstreamPlugins = "https://github.com"
	// pluginsRelease is a folder of the one and of every mirror: the version is that of the plugins on every machine whose
	// operating system has no package of them.
	pluginsRelease = "containernetworking/plugins/releases/download/v1.9.0"
)

// proxyPath is the file with the proxy's variables on a machine that has one.
const proxyPath = "/etc/canopy/proxy"

//go:embed userdata
var userData embed.FS

var userDataTemplates = template.Must(template.ParseFS(userData, "userdata/*"))

// BootstrapInput is everything that a machine's user data is made from. Nothing in it is particular to a cloud, so that what
// boots anywhere boots everywhere.
type BootstrapInput struct {
	// Format is what the machine reads.
	Format Format
	// Name is the name of the machine and of its node.
	Name string
	// Pool is the name of its pool.
	Pool string
	// Version is kubelet's, without a leading v.
	Version string
	// Endpoint is the URL of the cluster's API, and CA the authority of its certificate in PEM.
	Endpoint string
	CA       []byte
	// EndpointAddress is the IP address of the endpoint's host where no DNS server knows it.
	EndpointAddress string
	// Token is a bootstrap token, "<id>.<secret>". A script has none: a certificate and its key are added to it.
	Token string
	// DNSAddress is the address of the cluster's DNS server, and DNSDomain the suffix of its names.
	DNSAddress, DNSDomain string
	// Labels and Taints are those of the pool.
	Labels map[string]string
	Taints []corev1.Taint
	// RegistryMirror is the URL of the registry that is asked for every image first; empty: none.
	RegistryMirror string
	// RegistryMirrors are the URLs of registries that are asked first for the images of others, by the others' hosts. They go
	// before RegistryMirror.
	RegistryMirrors map[string]string
	// Proxy is what downloads go through.
	Proxy Proxy
	// SSHKeys are the public keys with which people log in, lines of an authorized_keys file.
	SSHKeys []string
	// Downloads is the URL of a site that holds what the machine's image lacks, laid out as v1alpha1.NodeSettings says;
	// empty: everything comes from where it is made.
	Downloads string
}

// UserData returns what makes a plain Debian, Ubuntu or Flatcar machine a node of the cluster. On a machine that has all it
// needs, nothing is downloaded.
func UserData(in BootstrapInput) ([]byte, error) {
	rendered, err := in.templates()
	if err != nil {
		return nil, err
	}
	files, err := in.files(rendered)
	if err != nil {
		return nil, err
	}
	switch in.Format {
	case CloudConfig:
		return encodeCloudConfig(in.Name, files)
	case Ignition:
		return encodeIgnition(in.Name, files)
	case Script:
		files = append(files, file{leavePath, "0755", rendered["leave"]})
		return encodeScript(rendered["join"], files), nil
	}
	return nil, fmt.Errorf("there is no user data in the format %q", in.Format)
}

// files returns what is written on the machine before its unit start-node is started.
func (in BootstrapInput) files(rendered map[string]string) ([]file, error) {
	kubelet, err := yaml.Marshal(in.kubeletConfiguration())
	if err != nil {
		return nil, err
	}
	bootstrap, err := yaml.Marshal(in.bootstrapKubeconfig())
	if err != nil {
		return nil, err
	}
	files := []file{
		{nodenetwork.SSHKeysFile, "0644", in.authorizedKeys()},
		{"/etc/canopy/reserve-resources", "0755", rendered["reserve-resources"]},
		{"/etc/canopy/start-node", "0755", rendered["start-node"]},
		{"/etc/containerd/config.toml", "0644", rendered["containerd.toml"]},
		{"/etc/kubernetes/bootstrap-kubelet.conf", "0600", string(bootstrap)},
		{"/etc/kubernetes/kubelet.yaml", "0644", string(kubelet)},
		{"/etc/kubernetes/pki/ca.crt", "0644", string(in.CA)},
		{"/etc/ssh/sshd_config.d/50-canopy.conf", "0644", sshd},
		{"/etc/sysctl.d/90-kubernetes.conf", "0644", sysctls},
		{unitFolder + "kubelet.service", "0644", rendered["kubelet.service"]},
		{unitFolder + startUnit, "0644", rendered[startUnit]},
		{"/etc/tmpfiles.d/canopy.conf", "0644", cleanedAtBoot},
	}
	if proxy := in.Proxy.environment(in.mirrors()); proxy != "" {
		files = append(files,
			file{proxyPath, "0644", proxy},
			file{unitFolder + "containerd.service.d/proxy.conf", "0644", "[Service]\nEnvironmentFile=" + proxyPath + "\n"})
	}
	mirror := in.hostsFiles()
	for _, path := range slices.Sorted(maps.Keys(mirror)) {
		files = append(files, file{"/etc/containerd/certs.d/" + path, "0644", mirror[path]})
	}
	return files, nil
}

// sshd lets people in as the image's own user, which is an administrator, beside the keys that this user has already. It is
// written before sshd starts.
const sshd = "Match Group sudo\n  AuthorizedKeysFile .ssh/authorized_keys " + nodenetwork.SSHKeysFile + "\nMatch all\n"

// keysInUserData is how many bytes of SSH keys there are in user data, which clouds limit; the others come when the node has
// joined.
const keysInUserData = 4 << 10

// authorizedKeys is the file with the SSH keys, as far as they have space.
func (in BootstrapInput) authorizedKeys() string {
	var lines strings.Builder
	for _, key := range in.SSHKeys {
		if lines.Len()+len(key) < keysInUserData {
			lines.WriteString(key + "\n")
		}
	}
	return lines.String()
}

// mirrors returns the URLs of all mirrors.
func (in BootstrapInput) mirrors() []string {
	var urls []string
	if in.Downloads != "" {
		urls = append(urls, in.Downloads)
	}
	if in.RegistryMirror != "" {
		urls = append(urls, in.RegistryMirror)
	}
	for _, host := range slices.Sorted(maps.Keys(in.RegistryMirrors)) {
		urls = append(urls, in.RegistryMirrors[host])
	}
	return urls
}

// hostsFiles are containerd's files for the registry mirrors, by their paths.
func (in BootstrapInput) hostsFiles() map[string]string {
	files := map[string]string{}
	if in.RegistryMirror != "" {
		files = images.HostsFiles(in.RegistryMirror)
	}
	for host, mirror := range in.RegistryMirrors {
		path, content := images.HostsFile(host, mirror)
		files[path] = content
	}
	return files
}

// templates returns the files of the folder userdata, by name.
func (in BootstrapInput) templates() (map[string]string, error) {
	endpoint, err := url.Parse(in.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("the cluster's endpoint: %w", err)
	}
	data := struct {
		BootstrapInput
		PauseImage, NodeLabels, Version, EndpointHost, KubeletSite, Plugins string
	}{
		in, images.Ref("pause"), in.nodeLabels(), "v" + in.Version, endpoint.Hostname(),
		cmp.Or(in.Downloads, upstreamKubelet), cmp.Or(in.Downloads, upstreamPlugins) + "/" + pluginsRelease,
	}
	rendered := map[string]string{}
	for _, t := range userDataTemplates.Templates() {
		var out strings.Builder
		if err := t.Execute(&out, data); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", t.Name(), err)
		}
		rendered[t.Name()] = out.String()
	}
	return rendered, nil
}

// kubeletConfiguration is a KubeletConfiguration. What is not set has upstream's default. What the machine itself knows better
// is in files of a folder that kubelet reads afterwards: how much of it is kept from pods (reserve-resources), and in an image
// for containers what a container can't have.
//
// There is no provider ID in it. Every cloud has another way to ask for it, and what a machine says of itself is no proof; the
// seed knows it, and writes it into the node that has the machine's name.
func (in BootstrapInput) kubeletConfiguration() map[string]any {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"cgroupDriver":             "systemd",
		"clusterDNS":               []string{in.DNSAddress},
		"clusterDomain":            in.DNSDomain,
		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
		"rotateCertificates":       true,
		"serverTLSBootstrap":       true,
		"serializeImagePulls":      false,
		"maxParallelImagePulls":    5,
		// Pods end in order when the machine is turned off.
		"shutdownGracePeriod":             "30s",
		"shutdownGracePeriodCriticalPods": "10s",
	}
	if len(in.Taints) > 0 {
		config["registerWithTaints"] = in.Taints
	}
	return config
}

// bootstrapKubeconfig is what kubelet asks for its first certificate with.
func (in BootstrapInput) bootstrapKubeconfig() map[string]any {
	user := map[string]any{"token": in.Token}
	if in.Format == Script {
		user = map[string]any{"client-certificate": joinCertificate, "client-key": joinKey}
	}
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": "cluster", "cluster": map[string]any{
			"server": in.Endpoint, "certificate-authority": "/etc/kubernetes/pki/ca.crt",
		}}},
		"users":           []any{map[string]any{"name": "machine", "user": user}},
		"contexts":        []any{map[string]any{"name": "default", "context": map[string]any{"cluster": "cluster", "user": "machine"}}},
		"current-context": "default",
	}
}

// cleanedAtBoot removes the configuration of the node's network, so that after a boot pods wait until it is complete again.
const cleanedAtBoot = "r! /etc/cni/net.d/*.conflist\n"

// sysctls are kernel settings: nodes forward what pods send, and more is watched on them than on other machines.
const sysctls = "net.ipv4.ip_forward = 1\nfs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\n"

// nodeLabels is the value of kubelet's flag. Kubernetes keeps some labels from kubelet's hands; those come to the node
// through Cluster API (SyncedLabels).
func (in BootstrapInput) nodeLabels() string {
	labels := []string{v1alpha1.LabelPool + "=" + in.Pool}
	for _, key := range slices.Sorted(maps.Keys(in.Labels)) {
		if !reservedLabel.MatchString(key) {
			labels = append(labels, key+"="+in.Labels[key])
		}
	}
	return strings.Join(labels, ",")
}

// reservedLabel matches the labels that Kubernetes keeps for itself.
var reservedLabel = regexp.MustCompile(`^([-a-z0-9.]+\.)?(kubernetes|k8s)\.io/`)

// SyncedLabels match the labels of a Machine that Cluster API keeps on its node.
func SyncedLabels() []*regexp.Regexp {
	return []*regexp.Regexp{reservedLabel, regexp.MustCompile("^" + regexp.QuoteMeta(v1alpha1.LabelPool) + "$")}
}
