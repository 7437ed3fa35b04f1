// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/golden"
)

// userDataLimit is what EC2 takes; other clouds take more.
const userDataLimit = 16 << 10

func bootstrapInput(mods ...func(*BootstrapInput)) BootstrapInput {
	in := BootstrapInput{
		Name: "workers-abcde-fghij", Pool: "workers", Version: "1.37.2",
		Endpoint: "https://203.0.113.7:31234", CA: []byte("-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"),
		Token: "abcdef.0123456789abcdef", DNSAddress: "10.240.16.10", DNSDomain: "cluster.local",
	}
	for _, mod := range mods {
		mod(&in)
	}
	return in
}

var userDataVariants = map[string]func(*BootstrapInput){
	"local": func(in *BootstrapInput) {
		in.Traits = Traits{Container: true, ProviderID: LocalProviderID("cluster-demo", in.Name)}
		in.RegistryMirror = "http://10.202.0.2:5000"
	},
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
	"own-downloads": func(in *BootstrapInput) { in.Downloads = "https://downloads.example.test/kubernetes" },
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
	for name, mod := range userDataVariants {
		data := userDataOf(t, bootstrapInput(mod, func(in *BootstrapInput) {
			in.CA = bytes.Repeat([]byte("c"), 2<<10)
			for range 50 {
				in.SSHKeys = append(in.SSHKeys, "ssh-rsa "+strings.Repeat("A", 720)+" somebody")
			}
		}))
		if len(data) > userDataLimit {
			t.Errorf("%s: %d bytes of user data, %d are allowed", name, len(data), userDataLimit)
		}
	}
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
	path := filepath.Join(t.TempDir(), "start-node")
	if err := os.WriteFile(path, []byte(files(t, userDataOf(t, bootstrapInput()))["/etc/canopy/start-node"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
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
