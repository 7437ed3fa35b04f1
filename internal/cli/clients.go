// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/local"
)

// fieldOwner is under which name commands own the fields that they write.
const fieldOwner = "canopy-cli"

// target is a cluster that flags name.
type target struct{ kubeconfig, context string }

// addFlags adds --kubeconfig and --context, or flags with a prefix before these names.
func (t *target) addFlags(flags *pflag.FlagSet, prefix, what string) {
	flags.StringVar(&t.kubeconfig, prefix+"kubeconfig", "", "kubeconfig of "+what+" (default: $KUBECONFIG, ~/.kube/config, or the local platform's)")
	flags.StringVar(&t.context, prefix+"context", "", "context in it (default: its current one)")
}

// load returns the configuration of the cluster, and who it is that is in it.
func (t *target) load() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: t.context}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) && t.kubeconfig == "" && t.context == "" {
		if _, statErr := os.Stat(local.KubeconfigPath); statErr == nil {
			config, err = clientcmd.BuildConfigFromFlags("", local.KubeconfigPath)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Timeout = -1, time.Minute
	return config, nil
}

// newClient returns a client that knows all of Canopy's kinds.
func newClient(config *rest.Config) (client.WithWatch, error) {
	log.SetLogger(logr.Discard()) // controller-runtime insists on one
	config = rest.CopyConfig(config)
	config.Timeout = 0 // watches take as long as they take
	return client.NewWithWatch(config, client.Options{Scheme: kube.Scheme()})
}

// clusterID returns what identifies a cluster, as status.clusterUID of a Seed does.
func clusterID(ctx context.Context, c client.Client) (string, error) {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, ns); err != nil {
		return "", fmt.Errorf("asking the cluster who it is: %w", err)
	}
	return string(ns.UID), nil
}
