// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// getter tells Helm how to reach a cluster, without a file.
type getter struct {
	config    *rest.Config
	namespace string
	discovery func() (discovery.CachedDiscoveryInterface, error)
}

func newGetter(config *rest.Config, namespace string) *getter {
	return &getter{config: config, namespace: namespace, discovery: sync.OnceValues(func() (discovery.CachedDiscoveryInterface, error) {
		client, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			return nil, err
		}
		return memory.NewMemCacheClient(client), nil
	})}
}

// ToRESTConfig returns a copy of the configuration.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient returns a client that asks each thing once.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery()
}

// ToRESTMapper returns one that looks again for kinds that it does not know.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := g.discovery()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}

// ToRawKubeConfigLoader says which namespace objects are in that do not name one.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}})
}
