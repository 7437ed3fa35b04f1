// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"context"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	// SSHKeysFile is where sshd of a node finds the keys of people, one a line. All of it is ours.
	SSHKeysFile = "/etc/canopy/ssh/authorized_keys"
	// SSHKeysConfigMap is the ConfigMap in kube-system under whose key SSHKeysKey its content is.
	SSHKeysConfigMap = "ssh-keys"
	// SSHKeysKey is the key.
	SSHKeysKey = "authorized_keys"
)

// sshKeys keeps the file with the keys of people.
type sshKeys struct {
	path       string
	store      cache.Store
	controller cache.Controller
	// wake holds at most one event.
	wake chan struct{}
}

func watchSSHKeys(config *rest.Config, path string) (*sshKeys, error) {
	core, err := restClient(config, corev1.SchemeGroupVersion, corev1.AddToScheme)
	if err != nil {
		return nil, err
	}
	k := &sshKeys{path: path, wake: make(chan struct{}, 1)}
	k.store, k.controller = cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(core, "configmaps", metav1.NamespaceSystem, fields.OneTermEqualSelector(metav1.ObjectNameField, SSHKeysConfigMap)),
		ObjectType:    &corev1.ConfigMap{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { k.changed() },
			UpdateFunc: func(any, any) { k.changed() },
		},
	})
	return k, nil
}

func (k *sshKeys) changed() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run writes the file at every change until ctx ends. It stays when it has ended.
func (k *sshKeys) run(ctx context.Context) error {
	go k.controller.RunWithContext(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		}
		if err := k.write(); err != nil {
			slog.Error("SSH keys are not up to date", "error", err)
			time.AfterFunc(retryAfter, k.changed)
		}
	}
}

// write replaces the file as a whole if it is not what it should be. Without the ConfigMap, which the seed makes again, it
// stays as it is.
func (k *sshKeys) write() error {
	obj, found, err := k.store.GetByKey(metav1.NamespaceSystem + "/" + SSHKeysConfigMap)
	if err != nil || !found {
		return err
	}
	content := obj.(*corev1.ConfigMap).Data[SSHKeysKey]
	changed, err := replaceFile(k.path, []byte(content)) // sshd takes no file that others may write, and reads it as the user who logs in
	if changed {
		slog.Info("SSH keys are up to date", "keys", strings.Count(content, "\n"))
	}
	return err
}
