// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package nodenetwork

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// ask is how often the node's other agents are asked whether they are ready.
	ask = 100 * time.Millisecond
	// answer is how long one may take to answer.
	answer = time.Second
)

// cniConfig makes a pod's interface: a pair of devices, one end in the pod, the other one on the node with a route to the
// pod's address. There is no bridge, so that all packets between pods are forwarded, and thereby seen by the rules.
// Addresses are remembered below /run, which a reboot empties together with the pods.
var cniConfig = template.Must(template.New("cni").Parse(`{
  "cniVersion": "0.4.0",
  "name": "canopy",
  "plugins": [
    {
      "type": "ptp",
      "mtu": {{.MTU}},
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni/networks",
        "ranges": [[{"subnet": "{{.Pods}}"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`))

// gate lets pods onto the node when its network is complete. Kubelet reports a node without a CNI configuration as not
// ready, and starts no pods on it but those that use the node's own network. A pod that starts too early would suffer
// for long: a connection that began without the rules that redirect and masquerade it never gets them.
type gate struct {
	path   string   // the file to write
	device string   // its MTU is what pods get
	urls   []string // all must answer 200
}

// open waits until the node has a range of pods, and all agents are ready, and writes the file.
func (g gate) open(ctx context.Context, podRange func() (netip.Prefix, bool), rulesReady func() bool) error {
	client := &http.Client{Timeout: answer}
	said := ""
	err := wait.PollUntilContextCancel(ctx, ask, true, func(ctx context.Context) (bool, error) {
		missing := g.missing(ctx, client, podRange, rulesReady)
		if missing != "" && missing != said {
			slog.Info("Pods have to wait", "reason", missing)
		}
		said = missing
		return missing == "", nil
	})
	if err != nil {
		return nil //nolint:nilerr // told to end
	}
	device, err := net.InterfaceByName(g.device)
	if err != nil {
		return fmt.Errorf("reading the MTU of %s: %w", g.device, err)
	}
	pods, _ := podRange()
	var content bytes.Buffer
	if err := cniConfig.Execute(&content, map[string]any{"MTU": device.MTU, "Pods": pods}); err != nil {
		return err
	}
	changed, err := replaceFile(g.path, content.Bytes())
	if changed {
		slog.Info("Pods may start", "file", g.path)
	}
	return err
}

// missing says what is waited for, empty if nothing.
func (g gate) missing(ctx context.Context, client *http.Client, podRange func() (netip.Prefix, bool), rulesReady func() bool) string {
	if _, ok := podRange(); !ok {
		return "the node has no range of pods yet"
	}
	if !rulesReady() {
		return "the rules of network policies are not written yet"
	}
	for _, url := range g.urls {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err.Error()
		}
		resp, err := client.Do(req)
		if err != nil {
			return url + " does not answer yet"
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("%s answers %s", url, resp.Status)
		}
	}
	return ""
}
