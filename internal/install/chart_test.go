// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/release/common"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

// cluster is the test cluster with a namespace of its own for one test.
type cluster struct {
	*testing.T
	kubeconfig string
	clients    kubernetes.Interface
	helm       *action.Configuration
	chart      Chart
}

func newCluster(t *testing.T, namespace string) *cluster {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["c"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "c"}
	file.CurrentContext = "c"
	if err := clientcmd.WriteToFile(*file, kubeconfig); err != nil {
		t.Fatal(err)
	}
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &kubeconfig, &namespace
	helm := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := helm.Init(flags, namespace, "secret"); err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(&config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "Chart.yaml"), "apiVersion: v2\nname: example\nversion: 1.0.0\n")
	writeFile(t, filepath.Join(dir, "values.yaml"), "color: red\n")
	writeFile(t, filepath.Join(dir, "templates", "configmap.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: example\ndata:\n  color: {{ .Values.color }}\n")
	return &cluster{
		T: t, kubeconfig: kubeconfig, clients: clients, helm: helm,
		chart: Chart{Dir: dir, Release: "example", Namespace: namespace, Values: map[string]any{}},
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) run() {
	c.Helper()
	if err := Run(c.Context(), c.kubeconfig, c.chart); err != nil {
		c.Fatal(err)
	}
}

// want checks the chart's one object and the revision of the release.
func (c *cluster) want(color string, revision int) {
	c.Helper()
	object, err := c.clients.CoreV1().ConfigMaps(c.chart.Namespace).Get(c.Context(), "example", metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	last, err := lastRelease(c.helm, c.chart.Release)
	if err != nil || last == nil {
		c.Fatalf("last release: %v, %v", last, err)
	}
	if object.Data["color"] != color || last.Version != revision || last.Info.Status != common.StatusDeployed {
		c.Errorf("color %s, revision %d, %s; want %s, %d, %s",
			object.Data["color"], last.Version, last.Info.Status, color, revision, common.StatusDeployed)
	}
}

func TestRunInstallsIntoNamespaceThatItMakes(t *testing.T) {
	c := newCluster(t, "install")
	c.run()
	c.want("red", 1)
}

func TestRunDoesNothingWhenNothingChanged(t *testing.T) {
	c := newCluster(t, "unchanged")
	c.run()
	c.run()
	c.want("red", 1)
}

func TestRunUpgradesWhenValuesOrTheChartChange(t *testing.T) {
	c := newCluster(t, "upgrade")
	c.run()
	c.chart.Values = map[string]any{"color": "green"}
	c.run()
	c.want("green", 2)
	c.chart.Values = nil
	writeFile(t, filepath.Join(c.chart.Dir, "values.yaml"), "color: blue\n")
	c.run()
	c.want("blue", 3)
}

func TestRunBringsBackAnObjectThatWasRemoved(t *testing.T) {
	c := newCluster(t, "removed")
	c.run()
	if err := c.clients.CoreV1().ConfigMaps("removed").Delete(t.Context(), "example", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.run()
	c.want("red", 2)
}

func TestRunTakesOverAReleaseThatWasInterrupted(t *testing.T) {
	for name, status := range map[string]common.Status{
		"while-installing": common.StatusPendingInstall,
		"while-upgrading":  common.StatusPendingUpgrade,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, name)
			c.run()
			last, err := lastRelease(c.helm, c.chart.Release)
			if err != nil {
				t.Fatal(err)
			}
			last.SetStatus(status, "")
			if err := c.helm.Releases.Update(last); err != nil {
				t.Fatal(err)
			}
			c.run()
			c.want("red", 2)
		})
	}
}

func TestRunTakesOverAnObjectThatSomebodyChanged(t *testing.T) {
	c := newCluster(t, "conflict")
	c.run()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "example"}, Data: map[string]string{"color": "mine"}}
	if _, err := c.clients.CoreV1().ConfigMaps("conflict").Update(t.Context(), object, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.chart.Values = map[string]any{"color": "green"}
	c.run()
	c.want("green", 2)
}
