// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/localvolume"
)

// SharedVolumesDir is the folder that all local machines of a user cluster have in common.
const SharedVolumesDir = "/var/lib/canopy-volumes"

// volumes is the default StorageClass and what makes its volumes.
func volumes(in Input) []client.Object {
	if !in.LocalVolumes {
		return nil
	}
	return localvolume.Objects(localvolume.Input{
		Namespace: metav1.NamespaceSystem, Image: in.ServerImage, Path: SharedVolumesDir,
	})
}
