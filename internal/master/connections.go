// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// Connections are those to the seeds, one each, with a cache and a back-off of its own. None waits for another.
type Connections struct {
	// Connected has each Seed whose connection is there, and Events each HostedCluster that comes, changes or goes there afterwards.
	Connected, Events chan event.GenericEvent

	ctx    context.Context //nolint:containedctx // for what outlives one reconciliation: the connections
	mu     sync.Mutex
	byName map[string]*Connection
}

// Connection is one to a seed.
type Connection struct {
	// Client reads what is the master's from a cache; Live asks the seed.
	Client  client.Client
	Live    client.Reader
	Applier *kube.Applier

	// fingerprint identifies the kubeconfig that the connection was made with, but for its token, which is in token.
	fingerprint string
	token       *atomic.Pointer[string]
	cancel      context.CancelFunc

	mu     sync.Mutex
	synced bool
	err    error // why it is not synced
}

func newConnections(ctx context.Context) *Connections {
	return &Connections{Connected: make(chan event.GenericEvent), Events: make(chan event.GenericEvent), ctx: ctx, byName: map[string]*Connection{}}
}

// Get returns the connection to a seed once its cache is filled, otherwise nil.
func (c *Connections) Get(seed string) *Connection {
	c.mu.Lock()
	conn := c.byName[seed]
	c.mu.Unlock()
	if conn == nil {
		return nil
	}
	if ok, _ := conn.state(); !ok {
		return nil
	}
	return conn
}

// Connect makes the connection to a seed if there is none with the same fingerprint, and returns it, filled or not. It
// does not wait.
func (c *Connections) Connect(seed string, config *rest.Config, fingerprint string) (*Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.byName[seed]; conn != nil {
		if conn.fingerprint == fingerprint {
			conn.token.Store(&config.BearerToken)
			return conn, nil
		}
		conn.cancel()
		delete(c.byName, seed)
	}
	token := &atomic.Pointer[string]{}
	token.Store(&config.BearerToken)
	cl, err := newCluster(config, token)
	if err != nil {
		return nil, fmt.Errorf("connecting seed %s: %w", seed, err)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	conn := &Connection{
		Client: cl.GetClient(), Live: cl.GetAPIReader(), fingerprint: fingerprint, token: token, cancel: cancel,
		Applier: &kube.Applier{Client: cl.GetClient(), Live: cl.GetClient(), Whole: followed},
	}
	c.byName[seed] = conn
	go func() {
		if err := cl.Start(ctx); err != nil && ctx.Err() == nil {
			ctrl.Log.WithName("seeds").Error(err, "The connection ended", "seed", seed)
		}
	}()
	go c.follow(ctx, seed, conn, cl.GetCache())
	return conn, nil
}

// Disconnect ends the connection to a seed.
func (c *Connections) Disconnect(seed string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.byName[seed]; conn != nil {
		conn.cancel()
		delete(c.byName, seed)
	}
}

// bearer sends a token with each request that may have been replaced since the last one.
type bearer struct {
	token *atomic.Pointer[string]
	next  http.RoundTripper
}

// RoundTrip does one request.
func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+*b.token.Load())
	return b.next.RoundTrip(req)
}

// followed is the kind of which the master has each seed's objects whole: their status comes back.
var followed = []schema.GroupKind{hostingv1alpha1.GroupVersion.WithKind("HostedCluster").GroupKind()}

// newCluster returns a client for a seed whose cache has only what the master made there.
func newCluster(config *rest.Config, token *atomic.Pointer[string]) (cluster.Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own fairness
	if config.BearerToken != "" && config.BearerTokenFile == "" {
		config.BearerToken = ""
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bearer{token, next} })
	}
	ours, err := labels.NewRequirement(v1alpha1.LabelManagedBy, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	only := cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	return cluster.New(config, func(o *cluster.Options) {
		o.Scheme = kube.Scheme()
		o.Cache.DefaultTransform = kube.Slim()
		o.Cache.ByObject = map[client.Object]cache.ByObject{
			&corev1.Secret{}: only, &corev1.Namespace{}: only, &hostingv1alpha1.HostedCluster{}: only,
		}
	})
}

// backoff is how a seed is asked again that could not be asked for its HostedClusters: from a second to a minute.
func backoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 7, Cap: time.Minute}
}

// follow tells of the seed's HostedClusters until ctx ends. Once they are followed, the cache itself comes through outages.
func (c *Connections) follow(ctx context.Context, seed string, conn *Connection, seedCache cache.Cache) {
	delays := backoff()
	for ctx.Err() == nil {
		synced, err := c.watch(ctx, seedCache)
		if err == nil {
			if toolscache.WaitForCacheSync(ctx.Done(), synced...) {
				conn.setState(true, nil)
				send(ctx, c.Connected, &v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: seed}})
			}
			return
		}
		conn.setState(false, err)
		timer := time.NewTimer(delays.Step())
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// watch begins to fill the cache with all that is read from it for clusters, at the same time, and returns what says when it is filled.
func (c *Connections) watch(ctx context.Context, seedCache cache.Cache) ([]toolscache.InformerSynced, error) {
	var synced []toolscache.InformerSynced
	for _, kind := range []string{"Namespace", "Secret"} {
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		informer, err := seedCache.GetInformer(ctx, metadata, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		synced = append(synced, informer.HasSynced)
	}
	informer, err := seedCache.GetInformer(ctx, &hostingv1alpha1.HostedCluster{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	registration, err := informer.AddEventHandler(c.handler(ctx))
	if err != nil {
		return nil, err
	}
	return append(synced, informer.HasSynced, registration.HasSynced), nil
}

// handler sends what changes. What is there at the beginning is not sent one by one, since the connection wakes all clusters of the
// seed, nor is what is as it was after an outage.
func (c *Connections) handler(ctx context.Context) toolscache.ResourceEventHandler {
	tell := func(obj any) {
		if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if hc, ok := obj.(*hostingv1alpha1.HostedCluster); ok {
			send(ctx, c.Events, hc)
		}
	}
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, isInInitialList bool) {
			if !isInInitialList {
				tell(obj)
			}
		},
		UpdateFunc: func(before, obj any) {
			old, ok := before.(*hostingv1alpha1.HostedCluster)
			hc, ok2 := obj.(*hostingv1alpha1.HostedCluster)
			if !ok || !ok2 || old.ResourceVersion != hc.ResourceVersion {
				tell(obj)
			}
		},
		DeleteFunc: tell,
	}
}

func send(ctx context.Context, to chan<- event.GenericEvent, obj client.Object) {
	select {
	case to <- event.GenericEvent{Object: obj}:
	case <-ctx.Done():
	}
}

func (c *Connection) setState(synced bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced, c.err = synced, err
}

// state reports whether the cache is filled, and if not, the last error.
func (c *Connection) state() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced, c.err
}
