// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/apiserver"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/output"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/testenv"
)

// kubeConfig is for the Kubernetes API that the package's tests share; platform is an API server of Canopy's and a master on it.
var (
	kubeConfig rest.Config
	platform   *httptest.Server
	onMaster   client.WithWatch
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.Main(withPlatform{m}, &kubeConfig))
}

// withPlatform runs tests while there is a platform with a project and its member ada.
type withPlatform struct{ m *testing.M }

// Run runs the tests.
func (w withPlatform) Run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := startPlatform(ctx); err != nil {
		println("setting up:", err.Error())
		return 1
	}
	defer platform.Close()
	return w.m.Run()
}

func startPlatform(ctx context.Context) error {
	var err error
	if onMaster, err = client.NewWithWatch(&kubeConfig, client.Options{Scheme: apiserver.Scheme()}); err != nil {
		return err
	}
	if err := onMaster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}); err != nil {
		return err
	}
	for _, pattern := range []string{"roles.yaml", "api/*.yaml", "master/rbac.yaml", "master/admission.yaml"} {
		files, err := filepath.Glob("../../deploy/chart/files/" + pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := applyFile(ctx, file); err != nil {
				return err
			}
		}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "canopy-api", Namespace: v1alpha1.SystemNamespace}}
	if err := onMaster.Create(ctx, account); err != nil {
		return err
	}
	token := &authenticationv1.TokenRequest{}
	if err := onMaster.SubResource("token").Create(ctx, account, token); err != nil {
		return err
	}
	own := rest.AnonymousClientConfig(&kubeConfig)
	own.BearerToken, own.QPS = token.Status.Token, -1
	go func() {
		_ = master.Run(ctx, &kubeConfig, master.Options{HealthAddress: "0", MetricsAddress: "0", Workers: 4, ProbePeriod: time.Minute})
	}()
	server, err := apiserver.New(apiserver.Options{Config: own, Authenticator: byName{}, Version: ownVersion(), PublicURL: "https://canopy.example.com"})
	if err != nil {
		return err
	}
	go func() { _ = server.Start(ctx) }()
	if !server.WaitForSync(ctx) {
		return errors.New("the API does not start")
	}
	platform = httptest.NewTLSServer(server.Handler())
	return onMaster.Create(ctx, &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec:       v1alpha1.ProjectSpec{Members: []v1alpha1.Member{{Name: "ada@example.com", Role: v1alpha1.RoleOwner}, {Name: "eve@example.com", Role: v1alpha1.RoleViewer}}},
	})
}

func applyFile(ctx context.Context, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(obj); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := onMaster.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner("test")); err != nil {
			return err
		}
	}
}

// byName believes what a token says.
type byName struct{}

// AuthenticateRequest returns whom the token names.
func (byName) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	name, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, ok && name != "", nil
}

// terminal is where a test types commands.
type terminal struct {
	t *testing.T
}

// newTerminal gives the test a home of its own, in which somebody is logged in.
func newTerminal(t *testing.T, who string) terminal {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_STATE_HOME": filepath.Join(home, "state"), "KUBECONFIG": filepath.Join(home, "kubeconfig"),
		config.EnvContext: "", config.EnvServer: "", config.EnvToken: "", config.EnvProject: "", config.EnvSession: "", config.EnvCAFile: "",
	} {
		t.Setenv(name, value)
	}
	ca := filepath.Join(home, "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: platform.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	term := terminal{t}
	if got := term.run(who+"\n", "login", platform.URL, "--ca-file", ca, "--name", "test", "--token-stdin"); got.code != output.ExitOK {
		t.Fatalf("login: %s", got.err)
	}
	return term
}

// result is what a command did.
type result struct {
	code     int
	out, err string
}

func (term terminal) run(in string, args ...string) result {
	term.t.Helper()
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(term.t.Context(), time.Minute)
	defer cancel()
	code := Main(ctx, args, strings.NewReader(in), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// does runs a command that has to end with a code.
func (term terminal) does(code int, args ...string) result {
	term.t.Helper()
	got := term.run("", args...)
	if got.code != code {
		term.t.Fatalf("canopy %s ends with %d, want %d\n%s%s", strings.Join(args, " "), got.code, code, got.out, got.err)
	}
	return got
}

// has fails the test unless the text has all of the parts.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}
