// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/testenv"
)

// kubeConfig is for the Kubernetes API that the package's tests share, on which a master runs; serverConfig has the rights that
// the chart gives to the server.
var kubeConfig, serverConfig rest.Config

// shared is the server that most tests use.
var shared *testServer

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what fails is seen in what comes of it
	os.Exit(testenv.Main(withMaster{m}, &kubeConfig))
}

// withMaster runs tests while a master gives projects their namespaces and roles, and a server serves.
type withMaster struct{ m *testing.M }

// Run runs the tests.
func (w withMaster) Run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := setUp(ctx); err != nil {
		println("setting up:", err.Error())
		return 1
	}
	return w.m.Run()
}

func setUp(ctx context.Context) error {
	kube, err := client.New(&kubeConfig, client.Options{Scheme: Scheme()})
	if err != nil {
		return err
	}
	if err := kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}); err != nil {
		return err
	}
	for _, file := range []string{"roles.yaml", "api/rbac.yaml", "api/login.yaml", "master/rbac.yaml", "master/admission.yaml"} {
		if err := testenv.Apply(ctx, kube, "../../deploy/chart/files/"+file); err != nil {
			return err
		}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "canopy-api", Namespace: v1alpha1.SystemNamespace}}
	if err := kube.Create(ctx, account); err != nil {
		return err
	}
	token := &authenticationv1.TokenRequest{}
	if err := kube.SubResource("token").Create(ctx, account, token); err != nil {
		return err
	}
	serverConfig = *rest.AnonymousClientConfig(&kubeConfig)
	serverConfig.BearerToken, serverConfig.QPS = token.Status.Token, -1
	go func() {
		_ = master.Run(ctx, &kubeConfig, master.Options{HealthAddress: "0", MetricsAddress: "0", Workers: 4, ProbePeriod: time.Minute})
	}()
	shared, err = startServer(ctx, Options{
		Config: &serverConfig, Authenticator: byName{}, Version: "test", Clouds: map[hostingv1alpha1.ProviderName]machine.Cloud{hostingv1alpha1.ProviderHetzner: cloud},
	})
	return err
}

// byName believes what a token says: a name, and groups after commas.
type byName struct{}

// AuthenticateRequest returns whom the token names.
func (byName) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, false, nil
	}
	names := strings.Split(token, ",")
	return &authenticator.Response{User: &user.DefaultInfo{Name: names[0], Groups: names[1:]}}, true, nil
}

// testServer is a server with a client of the Kubernetes behind it.
type testServer struct {
	*Server

	kube client.WithWatch
	url  string
	// kill ends it as a process that is killed ends: nobody is told.
	kill func()
}

func startServer(ctx context.Context, opts Options) (*testServer, error) {
	kube, err := client.NewWithWatch(&kubeConfig, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	s, err := New(opts)
	if err != nil {
		return nil, err
	}
	go func() { _ = s.Start(ctx) }()
	if !s.WaitForSync(ctx) {
		return nil, errors.New("the cache does not come to know what there is")
	}
	web := httptest.NewServer(s.Handler())
	context.AfterFunc(ctx, web.Close)
	return &testServer{Server: s, kube: kube, url: web.URL, kill: func() {
		_ = web.Listener.Close()
		web.CloseClientConnections()
	}}, nil
}

// answer is what came back.
type answer struct {
	*http.Response

	body []byte
}

// into reads the body.
func into[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// is fails the test unless the answer has a status.
func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

// isProblem fails the test unless the answer is a problem with a code.
func (a answer) isProblem(t *testing.T, code Code) Problem {
	t.Helper()
	a.is(t, problemKinds[code].status)
	p := into[Problem](t, a)
	if p.Code != code || p.RequestID == "" || p.Title == "" || p.Owner == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("want a problem %s, got %s %s", code, a.Header.Get("Content-Type"), a.body)
	}
	return p
}

// caller sends requests as somebody.
type caller struct {
	t      *testing.T
	server *testServer
	token  string
}

func (s *testServer) as(t *testing.T, token string) caller {
	t.Helper()
	return caller{t, s, token}
}

// do sends a request. A body that is no string is sent as JSON. Headers are names and values by turns.
func (c caller) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		content, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(content)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.url+path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp, content}
}

func (c caller) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, nil, headers...)
}

// project makes a project with members, and waits until they have their rights.
func (s *testServer) project(t *testing.T, name string, members ...v1alpha1.Member) {
	t.Helper()
	project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ProjectSpec{Members: members}}
	if err := s.kube.Create(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		as := s.as(t, member.Name)
		if member.Kind == v1alpha1.MemberGroup {
			as = s.as(t, "somebody@example.com,"+member.Name)
		}
		eventually(t, member.Name+" may see the project", func(context.Context) bool {
			return as.get("/api/v1/projects/"+name).StatusCode == http.StatusOK &&
				as.get("/api/v1/projects/"+name+"/clusters").StatusCode == http.StatusOK
		})
	}
}

// eventually waits until done returns true; what says what for.
func eventually(t *testing.T, what string, done func(ctx context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return done(ctx), nil
	})
	if err != nil {
		t.Fatalf("waited in vain: %s", what)
	}
}
