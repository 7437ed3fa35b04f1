// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

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

	"canopy.dev/canopy/internal/local"
)

// TestTerraform has the example's cluster made by Terraform, looks that nothing differs then, and has all of it taken away.
func TestTerraform(t *testing.T) {
	path := os.Getenv("TF_ACC_TERRAFORM_PATH")
	for _, name := range []string{"terraform", "tofu"} {
		if found, err := exec.LookPath(name); err == nil {
			path = cmp.Or(path, found)
		}
	}
	if path == "" {
		t.Log("There is no terraform or tofu on the PATH, nor $TF_ACC_TERRAFORM_PATH: the provider was not tried on the platform.")
		return
	}
	const email = "e2e-terraform@example.com"
	k := seed(t)
	_, _ = run(t.Context(), "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath) // of a run that was ended
	password := strings.TrimSpace(canopy(t, "issuer", "add-user", email, "--kubeconfig", local.KubeconfigPath))
	k.apply("apiVersion: canopy.dev/v1alpha1\nkind: User\nmetadata: {name: e2e-terraform}\nspec: {email: " + email + ", admin: true}\n")
	t.Cleanup(func() {
		ctx := context.Background()
		_, err := run(ctx, "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath)
		_, err2 := run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "users.canopy.dev", "e2e-terraform")
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
	})
	me := theAPI(t).logIn(email, password)

	dir := t.TempDir()
	example, err := os.ReadFile("../../examples/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	ca := k.run("-n", "canopy-system", "get", "configmap", "canopy-api-authority", "-o", `jsonpath={.data.ca\.crt}`)
	provider := filepath.Dir(binary(t, "terraform-provider-canopy"))
	for name, content := range map[string]string{
		"main.tf": string(example), "ca.crt": ca,
		"terraformrc": "provider_installation {\n  dev_overrides { \"canopy.dev/canopy/canopy\" = \"" + provider + "\" }\n  direct {}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	terraform := func(ctx context.Context, args ...string) {
		cmd := exec.CommandContext(ctx, path, append(args, "-no-color", "-var", "project=e2e-terraform", "-var", "owner="+email)...)
		cmd.Dir = dir
		cmd.Env = []string{
			"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TF_CLI_CONFIG_FILE=" + dir + "/terraformrc", "CHECKPOINT_DISABLE=1",
			"CANOPY_SERVER=" + me.url, "CANOPY_TOKEN=" + me.token, "CANOPY_CA_FILE=" + dir + "/ca.crt",
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	destroyed := false
	t.Cleanup(func() {
		if !destroyed {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			terraform(ctx, "destroy", "-auto-approve")
		}
	})
	terraform(t.Context(), "apply", "-auto-approve")
	k.wantOutput("1", time.Second, "-n", "project-e2e-terraform", "get", "cluster", "shop", "-o", "jsonpath={.status.readyNodes}")
	terraform(t.Context(), "plan", "-detailed-exitcode")
	terraform(t.Context(), "destroy", "-auto-approve")
	destroyed = true
	if out, err := k.try("", "get", "project", "e2e-terraform"); err == nil {
		t.Errorf("the project is still there: %s", out)
	}
}
