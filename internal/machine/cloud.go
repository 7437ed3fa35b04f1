// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Cloud is a provider whose machines are instances in somebody's account. There is one package per cloud, on the cloud's own
// SDK; what is the same for all of them is in package fleet: who calls when, how seldom, and what is cleaned up. To add a
// cloud,
//
//   - add its blocks to v1alpha1.Place and v1alpha1.Provider;
//   - write the package;
//   - add it to the clouds of package clouds.
//
// Whatever is made is named after the cluster or the machine and carries two tags: TagCluster with the cluster's UID, and on
// what belongs to one machine TagMachine with its UID. By these it is found again, and by nothing else: a crash between a
// call and remembering it leaves neither an orphan nor a twin. Each method is called again with the same input until it has
// worked, and does then what is still missing.
//
// Errors are classified: what a person has to change, or what takes a while, is a *RefusedError with one of the reasons
// v1alpha1.ReasonUnauthenticated … ReasonConfiguration and a message that says which call, which object and what the cloud
// said. Everything else (timeouts, 5xx) is returned as it is and tried again. No error contains a credential.
type Cloud interface {
	// EnsureNetwork makes what the machines of the cluster have in common and its spec does not name, and returns all of it.
	// What the spec names must exist: if it does not, the error says so. Called about once an hour.
	EnsureNetwork(ctx context.Context, c Cluster) (v1alpha1.CloudNetwork, error)
	// DeleteNetwork lets go of all that EnsureNetwork made, and of nothing else. It returns what is still there, such as
	// "subnet subnet-0123"; it is called again until that is empty, and does not wait.
	DeleteNetwork(ctx context.Context, c Cluster) (left []string, err error)
	// Create makes the machine's instance and returns it as it is, without waiting for it to run. List did not have it a
	// moment ago; where the cloud has idempotency tokens or unique names, they are made of the machine's UID or name.
	Create(ctx context.Context, c Cluster, m Machine) (Instance, error)
	// List returns the instances of the cluster, whatever they were made for. One that has ended is left out once the cloud
	// has let go of what belongs to it (disks, addresses); until then it is Deleting or Failed.
	List(ctx context.Context, c Cluster) ([]Instance, error)
	// Delete lets go of an instance and of what belongs to it, and does not wait. That it is gone is no error.
	Delete(ctx context.Context, c Cluster, instance Instance) error
	// Offers returns what can be had at the place, for people to choose from.
	Offers(ctx context.Context, a Account) (Offers, error)
	// Verify returns nil if the credentials may do what this package does with them, else what they may not, as a
	// *RefusedError. It changes nothing.
	Verify(ctx context.Context, a Account) error
}

// Tags of what is made. Clouds whose tags have no keys or no capitals write them in a form of their own.
const (
	TagCluster = "canopy.dev/cluster"
	TagMachine = "canopy.dev/machine"
)

// Account is a place and what opens it.
type Account struct {
	Place v1alpha1.Place
	// Credentials are the Secret of a Preset; which keys there are is the cloud's business, and documented there.
	Credentials map[string][]byte
}

// Cluster is what a cloud has to know of a cluster.
type Cluster struct {
	Account

	// Name is the HostedCluster's, and UID that of its ProviderCluster: unique in the world.
	Name string
	UID  types.UID
	// Named is what the spec names and was there before.
	Named v1alpha1.CloudNetwork
	// Network is what EnsureNetwork returned; for EnsureNetwork itself, what it returned last.
	Network v1alpha1.CloudNetwork
}

// Machine is what a cloud has to know of a machine.
type Machine struct {
	// Name is the machine's and its node's, and UID that of its ProviderMachine.
	Name string
	UID  types.UID
	// Pool is the name of its pool.
	Pool string
	// Provider has the block of the cloud.
	Provider v1alpha1.Provider
	// UserData is a cloud-config, or an Ignition config if the operating system is Flatcar.
	UserData []byte
}

// Offers are what can be had at a place.
type Offers struct {
	// Places are the regions, locations or zones in which machines of the account can be, sorted by name.
	Places []Offer `json:"places,omitempty"`
	// Zones are those of the place itself.
	Zones []Offer `json:"zones,omitempty"`
	// Sizes are what a machine can be at the place itself, from small to large.
	Sizes []Size `json:"sizes,omitempty"`
	// Images, Networks and Subnets of the account, sorted by name.
	Images   []Offer `json:"images,omitempty"`
	Networks []Offer `json:"networks,omitempty"`
	Subnets  []Offer `json:"subnets,omitempty"`
}

// Offer is one thing to choose.
type Offer struct {
	// Name is what is written into a spec, and Description is for people.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Size is what a machine can be.
type Size struct {
	Offer
	CPUs   int               `json:"cpus"`
	Memory resource.Quantity `json:"memory"`
	// GPUs is their number, and Disk the size of the disk that comes with it; zero: one of the pool's choice.
	GPUs int               `json:"gpus,omitempty"`
	Disk resource.Quantity `json:"disk,omitzero"`
	// PricePerHour is in Currency, such as "0.0416"; empty where the API does not tell.
	PricePerHour string `json:"pricePerHour,omitempty"`
	Currency     string `json:"currency,omitempty"`
	// Architecture is Go's name of it: amd64 or arm64.
	Architecture string `json:"architecture,omitempty"`
}

// OpenPorts is what machines of a cluster let in from everywhere: the ports of Services. Between themselves the machines of
// a cluster let everything through, and outwards as well.
var OpenPorts = PortRange{First: 30000, Last: 32767}

// PortRange is of TCP and of UDP.
type PortRange struct{ First, Last int }
