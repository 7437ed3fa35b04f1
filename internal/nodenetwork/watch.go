// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// watches hold what the API says of the cluster, and only the fields that matter: every node has all of it in memory.
type watches struct {
	pods, namespaces, policies, nodes cache.Store
	controllers                       []cache.Controller
}

// watch reads from the API with a client for these few kinds only, which takes half the memory of one for all. changed is
// called at every event.
func watch(config *rest.Config, node string, changed func()) (*watches, error) {
	core, err := restClient(config, corev1.SchemeGroupVersion, corev1.AddToScheme)
	if err != nil {
		return nil, err
	}
	networking, err := restClient(config, networkingv1.SchemeGroupVersion, networkingv1.AddToScheme)
	if err != nil {
		return nil, err
	}
	w := &watches{}
	start := func(client rest.Interface, resource string, kind runtime.Object, only fields.Selector) cache.Store {
		store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: cache.NewListWatchFromClient(client, resource, metav1.NamespaceAll, only),
			ObjectType:    kind,
			Handler: cache.ResourceEventHandlerFuncs{
				AddFunc:    func(any) { changed() },
				UpdateFunc: func(any, any) { changed() },
				DeleteFunc: func(any) { changed() },
			},
			Transform: trim,
		})
		w.controllers = append(w.controllers, controller)
		return store
	}
	w.pods = start(core, "pods", &corev1.Pod{}, fields.Everything())
	w.namespaces = start(core, "namespaces", &corev1.Namespace{}, fields.Everything())
	w.nodes = start(core, "nodes", &corev1.Node{}, fields.OneTermEqualSelector(metav1.ObjectNameField, node))
	w.policies = start(networking, "networkpolicies", &networkingv1.NetworkPolicy{}, fields.Everything())
	return w, nil
}

func restClient(config *rest.Config, version schema.GroupVersion, addToScheme func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := addToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config = rest.CopyConfig(config)
	config.GroupVersion = &version
	config.APIPath = "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("creating a client for %s: %w", version, err)
	}
	return client, nil
}

// trim keeps what is asked for below.
func trim(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Pod:
		kept := &corev1.Pod{ObjectMeta: identity(o.ObjectMeta)}
		kept.UID = o.UID
		kept.Spec.NodeName, kept.Spec.HostNetwork = o.Spec.NodeName, o.Spec.HostNetwork
		for _, c := range slices.Concat(o.Spec.InitContainers, o.Spec.Containers) {
			kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Ports: c.Ports})
		}
		kept.Status.Phase, kept.Status.PodIPs = o.Status.Phase, o.Status.PodIPs
		return kept, nil
	case *corev1.Namespace:
		return &corev1.Namespace{ObjectMeta: identity(o.ObjectMeta)}, nil
	case *corev1.Node:
		return &corev1.Node{ObjectMeta: identity(o.ObjectMeta), Spec: corev1.NodeSpec{PodCIDR: o.Spec.PodCIDR}}, nil
	case *networkingv1.NetworkPolicy:
		return &networkingv1.NetworkPolicy{ObjectMeta: identity(o.ObjectMeta), Spec: o.Spec}, nil
	default:
		return obj, nil
	}
}

func identity(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, Labels: m.Labels, ResourceVersion: m.ResourceVersion}
}

// start returns when everything is known that was there at the start, or ctx has ended.
func (w *watches) start(ctx context.Context) {
	var synced []cache.InformerSynced
	for _, c := range w.controllers {
		go c.RunWithContext(ctx)
		synced = append(synced, c.HasSynced)
	}
	cache.WaitForCacheSync(ctx.Done(), synced...)
}

// cluster returns what is known now. attached are addresses that pods of this node have got, by the UID of the pod: they
// are known here before the API knows them.
func (w *watches) cluster(node string, attached map[types.UID][]netip.Addr) Cluster {
	c := Cluster{Namespaces: map[string]labels.Set{}}
	for _, obj := range w.namespaces.List() {
		ns := obj.(*corev1.Namespace)
		c.Namespaces[ns.Name] = ns.Labels
	}
	for _, obj := range w.policies.List() {
		c.Policies = append(c.Policies, obj.(*networkingv1.NetworkPolicy))
	}
	for _, obj := range w.pods.List() {
		if p, ok := toPod(obj.(*corev1.Pod), node, attached); ok {
			c.Pods = append(c.Pods, p)
		}
	}
	return c
}

// toPod returns false for pods that policies do not speak of: they have the node's address, none yet, or had one.
func toPod(p *corev1.Pod, node string, attached map[types.UID][]netip.Addr) (Pod, bool) {
	if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return Pod{}, false
	}
	pod := Pod{Namespace: p.Namespace, Labels: p.Labels, Local: p.Spec.NodeName == node}
	if pod.Local {
		pod.Addresses = slices.Clone(attached[p.UID])
	}
	for _, ip := range p.Status.PodIPs {
		if address, err := netip.ParseAddr(ip.IP); err == nil && address.Is4() {
			pod.Addresses = append(pod.Addresses, address)
		}
	}
	pod.Addresses = compact(pod.Addresses, netip.Addr.Compare)
	for _, c := range p.Spec.Containers {
		pod.Ports = append(pod.Ports, c.Ports...)
	}
	return pod, len(pod.Addresses) > 0
}

// podRange returns the range of this node's pods, once it has one.
func (w *watches) podRange(node string) (netip.Prefix, bool) {
	obj, found, err := w.nodes.GetByKey(node)
	if err != nil || !found {
		return netip.Prefix{}, false
	}
	prefix, err := netip.ParsePrefix(obj.(*corev1.Node).Spec.PodCIDR)
	return prefix, err == nil
}
