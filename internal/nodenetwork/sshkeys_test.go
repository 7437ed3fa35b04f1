// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

func TestSSHKeysFollowTheConfigMap(t *testing.T) {
	dir := t.TempDir()
	k := &sshKeys{path: filepath.Join(dir, "authorized_keys"), store: cache.NewStore(cache.MetaNamespaceKeyFunc)}
	if err := os.WriteFile(k.path, []byte("from the boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: SSHKeysConfigMap}}
	step := func(what, want string) {
		t.Helper()
		if err := k.write(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(k.path)
		if err != nil || string(content) != want {
			t.Errorf("%s: %q, %v; want %q", what, content, err, want)
		}
	}
	step("without the ConfigMap", "from the boot\n")
	set := func(keys string) {
		t.Helper()
		config.Data = map[string]string{SSHKeysKey: keys}
		if err := k.store.Update(config); err != nil {
			t.Fatal(err)
		}
	}
	set("ada\nben\n")
	step("two keys", "ada\nben\n")
	if info, err := os.Stat(k.path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("sshd cannot read it: %v, %v", info.Mode(), err)
	}
	before, _ := os.Stat(k.path)
	step("the same", "ada\nben\n")
	if after, _ := os.Stat(k.path); !os.SameFile(before, after) {
		t.Error("it was written though nothing had changed")
	}
	set("")
	step("no key", "")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something was left beside it: %v, %v", left, err)
	}
}
