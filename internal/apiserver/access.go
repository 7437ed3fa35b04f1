// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

const (
	// accessTTL is the longest that an answer about a right is believed, shortTTL the shortest. In between it is as long as RBAC has
	// not changed: Kubernetes itself may hear of a change later. Something else than RBAC may say no, such as a webhook, which nobody
	// can watch.
	accessTTL, shortTTL = time.Minute, 500 * time.Millisecond
	// answersKept is how many answers are kept.
	answersKept = 1 << 16
	// tokenTTL is how long an answer about a token is believed.
	tokenTTL = 10 * time.Second
	// reviewTimeout is how long Kubernetes may take to answer.
	reviewTimeout = 10 * time.Second
	// systemPrefix is before the names of Kubernetes' own identities.
	systemPrefix = "system:"
)

func retries() *wait.Backoff {
	return &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 4}
}

// TokenReview returns an authenticator of the tokens that the master's Kubernetes knows: those of its service accounts.
func TokenReview(config *rest.Config) (authenticator.Request, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	request, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		TokenAccessReviewClient: clients.AuthenticationV1(), TokenAccessReviewTimeout: reviewTimeout,
		WebhookRetryBackoff: retries(), CacheTTL: tokenTTL,
	}.New()
	return request, err
}

// callerOf checks who an authenticator says the caller is. Kubernetes' own identities are refused, except service accounts: the
// server may impersonate anybody, because RBAC knows no exceptions, so that it must not let anybody be a system:masters.
func callerOf(info user.Info) (user.Info, error) {
	name := info.GetName()
	if name == "" {
		return nil, problem(CodeUnauthenticated, "the login names nobody")
	}
	if !strings.HasPrefix(name, systemPrefix) {
		groups := slices.DeleteFunc(slices.Clone(info.GetGroups()), func(group string) bool { return group == user.AllAuthenticated })
		if i := slices.IndexFunc(groups, func(group string) bool { return strings.HasPrefix(group, systemPrefix) }); i >= 0 {
			return nil, problem(CodeForbidden, "%s is in the group %s, which is Kubernetes' own", name, groups[i])
		}
		return &user.DefaultInfo{Name: name, Groups: append(groups, user.AllAuthenticated), Extra: info.GetExtra()}, nil
	}
	namespace, _, err := serviceaccount.SplitUsername(name)
	if err != nil {
		return nil, problem(CodeForbidden, "%s is Kubernetes' own, and has nothing to do here: log in as a person, or as a project's service account", name)
	}
	// Its groups follow from its name.
	groups := append(serviceaccount.MakeGroupNames(namespace), user.AllAuthenticated)
	return &user.DefaultInfo{Name: name, Groups: groups, Extra: info.GetExtra()}, nil
}

// impersonate makes requests to Kubernetes as the caller of the request that they are made for. Without a caller none is made.
type impersonate struct{ next http.RoundTripper }

// RoundTrip does one request.
func (i impersonate) RoundTrip(req *http.Request) (*http.Response, error) {
	call := callOf(req.Context())
	if call == nil || call.user == nil {
		return nil, errors.New("a request to Kubernetes that is made for nobody")
	}
	req = req.Clone(req.Context())
	req.Header.Set(transport.ImpersonateUserHeader, call.user.GetName())
	req.Header.Del(transport.ImpersonateGroupHeader)
	for _, group := range call.user.GetGroups() {
		if group != user.AllAuthenticated { // Kubernetes adds it itself
			req.Header.Add(transport.ImpersonateGroupHeader, group)
		}
	}
	return i.next.RoundTrip(req)
}

// Access answers what somebody may do, as Kubernetes' RBAC on the master says. Answers are kept until RBAC changes.
type Access struct {
	authorizer authorizer.Authorizer
	rules      *ruleCache
	changes    *rbacChanges
	// answers are those to questions, by answerKey.
	answers *utilcache.LRUExpireCache
}

func newAccess(config *rest.Config) (*Access, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// Without times to live it keeps nothing itself.
	decide, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: clients.AuthorizationV1(), WebhookRetryBackoff: retries(),
	}.New()
	if err != nil {
		return nil, err
	}
	changes := &rbacChanges{in: map[string]rbacState{}}
	rules, err := newRuleCache(config, changes)
	return &Access{authorizer: decide, rules: rules, changes: changes, answers: utilcache.NewLRUExpireCache(answersKept)}, err
}

// Question is what somebody wants to do.
type Question struct {
	Verb, Resource, Subresource, Namespace, Name string
	// Group is that of the resource.
	Group string
}

// String is how messages name it.
func (q Question) String() string {
	resource := schema.GroupResource{Group: q.Group, Resource: q.Resource}.String()
	if q.Subresource != "" {
		resource += "/" + q.Subresource
	}
	text := q.Verb + " " + resource
	if q.Name != "" {
		text += " " + q.Name
	}
	if q.Namespace != "" {
		text += " in the namespace " + q.Namespace
	}
	return text
}

// answerKey is what an answer depends on.
type answerKey struct {
	caller string
	Question
	state rbacKey
}

// verdict is an answer, and when it was given.
type verdict struct {
	allowed bool
	at      time.Time
}

// Allowed reports whether the caller may do something.
func (a *Access) Allowed(ctx context.Context, q Question) (bool, error) {
	return a.allowed(ctx, q, accessTTL)
}

// Renew asks again, before anybody has to wait for it, whether the caller may still do something.
func (a *Access) Renew(ctx context.Context, q Question) {
	_, _ = a.allowed(ctx, q, accessTTL/2) // who asks next sees the error
}

// allowed returns an answer that is no older than that.
func (a *Access) allowed(ctx context.Context, q Question, oldest time.Duration) (bool, error) {
	c, now := callOf(ctx), time.Now()
	state, ttl := a.changes.now(q.Namespace, now)
	key := answerKey{c.caller, q, state}
	if known, ok := a.answers.Get(key); ok {
		if known, ok := known.(verdict); ok && now.Sub(known.at) < oldest {
			return known.allowed, nil
		}
	}
	decision, _, err := a.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: userOnly{c.user}, Verb: q.Verb, APIGroup: q.Group, APIVersion: "*", Resource: q.Resource, Subresource: q.Subresource,
		Namespace: q.Namespace, Name: q.Name, ResourceRequest: true,
	})
	if err != nil && decision != authorizer.DecisionAllow {
		return false, fmt.Errorf("asking whether %s may %s: %w", c.user.GetName(), q, err)
	}
	allowed := decision == authorizer.DecisionAllow
	a.answers.Add(key, verdict{allowed, now}, ttl)
	return allowed, nil
}

// Check fails if the caller may not do something.
func (a *Access) Check(ctx context.Context, q Question) error {
	allowed, err := a.Allowed(ctx, q)
	if err != nil || allowed {
		return err
	}
	return problem(CodeForbidden, "%s may not %s", callOf(ctx).user.GetName(), q)
}

// callerKey identifies whom the rights of a caller depend on.
func callerKey(info user.Info) string {
	return strings.Join(append([]string{info.GetName()}, slices.Sorted(slices.Values(info.GetGroups()))...), "\x00")
}

// userOnly leaves out what RBAC does not look at.
type userOnly struct{ user.Info }

// GetUID returns nothing.
func (userOnly) GetUID() string { return "" }

// GetExtra returns nothing.
func (userOnly) GetExtra() map[string][]string { return nil }

// verbs of Kubernetes.
const (
	verbGet   = "get"
	verbList  = "list"
	verbWatch = "watch"
)
