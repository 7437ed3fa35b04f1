// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package kube is the only place that writes to Kubernetes. It runs inside every controller, reads the objects that a
// controller owns, and writes them by server-side apply, their pruning, finalizers and status.
package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// inFlight bounds how many objects of one set are written at the same time, and how many Secrets are rewritten.
const inFlight = 8

// Owner says to whom a set of objects belongs.
type Owner struct {
	// FieldManager is the name under which the fields are owned: the controller's name.
	FieldManager string
	// Label and Value mark the objects; what carries them and is no longer wanted is pruned.
	Label, Value string
	// Object, if set, becomes the controlling owner reference of the objects in its namespace.
	Object client.Object
}

// Applier writes sets of objects. Its memory of what it wrote only saves work: a new Applier writes everything once more.
type Applier struct {
	// Client writes.
	Client client.Client
	// Live reads the metadata of objects, from a cache. Without it every object is written at every Apply, and none is recalled.
	Live client.Reader
	// Whole are the kinds that Live has whole anyway, so that no second cache is filled with their metadata.
	Whole []schema.GroupKind

	mu      sync.Mutex
	written map[writtenKey]sum // what was written last, and what became of it
}

// sum identifies the content of an object together with the version that the server has given it.
type sum [sha256.Size]byte

func sumOf(content []byte, version string) sum {
	return sha256.Sum256(append(content[:len(content):len(content)], version...))
}

// writtenKey is an object and who writes it: several may, each its own fields.
type writtenKey struct {
	objectKey
	manager string
}

type objectKey struct {
	schema.GroupKind
	client.ObjectKey
}

// Set is what one owner wants of some objects.
type Set struct {
	Owner   Owner
	Objects []client.Object
}

// Record identifies what this Applier has written of sets and what became of it; empty: it has not written all of them. It tells
// nobody what is in them, because the servers' random ids are part of it.
func (a *Applier) Record(sets ...Set) (string, error) {
	all := sha256.New()
	for _, set := range sets {
		for _, obj := range set.Objects {
			gvk, err := apiutil.GVKForObject(obj, a.Client.Scheme())
			if err != nil {
				return "", err
			}
			known := a.wrote(writtenKey{objectKey{gvk.GroupKind(), client.ObjectKeyFromObject(obj)}, set.Owner.FieldManager})
			if known == (sum{}) {
				return "", nil
			}
			all.Write(known[:])
		}
	}
	return hex.EncodeToString(all.Sum(nil)[:recordBytes]), nil
}

// recordBytes are enough for two records never to be the same by chance.
const recordBytes = 16

// Recall is for what an Applier before this one has written, such as that of a process that has ended, and kept the record of. If
// sets are still the same, here and on the server, this Applier remembers them as if it had written them itself.
func (a *Applier) Recall(ctx context.Context, record string, sets ...Set) error {
	if record == "" {
		return nil
	}
	all, recalled := sha256.New(), map[writtenKey]sum{}
	for _, set := range sets {
		for _, obj := range set.Objects {
			u, err := configuration(a.Client, set.Owner, obj)
			if err != nil {
				return err
			}
			key := keyOf(u, set.Owner)
			if a.wrote(key) != (sum{}) {
				return nil // what it remembers itself is newer
			}
			now, live, err := a.sumNow(ctx, u)
			if err != nil || !live {
				return err
			}
			all.Write(now[:])
			recalled[key] = now
		}
	}
	if hex.EncodeToString(all.Sum(nil)[:recordBytes]) != record {
		return nil
	}
	for key, now := range recalled {
		a.remember(key, now)
	}
	return nil
}

// Apply writes objs as owner. An object that has not changed since this Applier wrote the same content is left alone.
// All objects are tried; the errors are joined, each naming its object.
func (a *Applier) Apply(ctx context.Context, owner Owner, objs []client.Object) error {
	group := errgroup.Group{}
	group.SetLimit(inFlight)
	errs := make([]error, len(objs))
	for i, obj := range objs {
		group.Go(func() error {
			errs[i] = a.apply(ctx, owner, obj)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs, in the order of objs
	return errors.Join(errs...)
}

// ApplyOne writes one object as owner and fills it with what the server made of it, such as an assigned port. It always
// writes.
func (a *Applier) ApplyOne(ctx context.Context, owner Owner, obj client.Object) error {
	u, err := configuration(a.Client, owner, obj)
	if err != nil {
		return err
	}
	if err := a.write(ctx, owner, u); err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj)
}

// ApplyFresh writes the fields of u as manager, also those that somebody else owns, and leaves all others alone. It fails with a
// Conflict if u has another resourceVersion than the object.
func ApplyFresh(ctx context.Context, c client.Client, manager string, u *unstructured.Unstructured) error {
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(manager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying %s: %w", Describe(u), err)
	}
	return nil
}

func (a *Applier) apply(ctx context.Context, owner Owner, obj client.Object) error {
	u, err := configuration(a.Client, owner, obj)
	if err != nil {
		return err
	}
	key := keyOf(u, owner)
	if a.Live != nil {
		now, live, err := a.sumNow(ctx, u)
		if err != nil {
			return err
		}
		if live && a.wrote(key) == now {
			return nil
		}
	}
	content, err := encode(u)
	if err != nil {
		return err
	}
	if err := a.write(ctx, owner, u); err != nil {
		return err
	}
	a.remember(key, sumOf(content, version(u)))
	return nil
}

func keyOf(u *unstructured.Unstructured, owner Owner) writtenKey {
	return writtenKey{objectKey{u.GroupVersionKind().GroupKind(), client.ObjectKeyFromObject(u)}, owner.FieldManager}
}

func encode(u *unstructured.Unstructured) ([]byte, error) {
	content, err := json.Marshal(u.Object)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", Describe(u), err)
	}
	return content, nil
}

// sumNow returns the sum of u as if it had been written and the live object come of it; false: there is no live object.
func (a *Applier) sumNow(ctx context.Context, u *unstructured.Unstructured) (sum, bool, error) {
	live, err := a.liveVersion(ctx, u)
	if err != nil || live == "" {
		return sum{}, false, err
	}
	content, err := encode(u)
	return sumOf(content, live), err == nil, err
}

func (a *Applier) wrote(key writtenKey) sum {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.written[key]
}

func (a *Applier) remember(key writtenKey, now sum) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.written == nil {
		a.written = map[writtenKey]sum{}
	}
	a.written[key] = now
}

// Forget forgets what was written in a namespace, and the namespace itself, because it is gone.
func (a *Applier) Forget(namespace string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.written, func(key writtenKey, _ sum) bool {
		return key.Namespace == namespace || key.Kind == "Namespace" && key.Name == namespace
	})
}

// liveVersion returns the version of the live object, empty if there is none.
func (a *Applier) liveVersion(ctx context.Context, u *unstructured.Unstructured) (string, error) {
	live, err := a.emptyLive(u.GroupVersionKind())
	if err != nil {
		return "", err
	}
	if err := a.Live.Get(ctx, client.ObjectKeyFromObject(u), live); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return version(live), nil
}

// emptyLive returns an object of the kind to read into, of the type that Live has cached.
func (a *Applier) emptyLive(gvk schema.GroupVersionKind) (client.Object, error) {
	if !slices.Contains(a.Whole, gvk.GroupKind()) {
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(gvk)
		return metadata, nil
	}
	whole, err := a.Client.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	obj, ok := whole.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%s is no kind of objects", gvk.Kind)
	}
	return obj, nil
}

// version changes when somebody changes what we own: with the spec where the server counts its generations, with
// anything otherwise.
func version(obj client.Object) string {
	if g := obj.GetGeneration(); g > 0 {
		return fmt.Sprintf("%s/%d", obj.GetUID(), g)
	}
	return fmt.Sprintf("%s/%s", obj.GetUID(), obj.GetResourceVersion())
}

func (a *Applier) write(ctx context.Context, owner Owner, u *unstructured.Unstructured) error {
	return ApplyFresh(ctx, a.Client, owner.FieldManager, u)
}

// configuration turns a typed object, all of which is ours, into what is applied. Explicit zeros are lost on the way,
// which is harmless where the API uses pointers wherever zero is not the default.
func configuration(c client.Client, owner Owner, obj client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(obj), err)
	}
	// What has no value is not ours, such as the rules of a ClusterRole that Kubernetes adds up from others.
	maps.DeleteFunc(content, func(_ string, value any) bool { return value == nil })
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[owner.Label] = owner.Value
	u.SetLabels(labels)
	if owner.Object != nil && owner.Object.GetNamespace() == u.GetNamespace() {
		ownerGVK, err := apiutil.GVKForObject(owner.Object, c.Scheme())
		if err != nil {
			return nil, err
		}
		u.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner.Object, ownerGVK)})
	}
	return u, nil
}

// Create creates obj, owned by owner. Unlike Apply it never overwrites: it fails with an AlreadyExists error.
func Create(ctx context.Context, c client.Client, owner, obj client.Object) error {
	gvk, err := apiutil.GVKForObject(owner, c.Scheme())
	if err != nil {
		return err
	}
	obj.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner, gvk)})
	if err := c.Create(ctx, obj); err != nil {
		return fmt.Errorf("creating %s: %w", client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
