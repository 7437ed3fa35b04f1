// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/local"
)

// TestDashboard lets an administrator do in a browser what people do first, from signing in to a cluster with two nodes.
func TestDashboard(t *testing.T) {
	const email, project = "e2e-dashboard@example.com", "e2e-dashboard"
	k := seed(t)
	remove := func(ctx context.Context) {
		// Of none of these there has to be one.
		_, _ = run(ctx, "", binary(t, "canopy"), "issuer", "remove-user", email, "--kubeconfig", local.KubeconfigPath)
		_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "users.canopy.dev", "--field-selector", "spec.email="+email)
		_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "-n", "project-"+project, "delete", "clusters.canopy.dev", "--all", "--timeout=4m")
		_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "projects.canopy.dev", project, "--timeout=1m")
	}
	remove(t.Context())
	t.Cleanup(func() { remove(context.Background()) })
	password := strings.TrimSpace(canopy(t, "issuer", "add-user", email, "--kubeconfig", local.KubeconfigPath))
	k.apply("apiVersion: canopy.dev/v1alpha1\nkind: User\nmetadata: {name: e2e-dashboard}\nspec: {email: " + email + ", admin: true}\n")

	cmd := exec.CommandContext(t.Context(), "npx", "playwright", "test", "--project=real")
	cmd.Dir = filepath.Join("..", "..", "dashboard")
	cmd.Env = append(os.Environ(), "CANOPY_URL="+theAPI(t).url, "CANOPY_USER="+email, "CANOPY_PASSWORD="+password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
