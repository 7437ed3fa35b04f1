// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
)

// seedWithLog makes a Seed that has one pod of a control plane, which writes lines.
func seedWithLog(t *testing.T, name, id, lines string) {
	t.Helper()
	mux := http.NewServeMux()
	namespace := "/api/v1/namespaces/cluster-" + id
	mux.HandleFunc("GET "+namespace+"/pods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Name: "control-plane-0", Namespace: "cluster-" + id},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "etcd"}}},
		}}})
	})
	mux.HandleFunc("GET "+namespace+"/pods/control-plane-0/log", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", r.URL.Query().Get("tailLines"), lines)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["seed"] = &clientcmdapi.Cluster{Server: server.URL}
	config.AuthInfos["seed"] = &clientcmdapi.AuthInfo{Token: "seed"}
	config.Contexts["seed"] = &clientcmdapi.Context{Cluster: "seed", AuthInfo: "seed"}
	config.CurrentContext = "seed"
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: name}, Data: map[string][]byte{v1alpha1.SeedKubeconfigKey: content}},
		&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SeedSpec{KubeconfigSecretName: name, Install: v1alpha1.InstallManual}},
	} {
		if err := onMaster.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogs(t *testing.T) {
	term := ready(t)
	seedWithLog(t, "with-log", "logslogslo", "etcd is ready")
	cluster := &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "project-shop", Name: "logged"}, Spec: v1alpha1.ClusterSpec{Datacenter: "nowhere", Version: "1.37.2"},
	}
	if err := onMaster.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = onMaster.Delete(context.WithoutCancel(t.Context()), cluster) })
	before := cluster.DeepCopy()
	cluster.Status.Seed, cluster.Status.ID = "with-log", "logslogslo"
	if err := onMaster.Status().Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(term.run("", "get", "cluster/logged", "-p", "shop", "-o", "json").out, "logslogslo") {
		if time.Now().After(deadline) {
			t.Fatal("the API does not know where the cluster is")
		}
	}
	if got := term.does(output.ExitOK, "logs", "cluster/logged", "-p", "shop", "--component", "etcd", "--tail", "7"); got.out != "7 etcd is ready\n" {
		t.Errorf("the log is %q", got.out)
	}
	got := term.run("", "logs", "logged", "-p", "shop", "-c", "coredns")
	if got.code == output.ExitOK {
		t.Error("there is a log of what does not run on the seed")
	}
	has(t, got.err, "coredns", "kube-apiserver", "kubectl logs")
	term.does(output.ExitUsage, "logs", "logged", "-p", "shop", "--tail", "0")
}
