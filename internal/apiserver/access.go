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
	// accessTTL is how long an answer about a right is believed: so long a right that is taken away may still be used to read.
	accessTTL = 5 * time.Second
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

// Access answers what somebody may do, as Kubernetes' RBAC on the master says. Answers are kept for seconds.
type Access struct {
	authorizer authorizer.Authorizer
	rules      *ruleCache
}

func newAccess(config *rest.Config) (*Access, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	decide, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: clients.AuthorizationV1(), AllowCacheTTL: accessTTL, DenyCacheTTL: accessTTL, WebhookRetryBackoff: retries(),
	}.New()
	if err != nil {
		return nil, err
	}
	rules, err := newRuleCache(config)
	return &Access{authorizer: decide, rules: rules}, err
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

// Allowed reports whether the caller may do something.
func (a *Access) Allowed(ctx context.Context, q Question) (bool, error) {
	caller := callOf(ctx).user
	decision, _, err := a.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: userOnly{caller}, Verb: q.Verb, APIGroup: q.Group, APIVersion: "*", Resource: q.Resource, Subresource: q.Subresource,
		Namespace: q.Namespace, Name: q.Name, ResourceRequest: true,
	})
	if decision == authorizer.DecisionAllow {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking whether %s may %s: %w", caller.GetName(), q, err)
	}
	return false, nil
}

// Check fails if the caller may not do something.
func (a *Access) Check(ctx context.Context, q Question) error {
	allowed, err := a.Allowed(ctx, q)
	if err != nil || allowed {
		return err
	}
	return problem(CodeForbidden, "%s may not %s", callOf(ctx).user.GetName(), q)
}

// userOnly leaves out what RBAC does not look at and what differs from token to token, so that answers are found again.
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
