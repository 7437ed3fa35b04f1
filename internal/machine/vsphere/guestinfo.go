// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	vim "github.com/vmware/govmomi/vim25/types"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// encoding is how guest information is written: vCenter limits how long it can be.
const encoding = "gzip+base64"

// extraConfig is what a machine is told about itself, and what it says of itself: user data for cloud-init or Ignition, its
// network, and the tags. The UUIDs of its disks are shown to it, which the CSI driver finds them by.
func extraConfig(c machine.Cluster, m machine.Machine, address string) ([]vim.BaseOptionValue, error) {
	values := [][2]string{{keyCluster, string(c.UID)}, {keyMachine, string(m.UID)}, {"disk.EnableUUID", "TRUE"}}
	if address != "" {
		values = append(values, [2]string{keyAddress, address})
	}
	add := func(key string, content []byte) error {
		packed, err := pack(content)
		values = append(values, [2]string{key, packed}, [2]string{key + ".encoding", encoding})
		return err
	}
	if m.Provider.VSphere.OperatingSystem == v1alpha1.Flatcar {
		config, err := withNetwork(m.UserData, m.Provider.VSphere.Addresses, address)
		if err == nil {
			err = add("guestinfo.ignition.config.data", config)
		}
		return optionsOf(values), err
	}
	metadata, err := metadataOf(m, address)
	if err != nil {
		return nil, err
	}
	if err := add("guestinfo.metadata", metadata); err != nil {
		return nil, err
	}
	err = add("guestinfo.userdata", m.UserData)
	return optionsOf(values), err
}

func optionsOf(values [][2]string) []vim.BaseOptionValue {
	var options []vim.BaseOptionValue
	for _, value := range values {
		options = append(options, &vim.OptionValue{Key: value[0], Value: value[1]})
	}
	return options
}

func pack(content []byte) (string, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(content); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}

// metadataOf is what cloud-init calls metadata. The network is in the form of netplan's version 2; without a static address
// the machine asks a DHCP server.
func metadataOf(m machine.Machine, address string) ([]byte, error) {
	type match struct {
		Name string `json:"name"`
	}
	type route struct {
		To  string `json:"to"`
		Via string `json:"via"`
	}
	type nameservers struct {
		Addresses []string `json:"addresses,omitempty"`
	}
	type card struct {
		Match       match       `json:"match"`
		Addresses   []string    `json:"addresses"`
		Routes      []route     `json:"routes"`
		Nameservers nameservers `json:"nameservers"`
	}
	type network struct {
		Version   int             `json:"version"`
		Ethernets map[string]card `json:"ethernets"`
	}
	metadata := struct {
		InstanceID    string   `json:"instance-id"`
		LocalHostname string   `json:"local-hostname"`
		Network       *network `json:"network,omitempty"`
	}{InstanceID: string(m.UID), LocalHostname: m.Name}
	if static := m.Provider.VSphere.Addresses; static != nil {
		metadata.Network = &network{Version: 2, Ethernets: map[string]card{"primary": {
			Match:       match{"e*"},
			Addresses:   []string{fmt.Sprintf("%s/%d", address, static.PrefixLength)},
			Routes:      []route{{everywhere(static.Gateway), static.Gateway}},
			Nameservers: nameservers{static.DNSServers},
		}}}
	}
	return yaml.Marshal(metadata)
}

// everywhere is the network that is reached through the gateway. Unlike the word "default", older versions of netplan know it.
func everywhere(gateway string) string {
	if a, err := netip.ParseAddr(gateway); err == nil && a.Is6() {
		return "::/0"
	}
	return "0.0.0.0/0"
}

// withNetwork returns the Ignition config with a file that gives the machine its static address.
func withNetwork(config []byte, static *v1alpha1.StaticAddresses, address string) ([]byte, error) {
	if static == nil {
		return config, nil
	}
	ignition := map[string]any{}
	if err := json.Unmarshal(config, &ignition); err != nil {
		return nil, fmt.Errorf("reading the Ignition config: %w", err)
	}
	unit := fmt.Sprintf("[Match]\nName=e*\n\n[Network]\nDHCP=no\nAddress=%s/%d\nGateway=%s\n", address, static.PrefixLength, static.Gateway)
	for _, server := range static.DNSServers {
		unit += "DNS=" + server + "\n"
	}
	storage, _ := ignition["storage"].(map[string]any)
	if storage == nil {
		storage = map[string]any{}
		ignition["storage"] = storage
	}
	files, _ := storage["files"].([]any)
	storage["files"] = append(files, map[string]any{
		"path": "/etc/systemd/network/00-static.network", "mode": 0o644, "overwrite": true,
		"contents": map[string]any{"source": "data:," + strings.ReplaceAll(url.QueryEscape(unit), "+", "%20")},
	})
	return json.Marshal(ignition)
}
