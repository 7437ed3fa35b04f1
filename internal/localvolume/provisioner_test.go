// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package localvolume

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"canopy.dev/canopy/internal/golden"
)

func options(name string) controller.ProvisionOptions {
	policy := corev1.PersistentVolumeReclaimRetain
	return controller.ProvisionOptions{
		PVName:       name,
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &policy},
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
	}
}

func TestProvisionMakesADirectoryThatEveryUserCanWriteTo(t *testing.T) {
	p := &provisioner{path: t.TempDir(), node: "node-1"}
	for range 2 { // the second time as after a crash
		if _, _, err := p.Provision(t.Context(), options("pvc-1")); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(p.path, "pvc-1"))
	if err != nil || info.Mode() != fs.ModeDir|0o777 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestVolumes(t *testing.T) {
	own, shared := &provisioner{path: "/volumes", node: "node-1"}, &provisioner{path: "/volumes", shared: true}
	golden.Check(t, "volumes.yaml", golden.YAML(t, scheme.Scheme, []client.Object{
		own.volume("/volumes/pvc-1", options("pvc-1")),
		shared.volume("/volumes/pvc-2", options("pvc-2")),
	}))
}

func TestObjects(t *testing.T) {
	base := golden.YAML(t, scheme.Scheme, Objects(Input{
		Namespace: "kube-system", Image: "registry.example.com/canopy-server:1", Path: "/var/lib/volumes", Node: "node-1",
	}))
	golden.Check(t, "base.yaml", base)
	golden.CheckVariant(t, "shared.diff", base, golden.YAML(t, scheme.Scheme, Objects(Input{
		Namespace: "kube-system", Image: "registry.example.com/canopy-server:1", Path: "/var/lib/volumes",
	})))
}

func TestDeleteRemovesOnlyTheVolume(t *testing.T) {
	p := &provisioner{path: filepath.Join(t.TempDir(), "volumes"), node: "node-1"}
	outside := t.TempDir()
	write(t, filepath.Join(outside, "precious"))
	write(t, filepath.Join(p.path, "pvc-1", "deep", "file"))
	write(t, filepath.Join(p.path, "pvc-2", "file"))
	if err := os.Symlink(outside, filepath.Join(p.path, "pvc-1", "link")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time as after a crash
		if err := p.Delete(t.Context(), p.volume(filepath.Join(p.path, "pvc-1"), options("pvc-1"))); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(p.path)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"pvc-2"}, left); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestDeleteRefusesWhatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	p := &provisioner{path: filepath.Join(dir, "volumes"), node: "node-1"}
	write(t, filepath.Join(dir, "precious", "file"))
	write(t, filepath.Join(p.path, "pvc-1", "file"))
	if err := os.Symlink(filepath.Join(dir, "precious"), filepath.Join(p.path, "pvc-link")); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		name, path string
		fails      bool
	}{
		"a volume recorded elsewhere": {"pvc-1", filepath.Join(dir, "precious"), true},
		"a name that leads out":       {"../precious", filepath.Join(dir, "precious"), true},
		"a name that is the folder":   {".", p.path, true},
		"no name":                     {"", p.path, true},
		"a volume replaced by a link, which alone is removed": {"pvc-link", filepath.Join(p.path, "pvc-link"), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: tc.name}}
			pv.Spec.Local = &corev1.LocalVolumeSource{Path: tc.path}
			if err := p.Delete(t.Context(), pv); (err != nil) != tc.fails {
				t.Errorf("error = %v, want one: %t", err, tc.fails)
			}
			for _, file := range []string{filepath.Join(dir, "precious", "file"), filepath.Join(p.path, "pvc-1", "file")} {
				if _, err := os.Stat(file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestShouldProvisionOnlyFileSystems(t *testing.T) {
	block, files := corev1.PersistentVolumeBlock, corev1.PersistentVolumeFilesystem
	for name, tc := range map[string]struct {
		mode *corev1.PersistentVolumeMode
		want bool
	}{"by default": {nil, true}, "a file system": {&files, true}, "a block device": {&block, false}} {
		claim := &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{VolumeMode: tc.mode}}
		if got := (&provisioner{}).ShouldProvision(t.Context(), claim); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

func TestCommandNeedsToKnowWhereTheVolumesAre(t *testing.T) {
	t.Setenv("NODE_NAME", "")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no path":         {[]string{"--node=n"}, "--path"},
		"a relative path": {[]string{"--node=n", "--path=volumes"}, "absolute"},
		"no node":         {[]string{"--path=/volumes"}, "--shared"},
	} {
		cmd := NewCommand()
		cmd.SetArgs(tc.args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error = %v, want one about %q", name, err, tc.want)
		}
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
