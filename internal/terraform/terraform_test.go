// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
	"canopy.dev/canopy/internal/testenv"
	"canopy.dev/canopy/internal/testenv/platform"
)

// kubeConfig is for the Kubernetes API of the tests; test is a platform on it, with a seed.
var (
	kubeConfig rest.Config
	test       *platform.Platform
)

const admin = "grace@example.com"

// program is how Terraform knows the provider. Under this name the tests' own binary is the provider.
const program = "terraform-provider-canopy"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == program {
		serve()
		return
	}
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.Main(withPlatform{m}, &kubeConfig))
}

func serve() {
	provider, err := New("test")
	if err == nil {
		err = providerserver.Serve(context.Background(), provider, providerserver.ServeOpts{Address: Address})
	}
	if err != nil {
		println(program+":", err.Error())
		os.Exit(1)
	}
}

// withPlatform runs tests while there is a platform with an administrator.
type withPlatform struct{ m *testing.M }

// Run runs the tests.
func (w withPlatform) Run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if test, err = platform.Start(ctx, &kubeConfig); err == nil {
		err = test.Seed(ctx)
	}
	if err == nil {
		err = test.Master.Create(ctx, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "grace"}, Spec: v1alpha1.UserSpec{Email: admin, Admin: true}})
	}
	if err == nil {
		err = settled(ctx)
	}
	if err != nil {
		println("setting up:", err.Error())
		return 1
	}
	return w.m.Run()
}

// settled waits until the API knows what was made, and whom.
func settled(ctx context.Context) error {
	connection, err := credential.Connect(&config.Current{
		Context: config.Context{Name: "test", Server: test.URL, CertificateAuthorityData: test.CA}, Token: admin,
	}, "test", nil)
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var me struct {
			Admin bool `json:"admin"`
		}
		if err := connection.Client.Into(ctx, api.Request{Path: api.Path("me")}, &me); err != nil || !me.Admin {
			return false, err
		}
		list, err := connection.Client.List(ctx, api.Path("releases"), nil)
		return len(list.Items) > 0, err
	})
}

// workspace is a folder with a configuration, in which somebody types commands of Terraform.
type workspace struct {
	t    *testing.T
	dir  string
	path string // of Terraform
	env  []string
}

// newWorkspace returns one in which this binary is the provider. ok is false where there is no Terraform.
func newWorkspace(t *testing.T) (w workspace, ok bool) {
	t.Helper()
	path := os.Getenv("TF_ACC_TERRAFORM_PATH")
	for _, name := range []string{"terraform", "tofu"} {
		if found, err := exec.LookPath(name); err == nil {
			path = cmp.Or(path, found)
		}
	}
	if path == "" {
		return w, false
	}
	w = workspace{t: t, dir: t.TempDir(), path: path}
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(w.dir, program))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.write("terraformrc", `provider_installation {
  dev_overrides { "`+Address+`" = "`+w.dir+`" }
  direct {}
}`)
	w.write("ca.crt", string(test.CA))
	w.env = []string{
		"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "TF_CLI_CONFIG_FILE=" + w.dir + "/terraformrc", "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_VAR_owner=" + admin,
		"CANOPY_SERVER=" + test.URL, "CANOPY_TOKEN=" + admin, "CANOPY_CA_FILE=" + w.dir + "/ca.crt",
	}
	return w, true
}

func (w workspace) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a command that has to end with a code, and returns what it writes.
func (w workspace) run(code int, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.path, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		w.t.Fatalf("terraform %s ends with %v, want %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}

// Exit codes of plan.
const (
	nothing    = 0
	failure    = 1
	difference = 2
)

func (w workspace) apply(args ...string) string {
	w.t.Helper()
	return w.run(nothing, append([]string{"apply", "-auto-approve", "-no-color"}, args...)...)
}

func (w workspace) plan(code int, args ...string) string {
	w.t.Helper()
	return w.run(code, append([]string{"plan", "-detailed-exitcode", "-no-color"}, args...)...)
}

// has fails the test unless the text has all of the parts, on however many lines.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	text = strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(text)), " ")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}

// more is what the example does not have, for the tests.
const more = `
resource "canopy_template" "shop" {
  project = canopy_project.team.name
  name    = "shop"
  cluster = { datacenter = "local", version = "1.37.2" }
  node_pools = [{ name = "workers", replicas = 2, infrastructure = { local = {} } }]
}
resource "canopy_datacenter" "attic" {
  name           = "attic"
  seed           = "local"
  projects       = ["payments"]
  infrastructure = { bring_your_own = {} }
}
resource "canopy_preset" "attic" {
  name           = "attic"
  infrastructure = "bringYourOwn"
  secret_name    = "attic"
}
resource "canopy_service_account_token" "ci" {
  project         = canopy_project.team.name
  service_account = canopy_service_account.ci.name
  ttl             = "20m"
}
ephemeral "canopy_service_account_token" "now" {
  project         = canopy_project.team.name
  service_account = canopy_service_account.ci.name
  description     = "for as long as Terraform runs, beside ${canopy_service_account_token.ci.id}" # which is not opened while that is only planned
}
data "canopy_clusters" "team" {
  project        = canopy_project.team.name
  label_selector = "team=payments"
  depends_on     = [canopy_cluster.shop]
}
data "canopy_cluster" "shop" {
  project    = canopy_project.team.name
  name       = canopy_cluster.shop.name
}
data "canopy_datacenters" "all" {}
output "found" {
  value = [for c in data.canopy_clusters.team.clusters : "${c.id} ${c.version} ${c.network.pod_cidr}"]
}
output "one" {
  value = "${data.canopy_cluster.shop.profile} ${data.canopy_cluster.shop.endpoint}"
}
`

func TestTerraform(t *testing.T) {
	w, ok := newWorkspace(t)
	if !ok {
		t.Log("There is no terraform or tofu on the PATH, nor $TF_ACC_TERRAFORM_PATH: what the provider does was only tested by the protocol.")
		return
	}
	example, err := os.ReadFile("../../examples/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.tf", string(example))
	w.write("more.tf", more)

	// From nothing to a cluster, and nothing that differs afterwards.
	has(t, w.apply(), "11 added", `endpoint = "https://127.0.0.1:6443"`, `"payments/shop 1.37.2 172.25.0.0/16"`, `one = "Compact https://127.0.0.1:6443"`)
	has(t, w.plan(nothing), "No changes")
	state, err := os.ReadFile(filepath.Join(w.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(state), "for as long as Terraform runs") {
		t.Error("what is ephemeral is in the state")
	}

	// A change waits until it has arrived.
	has(t, w.apply("-var", "nodes=3"), "1 changed")
	pool := &v1alpha1.NodePool{}
	if err := test.Master.Get(t.Context(), client.ObjectKey{Namespace: "project-payments", Name: "shop-workers"}, pool); err != nil || pool.Status.ReadyReplicas != 3 {
		t.Errorf("the pool has %d ready machines, want 3: %v", pool.Status.ReadyReplicas, err)
	}

	// What somebody else has changed is seen; what belongs to others stays.
	cluster := &v1alpha1.Cluster{}
	key := client.ObjectKey{Namespace: "project-payments", Name: "shop"}
	if err := test.Master.Get(t.Context(), key, cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Spec.Paused, cluster.Labels["owner"] = true, "somebody-else"
	if err := test.Master.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	has(t, w.plan(difference, "-var", "nodes=3"), "paused = true -> null")
	w.apply("-var", "nodes=3")
	if err := test.Master.Get(t.Context(), key, cluster); err != nil || cluster.Spec.Paused || cluster.Labels["owner"] == "" || cluster.Labels["team"] == "" {
		t.Errorf("paused %t, labels %v: %v", cluster.Spec.Paused, cluster.Labels, err)
	}

	// The platform checks a plan, and says where it is wrong.
	has(t, w.plan(failure, "-var", "nodes=3", "-var", "kubernetes_version=1.36.1"), "spec.version can only go up")
	has(t, w.plan(failure, "-var", "nodes=21"), "quota")

	// What exists can be imported.
	for address, id := range map[string]string{
		"canopy_project.team": "payments", "canopy_cluster.shop": "payments/shop", "canopy_node_pool.workers": "payments/shop/shop-workers",
		"canopy_member.ci": "payments/ServiceAccount:ci", "canopy_ssh_key.owner": "payments/owner", "canopy_template.shop": "payments/shop",
		"canopy_datacenter.attic": "attic", "canopy_preset.attic": "attic", "canopy_service_account.ci": "payments/ci",
	} {
		w.run(nothing, "state", "rm", address)
		w.run(nothing, "import", "-no-color", address, id)
	}
	has(t, w.run(failure, "import", "canopy_cluster.shop2", "shop"), "does not exist")
	has(t, w.plan(difference, "-var", "nodes=3"), "0 to add, 2 to change, 0 to destroy", "metadata_labels", "256Gi") // its own labels, and its own spelling of an amount
	w.apply("-var", "nodes=3")
	has(t, w.plan(nothing, "-var", "nodes=3"), "No changes")

	// In the end there is nothing left.
	has(t, w.run(nothing, "destroy", "-auto-approve", "-no-color"), "11 destroyed")
	if err := test.Master.Get(t.Context(), client.ObjectKey{Name: "payments"}, &v1alpha1.Project{}); !apierrors.IsNotFound(err) {
		t.Errorf("the project is still there: %v", err)
	}
}
