// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/local/sandbox"
	"canopy.dev/canopy/internal/steps"
)

// encryptionPath has the keys of the Secrets in etcd, as kube-apiserver reads them. It is what is: a new key is in use when
// it is in this file, and how far its introduction has come is seen from the file and encryptedPath.
var encryptionPath = filepath.Join(kubernetesDir, "encryption", "config.yaml")

// encryptedPath holds an encryptedWith. It exists once Secrets can be read with the keys alone.
var encryptedPath = filepath.Join(StateDir, "encryption.json")

// encryptedWith says with which key every Secret was written.
type encryptedWith struct {
	Key string `json:"key"`
}

// reloadTimeout bounds how long kube-apiserver takes to read a changed file, at which it looks once a minute.
const reloadTimeout = 3 * time.Minute

const keyPrefix = "key-"

// newKey returns a random key with the name.
func newKey(name string) (apiserverv1.Key, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return apiserverv1.Key{}, fmt.Errorf("make a key: %w", err)
	}
	return apiserverv1.Key{Name: name, Secret: base64.StdEncoding.EncodeToString(key)}, nil
}

// encryptionConfig writes Secrets with the first of keys and reads them with all. With plain, those are read, too, that were
// written before there was a key.
func encryptionConfig(keys []apiserverv1.Key, plain bool) *apiserverv1.EncryptionConfiguration {
	providers := []apiserverv1.ProviderConfiguration{{Secretbox: &apiserverv1.SecretboxConfiguration{Keys: keys}}}
	if plain {
		providers = append(providers, apiserverv1.ProviderConfiguration{Identity: &apiserverv1.IdentityConfiguration{}})
	}
	return &apiserverv1.EncryptionConfiguration{
		TypeMeta:  metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "EncryptionConfiguration"},
		Resources: []apiserverv1.ResourceConfiguration{{Resources: []string{"secrets"}, Providers: providers}},
	}
}

// keysOf returns the keys of a configuration that encryptionConfig made, the one that is written with first.
func keysOf(config *apiserverv1.EncryptionConfiguration) ([]apiserverv1.Key, error) {
	if len(config.Resources) == 1 && len(config.Resources[0].Providers) > 0 {
		if box := config.Resources[0].Providers[0].Secretbox; box != nil && len(box.Keys) > 0 {
			return box.Keys, nil
		}
	}
	return nil, fmt.Errorf("%s is not as canopy wrote it: put back the file of before", encryptionPath)
}

// nextKeyName is never one that was in use before.
func nextKeyName(current string) (string, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(current, keyPrefix))
	if err != nil {
		return "", fmt.Errorf("%s: the key %q is not one that canopy named", encryptionPath, current)
	}
	return keyPrefix + strconv.Itoa(n+1), nil
}

func readKeys() ([]apiserverv1.Key, error) {
	content, err := os.ReadFile(encryptionPath)
	if err != nil {
		return nil, err
	}
	config := &apiserverv1.EncryptionConfiguration{}
	if err := yaml.UnmarshalStrict(content, config); err != nil {
		return nil, fmt.Errorf("%s is no EncryptionConfiguration", encryptionPath) // the cause might repeat a key
	}
	return keysOf(config)
}

func writeKeys(keys []apiserverv1.Key, plain bool) error {
	content, err := yaml.Marshal(encryptionConfig(keys, plain))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(encryptionPath), 0o700); err != nil {
		return err
	}
	return sandbox.WriteFile(encryptionPath, content, 0o600)
}

// readEncrypted returns the name of the key that every Secret is written with; empty: some may be plain.
func readEncrypted() (string, error) {
	content, err := os.ReadFile(encryptedPath)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var record encryptedWith
	if err := json.Unmarshal(content, &record); err != nil {
		return "", fmt.Errorf("%s: %w", encryptedPath, err)
	}
	return record.Key, nil
}

// ensureEncryptionKey makes the first key, before kube-apiserver starts with it.
func ensureEncryptionKey() error {
	_, err := readKeys()
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if written, err := readEncrypted(); err != nil || written != "" {
		return errors.Join(err, fmt.Errorf("%s is missing, and no Secret can be read without it: put it back", encryptionPath))
	}
	key, err := newKey(keyPrefix + "1")
	if err != nil {
		return err
	}
	return writeKeys([]apiserverv1.Key{key}, true)
}

// RotateEncryptionKey makes a new key, writes every Secret with it, and forgets the old one. The API goes on meanwhile. One
// that was interrupted is completed instead.
func RotateEncryptionKey(ctx context.Context, out io.Writer, terminal bool) error {
	if _, running := runningSandbox(); !running {
		return errors.New("the platform does not run: start it with `canopy up`")
	}
	release, err := lock()
	if err != nil {
		return err
	}
	defer release()
	return steps.Run(ctx, steps.New(out, terminal), []steps.Step{
		{Name: "make a new key", Run: func(context.Context) error { return addKey() }},
		{Name: "encrypt Secrets", Run: encryptSecrets},
	})
}

// addKey puts a new key before the current one, unless another one is being introduced. There is one kube-apiserver, so
// that none must first learn to read what others write.
func addKey() error {
	keys, err := readKeys()
	if err != nil {
		return err
	}
	written, err := readEncrypted()
	if err != nil || written != keys[0].Name || len(keys) > 1 {
		return err
	}
	name, err := nextKeyName(keys[0].Name)
	if err != nil {
		return err
	}
	key, err := newKey(name)
	if err != nil {
		return err
	}
	return writeKeys(append([]apiserverv1.Key{key}, keys...), false)
}

// encryptSecrets writes every Secret with the first key, unless that is done, and leaves that key alone in the file.
func encryptSecrets(ctx context.Context) error {
	keys, err := readKeys()
	if err != nil {
		return err
	}
	written, err := readEncrypted()
	if err != nil {
		return err
	}
	if written != keys[0].Name {
		if err := awaitKeys(ctx); err != nil {
			return err
		}
		if err := rewriteSecrets(ctx); err != nil {
			return err
		}
		if err := sandbox.WriteJSON(encryptedPath, encryptedWith{Key: keys[0].Name}); err != nil {
			return err
		}
	}
	// Not before: with the other keys goes the way to read what was not written again. kube-apiserver reads it within a minute.
	before, err := os.ReadFile(encryptionPath)
	if err != nil {
		return err
	}
	only, err := yaml.Marshal(encryptionConfig(keys[:1], false))
	if err != nil || bytes.Equal(before, only) {
		return err
	}
	if err := writeKeys(keys[:1], false); err != nil || len(keys) == 1 {
		return err
	}
	return awaitKeys(ctx)
}

// awaitKeys waits until kube-apiserver has read the file as it is.
func awaitKeys(ctx context.Context) error {
	content, err := os.ReadFile(encryptionPath)
	if err != nil {
		return err
	}
	config, err := restConfig()
	if err != nil {
		return err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`hash="sha256:%x"`, sha256.Sum256(content))
	return awaitFor(ctx, reloadTimeout, "kube-apiserver to read its keys", func(ctx context.Context) string {
		metrics, err := api.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
		if err != nil {
			return err.Error()
		}
		for line := range strings.Lines(string(metrics)) {
			if strings.HasPrefix(line, "apiserver_encryption_config_controller_last_config_info{") && strings.Contains(line, want) {
				return ""
			}
		}
		return "it looks at the file once a minute"
	})
}

// rewriteSecrets has kube-apiserver store every Secret anew, unchanged.
func rewriteSecrets(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	return kube.RewriteSecrets(ctx, c)
}
