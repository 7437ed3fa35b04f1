// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/golden"
	"canopy.dev/canopy/internal/testenv"
)

func TestEncryptionConfig(t *testing.T) {
	keys := []apiserverv1.Key{{Name: "key-2", Secret: "bmV3"}, {Name: "key-1", Secret: "b2xk"}}
	content, err := yaml.Marshal(encryptionConfig(keys, true))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "encryption.yaml", string(content))
	config := &apiserverv1.EncryptionConfiguration{}
	if err := yaml.UnmarshalStrict(content, config); err != nil {
		t.Fatal(err)
	}
	got, err := keysOf(config)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Error(diff)
	}
	if _, err := keysOf(&apiserverv1.EncryptionConfiguration{}); err == nil {
		t.Error("a configuration without keys is taken")
	}
}

// inDir lets the test have the files of the encryption for itself.
func inDir(t *testing.T) {
	t.Helper()
	config, record := encryptionPath, encryptedPath
	t.Cleanup(func() { encryptionPath, encryptedPath = config, record })
	encryptionPath, encryptedPath = filepath.Join(t.TempDir(), "encryption", "config.yaml"), filepath.Join(t.TempDir(), "encryption.json")
}

func names(t *testing.T) []string {
	t.Helper()
	keys, err := readKeys()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, key := range keys {
		if secret, err := base64.StdEncoding.DecodeString(key.Secret); err != nil || len(secret) != 32 {
			t.Errorf("%s has %d bytes (%v), want 32", key.Name, len(secret), err)
		}
		all = append(all, key.Name)
	}
	return all
}

func TestTheFirstKeyIsMadeOnce(t *testing.T) {
	inDir(t)
	for range 2 {
		if err := ensureEncryptionKey(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"key-1"}, names(t)); diff != "" {
		t.Error(diff)
	}
	before, err := readKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := ensureEncryptionKey(); err != nil {
		t.Fatal(err)
	}
	after, err := readKeys()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error("the key was made anew")
	}
	if info, err := os.Stat(encryptionPath); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want a file for its owner only", info, err)
	}
}

func TestALostKeyIsNotReplaced(t *testing.T) {
	inDir(t)
	if err := os.WriteFile(encryptedPath, []byte(`{"key": "key-1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ensureEncryptionKey(); err == nil {
		t.Error("a new key is made while Secrets are written with another")
	}
}

func TestAKeyIsAddedOnlyWhenNoneIsBeingIntroduced(t *testing.T) {
	inDir(t)
	if err := ensureEncryptionKey(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		written string
		want    []string
	}{
		{"", []string{"key-1"}}, // the first is not used for all Secrets yet
		{"key-1", []string{"key-2", "key-1"}},
		{"key-1", []string{"key-2", "key-1"}}, // interrupted, and begun again
		{"key-2", []string{"key-2", "key-1"}}, // the old one is still to be forgotten
	} {
		if tc.written != "" {
			if err := os.WriteFile(encryptedPath, []byte(`{"key": "`+tc.written+`"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := addKey(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, names(t)); diff != "" {
			t.Errorf("with everything written with %q: %s", tc.written, diff)
		}
	}
}

// etcd asks the etcd of a test by its JSON interface.
func etcd(t *testing.T, at *url.URL, call string, request, answer any) {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(at.String()+"/v3/kv/"+call, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("etcd answers %s: %v", response.Status, err)
	}
}

// keysInEtcd returns the beginnings of the Secrets' values, up to the name of the key that they are written with.
func keysInEtcd(t *testing.T, at *url.URL) map[string]string {
	t.Helper()
	var answer struct {
		KVs []struct{ Key, Value []byte }
	}
	etcd(t, at, "range", map[string][]byte{"key": []byte("/registry/secrets/"), "range_end": []byte("/registry/secrets0")}, &answer)
	keys := map[string]string{}
	for _, kv := range answer.KVs {
		value, _, _ := strings.Cut(string(kv.Value), "secretbox:v1:")
		rest := strings.TrimPrefix(string(kv.Value), value)
		key, _, _ := strings.Cut(strings.TrimPrefix(rest, "secretbox:v1:"), ":")
		if value != "k8s:enc:" {
			key = "plain"
		}
		keys[strings.TrimPrefix(string(kv.Key), "/registry/secrets/")] = key
	}
	return keys
}

// kubeconfigFile lets what the package does go to the API server of config.
func kubeconfigFile(t *testing.T, config *rest.Config) {
	t.Helper()
	before := KubeconfigPath
	t.Cleanup(func() { KubeconfigPath = before })
	KubeconfigPath = filepath.Join(t.TempDir(), "kubeconfig")
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://" + strings.TrimPrefix(config.Host, "https://"), CertificateAuthorityData: config.CAData}
	file.AuthInfos["c"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "c"}
	file.CurrentContext = "c"
	if err := clientcmd.WriteToFile(*file, KubeconfigPath); err != nil {
		t.Fatal(err)
	}
}

// TestEverySecretIsWrittenWithTheCurrentKey takes a platform that has a plain Secret from before, and then a new key. It
// takes up to two minutes: kube-apiserver looks at its keys once a minute.
func TestEverySecretIsWrittenWithTheCurrentKey(t *testing.T) {
	inDir(t)
	if err := ensureEncryptionKey(); err != nil {
		t.Fatal(err)
	}
	env := testenv.Start(t, func(env *envtest.Environment) {
		env.ControlPlane.GetAPIServer().Configure().
			Set("encryption-provider-config", encryptionPath).
			Set("encryption-provider-config-automatic-reload", "true")
	})
	kubeconfigFile(t, env.Config)
	at := env.ControlPlane.Etcd.URL
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	plain := `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"old","namespace":"default","uid":"0c5ee9f4-4a0d-4a53-a4b1-2b1ea0ac7c1f",
		"creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"word":"cGxhaW5seQ=="},"type":"Opaque"}`
	etcd(t, at, "put", map[string][]byte{"key": []byte("/registry/secrets/default/old"), "value": []byte(plain)}, &struct{}{})
	if err := c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "new", Namespace: "default"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"default/old": "plain", "default/new": "key-1"}, keysInEtcd(t, at)); diff != "" {
		t.Fatal(diff)
	}
	for _, key := range []string{"key-1", "key-2"} {
		if err := addKey(); err != nil { // the first is not followed by another before everything is written with it
			t.Fatal(err)
		}
		if err := encryptSecrets(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"default/old": key, "default/new": key}, keysInEtcd(t, at)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{key}, names(t)); diff != "" {
			t.Errorf("other keys are left in the file: %s", diff)
		}
		old := &corev1.Secret{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "old"}, old); err != nil || string(old.Data["word"]) != "plainly" {
			t.Errorf("read %q, %v", old.Data["word"], err)
		}
	}
}
