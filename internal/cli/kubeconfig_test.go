// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
	"canopy.dev/canopy/internal/local"
)

// signs plays the cluster: it signs one certificate.
func signs(t *testing.T) {
	t.Helper()
	watcher, err := onMaster.Watch(t.Context(), &v1alpha1.AccessRequestList{}, client.InNamespace("project-shop"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer watcher.Stop()
		for event := range watcher.ResultChan() {
			if request, ok := event.Object.(*v1alpha1.AccessRequest); ok && request.Status.Certificate == "" {
				patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"certificate":"a certificate"}}`))
				_ = onMaster.Status().Patch(context.WithoutCancel(t.Context()), request, patch) // without it the command fails
				return
			}
		}
	}()
}

func TestGettingIntoACluster(t *testing.T) {
	term := ready(t)
	term.does(output.ExitOK, "apply", "-f", write(t, manifest("into")), "--no-wait")
	has(t, term.does(output.ExitConflict, "kubeconfig", "get", "into").err, "has no API yet", "what it waits for", "ERR_NOT_READY")
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "project-shop", Name: "into"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"endpoint":"https://192.0.2.1:30000","certificateAuthority":"an authority"}}`))
	if err := onMaster.Status().Patch(t.Context(), cluster, patch); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return term.run("", "kubeconfig", "get", "into").code == output.ExitOK, nil
	})
	if err != nil {
		t.Fatal("the API does not come to know where the cluster is")
	}
	own := term.does(output.ExitOK, "kubeconfig", "get", "into").out
	has(t, own, "https://192.0.2.1:30000", "exec-credential", "canopy-shop/into", "--context")

	// A certificate is for a program without a login: nothing calls canopy.
	signs(t)
	viewer := term.does(output.ExitOK, "kubeconfig", "get", "into", "--viewer", "--ttl", "10m").out
	has(t, viewer, "client-certificate-data", "client-key-data")
	if strings.Contains(viewer, "exec") {
		t.Errorf("a certificate comes with a command:\n%s", viewer)
	}
	term.does(output.ExitUsage, "kubeconfig", "get", "into", "--viewer", "--admin")

	has(t, term.does(output.ExitOK, "connect", "into", "--", "sh", "-c", "cat $KUBECONFIG").out, "https://192.0.2.1:30000")
	term.does(7, "connect", "into", "--", "sh", "-c", "exit 7")
	has(t, term.does(output.ExitUsage, "connect", "into", "--", "no-such-command").err, "running no-such-command")
	if _, err := os.Stat(os.Getenv("KUBECONFIG")); err == nil {
		t.Error("connect has written a kubeconfig")
	}

	has(t, term.does(output.ExitOK, "kubeconfig", "into").err, "canopy-shop/into", "kubectl get nodes")
	before := local.KubeconfigPath
	local.KubeconfigPath = os.Getenv("KUBECONFIG")
	has(t, term.does(output.ExitUsage, "kubeconfig", "into").err, "with which the platform itself is reached", "unset KUBECONFIG")
	term.does(output.ExitUsage, "create", "cluster", "another", "-p", "shop")
	term.does(output.ExitNotFound, "get", "cluster", "another", "-p", "shop")
	local.KubeconfigPath = before
	has(t, term.does(output.ExitOK, "kubeconfig", "rm", "into", "-p", "shop").err, "is out of")
	term.does(output.ExitNotFound, "kubeconfig", "rm", "into", "-p", "shop")
}

// TestAKubeconfigOutlivesTheNameOfThePlatform has kubectl ask for a token by a name that the platform had before.
func TestAKubeconfigOutlivesTheNameOfThePlatform(t *testing.T) {
	term := ready(t)
	term.does(output.ExitOK, "context", "rename", "test", "prod")
	t.Setenv(execInfo, fmt.Sprintf(`{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"cluster":{"config":{"api":%q}}}}`, test.URL))
	has(t, term.does(output.ExitOK, "exec-credential", "--context", "test").out, `"token":"ada@example.com"`)
	t.Setenv(execInfo, `{"spec":{"cluster":{"config":{"api":"https://elsewhere.example.com"}}}}`)
	has(t, term.does(output.ExitForbidden, "exec-credential", "--context", "test").err, "https://elsewhere.example.com")
}

// TestAPluginOfKubectl calls the command by the name that kubectl looks for.
func TestAPluginOfKubectl(t *testing.T) {
	term := ready(t)
	own := os.Args[0]
	os.Args[0] = "/usr/local/bin/kubectl-canopy"
	defer func() { os.Args[0] = own }()
	has(t, term.does(output.ExitOK, "--help").out, "kubectl canopy [command]")
	has(t, term.does(output.ExitNotFound, "get", "cluster", "nope", "-p", "shop").err, "next")
	has(t, term.does(output.ExitUsage, "get", "clusters", "--frobnicate").err, "kubectl canopy get --help")
}
