// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package platform gives tests and benchmarks of what people run a platform: the API over TLS, and a master, on a kube-apiserver of
// testenv. It believes whoever a token names. There are no pods; Seed plays the part of a seed.
package platform

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/apiserver"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/testenv"
)

// Platform is one that runs.
type Platform struct {
	// URL is that of the API, and CA the authority of its certificate, in PEM.
	URL string
	CA  []byte
	// Master is for the Kubernetes of the master, with all rights.
	Master client.WithWatch
}

// Start starts one on the Kubernetes of config. It ends with the context.
func Start(ctx context.Context, config *rest.Config) (*Platform, error) {
	scheme := apiserver.Scheme()
	if err := hostingv1alpha1.AddToScheme(scheme); err != nil { // which the API does not know, and Seed does
		return nil, err
	}
	kube, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	if err := kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}); err != nil {
		return nil, err
	}
	if err := install(ctx, kube); err != nil {
		return nil, err
	}
	own, err := account(ctx, kube, config)
	if err != nil {
		return nil, err
	}
	go func() {
		_ = master.Run(ctx, config, master.Options{HealthAddress: "0", MetricsAddress: "0", Workers: 4, ProbePeriod: time.Minute, Clouds: clouds()})
	}()
	server, err := apiserver.New(apiserver.Options{Config: own, Authenticator: byName{}, Version: deploy.Version(), PublicURL: "https://canopy.example.com", Clouds: clouds()})
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Start(ctx) }()
	if !server.WaitForSync(ctx) {
		return nil, errors.New("the API does not start")
	}
	web := httptest.NewTLSServer(server.Handler())
	context.AfterFunc(ctx, web.Close)
	return &Platform{URL: web.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), Master: kube}, nil
}

// install applies the rules and roles that the chart has.
func install(ctx context.Context, kube client.Client) error {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return errors.New("it is not known where the sources are")
	}
	for _, pattern := range []string{"roles.yaml", "api/*.yaml", "master/rbac.yaml", "master/admission.yaml"} {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(self), "../../../deploy/chart/files", pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := testenv.Apply(ctx, kube, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// account returns a configuration with the rights that the chart gives to the API, and no more.
func account(ctx context.Context, kube client.Client, config *rest.Config) (*rest.Config, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "canopy-api", Namespace: v1alpha1.SystemNamespace}}
	if err := kube.Create(ctx, account); err != nil {
		return nil, err
	}
	token := &authenticationv1.TokenRequest{}
	if err := kube.SubResource("token").Create(ctx, account, token); err != nil {
		return nil, err
	}
	own := rest.AnonymousClientConfig(config)
	own.BearerToken, own.QPS = token.Status.Token, -1
	return own, nil
}

// byName believes what a token says: a name, and groups after commas.
type byName struct{}

// AuthenticateRequest returns whom the token names.
func (byName) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	names := strings.Split(token, ",")
	return &authenticator.Response{User: &user.DefaultInfo{Name: names[0], Groups: names[1:]}}, ok && token != "", nil
}
