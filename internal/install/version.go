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

// CheckUpgrade fails if an installation of one version cannot become another: versions go up, and no minor is left out,
// because each one brings to its own form only what the one before has left. It takes versions such as "0.1.0".
func CheckUpgrade(from, to string) error {
	have, err := version.ParseSemantic(from)
	if err != nil {
		return fmt.Errorf("what is installed says a version that cannot be understood, %q", from)
	}
	want, err := version.ParseSemantic(to)
	if err != nil {
		return fmt.Errorf("what is to be installed says a version that cannot be understood, %q", to)
	}
	switch next := have.Minor() + 1; {
	case want.LessThan(have):
		return fmt.Errorf("%s is installed, and %s is older: Canopy does not go back to a version that may not know all that is stored. Use the command of %[1]s or a newer one", from, to)
	case want.Major() == have.Major() && want.Minor() > next:
		return fmt.Errorf("%s is installed, and %s leaves versions out: upgrade to %d.%d with its own command first", from, to, have.Major(), next)
	case want.Major() > have.Major() && (want.Major() > have.Major()+1 || want.Minor() > 0):
		return fmt.Errorf("%s is installed, and %s leaves versions out: upgrade to %d.0 with its own command first", from, to, have.Major()+1)
	}
	return nil
}
