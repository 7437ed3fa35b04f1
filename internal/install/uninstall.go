// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	"k8s.io/client-go/rest"
)

// Uninstall removes the release with its objects, but for those that the chart says to keep: the kinds. That there is none
// is no error. Nobody may need it any more: it does not look for clusters.
func Uninstall(ctx context.Context, config *rest.Config, c Chart) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	helm, err := c.helm(config)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(helm)
	uninstall.IgnoreNotFound = true
	uninstall.WaitStrategy, uninstall.Timeout = helmkube.HookOnlyStrategy, helmTimeout
	uninstall.DeletionPropagation = "background"
	if _, err := uninstall.Run(c.Release); err != nil {
		return fmt.Errorf("uninstalling the release %s: %w", c.Release, err)
	}
	return nil
}

// Release is what was installed last.
type Release struct {
	// Version is that of the chart, Revision counts installations and upgrades.
	Version  string
	Revision int
	// Status is Helm's word for how it is, for example "deployed"; Complete says whether that is the good one.
	Status   string
	Complete bool
}

// Installed returns the release that is in a cluster; nil if there is none.
func Installed(_ context.Context, config *rest.Config) (*Release, error) {
	helm, err := Canopy(nil).helm(config)
	if err != nil {
		return nil, err
	}
	last, err := lastRelease(helm, ReleaseName)
	if err != nil || last == nil {
		return nil, err
	}
	return &Release{
		Version: versionOf(last), Revision: last.Version, Status: last.Info.Status.String(), Complete: last.Info.Status == common.StatusDeployed,
	}, nil
}
