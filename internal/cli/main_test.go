// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/output"
	"canopy.dev/canopy/internal/testenv"
	"canopy.dev/canopy/internal/testenv/platform"
)

// kubeConfig is for the Kubernetes API that the package's tests share; test is a platform on it.
var (
	kubeConfig rest.Config
	test       *platform.Platform
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
	return w.m.Run()
}

func startPlatform(ctx context.Context) error {
	var err error
	if test, err = platform.Start(ctx, &kubeConfig); err != nil {
		return err
	}
	onMaster = test.Master
	return onMaster.Create(ctx, &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec:       v1alpha1.ProjectSpec{Members: []v1alpha1.Member{{Name: "ada@example.com", Role: v1alpha1.RoleOwner}, {Name: "eve@example.com", Role: v1alpha1.RoleViewer}}},
	})
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
	if err := os.WriteFile(ca, test.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	term := terminal{t}
	if got := term.run(who+"\n", "login", test.URL, "--ca-file", ca, "--name", "test", "--token-stdin"); got.code != output.ExitOK {
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
