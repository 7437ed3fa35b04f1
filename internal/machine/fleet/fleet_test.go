// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
)

// cloud keeps instances, and counts what it is asked.
type cloud struct {
	machine.Cloud

	clock     *testclock.FakeClock
	instances []machine.Instance
	lists     int
	// lost makes the answer of the next creation get lost.
	lost bool
}

func (c *cloud) List(context.Context, machine.Cluster) ([]machine.Instance, error) {
	c.lists++
	return slices.Clone(c.instances), nil
}

func (c *cloud) Create(_ context.Context, _ machine.Cluster, m machine.Machine) (machine.Instance, error) {
	id := fmt.Sprintf("i-%d", len(c.instances))
	c.instances = append(c.instances, machine.Instance{ID: id, ProviderID: "cloud://" + id, MachineUID: m.UID, Created: c.clock.Now()})
	if c.lost {
		c.lost = false
		return machine.Instance{}, errors.New("connection reset")
	}
	return c.instances[len(c.instances)-1], nil
}

func (c *cloud) Delete(_ context.Context, _ machine.Cluster, instance machine.Instance) error {
	c.instances = slices.DeleteFunc(c.instances, func(i machine.Instance) bool { return i.ID == instance.ID })
	return nil
}

func (c *cloud) ids() []string {
	var ids []string
	for _, i := range c.instances {
		ids = append(ids, i.ID)
	}
	return ids
}

func newFleet(t *testing.T, objs ...client.Object) (*Fleet, *cloud) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objs...).Build()
	clock := testclock.NewFakeClock(time.Now())
	cl := &cloud{clock: clock}
	return &Fleet{Client: c, Live: c, Cloud: cl, Clock: clock}, cl
}

const namespace = "cluster-demo"

func provisioned() []client.Object {
	pc := &v1alpha1.ProviderCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo", UID: "u-demo"}}
	pc.Status.Initialization.Provisioned = true
	return []client.Object{
		pc,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.SecretCredentials}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data"}},
	}
}

func newMachine(name string) *v1alpha1.ProviderMachine {
	return &v1alpha1.ProviderMachine{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID("u-" + name), Labels: map[string]string{v1alpha1.LabelCluster: "demo"},
	}}
}

var order = machine.Order{UserDataSecret: "data"}

func TestAMachineWaitsForTheNetworkAndTheCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		objs   []client.Object
		reason string
	}{
		"no network yet": {[]client.Object{&v1alpha1.ProviderCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}}}, v1alpha1.ReasonWaitingForCloud},
		"no credentials": {provisioned()[:1], v1alpha1.ReasonSecretMissing},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := newFleet(t, c.objs...)
			_, err := f.Ensure(t.Context(), newMachine("a"), order)
			if waiting, ok := errors.AsType[*kube.WaitingError](err); !ok || waiting.Reason != c.reason {
				t.Errorf("Ensure() = %v, want to wait for %s", err, c.reason)
			}
		})
	}
}

func TestAnAnswerThatGetsLostMakesNoTwin(t *testing.T) {
	f, cl := newFleet(t, provisioned()...)
	cl.lost = true
	if _, err := f.Ensure(t.Context(), newMachine("a"), order); err == nil {
		t.Fatal("the lost answer is no error")
	}
	instance, err := f.Ensure(t.Context(), newMachine("a"), order)
	if err != nil || len(cl.instances) != 1 || instance.ID != cl.instances[0].ID {
		t.Errorf("Ensure() = %v, %v with %v", instance, err, cl.ids())
	}
}

func TestMachinesThatComeAndThatRunShareAnswers(t *testing.T) {
	f, cl := newFleet(t, provisioned()...)
	machines := make([]*v1alpha1.ProviderMachine, 10)
	for i := range machines {
		machines[i] = newMachine(fmt.Sprintf("m%d", i))
		for range 2 {
			if _, err := f.Ensure(t.Context(), machines[i], order); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cl.lists != 1 || len(cl.instances) != 10 {
		t.Errorf("%d lists and %d instances, want 1 and 10", cl.lists, len(cl.instances))
	}
	for range 12 { // an hour
		f.Clock.(*testclock.FakeClock).Step(runningAge)
		for _, m := range machines {
			if _, err := f.Observe(t.Context(), m, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cl.lists != 13 {
		t.Errorf("%d lists after an hour, want 13", cl.lists)
	}
}

func TestDeleteIsDoneWhenTheCloudHasNothingOfTheMachine(t *testing.T) {
	f, cl := newFleet(t, provisioned()...)
	for _, name := range []string{"a", "b"} {
		if _, err := f.Ensure(t.Context(), newMachine(name), order); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := f.Delete(t.Context(), newMachine("a"))
	if err != nil || gone {
		t.Fatalf("Delete() = %v, %v while the instance is there", gone, err)
	}
	if gone, err = f.Delete(t.Context(), newMachine("a")); err != nil || !gone || len(cl.instances) != 1 {
		t.Errorf("Delete() = %v, %v with %v", gone, err, cl.ids())
	}
}

func TestSweepTakesOrphansAndTwinsAndNothingElse(t *testing.T) {
	old, young := time.Now().Add(-time.Hour), time.Now()
	known := newMachine("known")
	known.Spec.ProviderID = "cloud://second"
	for name, c := range map[string]struct {
		instances []machine.Instance
		want      []string
	}{
		"the one of a machine stays":              {[]machine.Instance{{ID: "a", MachineUID: known.UID, Created: old}}, []string{"a"}},
		"of a machine that nobody knows":          {[]machine.Instance{{ID: "a", MachineUID: "u-nobody", Created: old}}, nil},
		"a young one may be somebody's":           {[]machine.Instance{{ID: "a", MachineUID: "u-nobody", Created: young}}, []string{"a"}},
		"the twin that the machine does not have": {[]machine.Instance{{ID: "first", ProviderID: "cloud://first", MachineUID: known.UID, Created: old}, {ID: "second", ProviderID: "cloud://second", MachineUID: known.UID, Created: young}}, []string{"second"}},
	} {
		t.Run(name, func(t *testing.T) {
			objs := append(provisioned(), known.DeepCopy())
			f, cl := newFleet(t, objs...)
			cl.instances = c.instances
			cluster := Cluster(objs[0].(*v1alpha1.ProviderCluster), objs[1].(*corev1.Secret))
			if err := f.Sweep(t.Context(), cluster, namespace); err != nil {
				t.Fatal(err)
			}
			if got := cl.ids(); !slices.Equal(got, c.want) {
				t.Errorf("left are %v, want %v", got, c.want)
			}
		})
	}
}
