// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/testenv"
)

// config is for the API server that the package's tests share. It is the seed's, and that of every user cluster, too.
var config rest.Config

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what fails is seen in what comes of it
	os.Exit(testenv.Main(withCores{m}, &config))
}

// withCores are the package's tests on a seed that can start all of their control planes at once.
type withCores struct{ tests *testing.M }

// Run gives the seed a node and runs the tests.
func (w withCores) Run() int {
	c, err := client.New(&config, client.Options{})
	if err == nil {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "seed"}}
		node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000")}
		err = c.Create(context.Background(), node) // with its status, which a node reports itself
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "giving the seed of the tests a node:", err)
		return 1
	}
	return w.tests.Run()
}

// patience is how long a test waits for what has to come.
const patience = time.Minute

func newClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.NewWithWatch(&config, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create[T client.Object](t *testing.T, c client.Client, obj T) T {
	t.Helper()
	if err := c.Create(t.Context(), obj); err != nil {
		t.Fatalf("creating %T %s: %v", obj, obj.GetName(), err)
	}
	return obj
}

// patchStatus writes what change does to obj's status, to obj as it is now.
func patchStatus[T client.Object](t *testing.T, c client.Client, obj T, change func()) {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		t.Fatal(err)
	}
	before := obj.DeepCopyObject().(client.Object)
	change()
	if err := c.Status().Patch(t.Context(), obj, client.MergeFrom(before)); err != nil {
		t.Fatalf("writing the status of %T %s: %v", obj, obj.GetName(), err)
	}
}

// eventually waits until done returns true; what says what for.
func eventually(t *testing.T, what string, done func(ctx context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return done(ctx), nil
	})
	if err != nil {
		t.Fatalf("waited in vain: %s", what)
	}
}
