// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package install installs Canopy's Helm chart. It runs in the canopy command, reads the chart from a folder, and writes
// the chart's objects and Helm's record of them to the cluster of a kubeconfig.
package install

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chartcommon "helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
)

// contentLabel of a Helm release identifies the chart and the values that it was made from.
const contentLabel = "canopy.dev/content"

// helmHistory is how many revisions of a release are kept.
const helmHistory = 5

// helmTimeout bounds the chart's hooks.
const helmTimeout = 3 * time.Minute

// Chart is a Helm chart and how to install it.
type Chart struct {
	// Dir is the folder of the chart.
	Dir string
	// Release is the name of the release.
	Release string
	// Namespace is made if it is missing.
	Namespace string
	// Values override those of the chart.
	Values map[string]any
}

// Run makes the release in the cluster of the kubeconfig file what c says. It does nothing when the release was
// made from the same chart and values and all of its objects exist, and it takes over a release that a killed process
// left half made. It does not wait for pods.
func Run(ctx context.Context, kubeconfig string, c Chart) error {
	loaded, err := loader.Load(c.Dir)
	if err != nil {
		return fmt.Errorf("read the chart %s: %w", c.Dir, err)
	}
	content := contentHash(loaded, c.Values)
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &kubeconfig, &c.Namespace
	config := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := config.Init(flags, c.Namespace, "secret"); err != nil {
		return fmt.Errorf("set Helm up: %w", err)
	}
	last, err := lastRelease(config, c.Release)
	if err != nil {
		return fmt.Errorf("find the release %s: %w", c.Release, err)
	}
	if upToDate(config, last, content) {
		return nil
	}
	if last == nil {
		return c.install(ctx, config, loaded, content)
	}
	return c.upgrade(ctx, config, loaded, last, content)
}

func (c Chart) install(ctx context.Context, config *action.Configuration, loaded *chart.Chart, content string) error {
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace, install.CreateNamespace = c.Release, c.Namespace, true
	install.ForceConflicts = true
	install.WaitStrategy, install.Timeout = helmkube.HookOnlyStrategy, helmTimeout
	install.Labels = map[string]string{contentLabel: content}
	if _, err := install.RunWithContext(ctx, loaded, c.Values); err != nil {
		return fmt.Errorf("install the chart %s: %w", c.Dir, err)
	}
	return nil
}

func (c Chart) upgrade(ctx context.Context, config *action.Configuration, loaded *chart.Chart, last *release.Release, content string) error {
	if last.Info.Status.IsPending() { // Helm takes this for a lock, which nobody holds any more
		last.SetStatus(common.StatusFailed, "interrupted")
		if err := config.Releases.Update(last); err != nil {
			return fmt.Errorf("take over the interrupted release %s: %w", c.Release, err)
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
		return fmt.Errorf("upgrade the release %s: %w", c.Release, err)
	}
	return nil
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
func contentHash(loaded *chart.Chart, values map[string]any) string {
	sum := sha256.New()
	for _, file := range slices.SortedFunc(slices.Values(loaded.Raw), func(a, b *chartcommon.File) int { return strings.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(sum, "%s %d\n%s", file.Name, len(file.Data), file.Data)
	}
	_ = json.NewEncoder(sum).Encode(values) // plain values always have a JSON form
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
