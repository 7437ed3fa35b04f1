// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rbacChanges knows when RBAC has changed on the master, so that an answer about a right is believed until then. What it allows is
// for Kubernetes to say.
type rbacChanges struct {
	mu sync.RWMutex
	// all is what is in no namespace and so concerns all, in what is in each.
	all rbacState
	in  map[string]rbacState
}

// rbacState is how often something has changed, and when it did last.
type rbacState struct {
	changes uint64
	last    time.Time
}

// rbacKey identifies a state of all that an answer depends on.
type rbacKey struct{ all, in uint64 }

// now returns the state that questions about a namespace are asked in, and how long answers are believed.
func (r *rbacChanges) now(namespace string, now time.Time) (rbacKey, time.Duration) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	in := r.in[namespace]
	quiet := min(now.Sub(r.all.last), now.Sub(in.last))
	return rbacKey{r.all.changes, in.changes}, min(max(quiet, shortTTL), accessTTL)
}

// note takes note of a change in a namespace; empty: in none.
func (r *rbacChanges) note(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if namespace == "" {
		r.all = rbacState{r.all.changes + 1, time.Now()}
		return
	}
	r.in[namespace] = rbacState{r.in[namespace].changes + 1, time.Now()}
}

// follow takes note of what changes, until ctx ends.
func (r *rbacChanges) follow(ctx context.Context, from cache.Cache) error {
	for _, object := range []client.Object{&rbacv1.Role{}, &rbacv1.RoleBinding{}, &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}} {
		informer, err := from.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(obj any, initial bool) {
				if !initial {
					r.see(obj)
				}
			},
			UpdateFunc: func(before, obj any) {
				if !sameRights(before, obj) {
					r.see(obj)
				}
			},
			DeleteFunc: r.see,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rbacChanges) see(obj any) {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	if object, ok := obj.(client.Object); ok {
		r.note(object.GetNamespace())
	}
}

// sameRights reports whether nothing but metadata has changed, which happens with each apply of a binding for nobody.
func sameRights(before, after any) bool {
	return equality.Semantic.DeepEqual(rightsIn(before), rightsIn(after))
}

// rightsIn is what an object of RBAC says. A binding's role cannot be changed.
func rightsIn(obj any) any {
	switch obj := obj.(type) {
	case *rbacv1.Role:
		return obj.Rules
	case *rbacv1.ClusterRole:
		return obj.Rules
	case *rbacv1.RoleBinding:
		return obj.Subjects
	case *rbacv1.ClusterRoleBinding:
		return obj.Subjects
	}
	return nil
}
