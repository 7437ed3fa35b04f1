// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package images

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const checkout = "../.."

func TestEveryImageIsNamedOnceAndPinned(t *testing.T) {
	seen := make(map[string]bool)
	for _, i := range All() {
		if seen[i.String()] {
			t.Errorf("%s is in the list twice", i)
		}
		seen[i.String()] = true
		host, _, ok := strings.Cut(i.Repository, "/")
		if !ok || !strings.Contains(host, ".") {
			t.Errorf("%s: repository %q does not start with a registry host", i, i.Repository)
		}
		fromHere := slices.ContainsFunc(i.Layers, func(l Layer) bool { return l.Go != nil && l.Go.Folder == "." })
		if fromHere != (len(i.Tags) == 0) {
			t.Errorf("%s: tags %v: images compiled from this repository have none, all others have some", i, i.Tags)
		}
		for _, tag := range i.Tags {
			if reference := i.Repository + ":" + tag; seen[reference] {
				t.Errorf("%s is in the list twice", reference)
			}
			seen[i.Repository+":"+tag] = true
			if !strings.ContainsAny(tag, "0123456789") || strings.Contains(tag, "{") {
				t.Errorf("%s: tag %q names no version", i, tag)
			}
		}
		for _, command := range i.Entrypoint[:min(1, len(i.Entrypoint))] {
			if !path.IsAbs(command) {
				t.Errorf("%s: entrypoint %q is no absolute path", i, command)
			}
		}
	}
}

func TestLayersNameWhatIsInTheRepository(t *testing.T) {
	for _, layer := range allLayers() {
		if g := layer.Go; g != nil {
			files := []string{"go.mod"}
			if g.ModFile != "" {
				files = append(files, g.ModFile, strings.TrimSuffix(g.ModFile, ".mod")+".sum")
			}
			for _, file := range files {
				if _, err := os.Stat(filepath.Join(checkout, g.Folder, file)); err != nil {
					t.Errorf("layer %s: %v", layer.Name, err)
				}
			}
		}
		if layer.Tree != "" {
			if _, err := os.Stat(filepath.Join(checkout, layer.Tree)); err != nil {
				t.Errorf("layer %s: %v", layer.Name, err)
			}
		}
		for folder, mode := range layer.Folders {
			if _, err := strconv.ParseUint(mode, 8, 12); err != nil {
				t.Errorf("layer %s: folder %s: %v", layer.Name, folder, err)
			}
		}
	}
}

func TestDebianLayersAreComplete(t *testing.T) {
	for _, layer := range allLayers() {
		d := layer.Debian
		if d == nil {
			continue
		}
		if d.Variant == "" || d.Suite == "" || len(d.Packages) == 0 {
			t.Errorf("layer %s: variant, suite or packages are missing: %+v", layer.Name, *d)
		}
		if _, err := time.Parse(time.DateOnly, d.Updated); err != nil {
			t.Errorf("layer %s: %v", layer.Name, err)
		}
		for _, pattern := range slices.Concat(d.Keep, d.Drop) {
			if _, err := path.Match(pattern, "/"); err != nil || !path.IsAbs(pattern) {
				t.Errorf("layer %s: pattern %q has to be absolute and valid: %v", layer.Name, pattern, err)
			}
		}
	}
}

// TestTagsAreThoseOfTheModules keeps an update of a module from being published under the old tag.
func TestTagsAreThoseOfTheModules(t *testing.T) {
	modules := map[string]string{
		"kubernetes@1.37.2":  "k8s.io/kubernetes",
		"kubernetes@1.36.3":  "k8s.io/kubernetes",
		"etcd":               "go.etcd.io/etcd/server/v3",
		"coredns":            "github.com/coredns/coredns",
		"flannel":            "github.com/flannel-io/flannel",
		"registry":           "github.com/distribution/distribution/v3",
		"metrics-server":     "sigs.k8s.io/metrics-server",
		"alertmanager":       "github.com/prometheus/alertmanager",
		"kube-state-metrics": "k8s.io/kube-state-metrics/v2",
		"prometheus":         "github.com/prometheus/prometheus",
	}
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			selected, err := Select(name)
			if err != nil {
				t.Fatal(err)
			}
			image := selected[0]
			top := image.Layers[len(image.Layers)-1]
			file := "go.mod"
			if top.Go.ModFile != "" {
				file = top.Go.ModFile
			}
			content, err := os.ReadFile(filepath.Join(checkout, top.Go.Folder, file))
			if err != nil {
				t.Fatal(err)
			}
			found := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(content)
			if found == nil {
				t.Fatalf("%s/%s does not require %s", top.Go.Folder, file, module)
			}
			tag, _, _ := strings.Cut(strings.TrimPrefix(image.Tags[0], "v"), "-")
			version := string(found[1])
			if name == "prometheus" { // v3.16.0 is the module's v0.316.0
				version = regexp.MustCompile(`^0\.(\d)(\d\d)\.`).ReplaceAllString(version, "$1.$2.")
			}
			if version != tag {
				t.Errorf("%s is made from version %s of %s", image.Ref(), version, module)
			}
		})
	}
}

func allLayers() map[string]Layer {
	layers := make(map[string]Layer)
	for _, i := range All() {
		for _, layer := range i.Layers {
			layers[layer.Name] = layer
		}
	}
	return layers
}

func TestRef(t *testing.T) {
	if got, want := Ref("pause"), "registry.k8s.io/pause:3.10.2"; got != want {
		t.Errorf("Ref(pause) = %s, want %s", got, want)
	}
	if got, want := Ref("kube-proxy"), "registry.k8s.io/kube-proxy:v"+DefaultKubernetesVersion(); got != want {
		t.Errorf("Ref(kube-proxy) = %s, want that of the default version, %s", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("Ref of an unknown image did not panic")
		}
	}()
	Ref("no-such-image")
}

func TestKubernetes(t *testing.T) {
	for name, version := range map[string]string{"without v": "1.36.3", "with v": "v1.36.3"} {
		t.Run(name, func(t *testing.T) {
			got, err := Kubernetes("node", version)
			if want := "registry.canopy.dev/node:v1.36.3"; got != want || err != nil {
				t.Errorf("Kubernetes(node, %s) = %s, %v, want %s", version, got, err, want)
			}
		})
	}
	_, err := Kubernetes("node", "1.35.0")
	if err == nil || !strings.Contains(err.Error(), strings.Join(KubernetesVersions(), ", ")) {
		t.Errorf("error for a version without images = %v, want one that names those there are", err)
	}
}

func TestSelect(t *testing.T) {
	tests := map[string]struct {
		names []string
		want  []string
		err   string
	}{
		"an image that has nothing to do with Kubernetes": {names: []string{"etcd"}, want: []string{"etcd"}},
		"the default version":                             {names: []string{"node"}, want: []string{"node@1.37.2"}},
		"another version":                                 {names: []string{"node@1.36.3"}, want: []string{"node@1.36.3"}},
		"the order of the list, each once": {
			names: []string{"pause", "etcd", "pause"}, want: []string{"etcd", "pause"},
		},
		"all of one version": {
			names: []string{"@1.36.3"},
			want: []string{
				"kube-apiserver@1.36.3", "kube-controller-manager@1.36.3", "kube-scheduler@1.36.3", "kube-proxy@1.36.3",
				"kubernetes@1.36.3", "terminal@1.36.3", "node@1.36.3",
			},
		},
		"an unknown name":                        {names: []string{"ectd"}, err: `no image "ectd"`},
		"a version of an image that has none":    {names: []string{"etcd@1.36.3"}, err: `no image "etcd@1.36.3"`},
		"a version that there are no images for": {names: []string{"node@1.20.0"}, err: "1.37.2, 1.36.3"},
		"an empty name":                          {names: []string{""}, err: `no image ""`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			selected, err := Select(tc.names...)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error = %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, known(selected)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaultLeavesOutWhatIsOptionalOrOfAnotherVersion(t *testing.T) {
	names := known(Default())
	if slices.Contains(names, "node@1.36.3") {
		t.Error("node@1.36.3 is in the default set")
	}
	for _, image := range All() {
		if image.Optional && slices.Contains(names, image.String()) {
			t.Errorf("%s is in the default set", image)
		}
	}
	for _, name := range []string{"canopy-server", "node@1.37.2", "pause"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing in the default set", name)
		}
	}
}
