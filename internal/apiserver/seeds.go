// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
)

// seedPatience is how long a seed may take to answer.
const seedPatience = 5 * time.Second

// seedReason says why a seed could not be asked to do something, without what is nobody's business.
func seedReason(err error, what string) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it has not answered within %s", seedPatience)
	case apierrors.IsForbidden(err):
		return "the platform may not " + what + " there: an operator gives it its rights again (canopy seed add)"
	case apierrors.IsUnauthorized(err):
		return "it does not accept the platform's credentials"
	}
	return "it does not answer"
}

// seedClients has the clients of seeds, which are made anew when a seed's credentials change.
type seedClients struct {
	mu     sync.Mutex
	byName map[string]*seedClient
}

// seedClient asks a seed.
type seedClient struct {
	// machines reads and deletes machines.
	machines client.Client
	kube     kubernetes.Interface
	// version is that of the Secret that it was made from.
	version string
}

// client returns a client of a seed. The master's own cluster is asked as the server itself.
func (c *seedClients) client(ctx context.Context, s *Server, name string) (*seedClient, error) {
	seed := &v1alpha1.Seed{}
	if err := s.cache.Get(ctx, client.ObjectKey{Name: name}, seed); err != nil {
		return nil, err
	}
	if seed.Spec.KubeconfigSecretName == "" {
		return s.ownSeed, nil
	}
	secret := &corev1.Secret{}
	if err := s.own.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: seed.Spec.KubeconfigSecretName}, secret); err != nil {
		return nil, err
	}
	version := string(secret.UID) + "/" + secret.ResourceVersion
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byName[name]; ok && known.version == version {
		return known, nil
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data[v1alpha1.SeedKubeconfigKey])
	if err != nil || config.ExecProvider != nil || config.AuthProvider != nil {
		return nil, errors.New("its kubeconfig cannot be used") // the cause might repeat it
	}
	config.QPS = -1
	made, err := newSeedClient(config)
	if err != nil {
		return nil, err
	}
	made.version = version
	c.byName[name] = made
	return made, nil
}

func newSeedClient(config *rest.Config) (*seedClient, error) {
	machines, err := client.New(config, client.Options{Scheme: machineScheme(), Mapper: machineMapper()})
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(config)
	return &seedClient{machines: machines, kube: kube}, err
}

func machineScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clusterv1.AddToScheme(scheme))
	return scheme
}

// machineMapper knows where machines are, so that a seed need not be asked.
func machineMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(clusterv1.GroupVersion.WithKind("Machine"), meta.RESTScopeNamespace)
	return mapper
}
