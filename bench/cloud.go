// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/fleet"
	"canopy.dev/canopy/test/cloud/core"
)

const (
	cloudClusters = 10
	cloudMachines = 10 // in each cluster
	cloudWorkers  = 10
	// cloudPoll is how often the seed's controllers look at a machine that comes or goes.
	cloudPoll = 5 * time.Second
	// cloudLooks is how many times an instance is looked at before it runs.
	cloudLooks = 3
)

// benchAccount is an account at a test cloud.
type benchAccount struct {
	test     *core.Cloud
	cloud    machine.Cloud
	account  machine.Account
	provider v1alpha1.Provider
	fleet    *fleet.Fleet
}

// benchCluster is a cluster with machines at one of them.
type benchCluster struct {
	*benchAccount

	pc       *v1alpha1.ProviderCluster
	machines []*v1alpha1.ProviderMachine
}

// cloudBench is clusters at all test clouds. Time passes by its clock alone, except in what is said to be of the wall.
type cloudBench struct {
	clock    *testclock.FakeClock
	accounts map[v1alpha1.ProviderName]*benchAccount
	clusters []*benchCluster
}

// benchClouds measures what machines cost at their clouds, on the test clouds and as the seed's controllers would do it: how long
// until they run, how many calls they take, and the memory of what knows them.
func benchClouds(ctx context.Context) error {
	accounts, stop, err := benchAccounts()
	if err != nil {
		return err
	}
	defer stop()
	b := &cloudBench{clock: testclock.NewFakeClock(time.Now()), accounts: accounts}
	if err := b.connect(ctx); err != nil {
		return err
	}
	emit("cloud_calls_of_networks", "calls", []float64{float64(b.calls()) / cloudClusters})
	before := b.calls()
	if err := b.create(ctx); err != nil {
		return err
	}
	emit("cloud_heap_megabytes", "MB", []float64{heapNow() / mb}) // of this process, which is the test clouds, too
	created := b.calls() - before
	if err := b.rest(ctx); err != nil {
		return err
	}
	before = b.calls()
	if err := b.remove(ctx); err != nil {
		return err
	}
	emit("cloud_calls_per_machine", "calls", []float64{float64(created+b.calls()-before) / cloudClusters / cloudMachines})
	return b.letGo(ctx)
}

// connect makes the clusters with their networks, and what their fleets read.
func (b *cloudBench) connect(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(b.accounts))
	var objects []client.Object
	for i := range cloudClusters {
		a := b.accounts[names[i%len(names)]]
		name := fmt.Sprintf("bench-%d", i)
		namespace := v1alpha1.NamespacePrefix + name
		pc := &v1alpha1.ProviderCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(fmt.Sprintf("%08d-bench", i))}}
		pc.Spec.Place = a.account.Place
		network, err := a.cloud.EnsureNetwork(ctx, machine.Cluster{Account: a.account, Name: name, UID: pc.UID})
		if err != nil {
			return err
		}
		pc.Status.Network, pc.Status.Initialization.Provisioned = network, true
		c := &benchCluster{benchAccount: a, pc: pc}
		objects = append(objects, pc,
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.SecretCredentials}, Data: a.account.Credentials},
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data"}, Data: map[string][]byte{machine.UserDataKey: []byte("#cloud-config\n")}})
		for j := range cloudMachines {
			m := &v1alpha1.ProviderMachine{ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: fmt.Sprintf("%s-workers-%d", name, j), UID: types.UID(fmt.Sprintf("%08d-%08d", i, j)),
				Labels: map[string]string{v1alpha1.LabelCluster: name, v1alpha1.LabelPool: "workers"},
			}}
			m.Spec.Provider = a.provider
			c.machines = append(c.machines, m)
			objects = append(objects, m)
		}
		b.clusters = append(b.clusters, c)
	}
	scheme := kruntime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	kube := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	for _, a := range b.accounts {
		a.fleet = &fleet.Fleet{Client: kube, Live: kube, Cloud: a.cloud, Clock: b.clock}
	}
	return nil
}

// create makes all machines, and looks at them until they run.
func (b *cloudBench) create(ctx context.Context) error {
	start, wall := b.clock.Now(), time.Now()
	var seconds []float64
	err := b.rounds(ctx, func(ctx context.Context, c *benchCluster, m *v1alpha1.ProviderMachine) (bool, error) {
		instance, err := c.fleet.Ensure(ctx, m, machine.Order{UserDataSecret: "data"})
		return instance.Running, err
	}, func() { seconds = append(seconds, b.clock.Since(start).Seconds()) })
	emit("cloud_create_to_running_seconds", "s", seconds)
	emit("cloud_create_all_wall_seconds", "s", []float64{time.Since(wall).Seconds()})
	return err
}

// rest lets an hour pass, in which each machine is looked at every minute, and the network of each cluster once.
func (b *cloudBench) rest(ctx context.Context) error {
	before := map[v1alpha1.ProviderName]int{}
	for name, a := range b.accounts {
		before[name] = a.test.Total()
	}
	for range 60 {
		b.clock.Step(time.Minute)
		for _, c := range b.clusters {
			for _, m := range c.machines {
				if _, err := c.fleet.Observe(ctx, m, false); err != nil {
					return err
				}
			}
		}
	}
	of := map[v1alpha1.ProviderName]float64{}
	for _, c := range b.clusters {
		cluster := c.cluster()
		if _, err := c.cloud.EnsureNetwork(ctx, cluster); err != nil {
			return err
		}
		if err := c.fleet.Sweep(ctx, cluster, c.pc.Namespace); err != nil {
			return err
		}
		of[c.account.Place.Name()]++
	}
	for name, a := range b.accounts {
		emit(fmt.Sprintf("cloud_calls_per_idle_hour_%s", name), "calls", []float64{float64(a.test.Total()-before[name]) / of[name]})
	}
	return nil
}

// remove deletes all machines, and looks at them until they have gone.
func (b *cloudBench) remove(ctx context.Context) error {
	return b.rounds(ctx, func(ctx context.Context, c *benchCluster, m *v1alpha1.ProviderMachine) (bool, error) {
		return c.fleet.Delete(ctx, m)
	}, func() {})
}

// rounds does something with each machine, every few seconds until it is done, and says so each time.
func (b *cloudBench) rounds(ctx context.Context, do func(context.Context, *benchCluster, *v1alpha1.ProviderMachine) (bool, error), done func()) error {
	var mu sync.Mutex
	finished := map[types.UID]bool{}
	for range 100 {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(cloudWorkers)
		for _, c := range b.clusters {
			for _, m := range c.machines {
				mu.Lock()
				is := finished[m.UID]
				mu.Unlock()
				if is {
					continue
				}
				group.Go(func() error {
					is, err := do(ctx, c, m)
					if err != nil || !is {
						return err
					}
					mu.Lock()
					defer mu.Unlock()
					finished[m.UID] = true
					done()
					return nil
				})
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if len(finished) == cloudClusters*cloudMachines {
			return nil
		}
		b.clock.Step(cloudPoll)
	}
	return fmt.Errorf("only %d machines are done", len(finished))
}

// letGo deletes the networks. An account with anything in it is an error.
func (b *cloudBench) letGo(ctx context.Context) error {
	for _, c := range b.clusters {
		for range 100 {
			left, err := c.cloud.DeleteNetwork(ctx, c.cluster())
			if err != nil {
				return err
			}
			if len(left) == 0 {
				break
			}
		}
	}
	n := 0
	for name, a := range b.accounts {
		if left := a.test.Left(); len(left) > 0 {
			return fmt.Errorf("left at %s: %v", name, left)
		}
		n++
	}
	emit("cloud_accounts_without_anything_left", "accounts", []float64{float64(n)})
	return nil
}

func (c *benchCluster) cluster() machine.Cluster {
	return machine.Cluster{Account: c.account, Name: c.pc.Name, UID: c.pc.UID, Network: c.pc.Status.Network}
}

// calls is how many there were at all clouds.
func (b *cloudBench) calls() int {
	n := 0
	for _, a := range b.accounts {
		n += a.test.Total()
	}
	return n
}

// heapNow is the bytes that are in use.
func heapNow() float64 {
	runtime.GC()
	runtime.GC() // what pools kept over the first
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
