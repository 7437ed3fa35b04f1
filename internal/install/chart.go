// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package install installs Canopy's Helm chart in a cluster. It runs in the canopy command and, for seeds, in the master;
// it reads the chart that is in the binary, and writes the chart's objects, Helm's record of them and their namespace.
package install

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/controlplane"
)

// contentLabel of a Helm release identifies the chart and the values that it was made from.
const contentLabel = "canopy.dev/content"

// helmHistory is how many revisions of a release are kept.
const helmHistory = 5

// helmTimeout bounds the chart's hooks, and the deletion of its objects.
const helmTimeout = 3 * time.Minute

// ReleaseName is that of Canopy's release, in the namespace canopy-system.
const ReleaseName = "canopy"

// Chart is a Helm chart and how to install it.
type Chart struct {
	// Files is the folder of the chart.
	Files fs.FS
	// Release is the name of the release.
	Release string
	// Namespace is made if it is missing.
	Namespace string
	// Values override those of the chart.
	Values map[string]any
}

// Canopy returns Canopy's chart with values.
func Canopy(values map[string]any) Chart {
	return Chart{Files: deploy.Chart(), Release: ReleaseName, Namespace: v1alpha1.SystemNamespace, Values: values}
}

// Namespace returns the one that Canopy is installed in. Its pods may reach every control plane, and none of them may do
// anything to a node.
func Namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   v1alpha1.SystemNamespace,
		Labels: map[string]string{controlplane.SystemNamespaceLabel: "true", "pod-security.kubernetes.io/enforce": "restricted"},
	}}
}

// Run makes the release what c says. It does nothing when the release was made from the same chart and values and all of
// its objects exist, it takes over a release that a killed process left half made, and it refuses what CheckUpgrade does. It
// does not wait for pods.
func Run(ctx context.Context, config *rest.Config, c Chart) error {
	loaded, content, err := c.load()
	if err != nil {
		return err
	}
	helm, err := c.helm(config)
	if err != nil {
		return err
	}
	last, err := lastRelease(helm, c.Release)
	if err != nil {
		return fmt.Errorf("finding the release %s: %w", c.Release, err)
	}
	if upToDate(helm, last, content) {
		return nil
	}
	if last == nil {
		return c.install(ctx, helm, loaded, content)
	}
	if err := CheckUpgrade(versionOf(last), loaded.Metadata.Version); err != nil {
		return fmt.Errorf("upgrading the release %s: %w", c.Release, err)
	}
	return c.upgrade(ctx, helm, loaded, last, content)
}

// Current reports whether the release was completed from this chart and these values. It reads no more than the labels of
// Helm's records, so it does not see when somebody has removed an object.
func Current(ctx context.Context, config *rest.Config, c Chart) (bool, error) {
	files, err := c.files()
	if err != nil {
		return false, err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return false, err
	}
	records, err := client.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(c.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + c.Release})
	if err != nil {
		return false, fmt.Errorf("finding the release %s: %w", c.Release, err)
	}
	if len(records.Items) == 0 {
		return false, nil
	}
	last := slices.MaxFunc(records.Items, func(x, y metav1.PartialObjectMetadata) int { return cmp.Compare(revision(&x), revision(&y)) })
	return last.Labels["status"] == common.StatusDeployed.String() && last.Labels[contentLabel] == contentHash(files, c.Values), nil
}

// revision returns the number of a release's revision from Helm's record of it; 0 if it has none.
func revision(record *metav1.PartialObjectMetadata) int {
	number, _ := strconv.Atoi(record.Labels["version"])
	return number
}

// Fields are owned under one name, whoever installs: what one has set, the other can take away.
func init() { helmkube.ManagedFieldsManager = fieldManager }

// helm returns a Helm for the chart's namespace.
func (c Chart) helm(config *rest.Config) (*action.Configuration, error) {
	helm := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := helm.Init(newGetter(config, c.Namespace), c.Namespace, "secret"); err != nil {
		return nil, fmt.Errorf("setting Helm up: %w", err)
	}
	return helm, nil
}

// load returns the chart, and what identifies it together with the values.
func (c Chart) load() (*chart.Chart, string, error) {
	files, err := c.files()
	if err != nil {
		return nil, "", err
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, "", fmt.Errorf("reading the chart: %w", err)
	}
	return loaded, contentHash(files, c.Values), nil
}

// files returns the files of the chart in the order of their names.
func (c Chart) files() ([]*archive.BufferedFile, error) {
	var files []*archive.BufferedFile
	err := fs.WalkDir(c.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(c.Files, path)
		files = append(files, &archive.BufferedFile{Name: path, Data: content})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the chart: %w", err)
	}
	return files, nil
}

func (c Chart) install(ctx context.Context, config *action.Configuration, loaded *chart.Chart, content string) error {
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace, install.CreateNamespace = c.Release, c.Namespace, true
	install.ForceConflicts = true
	install.WaitStrategy, install.Timeout = helmkube.HookOnlyStrategy, helmTimeout
	install.Labels = map[string]string{contentLabel: content}
	if _, err := install.RunWithContext(ctx, loaded, c.Values); err != nil {
		return fmt.Errorf("installing the chart %s: %w", c.Release, err)
	}
	return nil
}

func (c Chart) upgrade(ctx context.Context, config *action.Configuration, loaded *chart.Chart, last *release.Release, content string) error {
	if last.Info.Status.IsPending() { // Helm takes this for a lock, which nobody holds any more
		last.SetStatus(common.StatusFailed, "interrupted")
		if err := config.Releases.Update(last); err != nil {
			return fmt.Errorf("taking over the interrupted release %s: %w", c.Release, err)
		}
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace = c.Namespace
	upgrade.ServerSideApply, upgrade.ForceConflicts = "true", true
	upgrade.ResetValues = true
	upgrade.MaxHistory = helmHistory
	upgrade.WaitStrategy, upgrade.Timeout = helmkube.HookOnlyStrategy, helmTimeout
	upgrade.Labels = map[string]string{contentLabel: content}
	if _, err := upgrade.RunWithContext(ctx, c.Release, loaded, c.Values); err != nil {
		return fmt.Errorf("upgrading the release %s: %w", c.Release, err)
	}
	return nil
}

// versionOf returns the version of the chart that a release was made from; empty if it does not say it.
func versionOf(r *release.Release) string {
	if r.Chart == nil || r.Chart.Metadata == nil {
		return ""
	}
	return r.Chart.Metadata.Version
}

// lastRelease returns nil when there is none.
func lastRelease(config *action.Configuration, name string) (*release.Release, error) {
	last, err := config.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil //nolint:nilnil // no release is no error here
	}
	if err != nil {
		return nil, err
	}
	r, ok := last.(*release.Release)
	if !ok {
		return nil, fmt.Errorf("unknown kind of release %T", last)
	}
	return r, nil
}

// upToDate reports whether the release was completed from this content and none of its objects was removed since.
func upToDate(config *action.Configuration, last *release.Release, content string) bool {
	if last == nil || last.Info.Status != common.StatusDeployed || last.Labels[contentLabel] != content {
		return false
	}
	objects, err := config.KubeClient.Build(strings.NewReader(last.Manifest), false)
	if err != nil {
		return false
	}
	return objects.Visit(func(info *resource.Info, err error) error {
		return errors.Join(err, info.Get())
	}) == nil
}

// contentHash identifies all files of the chart and the values.
func contentHash(files []*archive.BufferedFile, values map[string]any) string {
	sum := sha256.New()
	for _, file := range files {
		fmt.Fprintf(sum, "%s %d\n%s", file.Name, len(file.Data), file.Data)
	}
	_ = json.NewEncoder(sum).Encode(values) // plain values always have a JSON form
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
