// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package localvolume makes volumes of directories on a node's disk. It runs as `canopy-server volumes`, one replica on
// the node (or, when all nodes share the directory, on any), watches PersistentVolumeClaims of its StorageClass, and for
// each makes a directory and a PersistentVolume. It removes the directory when the volume is released. There are no
// helper pods: a claim is bound in a fraction of a second.
//
// The size of a claim is recorded, not enforced: it is a directory.
package localvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// ProvisionerName is the provisioner in the StorageClass.
const ProvisionerName = "localvolume.canopy.dev"

// provisioner makes and removes directories below path.
type provisioner struct {
	// path is the same on the node and in the provisioner's container.
	path string
	// node is the name of the node that the directories are on.
	node string
	// shared: every node sees the same directories, so volumes can be used on all of them.
	shared bool
}

var (
	_ controller.Provisioner = &provisioner{}
	_ controller.Qualifier   = &provisioner{}
)

// ShouldProvision declines claims that only a block device or nothing of ours can satisfy.
func (p *provisioner) ShouldProvision(_ context.Context, claim *corev1.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeMode == nil || *claim.Spec.VolumeMode == corev1.PersistentVolumeFilesystem
}

// Provision makes the directory of a volume and returns the PersistentVolume. It may be called again for the same one.
func (p *provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	dir, err := volumeDir(p.path, options.PVName)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make the directory of volume %s: %w", options.PVName, err)
	}
	// Pods write as any user; only root can reach the directory by its path on the node. The umask does not apply here.
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open the directory of volume %s to all users: %w", options.PVName, err)
	}
	return p.volume(dir, options), controller.ProvisioningFinished, nil
}

// volume is pure: it describes the directory as a PersistentVolume.
func (p *provisioner) volume(dir string, options controller.ProvisionOptions) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			AccessModes:                   options.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
		},
	}
	if options.StorageClass != nil && options.StorageClass.ReclaimPolicy != nil {
		pv.Spec.PersistentVolumeReclaimPolicy = *options.StorageClass.ReclaimPolicy
	}
	if p.shared {
		directory := corev1.HostPathDirectory // never a new, empty one
		pv.Spec.HostPath = &corev1.HostPathVolumeSource{Path: dir, Type: &directory}
		return pv
	}
	pv.Spec.Local = &corev1.LocalVolumeSource{Path: dir}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node},
			}},
		}},
	}}
	return pv
}

// Delete removes the directory of a released volume. Symbolic links inside, which whoever used the volume has made, are
// removed and never followed.
func (p *provisioner) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	dir, err := volumeDir(p.path, pv.Name)
	if err != nil {
		return err
	}
	var recorded string
	switch {
	case pv.Spec.Local != nil:
		recorded = pv.Spec.Local.Path
	case pv.Spec.HostPath != nil:
		recorded = pv.Spec.HostPath.Path
	}
	if filepath.Clean(recorded) != dir {
		return fmt.Errorf("volume %s is at %q and not at %q, where this provisioner keeps it: remove it by hand", pv.Name, recorded, dir)
	}
	root, err := os.OpenRoot(p.path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(pv.Name); err != nil {
		return fmt.Errorf("remove the directory of volume %s: %w", pv.Name, err)
	}
	return nil
}

// volumeDir returns the directory of the volume: directly below path, whatever the name is.
func volumeDir(path, name string) (string, error) {
	if name == "" || name == "." || !filepath.IsLocal(name) || filepath.Base(name) != name {
		return "", fmt.Errorf("the volume name %q is no directory name", name)
	}
	return filepath.Join(path, name), nil
}
