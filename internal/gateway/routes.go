// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
)

// services are the Services of the control planes that want the gateway, as the API server's watch tells. A connection is
// looked up once, when it starts: what changes here touches no connection that there is.
type services struct{ informer cache.SharedIndexInformer }

// watchServices returns when all Services are known or ctx ends, and keeps them current until stop is closed.
func watchServices(ctx context.Context, stop <-chan struct{}, config *rest.Config) (services, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return services{}, err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = v1alpha1.LabelGateway }))
	s := services{factory.Core().V1().Services().Informer()}
	factory.Start(stop)
	if !cache.WaitForCacheSync(ctx.Done(), s.informer.HasSynced) {
		return services{}, errors.New("ended before the Services were known")
	}
	return s, nil
}

// Route implements Routes. A cluster's Service has a fixed name in a namespace that follows from the cluster's, so that
// nobody can take another's name by a label.
func (s services) Route(cluster, port string) (string, bool) {
	if cluster == "" {
		return "", false
	}
	key := fmt.Sprintf("%s%s/%s", v1alpha1.NamespacePrefix, cluster, controlplane.APIServer)
	obj, found, err := s.informer.GetStore().GetByKey(key)
	if err != nil || !found {
		return "", false
	}
	service, ok := obj.(*corev1.Service)
	if !ok || net.ParseIP(service.Spec.ClusterIP) == nil {
		return "", false
	}
	for _, p := range service.Spec.Ports {
		if strconv.Itoa(int(p.Port)) == port {
			return net.JoinHostPort(service.Spec.ClusterIP, port), true
		}
	}
	return "", false
}
