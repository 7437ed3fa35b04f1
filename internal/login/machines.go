// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// What is written on the Secret that a token of a service account is bound to. It has no data.
const (
	TokenSecretType corev1.SecretType = "canopy.dev/token"

	LabelServiceAccount   = "canopy.dev/service-account"
	AnnotationDescription = "canopy.dev/description"
	AnnotationCreatedBy   = "canopy.dev/created-by"
	AnnotationExpires     = "canopy.dev/expires"
	AnnotationLastUsed    = "canopy.dev/last-used"
)

// tokenUses remembers when tokens were last used, to usedEvery.
type tokenUses struct {
	next   authenticator.Request
	client client.Client
	log    logr.Logger
	seen   sync.Map // client.ObjectKey → time.Time: what was written need not be written again
}

// Uses returns an authenticator that lets in whom next does, says by which token of a project, and writes on its Secret when it is
// used.
func Uses(next authenticator.Request, c client.Client, log logr.Logger) authenticator.Request {
	return &tokenUses{next: next, client: c, log: log}
}

// AuthenticateRequest asks next.
func (u *tokenUses) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ") // next takes it away
	response, ok, err := u.next.AuthenticateRequest(r)
	if !ok || err != nil {
		return response, ok, err
	}
	key, found := boundTo(token)
	if !found {
		return response, ok, err
	}
	u.used(r.Context(), key)
	known := response.User // it is next's, who may keep it
	extra := maps.Clone(known.GetExtra())
	if extra == nil {
		extra = map[string][]string{}
	}
	extra[ExtraToken] = []string{key.Name}
	named := &user.DefaultInfo{Name: known.GetName(), UID: known.GetUID(), Groups: known.GetGroups(), Extra: extra}
	return &authenticator.Response{Audiences: response.Audiences, User: named}, ok, err
}

// boundTo returns the Secret that a token, which is known to be valid, is bound to.
func boundTo(token string) (client.ObjectKey, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return client.ObjectKey{}, false
	}
	payload, err := decodePart(parts[1])
	if err != nil {
		return client.ObjectKey{}, false
	}
	var claims struct {
		Kubernetes struct {
			Namespace string `json:"namespace"`
			Secret    struct {
				Name string `json:"name"`
			} `json:"secret"`
		} `json:"kubernetes.io"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return client.ObjectKey{}, false
	}
	key := client.ObjectKey{Namespace: claims.Kubernetes.Namespace, Name: claims.Kubernetes.Secret.Name}
	return key, key.Name != "" && strings.HasPrefix(key.Namespace, v1alpha1.ProjectNamespacePrefix)
}

// used writes that a token was used now. That it fails keeps nobody out.
func (u *tokenUses) used(ctx context.Context, key client.ObjectKey) {
	now := time.Now()
	if last, ok := u.seen.Load(key); ok {
		if at, _ := last.(time.Time); now.Sub(at) < usedEvery {
			return
		}
	}
	u.seen.Store(key, now)
	if err := u.write(ctx, key, now); client.IgnoreNotFound(err) != nil {
		u.log.Error(err, "it is not remembered that a token was used", "secret", key)
	}
}

func (u *tokenUses) write(ctx context.Context, key client.ObjectKey, now time.Time) error {
	secret := &corev1.Secret{}
	if err := u.client.Get(ctx, key, secret); err != nil {
		return err
	}
	if secret.Type != TokenSecretType {
		return fmt.Errorf("%s is no Secret of the API's", key)
	}
	return kube.Patch(ctx, u.client, secret, func() { secret.Annotations[AnnotationLastUsed] = now.UTC().Format(time.RFC3339) })
}
