// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package fleet makes a machine.Provider of a machine.Cloud: what is the same for every cloud. It runs inside the seed's
// manager. It decides when a cloud is asked at all: the machines of one cluster share what it answers, so that ten that wait
// cost no more than one, and those that run are looked at every few minutes only.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

const (
	// comingAge and runningAge are how old an answer of the cloud may be for a machine that comes or goes, and for one that
	// runs. A node that dies is noticed by Cluster API's health check before.
	comingAge  = 3 * time.Second
	runningAge = 5 * time.Minute
	// orphanAge is how old an instance is whose machine nobody knows, before it is taken for an orphan.
	orphanAge = 10 * time.Minute
)

// Fleet is the instances of all clusters of a seed at one cloud.
type Fleet struct {
	// Client reads from the cache, Live from the API itself.
	Client client.Client
	Live   client.Reader
	Cloud  machine.Cloud
	Clock  clock.PassiveClock

	mu    sync.Mutex
	views map[types.UID]*view
}

var _ machine.Provider = &Fleet{}

// view is what the cloud last said of one cluster.
type view struct {
	mu        sync.Mutex
	at        time.Time
	instances []machine.Instance
}

// Ensure creates the instance when the cluster has its network.
func (f *Fleet) Ensure(ctx context.Context, m *v1alpha1.ProviderMachine, order machine.Order) (machine.Instance, error) {
	cluster, err := f.clusterOf(ctx, m)
	if err != nil {
		return machine.Instance{}, err
	}
	instances, err := f.Instances(ctx, cluster, comingAge)
	if err != nil {
		return machine.Instance{}, err
	}
	if own, ok := choose(instances, m); ok {
		return own, nil
	}
	userData := &corev1.Secret{}
	if err := f.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: order.UserDataSecret}, userData); err != nil {
		return machine.Instance{}, fmt.Errorf("reading the user data of machine %s: %w", client.ObjectKeyFromObject(m), err)
	}
	created, err := f.Cloud.Create(ctx, cluster, machine.Machine{
		Name: m.Name, UID: m.UID, Pool: m.Labels[v1alpha1.LabelPool], Provider: m.Spec.Provider,
		UserData: userData.Data[machine.UserDataKey],
	})
	v := f.view(cluster.UID)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.at = time.Time{} // it may have been made all the same
		return machine.Instance{}, err
	}
	created.MachineUID = m.UID
	v.instances = append(slices.Clone(v.instances), created)
	return created, nil
}

// Observe returns what the cloud said lately.
func (f *Fleet) Observe(ctx context.Context, m *v1alpha1.ProviderMachine, doubt bool) (machine.Instance, error) {
	cluster, err := f.clusterOf(ctx, m)
	if err != nil {
		return machine.Instance{}, err
	}
	age := runningAge
	if doubt {
		age = comingAge
	}
	instances, err := f.Instances(ctx, cluster, age)
	if err != nil {
		return machine.Instance{}, err
	}
	own, ok := choose(instances, m)
	if !ok || own.Deleting {
		return machine.Instance{}, machine.ErrNotFound
	}
	return own, nil
}

// Delete deletes every instance of the machine.
func (f *Fleet) Delete(ctx context.Context, m *v1alpha1.ProviderMachine) (bool, error) {
	cluster, err := f.clusterOf(ctx, m)
	if apierrors.IsNotFound(err) || errors.Is(err, errNoNetwork) {
		return true, nil // nothing was ever made
	}
	if err != nil {
		return false, err
	}
	instances, err := f.Instances(ctx, cluster, comingAge)
	if err != nil {
		return false, err
	}
	gone := true
	for _, instance := range instances {
		if instance.MachineUID != m.UID {
			continue
		}
		gone = false
		if err := f.delete(ctx, cluster, instance); err != nil {
			return false, err
		}
	}
	if gone { // says an answer that may be from before its creation
		if instances, err = f.Instances(ctx, cluster, 0); err != nil {
			return false, err
		}
		_, there := choose(instances, m)
		gone = !there
	}
	return gone, nil
}

// delete deletes one instance unless it is on its way out, and asks for a new answer of the cloud.
func (f *Fleet) delete(ctx context.Context, cluster machine.Cluster, instance machine.Instance) error {
	if instance.Deleting {
		return nil
	}
	v := f.view(cluster.UID)
	v.mu.Lock()
	v.at = time.Time{}
	v.mu.Unlock()
	return f.Cloud.Delete(ctx, cluster, instance)
}

// Sweep deletes the instances of the cluster that no machine has: those of machines that nobody knows, and all but one of
// those that were made for the same machine.
func (f *Fleet) Sweep(ctx context.Context, cluster machine.Cluster, namespace string) error {
	instances, err := f.Instances(ctx, cluster, runningAge)
	if err != nil {
		return err
	}
	// Not from the cache: a machine that was just made is no orphan's.
	var machines v1alpha1.ProviderMachineList
	if err := f.Live.List(ctx, &machines, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("reading the machines of %s: %w", namespace, err)
	}
	chosen := map[string]bool{}
	known := map[types.UID]bool{}
	for i := range machines.Items {
		known[machines.Items[i].UID] = true
		if own, ok := choose(instances, &machines.Items[i]); ok {
			chosen[own.ID] = true
		}
	}
	var errs []error
	for _, instance := range instances {
		young := f.Clock.Since(instance.Created) < orphanAge
		if !chosen[instance.ID] && (known[instance.MachineUID] || !young) {
			errs = append(errs, f.delete(ctx, cluster, instance))
		}
	}
	return errors.Join(errs...)
}

// Empty deletes all instances of the cluster, and reports whether there are none.
func (f *Fleet) Empty(ctx context.Context, cluster machine.Cluster) (bool, error) {
	instances, err := f.Instances(ctx, cluster, comingAge)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, instance := range instances {
		errs = append(errs, f.delete(ctx, cluster, instance))
	}
	return len(instances) == 0, errors.Join(errs...)
}

// Instances returns the instances of a cluster, by an answer of the cloud that is no older than age.
func (f *Fleet) Instances(ctx context.Context, cluster machine.Cluster, age time.Duration) ([]machine.Instance, error) {
	v := f.view(cluster.UID)
	v.mu.Lock()
	defer v.mu.Unlock() // which also keeps an answer from before a creation from replacing what is known since
	if !v.at.IsZero() && f.Clock.Since(v.at) < age {
		return v.instances, nil
	}
	instances, err := f.Cloud.List(ctx, cluster)
	if err != nil {
		return nil, err
	}
	v.at, v.instances = f.Clock.Now(), instances
	return instances, nil
}

func (f *Fleet) view(cluster types.UID) *view {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.views == nil {
		f.views = map[types.UID]*view{}
	}
	if f.views[cluster] == nil {
		f.views[cluster] = &view{}
	}
	return f.views[cluster]
}

// Forget forgets a cluster that is gone.
func (f *Fleet) Forget(cluster types.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.views, cluster)
}

// choose returns the machine's instance. Of several it is the one by whose provider ID the machine goes, else one that stays,
// else the oldest.
func choose(instances []machine.Instance, m *v1alpha1.ProviderMachine) (machine.Instance, bool) {
	var best *machine.Instance
	for i := range instances {
		candidate := &instances[i]
		if candidate.MachineUID == m.UID && (best == nil || better(candidate, best, m.Spec.ProviderID)) {
			best = candidate
		}
	}
	if best == nil {
		return machine.Instance{}, false
	}
	return *best, true
}

func better(a, b *machine.Instance, providerID string) bool {
	if providerID != "" && (a.ProviderID == providerID) != (b.ProviderID == providerID) {
		return a.ProviderID == providerID
	}
	if ends := func(i *machine.Instance) bool { return i.Deleting || i.Failed }; ends(a) != ends(b) {
		return ends(b)
	}
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return a.ID < b.ID
}

// errNoNetwork says that the cluster has no network yet, and therefore no machines.
var errNoNetwork = kube.Wait(v1alpha1.ReasonWaitingForCloud, "what the machines have in common at their cloud is being made (kubectl describe providercluster)", 0)

func (f *Fleet) clusterOf(ctx context.Context, m *v1alpha1.ProviderMachine) (machine.Cluster, error) {
	pc := &v1alpha1.ProviderCluster{}
	if err := f.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Labels[v1alpha1.LabelCluster]}, pc); err != nil {
		return machine.Cluster{}, fmt.Errorf("reading the ProviderCluster of machine %s: %w", client.ObjectKeyFromObject(m), err)
	}
	if !pc.Status.Initialization.Provisioned {
		return machine.Cluster{}, errNoNetwork
	}
	credentials, err := Credentials(ctx, f.Client, pc)
	if err != nil {
		return machine.Cluster{}, err
	}
	return Cluster(pc, credentials), nil
}

// Credentials returns the Secret with those of a cluster. That it is missing is a *kube.WaitingError.
func Credentials(ctx context.Context, c client.Reader, pc *v1alpha1.ProviderCluster) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: pc.Namespace, Name: v1alpha1.SecretCredentials}, secret)
	if apierrors.IsNotFound(err) {
		return nil, kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf(
			"the credentials for the cloud are missing: create the Secret %s in the namespace %s, with the label %s=%s", v1alpha1.SecretCredentials, pc.Namespace, v1alpha1.LabelCluster, pc.Name), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the credentials of %s: %w", client.ObjectKeyFromObject(pc), err)
	}
	return secret, nil
}

// Cluster returns what a cloud has to know of a cluster.
func Cluster(pc *v1alpha1.ProviderCluster, credentials *corev1.Secret) machine.Cluster {
	return machine.Cluster{
		Account: machine.Account{Place: pc.Spec.Place, Credentials: credentials.Data},
		Name:    pc.Name, UID: pc.UID, Named: pc.Spec.Network, Network: pc.Status.Network,
	}
}
