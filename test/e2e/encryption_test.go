// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/local"
)

// inEtcd returns the values below a key of the platform's etcd, as they are stored.
func inEtcd(t *testing.T, args ...string) string {
	t.Helper()
	return seed(t).run(append([]string{
		"-n", "kube-system", "exec", "etcd-canopy", "--", "etcdctl", "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
		"--cert=/etc/kubernetes/pki/etcd/server.crt", "--key=/etc/kubernetes/pki/etcd/server.key", "get",
	}, args...)...)
}

func TestSecretsAreEncryptedInEtcd(t *testing.T) {
	k := seed(t)
	t.Cleanup(func() {
		if _, err := k.try("", "delete", "secret", "e2e-witness", "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	k.apply("{apiVersion: v1, kind: Secret, metadata: {name: e2e-witness}, stringData: {word: plainly}}")
	stored := inEtcd(t, "/registry/secrets/default/e2e-witness", "--print-value-only")
	if !strings.HasPrefix(stored, "k8s:enc:secretbox:v1:") || strings.Contains(stored, "plainly") {
		t.Errorf("the Secret begins with %q", stored[:min(len(stored), 40)])
	}
	key := func() string {
		stored := inEtcd(t, "/registry/secrets/default/e2e-witness", "--print-value-only")
		return strings.Split(stored+":::::", ":")[4]
	}
	before := key()
	canopy(t, "rotate-key")
	if after := key(); after == before || after == "" {
		t.Errorf("after the rotation the Secret is written with key %q, before with %q", after, before)
	}
	// Every Secret is, and each can be read.
	secrets := strings.Count(inEtcd(t, "/registry/secrets/", "--prefix", "--keys-only"), "/registry/secrets/")
	rewritten := strings.Count(inEtcd(t, "/registry/secrets/", "--prefix"), "k8s:enc:secretbox:v1:"+key()+":")
	if secrets == 0 || rewritten != secrets {
		t.Errorf("%d of %d Secrets are written with the new key", rewritten, secrets)
	}
	k.run("get", "secrets", "-A", "-o", "name")
	k.wantOutput("plainly", time.Minute, "get", "secret", "e2e-witness", "-o", "go-template={{.data.word | base64decode}}")

	info, err := os.Stat(filepath.Join(local.StateDir, "kubernetes", "encryption", "config.yaml"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the keys: %v, %v", info, err)
	}
}
