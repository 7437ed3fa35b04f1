// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import storagev1 "k8s.io/api/storage/v1"

// DefaultStorageClassAnnotation is on the StorageClass that volumes get which name none.
const DefaultStorageClassAnnotation = "storageclass.kubernetes.io/is-default-class"

// DefaultStorageClass returns the name of the class that volumes get which name none, empty if there is none.
func DefaultStorageClass(classes []storagev1.StorageClass) string {
	for i := range classes {
		if classes[i].Annotations[DefaultStorageClassAnnotation] == "true" {
			return classes[i].Name
		}
	}
	return ""
}
