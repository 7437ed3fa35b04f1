// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/testenv"
)

// masterConfig and seedConfig are for the API servers that the package's tests share; bareConfig is for one on which things are
// installed and removed.
var masterConfig, seedConfig, bareConfig rest.Config

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what fails is seen in what comes of it
	os.Exit(testenv.Main(m, &masterConfig, &seedConfig, &bareConfig))
}

func newClient(t *testing.T, config *rest.Config) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(config, client.Options{Scheme: kube.Scheme()})
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

// ensureNamespace makes a namespace that several tests share.
func ensureNamespace(t *testing.T, c client.Client, name string) {
	t.Helper()
	err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil && client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		t.Fatal(err)
	}
}

// change writes what do changes of obj, whatever the master writes of it meanwhile.
func change(t *testing.T, c client.Client, obj client.Object, do func()) {
	t.Helper()
	before, ok := obj.DeepCopyObject().(client.Object)
	if do(); !ok {
		t.Fatalf("%T cannot be copied", obj)
	}
	if err := c.Patch(t.Context(), obj, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// indexed returns a client that reads from a cache with the master's indexes and writes to the master.
func indexed(t *testing.T) client.Client {
	t.Helper()
	c, err := cluster.New(&masterConfig, func(o *cluster.Options) { o.Scheme = kube.Scheme() })
	if err != nil {
		t.Fatal(err)
	}
	if err := setupIndexes(t.Context(), c.GetFieldIndexer()); err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Start(t.Context()) }()
	if !c.GetCache().WaitForCacheSync(t.Context()) {
		t.Fatal("the cache does not come to know what there is")
	}
	return c.GetClient()
}

// purge deletes an object at the end of the test, whatever keeps it.
func purge(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()
	t.Cleanup(func() { letGo(t, c, obj) })
}

// letGo deletes an object, whatever keeps it.
func letGo(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()
	none := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := errors.Join(client.IgnoreNotFound(c.Patch(context.Background(), obj, none)), client.IgnoreNotFound(c.Delete(context.Background(), obj))); err != nil {
		t.Error(err)
	}
}

// eventually waits until done returns true; what says what for.
func eventually(t *testing.T, what string, done func(ctx context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
		return done(ctx), nil
	})
	if err != nil {
		t.Fatalf("waited in vain: %s", what)
	}
}
