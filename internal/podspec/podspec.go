// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package podspec is what the containers of all parts have in common. It runs wherever objects are built, and is pure: it
// reads and writes nothing.
package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Restricted takes from a container everything but the capabilities that are named.
func Restricted(capabilities ...corev1.Capability) *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: capabilities},
	}
}

// Requests returns what a container asks for, such as "20m" and "64Mi", with no limits.
func Requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// Resources is Requests with a limit of memory. There is none of CPU: what others depend on should never be slowed down
// while CPU is idle.
func Resources(cpu, memory, memoryLimit string) corev1.ResourceRequirements {
	r := Requests(cpu, memory)
	r.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memoryLimit)}
	return r
}
