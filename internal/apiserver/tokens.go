// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/login"
)

// Token is one of a service account of a project. What lets its holder in is shown once, when it is made.
type Token struct {
	ID          string     `json:"id" doc:"Identifies the token."`
	Description string     `json:"description,omitempty" doc:"What it is for."`
	CreatedBy   string     `json:"createdBy" doc:"Who made it."`
	Created     time.Time  `json:"created"`
	Expires     time.Time  `json:"expires" doc:"Until when it is valid, if it is not revoked before."`
	LastUsed    *time.Time `json:"lastUsed,omitempty" doc:"When the API last saw it, to five minutes; none: never."`
	Token       string     `json:"token,omitempty" doc:"What lets its holder in. It is here once, in the answer to its creation."`
}

// NewToken is what somebody wants to have.
type NewToken struct {
	Description string `json:"description,omitempty" maxLength:"200" doc:"What it is for."`
	TTL         string `json:"ttl,omitempty" maxLength:"20" pattern:"^([0-9]+(h|m|s))+$" example:"720h" doc:"How long it is valid: ten minutes at the least, and at the most a day, or what the Project allows (spec.tokenLifetime). Default: an hour."`
}

type tokensInput struct{ Place place }

type tokensOutput struct{ Body List[Token] }

type newTokenInput struct {
	Place place
	Body  NewToken
}

type tokenOutput struct {
	Location string `header:"Location"`
	Body     Token
}

type oldTokenInput struct {
	Place place
	ID    string `path:"token" maxLength:"63" pattern:"^token-[a-z0-9]+$" doc:"The token's id."`
}

const (
	tokenPath   = "/projects/{project}/serviceaccounts/{name}/tokens"
	tokenPrefix = "token-"

	shortestToken = 10 * time.Minute
	usualToken    = time.Hour
)

// serveTokens registers how tokens of service accounts are made, listed and revoked.
func serveTokens(s *Server) {
	huma.Register(s.api, operation(http.MethodGet, tokenPath, "listTokens", "List the tokens of a service account"), func(ctx context.Context, in *tokensInput) (*tokensOutput, error) {
		tokens, err := s.tokens(ctx, in.Place)
		if err != nil {
			return nil, fail(ctx, err)
		}
		return &tokensOutput{Body: List[Token]{Items: tokens, TotalSize: len(tokens)}}, nil
	})
	create := operation(http.MethodPost, tokenPath, "createToken", "Make a token of a service account")
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *newTokenInput) (*tokenOutput, error) {
		var token *Token
		_, err := s.audited(ctx, act{verb: "create", resource: "serviceaccounts/token", place: in.Place, fields: []string{"ttl"}}, func() (out outcome, err error) {
			if token, err = s.newToken(ctx, in); err != nil {
				return outcome{}, err
			}
			return outcome{http.StatusCreated, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: token.ID}}}, nil
		})
		if err != nil {
			return nil, fail(ctx, err)
		}
		location := prefix + "/projects/" + in.Place.Project + "/serviceaccounts/" + in.Place.Name + "/tokens/" + token.ID
		return &tokenOutput{Location: location, Body: *token}, nil
	})
	remove := operation(http.MethodDelete, tokenPath+"/{token}", "revokeToken", "Revoke a token of a service account")
	remove.DefaultStatus, remove.Tags, remove.Parameters = http.StatusNoContent, []string{"tokens"}, pathParameters(tokenPath)
	huma.Register(s.api, remove, func(ctx context.Context, in *oldTokenInput) (*struct{}, error) {
		_, err := s.audited(ctx, act{verb: "delete", resource: "serviceaccounts/token", place: in.Place}, func() (outcome, error) {
			return outcome{http.StatusNoContent, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: in.ID}}}, s.revokeToken(ctx, in)
		})
		return nil, fail(ctx, err)
	})
}

// checkTokens fails unless the caller may do something with the tokens of a service account: whoever may make one may see and
// revoke them, too.
func (s *Server) checkTokens(ctx context.Context, at place) error {
	return s.access.Check(ctx, Question{
		Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: v1alpha1.ProjectNamespacePrefix + at.Project, Name: at.Name,
	})
}

// bound returns the Secrets that the tokens of a service account are bound to.
func (s *Server) bound(ctx context.Context, at place) ([]corev1.Secret, error) {
	list := &corev1.SecretList{}
	err := s.own.List(ctx, list, client.InNamespace(v1alpha1.ProjectNamespacePrefix+at.Project), client.MatchingLabels{login.LabelServiceAccount: at.Name})
	return slices.DeleteFunc(list.Items, func(secret corev1.Secret) bool { return secret.Type != login.TokenSecretType }), err
}

func (s *Server) tokens(ctx context.Context, at place) ([]Token, error) {
	if err := s.checkTokens(ctx, at); err != nil {
		return nil, err
	}
	secrets, err := s.bound(ctx, at)
	if err != nil {
		return nil, err
	}
	tokens := make([]Token, 0, len(secrets))
	for i := range secrets {
		tokens = append(tokens, shownToken(&secrets[i]))
	}
	slices.SortFunc(tokens, func(a, b Token) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return tokens, nil
}

func shownToken(secret *corev1.Secret) Token {
	token := Token{
		ID: secret.Name, Description: secret.Annotations[login.AnnotationDescription], CreatedBy: secret.Annotations[login.AnnotationCreatedBy],
		Created: secret.CreationTimestamp.UTC(),
	}
	token.Expires, _ = time.Parse(time.RFC3339, secret.Annotations[login.AnnotationExpires]) // nothing but the API writes it
	if used, err := time.Parse(time.RFC3339, secret.Annotations[login.AnnotationLastUsed]); err == nil {
		token.LastUsed = &used
	}
	return token
}

// newToken makes a token that ends when its Secret does. The Secret, which has no data, is the API's; the token is asked for by
// the caller.
func (s *Server) newToken(ctx context.Context, in *newTokenInput) (*Token, error) {
	ttl := usualToken
	if in.Body.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(in.Body.TTL); err != nil || ttl < shortestToken || ttl > 366*24*time.Hour {
			return nil, problem(CodeInvalid, "the ttl is not valid").at("body.ttl", "must be ten minutes at the least and a year at the most, such as 720h")
		}
	}
	if err := s.checkTokens(ctx, in.Place); err != nil {
		return nil, err
	}
	account := &corev1.ServiceAccount{}
	key := client.ObjectKey{Namespace: v1alpha1.ProjectNamespacePrefix + in.Place.Project, Name: in.Place.Name}
	if err := s.asCaller.Get(ctx, key, account); err != nil {
		return nil, err
	}
	if err := s.dropExpired(ctx, in.Place); err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: tokenPrefix + strings.ToLower(rand.Text()),
			Labels: map[string]string{login.LabelServiceAccount: account.Name},
			Annotations: map[string]string{
				login.AnnotationDescription: in.Body.Description, login.AnnotationCreatedBy: callOf(ctx).user.GetName(),
				login.AnnotationExpires: time.Now().Add(ttl).UTC().Format(time.RFC3339),
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID}},
		},
		Type: login.TokenSecretType,
	}
	if err := kube.CreateNew(ctx, s.own, secret); err != nil {
		return nil, err
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(ttl / time.Second)),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Secret", APIVersion: "v1", Name: secret.Name, UID: secret.UID},
	}}
	if err := kube.CreateSubResource(ctx, s.asCaller, account, "token", request); err != nil {
		return nil, errors.Join(err, kube.Delete(context.WithoutCancel(ctx), s.own, secret))
	}
	token := shownToken(secret)
	token.Token, token.Expires = request.Status.Token, request.Status.ExpirationTimestamp.UTC()
	return &token, nil
}

// dropExpired deletes what is left of tokens of a service account that are not valid any more.
func (s *Server) dropExpired(ctx context.Context, at place) error {
	secrets, err := s.bound(ctx, at)
	if err != nil {
		return err
	}
	for i := range secrets {
		if shownToken(&secrets[i]).Expires.Before(time.Now()) {
			if err := kube.Delete(ctx, s.own, &secrets[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) revokeToken(ctx context.Context, in *oldTokenInput) error {
	if err := s.checkTokens(ctx, in.Place); err != nil {
		return err
	}
	secret := &corev1.Secret{}
	err := s.own.Get(ctx, client.ObjectKey{Namespace: v1alpha1.ProjectNamespacePrefix + in.Place.Project, Name: in.ID}, secret)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || secret.Type != login.TokenSecretType || secret.Labels[login.LabelServiceAccount] != in.Place.Name {
		return problem(CodeNotFound, "service account %s has no token %s", in.Place.Name, in.ID)
	}
	return kube.Delete(ctx, s.own, secret)
}
