// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	ignition "github.com/coreos/ignition/v2/config/v3_4/types"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Format is a form of user data, by the name that Cluster API's contract has for it.
type Format string

// FormatKey is the key of a machine's Secret under which the format of its user data is.
const FormatKey = "format"

// The formats.
const (
	// CloudConfig is for cloud-init, which is on the images of Debian and Ubuntu.
	CloudConfig Format = "cloud-config"
	// Ignition is for Flatcar.
	Ignition Format = "ignition"
	// Script is for machines of bringYourOwn: a shell script that somebody runs there. It has no credential: see JoinCommand.
	Script Format = "script"
)

// FormatOf returns the format that machines of a pool read.
func FormatOf(provider v1alpha1.Provider) Format {
	switch {
	case provider.BringYourOwn != nil:
		return Script
	case provider.System().OperatingSystem == v1alpha1.Flatcar:
		return Ignition
	}
	return CloudConfig
}

const (
	unitFolder = "/etc/systemd/system/"
	// startUnit makes the machine a node when everything else is written.
	startUnit = "start-node.service"
)

// file is written on a machine.
type file struct {
	Path string `json:"path"`
	// Permissions are octal, such as "0644".
	Permissions string `json:"permissions"`
	Content     string `json:"content"`
}

type cloudConfig struct {
	Hostname string     `json:"hostname"`
	Files    []file     `json:"write_files"`
	Commands [][]string `json:"runcmd"`
}

func encodeCloudConfig(name string, files []file) ([]byte, error) {
	start := []string{"systemctl", "enable", "--quiet", "--now", "--no-block", startUnit}
	config, err := yaml.Marshal(cloudConfig{Hostname: name, Files: files, Commands: [][]string{start}})
	if err != nil {
		return nil, err
	}
	return append([]byte("#cloud-config\n"), config...), nil
}

// flatcarContainerd makes Flatcar's containerd read the configuration that is written on every machine: its own is in an image
// that cannot be written.
const flatcarContainerd = "[Service]\nExecStart=\nExecStart=/usr/bin/containerd --config /etc/containerd/config.toml\n"

// encodeIgnition compresses files, because clouds limit what a machine is given.
func encodeIgnition(name string, files []file) ([]byte, error) {
	config := ignition.Config{Ignition: ignition.Ignition{Version: ignition.MaxVersion.String()}}
	// An update is taken when somebody reboots the machine, and does not reboot it itself: its pods would not be drained.
	config.Systemd.Units = []ignition.Unit{{Name: "locksmithd.service", Mask: new(true)}}
	files = append(files[:len(files):len(files)],
		file{"/etc/hostname", "0644", name + "\n"},
		file{unitFolder + "containerd.service.d/config.conf", "0644", flatcarContainerd})
	for _, f := range files {
		mode, err := strconv.ParseInt(f.Permissions, 8, 32)
		if err != nil {
			return nil, fmt.Errorf("the mode of %s: %w", f.Path, err)
		}
		if unit, ok := strings.CutPrefix(f.Path, unitFolder); ok && path.Dir(unit) == "." {
			config.Systemd.Units = append(config.Systemd.Units, ignition.Unit{Name: unit, Contents: &f.Content, Enabled: new(unit == startUnit)})
			continue
		}
		zipped, err := Pack([]byte(f.Content))
		if err != nil {
			return nil, err
		}
		contents := ignition.Resource{Source: new("data:;base64," + zipped), Compression: new("gzip")}
		config.Storage.Files = append(config.Storage.Files, ignition.File{
			Node:          ignition.Node{Path: f.Path, Overwrite: new(true)},
			FileEmbedded1: ignition.FileEmbedded1{Mode: new(int(mode)), Contents: contents},
		})
	}
	return json.Marshal(config)
}
