// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
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

// DefaultDownloads is where a machine whose image lacks kubelet downloads it: a site that is laid out like upstream's.
const DefaultDownloads = "https://dl.k8s.io"

// proxyPath is the file with the proxy's variables on a machine that has one.
const proxyPath = "/etc/canopy/proxy"

//go:embed userdata
var userData embed.FS

var userDataTemplates = template.Must(template.ParseFS(userData, "userdata/containerd.toml", "userdata/kubelet.service", "userdata/start-node"))

// BootstrapInput is everything that a machine's user data is made from.
type BootstrapInput struct {
	Traits
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
	// Token is a bootstrap token, "<id>.<secret>".
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
	// Downloads is where kubelet comes from if the machine's image lacks it; empty: DefaultDownloads.
	Downloads string
}

type cloudConfig struct {
	Hostname string      `json:"hostname"`
	Files    []writeFile `json:"write_files"`
	Commands [][]string  `json:"runcmd"`
}

type writeFile struct {
	Path        string `json:"path"`
	Permissions string `json:"permissions"`
	Content     string `json:"content"`
}

// UserData returns the cloud-config that makes a plain Debian or Ubuntu machine a node of the cluster. On a machine that
// has all it needs, nothing is downloaded.
func UserData(in BootstrapInput) ([]byte, error) {
	containerd, service, start, err := in.templates()
	if err != nil {
		return nil, err
	}
	kubelet, err := yaml.Marshal(in.kubeletConfiguration())
	if err != nil {
		return nil, err
	}
	bootstrap, err := yaml.Marshal(in.bootstrapKubeconfig())
	if err != nil {
		return nil, err
	}
	files := []writeFile{
		{nodenetwork.SSHKeysFile, "0644", in.authorizedKeys()},
		{"/etc/canopy/start-node", "0755", start},
		{"/etc/containerd/config.toml", "0644", containerd},
		{"/etc/kubernetes/bootstrap-kubelet.conf", "0600", string(bootstrap)},
		{"/etc/kubernetes/kubelet.yaml", "0644", string(kubelet)},
		{"/etc/kubernetes/pki/ca.crt", "0644", string(in.CA)},
		{"/etc/ssh/sshd_config.d/50-canopy.conf", "0644", sshd},
		{"/etc/sysctl.d/90-kubernetes.conf", "0644", in.sysctls()},
		{"/etc/systemd/system/kubelet.service", "0644", service},
		{"/etc/tmpfiles.d/canopy.conf", "0644", cleanedAtBoot},
	}
	if proxy := in.Proxy.environment(in.mirrors()); proxy != "" {
		files = append(files,
			writeFile{proxyPath, "0644", proxy},
			writeFile{"/etc/systemd/system/containerd.service.d/proxy.conf", "0644", "[Service]\nEnvironmentFile=" + proxyPath + "\n"})
	}
	mirror := in.hostsFiles()
	for _, path := range slices.Sorted(maps.Keys(mirror)) {
		files = append(files, writeFile{"/etc/containerd/certs.d/" + path, "0644", mirror[path]})
	}
	config, err := yaml.Marshal(cloudConfig{Hostname: in.Name, Files: files, Commands: [][]string{{"/etc/canopy/start-node"}}})
	if err != nil {
		return nil, err
	}
	return append([]byte("#cloud-config\n"), config...), nil
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

// mirrors returns the URLs of all registry mirrors.
func (in BootstrapInput) mirrors() []string {
	var urls []string
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

func (in BootstrapInput) templates() (containerd, service, start string, err error) {
	downloads := in.Downloads
	if downloads == "" {
		downloads = DefaultDownloads
	}
	endpoint, err := url.Parse(in.Endpoint)
	if err != nil {
		return "", "", "", fmt.Errorf("the cluster's endpoint: %w", err)
	}
	data := struct {
		BootstrapInput
		PauseImage, NodeLabels, Version, Downloads, EndpointHost string
	}{in, images.Ref("pause"), in.nodeLabels(), "v" + in.Version, downloads, endpoint.Hostname()}
	out := [3]bytes.Buffer{}
	for i, name := range []string{"containerd.toml", "kubelet.service", "start-node"} {
		if err := userDataTemplates.ExecuteTemplate(&out[i], name, data); err != nil {
			return "", "", "", fmt.Errorf("rendering %s: %w", name, err)
		}
	}
	return out[0].String(), out[1].String(), out[2].String(), nil
}

// kubeletConfiguration is a KubeletConfiguration. What is not set has upstream's default.
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
		"clusterDNS":               []string{in.DNSAddress},
		"clusterDomain":            in.DNSDomain,
		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
		"rotateCertificates":       true,
		"serverTLSBootstrap":       true,
		"serializeImagePulls":      false,
		"maxParallelImagePulls":    5,
	}
	if in.ProviderID != "" {
		config["providerID"] = in.ProviderID
	}
	if len(in.Taints) > 0 {
		config["registerWithTaints"] = in.Taints
	}
	if in.Container {
		maps.Copy(config, onSharedHost)
	} else {
		maps.Copy(config, onOwnMachine)
	}
	return config
}

// onOwnMachine leaves something to the system, and ends pods in order when the machine is turned off.
var onOwnMachine = map[string]any{
	"cgroupDriver":                    "systemd",
	"shutdownGracePeriod":             "30s",
	"shutdownGracePeriodCriticalPods": "10s",
	"systemReserved":                  map[string]any{"cpu": "100m", "memory": "200Mi"},
}

// onSharedHost is for kubelet in a container: control groups of either version, swap and a rather full disk are the host's
// business.
var onSharedHost = map[string]any{
	"cgroupDriver":                "cgroupfs",
	"failCgroupV1":                false,
	"failSwapOn":                  false,
	"oomScoreAdj":                 0,
	"imageGCHighThresholdPercent": 100,
	"imageGCLowThresholdPercent":  99,
	"evictionHard": map[string]any{
		"memory.available":   "100Mi",
		"nodefs.available":   "1Gi",
		"nodefs.inodesFree":  "1%",
		"imagefs.available":  "1Gi",
		"imagefs.inodesFree": "1%",
	},
}

// bootstrapKubeconfig is what kubelet asks for its first certificate with.
func (in BootstrapInput) bootstrapKubeconfig() map[string]any {
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": "cluster", "cluster": map[string]any{
			"server": in.Endpoint, "certificate-authority": "/etc/kubernetes/pki/ca.crt",
		}}},
		"users":           []any{map[string]any{"name": "machine", "user": map[string]any{"token": in.Token}}},
		"contexts":        []any{map[string]any{"name": "default", "context": map[string]any{"cluster": "cluster", "user": "machine"}}},
		"current-context": "default",
	}
}

// cleanedAtBoot removes the configuration of the node's network, so that after a boot pods wait until it is complete again.
const cleanedAtBoot = "r! /etc/cni/net.d/*.conflist\n"

// sysctls are kernel settings; in a container only those that are the container's own.
func (in BootstrapInput) sysctls() string {
	settings := "net.ipv4.ip_forward = 1\n"
	if !in.Container {
		settings += "fs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\n"
	}
	return settings
}

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
