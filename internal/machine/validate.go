// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

// ownLabels is the prefix of the labels that say what a machine is; pools may not contradict them.
const ownLabels = "hosting.canopy.dev/"

// Validate returns what is wrong with the labels and taints of the cluster's pools, one sentence each: with any of it
// kubelet would refuse to start.
func Validate(spec v1alpha1.HostedClusterSpec) []string {
	var errs field.ErrorList
	for i, pool := range spec.NodePools {
		path := field.NewPath("spec", "nodePools").Index(i)
		errs = append(errs, metav1validation.ValidateLabels(pool.Labels, path.Child("labels"))...)
		for key := range pool.Labels {
			if strings.HasPrefix(key, ownLabels) {
				errs = append(errs, field.Forbidden(path.Child("labels").Key(key), "labels that start with "+ownLabels+" are set by Canopy"))
			}
		}
		for j, taint := range pool.Taints {
			errs = append(errs, validateTaint(taint, path.Child("taints").Index(j))...)
		}
	}
	var wrong []string
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

func validateTaint(taint corev1.Taint, path *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabelName(taint.Key, path.Child("key"))
	for _, wrong := range content.IsLabelValue(taint.Value) {
		errs = append(errs, field.Invalid(path.Child("value"), taint.Value, wrong))
	}
	effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	for _, effect := range effects {
		if taint.Effect == effect {
			return errs
		}
	}
	return append(errs, field.Invalid(path.Child("effect"), taint.Effect, fmt.Sprintf("must be one of %v", effects)))
}
