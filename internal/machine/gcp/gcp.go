// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcp makes machines as instances of Google's Compute Engine. It runs inside the seed's manager, reads the
// credentials of a cluster and what there is in its project, and writes a network, a subnet, firewall rules and instances
// there.
//
//	client.go    credentials → a client
//	network.go   what the machines of a cluster have in common
//	instance.go  one machine
//	offers.go    what there is to choose from
//	verify.go    what the credentials may do
//	errors.go    what Google says → whose business it is
//
// Instances carry labels. Networks, subnets and firewall rules have none: their name is made of the cluster's UID, and their
// description says whose they are. All names are unique in a project, so that nothing can be made twice.
package gcp

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Labels of instances. Keys of labels have neither dots nor slashes here.
const (
	labelCluster = "canopy-cluster"
	labelMachine = "canopy-machine"
	labelPool    = "canopy-pool"
)

// maxName is the longest name of anything, in bytes.
const maxName = 63

// name returns the name of what the machines of the cluster have in common: of the network and of the subnet, and the
// network tag of the machines.
func name(c machine.Cluster) string {
	sum := sha256.Sum256([]byte(c.UID))
	suffix := "-" + hex.EncodeToString(sum[:4])
	const longest = maxName - len("-internal")
	return shorten("canopy-"+c.Name, longest-len(suffix)) + suffix
}

// description is written on what has no labels.
func description(c machine.Cluster) string {
	return machine.TagCluster + "=" + string(c.UID)
}

// instanceName returns the name of the machine's instance: its own, if it can be one.
func instanceName(m machine.Machine) string {
	n := m.Name
	if n == "" || n[0] < 'a' || n[0] > 'z' {
		n = "m-" + n
	}
	return shorten(strings.ReplaceAll(n, ".", "-"), maxName)
}

// labels returns the labels of a machine's instance.
func labels(c machine.Cluster, m machine.Machine) map[string]string {
	l := map[string]string{labelCluster: string(c.UID), labelMachine: string(m.UID)}
	if m.Pool != "" {
		l[labelPool] = shorten(strings.ReplaceAll(m.Pool, ".", "-"), maxName)
	}
	return l
}

// requestID identifies an attempt to make the machine's instance: the same attempt twice makes one instance. It has the form
// of a UUID, of version 8.
func requestID(uid types.UID, after string) string {
	sum := sha256.Sum256([]byte(string(uid) + "/" + after))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	x := hex.EncodeToString(sum[:16])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

// shorten cuts s to n bytes, and off what a name cannot end with.
func shorten(s string, n int) string {
	return strings.TrimRight(s[:min(len(s), n)], "-")
}

// reference is what something is called that may be in a project of its own: "name", or
// "projects/host/global/networks/name".
type reference struct{ project, name string }

func refer(s, project string) reference {
	parts := strings.Split(s, "/")
	r := reference{project: project, name: parts[len(parts)-1]}
	if len(parts) > 2 && parts[0] == "projects" {
		r.project = parts[1]
	}
	return r
}

func (r reference) network() string {
	return "projects/" + r.project + "/global/networks/" + r.name
}

func (r reference) subnet(region string) string {
	return "projects/" + r.project + "/regions/" + region + "/subnetworks/" + r.name
}

// last returns the last element of a URL, by which the API names what belongs to something.
func last(url string) string {
	return url[strings.LastIndexByte(url, '/')+1:]
}

// networkOf returns the network of the cluster's machines, and whether it is one that we make.
func networkOf(c machine.Cluster, project string) (r reference, own bool) {
	if c.Named.Network != "" {
		return refer(c.Named.Network, project), false
	}
	return reference{project: project, name: name(c)}, true
}

// place returns the block of the account, which is there whenever this cloud is asked.
func place(a machine.Account) v1alpha1.GCPPlace {
	if a.Place.GCP == nil {
		return v1alpha1.GCPPlace{}
	}
	return *a.Place.GCP
}
