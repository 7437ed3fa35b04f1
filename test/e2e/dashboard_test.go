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

// TestDashboard lets an administrator do in a browser what people do first, from signing in to a shell in a cluster with two nodes, and
// somebody look who may not do it.
func TestDashboard(t *testing.T) {
	const email, viewer, project = "e2e-dashboard@example.com", "e2e-viewer@example.com", "e2e-dashboard"
	k := seed(t)
	remove := func(ctx context.Context) {
		// Of none of these there has to be one.
		for _, user := range []string{email, viewer} {
			_, _ = run(ctx, "", binary(t, "canopy"), "issuer", "remove-user", user, "--kubeconfig", local.KubeconfigPath)
			_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "users.canopy.dev", "--field-selector", "spec.email="+user)
		}
		_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "-n", "project-"+project, "delete", "clusters.canopy.dev", "--all", "--timeout=4m")
		_, _ = run(ctx, "", binary(t, "kubectl"), "--kubeconfig", local.KubeconfigPath, "delete", "projects.canopy.dev", project, "--timeout=1m")
	}
	remove(t.Context())
	t.Cleanup(func() { remove(context.Background()) })
	addUser := func(user string) string {
		return strings.TrimSpace(canopy(t, "issuer", "add-user", user, "--kubeconfig", local.KubeconfigPath))
	}
	password, viewerPassword := addUser(email), addUser(viewer)
	k.apply("apiVersion: canopy.dev/v1alpha1\nkind: User\nmetadata: {name: e2e-dashboard}\nspec: {email: " + email + ", admin: true}\n")

	cmd := exec.CommandContext(t.Context(), "npx", "playwright", "test", "--project=real")
	cmd.Dir = filepath.Join("..", "..", "dashboard")
	cmd.Env = append(os.Environ(), "CANOPY_URL="+theAPI(t).url, "CANOPY_USER="+email, "CANOPY_PASSWORD="+password,
		"CANOPY_VIEWER="+viewer, "CANOPY_VIEWER_PASSWORD="+viewerPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
