// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command clusterapicrds writes the definitions of Cluster API's kinds that a seed needs, in the one version that a seed
// uses, so that there is nothing to convert and no webhook to run. It runs in `make generate`, reads the module
// sigs.k8s.io/cluster-api in the version that go.mod names, and writes into the folder that its argument names.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	module  = "sigs.k8s.io/cluster-api"
	version = "v1beta2"
)

// kinds are those of Cluster API's reconcilers that run on a seed, and MachineDrainRules, which one of them reads.
var kinds = []string{"clusters", "machinedeployments", "machinedrainrules", "machinehealthchecks", "machines", "machinesets"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clusterapicrds <folder>")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string) error {
	source, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("looking for the module %s: %w", module, err)
	}
	for _, kind := range kinds {
		path := filepath.Join(strings.TrimSpace(string(source)), "core/config/crd/bases", "cluster.x-k8s.io_"+kind+".yaml")
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if data, err = oneVersion(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(filepath.Join(folder, "cluster-api_"+kind+".yaml"), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// oneVersion drops every version but ours and with them the conversion.
func oneVersion(data []byte) ([]byte, error) {
	crd := apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		return nil, err
	}
	kept := crd.Spec.Versions[:0]
	for _, v := range crd.Spec.Versions {
		if v.Name == version {
			v.Storage, v.Served = true, true
			kept = append(kept, v)
		}
	}
	if len(kept) != 1 {
		return nil, fmt.Errorf("it has no version %s", version)
	}
	crd.Spec.Versions, crd.Spec.Conversion = kept, nil
	crd.Annotations["helm.sh/resource-policy"] = "keep" // with a kind would go every cluster
	if crd.Labels == nil {
		crd.Labels = map[string]string{}
	}
	// By these Cluster API finds the version of a kind that follows its contract.
	crd.Labels["cluster.x-k8s.io/"+version] = version

	content, err := yaml.Marshal(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   any    `json:"metadata"`
		Spec       any    `json:"spec"`
	}{"apiextensions.k8s.io/v1", "CustomResourceDefinition", map[string]any{
		"name": crd.Name, "annotations": crd.Annotations, "labels": crd.Labels,
	}, crd.Spec})
	if err != nil {
		return nil, err
	}
	return append([]byte("# Derived from "+module+" by hack/clusterapicrds. DO NOT EDIT.\n---\n"), content...), nil
}
