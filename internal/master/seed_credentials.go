// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
)

// TokenLifetime is how long a token of the master on a seed is asked to be valid; a seed may give less. It is renewed when a
// third of its time is over, so that a master that was away for some days still gets in.
const TokenLifetime = 7 * 24 * time.Hour

// access is how to reach a seed.
type access struct {
	config *rest.Config
	// secret has the kubeconfig, which is parsed in kubeconfig; nil: the seed is the master's own cluster.
	secret     *corev1.Secret
	kubeconfig *clientcmdapi.Config
}

// access returns how to reach the seed.
func (r *SeedReconciler) access(ctx context.Context, seed *v1alpha1.Seed) (*access, error) {
	name := seed.Spec.KubeconfigSecretName
	if name == "" {
		return &access{config: r.Config}, nil
	}
	secret := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, kube.Wait(v1alpha1.ReasonSecretMissing, fmt.Sprintf("spec.kubeconfigSecretName: there is no Secret %s in %s: make it, with the seed's kubeconfig as its key %s", name, v1alpha1.SystemNamespace, v1alpha1.SeedKubeconfigKey), 0)
	}
	if err != nil {
		return nil, err
	}
	kubeconfig, config, err := kube.ParseKubeconfig(secret.Data[v1alpha1.SeedKubeconfigKey])
	if err != nil {
		return nil, kube.Wait(v1alpha1.ReasonInvalidKubeconfig, fmt.Sprintf("Secret %s/%s, key %s: %v", v1alpha1.SystemNamespace, name, v1alpha1.SeedKubeconfigKey, err), 0)
	}
	return &access{config: config, secret: secret, kubeconfig: kubeconfig}, nil
}

// fingerprint identifies everything but the token, which changes without anything having to be connected anew.
func (a *access) fingerprint() string {
	if a.secret == nil {
		return "this cluster"
	}
	without := a.kubeconfig.DeepCopy()
	for _, user := range without.AuthInfos {
		user.Token = ""
	}
	content, err := clientcmd.Write(*without)
	if err != nil {
		content = a.secret.Data[v1alpha1.SeedKubeconfigKey]
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// version changes with the credentials.
func (a *access) version() string {
	if a.secret == nil {
		return ""
	}
	return a.secret.ResourceVersion
}

func (a *access) where() string {
	if a.secret == nil {
		return "the master's own service account"
	}
	return fmt.Sprintf("Secret %s/%s", a.secret.Namespace, a.secret.Name)
}

// expires returns when the credentials do; nil: never, or it is not known.
func (a *access) expires() *metav1.Time {
	if a.secret == nil {
		return nil
	}
	if t, ok := parseToken(a.config.BearerToken); ok {
		return &metav1.Time{Time: t.expires}
	}
	if block, _ := pem.Decode(a.config.CertData); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return &metav1.Time{Time: cert.NotAfter}
		}
	}
	return nil
}

// advice says why the credentials are not accepted, as far as they tell, and what to do.
func (a *access) advice(now time.Time, seed string) string {
	if expires := a.expires(); expires != nil && now.After(expires.Time) {
		return fmt.Sprintf("they expired at %s: %s", expires.UTC().Format(time.RFC3339), renewAdvice(seed))
	}
	return "they were withdrawn, or are another cluster's: " + renewAdvice(seed)
}

func renewAdvice(seed string) string {
	return "make new ones (canopy seed add " + seed + ")"
}

// token is what a service account's token says about itself.
type token struct {
	namespace, account string
	issued, expires    time.Time
}

// parseToken reads a token without verifying it: it is the seed that has to believe it. It returns false for what is no
// service account's token that expires.
func parseToken(jwt string) (token, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return token{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return token{}, false
	}
	var claims struct {
		Subject string `json:"sub"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Expires <= claims.Issued {
		return token{}, false
	}
	subject := strings.Split(claims.Subject, ":")
	if len(subject) != 4 || subject[0] != "system" || subject[1] != "serviceaccount" {
		return token{}, false
	}
	return token{namespace: subject[2], account: subject[3], issued: time.Unix(claims.Issued, 0), expires: time.Unix(claims.Expires, 0)}, true
}

// due reports whether a third of the token's time is over.
func (t token) due(now time.Time) bool { return now.After(t.issued.Add(t.expires.Sub(t.issued) / 3)) }

// renew replaces a token that was made for the master by a new one, in time. Other credentials are not touched.
func (r *SeedReconciler) renew(ctx context.Context, access *access, to *remote) error {
	t, ok := parseToken(access.config.BearerToken)
	if !ok || access.secret == nil || t.account != install.MasterAccount || !t.due(r.Clock.Now()) {
		return nil
	}
	seconds := int64(TokenLifetime.Seconds())
	answer, err := to.api.CoreV1().ServiceAccounts(t.namespace).CreateToken(ctx, t.account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking for a token: %w", err)
	}
	current := access.kubeconfig.Contexts[access.kubeconfig.CurrentContext]
	if current == nil || access.kubeconfig.AuthInfos[current.AuthInfo] == nil {
		return errors.New("the kubeconfig has no user in its current context")
	}
	access.kubeconfig.AuthInfos[current.AuthInfo].Token = answer.Status.Token
	content, err := clientcmd.Write(*access.kubeconfig)
	if err != nil {
		return err
	}
	secret := access.secret.DeepCopy() // it is the cache's
	if err := kube.PatchFresh(ctx, r.Client, secret, func() { secret.Data[v1alpha1.SeedKubeconfigKey] = content }); err != nil {
		return err
	}
	access.secret, access.config.BearerToken = secret, answer.Status.Token
	return nil
}
