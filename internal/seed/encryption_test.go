// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/testenv"
)

// connected are connections of which one is made.
type connected struct {
	clustercache.ClusterCache
	inside client.Client
}

// GetUncachedClient returns the client of the one cluster.
func (c connected) GetUncachedClient(context.Context, client.ObjectKey) (client.Client, error) {
	return c.inside, nil
}

// encryptedTest is a cluster whose kube-apiserver and etcd run for real, beside a seed where its pod is pretended.
type encryptedTest struct {
	clusterTest
	env    *envtest.Environment
	config string // path of the EncryptionConfiguration
	inside client.Client
}

// none is the configuration of a kube-apiserver that was given none.
const none = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - identity: {}
`

func newEncryptedTest(t *testing.T, name string) *encryptedTest {
	t.Helper()
	e := &encryptedTest{clusterTest: newClusterTest(t, name), config: filepath.Join(t.TempDir(), "encryption.yaml")}
	if err := os.WriteFile(e.config, []byte(none), 0o600); err != nil {
		t.Fatal(err)
	}
	e.env = testenv.Start(t, func(env *envtest.Environment) {
		env.CRDDirectoryPaths = nil
		env.ControlPlane.GetAPIServer().CertDir = t.TempDir() // it is still there after a restart
		env.ControlPlane.GetAPIServer().Configure().Set("encryption-provider-config", e.config)
	})
	var err error
	if e.inside, err = client.New(e.env.Config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	e.addons.clusters = connected{inside: e.inside}
	return e
}

// restart starts kube-apiserver with the configuration that the StatefulSet names, and pretends that its pod is ready.
func (e *encryptedTest) restart() {
	e.Helper()
	set := &appsv1.StatefulSet{}
	e.get(set, controlplane.Name)
	content := none
	for _, arg := range set.Spec.Template.Spec.Containers[1].Args {
		if file, ok := strings.CutPrefix(arg, "--encryption-provider-config=/etc/kubernetes/pki/"); ok {
			if content = string(e.secret(controlplane.SecretEncryption)[file]); content == "" {
				e.Fatalf("there is no %s in the Secret", file)
			}
		}
	}
	server := e.env.ControlPlane.GetAPIServer()
	if err := server.Stop(); err != nil {
		e.Fatal(err)
	}
	if err := os.WriteFile(e.config, []byte(content), 0o600); err != nil {
		e.Fatal(err)
	}
	if err := server.Start(); err != nil {
		e.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: e.hc.Namespace, Name: controlplane.Name + "-0", Labels: clusterLabels(e.hc)}, Spec: *set.Spec.Template.Spec.DeepCopy()}
	if err := client.IgnoreNotFound(e.Delete(e.Context(), pod, client.GracePeriodSeconds(0))); err != nil {
		e.Fatal(err)
	}
	pod.ResourceVersion, pod.Spec.PriorityClassName = "", ""
	create(e.T, e.Client, pod)
	patchStatus(e.T, e.Client, pod, func() {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	})
}

// stored returns the beginning of a Secret in etcd, and whether its content can be read there.
func (e *encryptedTest) stored(name string) (prefix string, plain bool) {
	e.Helper()
	key := base64.StdEncoding.EncodeToString([]byte("/registry/secrets/default/" + name))
	req, err := http.NewRequestWithContext(e.Context(), http.MethodPost, e.env.ControlPlane.Etcd.URL.String()+"/v3/kv/range", strings.NewReader(fmt.Sprintf(`{"key": %q}`, key)))
	if err != nil {
		e.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.Fatal(err)
	}
	answer := struct {
		KVs []struct{ Value []byte }
	}{}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.KVs) != 1 {
		e.Fatalf("etcd says %s: %v", body, err)
	}
	value := answer.KVs[0].Value
	prefix, _, _ = strings.Cut(string(value), "\n")
	return prefix[:min(len(prefix), len("k8s:enc:secretbox:v1:key1:"))], bytes.Contains(value, []byte("the content"))
}

// expect reconciles, and checks what the condition says, what is in etcd, and that the Secret can be read.
func (e *encryptedTest) expect(reason, prefix string) {
	e.Helper()
	e.step()
	condition := meta.FindStatusCondition(e.hc.Status.Conditions, v1alpha1.ConditionSecretsEncrypted)
	if reason == "" && condition != nil || reason != "" && (condition == nil || condition.Reason != reason) {
		e.Errorf("SecretsEncrypted: %+v, want %q", condition, reason)
	}
	for _, name := range []string{"old", "other"} {
		got, plain := e.stored(name)
		if plain != (prefix == "") || prefix != "" && got != prefix {
			e.Errorf("%s: etcd has %q, readable: %v; want %q", name, got, plain, prefix)
		}
		secret := &corev1.Secret{}
		if err := e.inside.Get(e.Context(), client.ObjectKey{Namespace: "default", Name: name}, secret); err != nil || string(secret.Data["a"]) != "the content" {
			e.Errorf("%s: it cannot be read any more: %v", name, err)
		}
	}
}

func TestSecretsAreEncryptedRotatedAndDecrypted(t *testing.T) {
	e := newEncryptedTest(t, "encrypted")
	for _, name := range []string{"old", "other"} {
		create(t, e.inside, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{"a": []byte("the content")}})
	}
	e.step()
	patchStatus(t, e.Client, e.hc, func() { e.hc.Status.Version = "1.37.2" }) // it runs already
	e.restart()
	e.expect("", "")

	encryption := func(enabled bool, rotation int32) {
		t.Helper()
		e.change(func(s *v1alpha1.HostedClusterSpec) {
			s.Encryption = v1alpha1.Encryption{Enabled: enabled, Rotation: rotation}
		})
	}
	const key1, key2 = "k8s:enc:secretbox:v1:key1:", "k8s:enc:secretbox:v1:key2:"
	encryption(true, 1)
	e.expect(v1alpha1.ReasonAddingKey, "")
	e.expect(v1alpha1.ReasonAddingKey, "") // as long as it takes
	e.restart()
	e.expect(v1alpha1.ReasonUsingKey, "")
	e.restart()
	e.expect(v1alpha1.ReasonEncrypted, key1)
	if s := e.hc.Status.Encryption; s == nil || s.Key != "key1" {
		t.Errorf("status: %+v", s)
	}

	encryption(true, 2)
	e.expect(v1alpha1.ReasonAddingKey, key1)
	e.restart()
	e.expect(v1alpha1.ReasonUsingKey, key1)
	e.restart()
	e.expect(v1alpha1.ReasonRemovingKeys, key2)
	e.restart()
	e.expect(v1alpha1.ReasonEncrypted, key2)
	if state := string(e.secret(controlplane.SecretEncryption)[encryptionState]); strings.Contains(state, `"key1"`) {
		t.Error("the old key is still there")
	}

	encryption(false, 2)
	e.expect(v1alpha1.ReasonUsingKey, key2)
	e.restart()
	e.expect(v1alpha1.ReasonRemovingKeys, "")
	e.restart()
	e.expect("", "")
}

func TestTheKeyOfEncryptedSecretsIsNeverMadeAnew(t *testing.T) {
	c := newClusterTest(t, "encryption-lost", func(s *v1alpha1.HostedClusterSpec) { s.Encryption.Enabled = true })
	c.step()
	first := string(c.secret(controlplane.SecretEncryption)[encryptionState])
	c.step()
	if second := string(c.secret(controlplane.SecretEncryption)[encryptionState]); first != second || !strings.Contains(first, `"key1"`) {
		t.Errorf("the key of a new cluster is not kept")
	}
	secret := &corev1.Secret{}
	c.get(secret, controlplane.SecretEncryption)
	if err := c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if ready := c.step(); ready.Reason != v1alpha1.ReasonSecretMissing || !strings.Contains(ready.Message, "Secret cluster-encryption-lost/secrets-encryption is gone") {
		t.Errorf("Ready: %+v", ready)
	}
}
