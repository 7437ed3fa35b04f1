// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	ignition "github.com/coreos/ignition/v2/config/v3_4"
	"github.com/coreos/ignition/v2/config/v3_4/types"
	"github.com/google/go-cmp/cmp"
	"github.com/vincent-petithory/dataurl"
	corev1 "k8s.io/api/core/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/golden"
)

// userDataLimit is what EC2 takes; other clouds take more.
const userDataLimit = 16 << 10

func bootstrapInput(mods ...func(*BootstrapInput)) BootstrapInput {
	in := BootstrapInput{
		Format: CloudConfig, Name: "workers-abcde-fghij", Pool: "workers", Version: "1.37.2",
		Endpoint: "https://203.0.113.7:31234", CA: []byte("-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"),
		Token: "abcdef.0123456789abcdef", DNSAddress: "10.240.16.10", DNSDomain: "cluster.local",
	}
	for _, mod := range mods {
		mod(&in)
	}
	return in
}

var userDataVariants = map[string]func(*BootstrapInput){
	"labels-and-taints": func(in *BootstrapInput) {
		in.Labels = map[string]string{"team": "search", "node-role.kubernetes.io/worker": "", "example.test/disk": "ssd"}
		in.Taints = []corev1.Taint{{Key: "team", Value: "search", Effect: corev1.TaintEffectNoSchedule}}
	},
	"name-without-dns": func(in *BootstrapInput) {
		in.Endpoint, in.EndpointAddress = "https://demo.seed.example.test:443", "203.0.113.8"
	},
	"proxy": func(in *BootstrapInput) {
		in.Proxy = Proxy{HTTP: "http://proxy.example.com:3128", HTTPS: "http://proxy.example.com:3128", No: "10.0.0.0/8,.example.com"}
		in.RegistryMirror = "https://registry.example.org/mirror"
	},
	"mirrors": func(in *BootstrapInput) {
		in.Proxy = Proxy{HTTPS: "http://proxy.example.com:3128"}
		in.RegistryMirror = "https://registry.example.org/mirror"
		in.RegistryMirrors = map[string]string{
			"docker.io":                 "https://mirror.example.com/docker.io",
			"registry.example.com:5000": "https://mirror.example.com/own",
		}
	},
	"ssh-keys": func(in *BootstrapInput) {
		in.SSHKeys = []string{"ssh-ed25519 AAAAC3Nz ada", "ssh-ed25519 AAAAC3Nx ben"}
	},
	"own-downloads": func(in *BootstrapInput) {
		in.Downloads = "https://downloads.example.test/nodes"
		in.Proxy = Proxy{HTTPS: "http://proxy.example.com:3128"}
	},
}

func userDataOf(t *testing.T, in BootstrapInput) string {
	t.Helper()
	data, err := UserData(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestUserData(t *testing.T) {
	base := userDataOf(t, bootstrapInput())
	golden.Check(t, "user-data.yaml", base)
	for name, mod := range userDataVariants {
		t.Run(name, func(t *testing.T) {
			golden.CheckVariant(t, "user-data-"+name+".diff", base, userDataOf(t, bootstrapInput(mod)))
		})
	}
}

func TestUserDataFitsIntoEveryCloud(t *testing.T) {
	for _, format := range []Format{CloudConfig, Ignition} {
		for name, mod := range userDataVariants {
			data := userDataOf(t, bootstrapInput(mod, func(in *BootstrapInput) {
				in.Format = format
				in.CA = bytes.Repeat([]byte("c"), 2<<10)
				for range 50 {
					in.SSHKeys = append(in.SSHKeys, "ssh-rsa "+strings.Repeat("A", 720)+" somebody")
				}
			}))
			if len(data) > userDataLimit {
				t.Errorf("%s, %s: %d bytes of user data, %d are allowed", name, format, len(data), userDataLimit)
			}
		}
	}
}

func TestIgnitionDoesWhatCloudConfigDoes(t *testing.T) {
	for name, mod := range userDataVariants {
		t.Run(name, func(t *testing.T) {
			data := userDataOf(t, bootstrapInput(mod, func(in *BootstrapInput) { in.Format = Ignition }))
			config, report, err := ignition.Parse([]byte(data))
			if err != nil || len(report.Entries) > 0 {
				t.Fatalf("%v: %s", err, report.String())
			}
			got := ignitionFiles(t, config)
			for path, want := range files(t, userDataOf(t, bootstrapInput(mod))) {
				if diff := cmp.Diff(want, got[path]); diff != "" {
					t.Errorf("%s differs (-cloud-config +Ignition):\n%s", path, diff)
				}
				delete(got, path)
			}
			want := map[string]string{
				"/etc/hostname": "workers-abcde-fghij\n",
				"/etc/systemd/system/containerd.service.d/config.conf": flatcarContainerd,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what only Flatcar has (-want +got):\n%s", diff)
			}
		})
	}
}

// ignitionFiles returns the files that a config writes, by path, and makes sure that its unit is started.
func ignitionFiles(t *testing.T, config types.Config) map[string]string {
	t.Helper()
	byPath := map[string]string{}
	for _, f := range config.Storage.Files {
		packed, err := dataurl.DecodeString(*f.Contents.Source)
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := gzip.NewReader(bytes.NewReader(packed.Data))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(zipped)
		if err != nil {
			t.Fatal(err)
		}
		byPath[f.Path] = string(content)
	}
	started := 0
	for _, u := range config.Systemd.Units {
		if u.Contents != nil {
			byPath[unitFolder+u.Name] = *u.Contents
		}
		if u.Name == startUnit && u.Enabled != nil && *u.Enabled {
			started++
		}
	}
	if started != 1 {
		t.Errorf("%s is started %d times", startUnit, started)
	}
	return byPath
}

// files returns the files that the user data writes, by path.
func files(t *testing.T, userData string) map[string]string {
	t.Helper()
	if !strings.HasPrefix(userData, "#cloud-config\n") {
		t.Fatalf("cloud-init does not recognize user data that starts with %.20q", userData)
	}
	config := cloudConfig{}
	if err := yaml.UnmarshalStrict([]byte(userData), &config); err != nil {
		t.Fatal(err)
	}
	byPath := map[string]string{}
	for _, f := range config.Files {
		byPath[f.Path] = f.Content
	}
	return byPath
}

func TestKubeletKnowsEveryFieldOfItsConfiguration(t *testing.T) {
	for name, mod := range userDataVariants {
		t.Run(name, func(t *testing.T) {
			config := kubeletv1beta1.KubeletConfiguration{}
			if err := yaml.UnmarshalStrict([]byte(files(t, userDataOf(t, bootstrapInput(mod)))["/etc/kubernetes/kubelet.yaml"]), &config); err != nil {
				t.Fatal(err)
			}
			if config.Authentication.Anonymous.Enabled == nil || *config.Authentication.Anonymous.Enabled {
				t.Error("anonymous requests are served")
			}
			if config.Authorization.Mode != kubeletv1beta1.KubeletAuthorizationModeWebhook {
				t.Errorf("requests are authorized by %q", config.Authorization.Mode)
			}
			if !config.RotateCertificates || !config.ServerTLSBootstrap {
				t.Error("kubelet does not ask for its certificates")
			}
		})
	}
}

// The script is only run on machines: here it is at least read to the end.
func TestStartNodeIsAShellScript(t *testing.T) {
	for name, mod := range userDataVariants {
		path := filepath.Join(t.TempDir(), "start-node")
		if err := os.WriteFile(path, []byte(files(t, userDataOf(t, bootstrapInput(mod)))["/etc/canopy/start-node"]), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func TestReserveResources(t *testing.T) {
	script := files(t, userDataOf(t, bootstrapInput()))["/etc/canopy/reserve-resources"]
	for name, tc := range map[string]struct {
		cpus, kib int
		want      string
	}{
		"less than a gibibyte":      {1, 900 << 10, "{cpu: 60m, memory: 255Mi}"},
		"two cores, four gibibytes": {2, 4 << 20, "{cpu: 70m, memory: 1024Mi}"},
		"between two steps":         {3, 6 << 20, "{cpu: 75m, memory: 1433Mi}"},
		"eight cores":               {8, 32 << 20, "{cpu: 90m, memory: 3645Mi}"},
		"beyond the last step":      {64, 256 << 20, "{cpu: 230m, memory: 12164Mi}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			meminfo := fmt.Sprintf("MemTotal:       %d kB\nMemFree:        1000 kB\n", tc.kib)
			if err := os.WriteFile(dir+"/meminfo", []byte(meminfo), 0o600); err != nil {
				t.Fatal(err)
			}
			here := strings.NewReplacer("/proc/meminfo", dir+"/meminfo", "$(nproc)", strconv.Itoa(tc.cpus), "/etc/kubernetes", dir).Replace(script)
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", here).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			dropIn, err := os.ReadFile(dir + "/kubelet.conf.d/50-reserved.conf")
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(dropIn, &kubeletv1beta1.KubeletConfiguration{}); err != nil {
				t.Error(err)
			}
			if !strings.HasSuffix(string(dropIn), "kubeReserved: "+tc.want+"\n") {
				t.Errorf("want %s:\n%s", tc.want, dropIn)
			}
		})
	}
}

// What is special about a container is in the image for containers, and changes what user data writes.
func TestImageForContainersFitsUserData(t *testing.T) {
	const image = "../../images/node/etc/"
	dropIn, err := os.ReadFile(image + "kubernetes/kubelet.conf.d/90-local.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(dropIn, &kubeletv1beta1.KubeletConfiguration{}); err != nil {
		t.Errorf("kubelet refuses what the image says: %v", err)
	}
	unit, err := os.ReadFile(image + "systemd/system/containerd.service.d/50-local.conf")
	if err != nil {
		t.Fatal(err)
	}
	replaced := regexp.MustCompile(`"s/(.+)/(.+)/" /etc/containerd/config.toml`).FindStringSubmatch(string(unit))
	if replaced == nil || !strings.Contains(files(t, userDataOf(t, bootstrapInput()))["/etc/containerd/config.toml"], replaced[1]) {
		t.Errorf("containerd's configuration does not contain what the image replaces in it: %q", replaced)
	}
}

func TestKubeletRegistersOnlyLabelsThatItMay(t *testing.T) {
	labels := BootstrapInput{Pool: "workers", Labels: map[string]string{
		"team":                             "search",
		"kubernetes.io/os":                 "plan9",
		"node-role.kubernetes.io/worker":   "",
		"node-restriction.kubernetes.io/x": "y",
		"foo.k8s.io/x":                     "y",
		"cluster.x-k8s.io/x":               "y",
		"notkubernetes.io/x":               "y",
	}}.nodeLabels()
	if want := "hosting.canopy.dev/node-pool=workers,cluster.x-k8s.io/x=y,notkubernetes.io/x=y,team=search"; labels != want {
		t.Errorf("kubelet registers with\n%s, want\n%s", labels, want)
	}
}

func TestProxyValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		proxy Proxy
		err   string
	}{
		"none":             {},
		"complete":         {proxy: Proxy{HTTP: "http://192.0.2.7:3128", HTTPS: "https://proxy.example.com", No: "10.0.0.0/8,localhost"}},
		"no scheme":        {proxy: Proxy{HTTP: "192.0.2.7:3128"}, err: "want a URL"},
		"another protocol": {proxy: Proxy{HTTPS: "socks5://192.0.2.7:1080"}, err: "want a URL"},
		"a command":        {proxy: Proxy{HTTP: "http://192.0.2.7:3128", No: "$(reboot)"}, err: "cannot be part"},
		"a second line":    {proxy: Proxy{No: "a\nb"}, err: "cannot be part"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.proxy.Validate()
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("Validate() = %v, want %q", err, tc.err)
			}
		})
	}
}
