// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"canopy.dev/canopy/api/v1alpha1"
)

// rulesKept is of how many callers the rules are kept.
const rulesKept = 4096

// ruleCache knows which objects outside of namespaces somebody's roles name, such as the projects of a member. It only says where
// it is worth to ask: every right is asked for before it is used.
type ruleCache struct {
	clients kubernetes.Interface
	changes *rbacChanges
	known   *utilcache.LRUExpireCache
}

// rulesKey is what the rules of a caller depend on.
type rulesKey struct {
	caller, resource string
	state            rbacKey
}

func newRuleCache(config *rest.Config, changes *rbacChanges) (*ruleCache, error) {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return impersonate{next} })
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &ruleCache{clients: clients, changes: changes, known: utilcache.NewLRUExpireCache(rulesKept)}, nil
}

// named are the names of a resource that somebody's rules have; all is true if the rules name none in particular.
type named struct {
	names []string
	all   bool
}

// candidates returns which objects of a resource outside of namespaces the caller might see.
func (r *ruleCache) candidates(ctx context.Context, resource string) (named, error) {
	c := callOf(ctx)
	state, ttl := r.changes.now("", time.Now())
	key := rulesKey{c.caller, resource, state}
	if found, ok := r.known.Get(key); ok {
		if names, ok := found.(named); ok {
			return names, nil
		}
	}
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: metav1.NamespaceDefault}}
	review, err := r.clients.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return named{}, fmt.Errorf("asking for the rules of %s: %w", c.user.GetName(), err)
	}
	names := namesIn(review.Status.ResourceRules, resource)
	r.known.Add(key, names, ttl)
	return names, nil
}

func namesIn(rules []authorizationv1.ResourceRule, resource string) named {
	var found named
	for _, rule := range rules {
		if !matches(rule.APIGroups, v1alpha1.GroupVersion.Group) || !matches(rule.Resources, resource) || !matches(rule.Verbs, verbGet) {
			continue
		}
		if len(rule.ResourceNames) == 0 {
			return named{all: true}
		}
		found.names = append(found.names, rule.ResourceNames...)
	}
	slices.Sort(found.names)
	found.names = slices.Compact(found.names)
	return found
}

func matches(values []string, wanted string) bool {
	return slices.Contains(values, wanted) || slices.Contains(values, "*")
}

// Accessible returns the names of the objects of a resource outside of namespaces that the caller may get, or all of them.
func (a *Access) Accessible(ctx context.Context, resource string) (names map[string]bool, all bool, err error) {
	question := Question{Verb: verbList, Group: v1alpha1.GroupVersion.Group, Resource: resource}
	if all, err = a.Allowed(ctx, question); err != nil || all {
		return nil, all, err
	}
	candidates, err := a.rules.candidates(ctx, resource)
	if err != nil {
		return nil, false, err
	}
	if candidates.all {
		question.Verb = verbGet
		all, err = a.Allowed(ctx, question)
		return nil, all, err
	}
	names = map[string]bool{}
	for _, name := range candidates.names {
		question.Verb, question.Name = verbGet, name
		allowed, err := a.Allowed(ctx, question)
		if err != nil {
			return nil, false, err
		}
		names[name] = allowed
	}
	return names, false, nil
}
