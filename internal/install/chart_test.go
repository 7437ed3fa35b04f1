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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"canopy.dev/canopy/internal/testenv"
)

var config rest.Config

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, &config)) }

// cluster is the test cluster with a namespace of its own for one test.
type cluster struct {
	*testing.T
	clients kubernetes.Interface
	helm    *action.Configuration
	dir     string
	chart   Chart
}

func newCluster(t *testing.T, namespace string) *cluster {
	t.Helper()
	helm := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := helm.Init(newGetter(&config, namespace), namespace, "secret"); err != nil {
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
		T: t, clients: clients, helm: helm, dir: dir,
		chart: Chart{Files: os.DirFS(dir), Release: "example", Namespace: namespace, Values: map[string]any{}},
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
	if err := Run(c.Context(), &config, c.chart); err != nil {
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

func TestCurrent(t *testing.T) {
	c := newCluster(t, "current")
	want := func(what string, want bool) {
		t.Helper()
		if got, err := Current(t.Context(), &config, c.chart); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	want("nothing is installed", false)
	c.run()
	want("it was just installed", true)
	c.chart.Values = map[string]any{"color": "green"}
	want("other values", false)
	c.run()
	want("they were installed", true)
	last, err := lastRelease(c.helm, c.chart.Release)
	if err != nil {
		t.Fatal(err)
	}
	last.SetStatus(common.StatusPendingUpgrade, "")
	if err := c.helm.Releases.Update(last); err != nil {
		t.Fatal(err)
	}
	want("it was interrupted", false)
}

func TestUninstall(t *testing.T) {
	c := newCluster(t, "uninstall")
	c.run()
	for range 2 { // the second time nothing is there
		if err := Uninstall(t.Context(), &config, c.chart); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.clients.CoreV1().ConfigMaps("uninstall").Get(t.Context(), "example", metav1.GetOptions{})
	if last, lastErr := lastRelease(c.helm, c.chart.Release); !apierrors.IsNotFound(err) || last != nil || lastErr != nil {
		t.Errorf("the object: %v; the release: %v, %v", err, last, lastErr)
	}
}

func TestRunUpgradesWhenValuesOrTheChartChange(t *testing.T) {
	c := newCluster(t, "upgrade")
	c.run()
	c.chart.Values = map[string]any{"color": "green"}
	c.run()
	c.want("green", 2)
	c.chart.Values = nil
	writeFile(t, filepath.Join(c.dir, "values.yaml"), "color: blue\n")
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
