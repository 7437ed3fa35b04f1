// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

func newClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.NewWithWatch(&config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newNamespace(t *testing.T, c client.Client) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func configMap(ns, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Data: data}
}

var kinds = []schema.GroupVersionKind{{Version: "v1", Kind: "ConfigMap"}}

func TestApplyAndPrune(t *testing.T) {
	t.Run("with the metadata of what is live", func(t *testing.T) { applyAndPrune(t) })
	t.Run("with what is live whole", func(t *testing.T) { applyAndPrune(t, schema.GroupKind{Kind: "ConfigMap"}) })
}

func applyAndPrune(t *testing.T, whole ...schema.GroupKind) {
	t.Helper()
	c := newClient(t)
	ns := newNamespace(t, c)
	owner := kube.Owner{FieldManager: "test", Label: "example.test/owner", Value: "a"}
	applier := &kube.Applier{Client: c, Live: c, Whole: whole}
	get := func(name string) *corev1.ConfigMap {
		t.Helper()
		cm := &corev1.ConfigMap{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, cm); err != nil {
			t.Fatal(err)
		}
		return cm
	}
	apply := func(objs ...client.Object) {
		t.Helper()
		if err := applier.Apply(t.Context(), owner, objs); err != nil {
			t.Fatal(err)
		}
		if err := kube.Prune(t.Context(), c, c, kube.PruneScope{Owner: owner, Namespace: ns, Kinds: kinds}, objs); err != nil {
			t.Fatal(err)
		}
	}
	foreign := configMap(ns, "foreign", nil)
	if err := c.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}

	apply(configMap(ns, "x", map[string]string{"a": "1", "b": "2"}), configMap(ns, "y", nil))
	first := get("x").ResourceVersion
	apply(configMap(ns, "x", map[string]string{"a": "1", "b": "2"}), configMap(ns, "y", nil))
	if got := get("x").ResourceVersion; got != first {
		t.Errorf("applying the same twice wrote: version %s, then %s", first, got)
	}

	changed := get("x")
	changed.Data["a"], changed.Data["theirs"] = "drifted", "3"
	if err := c.Update(t.Context(), changed, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	apply(configMap(ns, "x", map[string]string{"a": "1"}))
	if got := get("x").Data; got["a"] != "1" || got["theirs"] != "3" || len(got) != 2 {
		t.Errorf("after a change by somebody else, and b no longer wanted: %v", got)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "y"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("y is no longer wanted and was not pruned: %v", err)
	}
	get("foreign")
}

func TestApplyNamesTheObjectThatFails(t *testing.T) {
	c := newClient(t)
	err := (&kube.Applier{Client: c}).Apply(t.Context(), kube.Owner{FieldManager: "test", Label: "l", Value: "v"}, []client.Object{configMap("no-such-namespace", "x", nil)})
	if err == nil || !apierrors.IsNotFound(errors.Unwrap(err)) && err.Error() == "" {
		t.Fatalf("want an error about the namespace, got %v", err)
	}
	if want := "applying ConfigMap no-such-namespace/x: "; len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("the error does not name the object: %v", err)
	}
}

func TestSlimKeepsWhatIsRead(t *testing.T) {
	cm := configMap("ns", "x", map[string]string{"a": "1"})
	cm.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "kept": "yes"}
	cm.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	want := configMap("ns", "x", map[string]string{"a": "1"})
	want.Annotations = map[string]string{"kept": "yes"}
	got, err := kube.Slim()(cm)
	if diff := cmp.Diff(any(want), got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// What an Applier remembers saves writes, until the namespace is gone.
func TestApplyWritesWhatItDoesNotRemember(t *testing.T) {
	c, writes := newClient(t), 0
	ns := newNamespace(t, c)
	counted := interceptor.NewClient(c.(client.WithWatch), interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			writes++
			return c.Apply(ctx, obj, opts...)
		},
	})
	applier := &kube.Applier{Client: counted, Live: c}
	apply := func(want int) {
		t.Helper()
		owner := kube.Owner{FieldManager: "test", Label: "example.test/owner", Value: "a"}
		if err := applier.Apply(t.Context(), owner, []client.Object{configMap(ns, "x", nil)}); err != nil {
			t.Fatal(err)
		}
		if writes != want {
			t.Errorf("%d writes, want %d", writes, want)
		}
	}
	apply(1)
	apply(1)
	applier.Forget("another")
	apply(1)
	applier.Forget(ns)
	apply(2)
}

// An Applier after a restart knows by the record of the one before what need not be written.
func TestARecordIsRecalled(t *testing.T) {
	c, writes := newClient(t), 0
	ns := newNamespace(t, c)
	counted := interceptor.NewClient(c.(client.WithWatch), interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			writes++
			return c.Apply(ctx, obj, opts...)
		},
	})
	owner := kube.Owner{FieldManager: "test", Label: "example.test/owner", Value: "a"}
	set := func(value string) kube.Set {
		return kube.Set{Owner: owner, Objects: []client.Object{configMap(ns, "x", map[string]string{"a": value}), configMap(ns, "y", nil)}}
	}
	// start applies as a process does that has just started, and returns its record and how much it wrote.
	start := func(record string, wanted kube.Set) (string, int) {
		t.Helper()
		writes = 0
		applier := &kube.Applier{Client: counted, Live: c}
		err := errors.Join(applier.Recall(t.Context(), record, wanted), applier.Apply(t.Context(), owner, wanted.Objects))
		now, recordErr := applier.Record(wanted)
		if err := errors.Join(err, recordErr); err != nil {
			t.Fatal(err)
		}
		return now, writes
	}
	first, n := start("", set("1"))
	if n != 2 || first == "" {
		t.Errorf("without a record: %d writes, then the record %q", n, first)
	}
	if again, n := start(first, set("1")); n != 0 || again != first {
		t.Errorf("nothing has changed: %d writes, the record was %s and is %s", n, first, again)
	}
	second, n := start(first, set("2"))
	if n != 2 || second == first {
		t.Errorf("something else is wanted: %d writes, the record was %s and is %s", n, first, second)
	}
	drifted := configMap(ns, "x", map[string]string{"a": "3"})
	if err := c.Update(t.Context(), drifted); err != nil {
		t.Fatal(err)
	}
	if third, n := start(second, set("2")); n != 2 || third == second {
		t.Errorf("somebody has changed one: %d writes, the record was %s and is %s", n, second, third)
	}
	if none, err := (&kube.Applier{Client: c, Live: c}).Record(set("2")); none != "" || err != nil {
		t.Errorf("the record of an Applier that has written nothing: %q, %v", none, err)
	}
}
