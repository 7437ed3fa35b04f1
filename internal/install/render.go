// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Render returns the objects of the chart, in Helm's order of installation. It asks no cluster.
func (c Chart) Render(ctx context.Context) ([]*unstructured.Unstructured, error) {
	loaded, _, err := c.load()
	if err != nil {
		return nil, err
	}
	version, err := common.ParseKubeVersion("v" + minKubernetes.String())
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(action.NewConfiguration())
	install.ReleaseName, install.Namespace, install.KubeVersion = c.Release, c.Namespace, version
	install.DryRunStrategy = action.DryRunClient
	rendered, err := install.RunWithContext(ctx, loaded, c.Values)
	if err != nil {
		return nil, fmt.Errorf("rendering the chart %s: %w", c.Release, err)
	}
	r, ok := rendered.(*release.Release)
	if !ok {
		return nil, fmt.Errorf("unknown kind of release %T", rendered)
	}
	return parseManifest(r.Manifest)
}

// parseManifest returns the objects of a manifest.
func parseManifest(manifest string) ([]*unstructured.Unstructured, error) {
	var objs []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		obj := &unstructured.Unstructured{}
		switch err := decoder.Decode(&obj.Object); {
		case errors.Is(err, io.EOF):
			return objs, nil
		case err != nil:
			return nil, fmt.Errorf("reading a manifest: %w", err)
		case len(obj.Object) > 0:
			objs = append(objs, obj)
		}
	}
}
