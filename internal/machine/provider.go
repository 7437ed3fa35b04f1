// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package machine is what a seed knows of machines: the objects that make Cluster API keep a pool of them, the user data
// with which one boots, and the interface behind which the providers are. It runs inside the seed's manager; all of it
// but the providers is pure: it reads its inputs and returns objects, bytes or a status.
//
//	nodepools.go   HostedCluster → Cluster API's objects, one MachineDeployment per pool
//	status.go      those objects as they are → the status of the pools
//	bootstrap.go   cluster, pool and token → what is on a machine at its first boot
//	format.go      … → cloud-config, Ignition, or a script (join.go)
//	provider.go    what makes an instance for each machine
//	cloud.go       what a cloud has to do for that; one package per cloud beside this file
package machine

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// Provider makes the instances of machines: of pods, or through a Cloud (package fleet). Every method may be called at any
// time and again after a crash at any line, so an instance is found by what is written on it and never by something
// remembered. Errors that only a person can do something about are a *RefusedError; everything else is tried again, ever
// more slowly.
type Provider interface {
	// Ensure makes the machine's instance unless there is one, and returns it as it is. It does not wait for the
	// instance to run.
	Ensure(ctx context.Context, m *v1alpha1.ProviderMachine, order Order) (Instance, error)
	// Observe returns the machine's instance, or ErrNotFound.
	// doubt says that its node has stopped to answer, so that what was known lately is not enough.
	Observe(ctx context.Context, m *v1alpha1.ProviderMachine, doubt bool) (Instance, error)
	// Delete lets go of the instance and of everything that was made for it alone. It returns true when nothing is left,
	// and does not wait for that.
	Delete(ctx context.Context, m *v1alpha1.ProviderMachine) (gone bool, err error)
}

// Order is what Ensure needs to know beyond the ProviderMachine.
type Order struct {
	// Version is the Kubernetes version that will run on the machine, without a leading v. A provider whose images
	// contain it chooses the image by it; user data installs it everywhere else.
	Version string
	// UserDataSecret is the Secret in the machine's namespace whose key "value" is the user data.
	UserDataSecret string
}

// Instance is a machine as its provider sees it.
type Instance struct {
	// ID is what the provider calls it.
	ID string
	// MachineUID is the UID of the ProviderMachine that it was made for, as is written on it.
	MachineUID types.UID
	// ProviderID is the instance's name in the form that node.spec.providerID has.
	ProviderID string
	// Created is when it was made; of two for the same machine the older one stays.
	Created time.Time
	// Running is true when the instance has booted as far as the provider can tell.
	Running bool
	// Failed is true when the instance has ended and will not run again.
	Failed bool
	// Deleting is true when it is on its way out.
	Deleting bool
	// Addresses are those that the machine may claim in its serving certificate, empty while unknown.
	Addresses []clusterv1.MachineAddress
	// Reason and Message say what a machine that does not run waits for. Reason is one CamelCase word.
	Reason, Message string
}

// ErrNotFound says that there is no instance for the machine.
var ErrNotFound = errors.New("there is no instance")

// RefusedError says that the provider will not do it before a person changes something, or before some time has passed: a
// quota, a credential, the pool's machine type, too many requests.
type RefusedError struct {
	// Reason is one CamelCase word, for clouds one of v1alpha1's; Message says what to change, and who.
	Reason, Message string
	// After is when to ask again; 0: as often as is usual.
	After time.Duration
}

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// Providers are the providers of a seed by their names.
type Providers map[v1alpha1.ProviderName]Provider

// For returns the provider whose block is set. An unset block or one whose provider the seed does not have is a
// *RefusedError.
func (p Providers) For(block v1alpha1.Provider) (Provider, error) {
	if found, ok := p[block.Name()]; ok {
		return found, nil
	}
	return nil, &RefusedError{Reason: "ProviderUnavailable", Message: "this seed does not have the provider that the pool asks for"}
}

// LocalProviderID returns the provider ID of the local machine called name.
func LocalProviderID(namespace, name string) string {
	return "canopy-local://" + namespace + "/" + name
}
