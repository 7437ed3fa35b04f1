// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

const (
	// askEvery is how often a starting API is asked; the kubelet's probes cannot be faster than one a second.
	askEvery = 50 * time.Millisecond
	// askFor is how long a starting API is asked before only events and the resync ask again.
	askFor     = 3 * time.Minute
	askTimeout = 2 * time.Second
)

// prober asks control planes for their health, at the address that people use.
type prober struct {
	// Answered receives an event when an API that was waited for has answered.
	Answered chan event.TypedGenericEvent[*v1alpha1.HostedCluster]

	waiting sync.Map // client.ObjectKey → context.CancelFunc
}

func newProber() *prober {
	return &prober{Answered: make(chan event.TypedGenericEvent[*v1alpha1.HostedCluster], 1024)}
}

// ask returns nil if url answers 200 and shows a certificate that the PEM-encoded ca has signed for serverName (empty:
// for the host of url).
func ask(ctx context.Context, url, serverName string, ca []byte) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("asking %s: the authority's certificate is not PEM", url)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	return askWith(ctx, &http.Client{Transport: transport, Timeout: askTimeout}, url)
}

func askWith(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// waitFor asks url in the background until it answers 200, and then sends an event for hc. One call for each cluster is
// under way at a time; further ones do nothing.
func (p *prober) waitFor(ctx context.Context, hc *v1alpha1.HostedCluster, url string, ca []byte) {
	key := client.ObjectKeyFromObject(hc)
	ctx, cancel := context.WithTimeout(ctx, askFor)
	if _, busy := p.waiting.LoadOrStore(key, cancel); busy {
		cancel()
		return
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	asker := &http.Client{Transport: transport, Timeout: askTimeout}
	hc = &v1alpha1.HostedCluster{ObjectMeta: *hc.ObjectMeta.DeepCopy()}
	go func() {
		defer cancel()
		defer transport.CloseIdleConnections()
		_ = wait.PollUntilContextCancel(ctx, askEvery, true, func(ctx context.Context) (bool, error) {
			return askWith(ctx, asker, url) == nil, nil
		})
		p.waiting.Delete(key)
		select {
		case p.Answered <- event.TypedGenericEvent[*v1alpha1.HostedCluster]{Object: hc}:
		case <-ctx.Done():
		}
	}()
}

// forget stops waiting for the cluster's API.
func (p *prober) forget(hc *v1alpha1.HostedCluster) {
	if cancel, ok := p.waiting.LoadAndDelete(client.ObjectKeyFromObject(hc)); ok {
		cancel.(context.CancelFunc)()
	}
}
