// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
)

// minKubernetes is the oldest Kubernetes that Canopy runs on; a test compares it with Chart.yaml.
var minKubernetes = version.MustParseGeneric("1.33.0")

// Version is that of the chart; a test compares it with Chart.yaml.
const Version = "0.1.0"

// CheckKubernetes fails if Canopy does not run on a Kubernetes of this version, such as "v1.37.2-gke.1".
func CheckKubernetes(gitVersion string) error {
	v, err := version.ParseGeneric(gitVersion)
	if err != nil {
		return fmt.Errorf("its Kubernetes says a version that cannot be understood, %q", gitVersion)
	}
	if !v.AtLeast(minKubernetes) {
		return fmt.Errorf("its Kubernetes is %s, and Canopy needs %s or newer: upgrade it", gitVersion, minKubernetes)
	}
	return nil
}
