// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package local is the local platform: a one-node Kubernetes that is master and seed, on any Linux machine.
//
// It runs in the command `canopy` on that machine (the host) and ends when the command does. It reads the images that
// were built, writes below [StateDir] and [RunDir], and starts one process, the sandbox (package sandbox), in which
// containerd, an image registry, kubelet and every pod run. Around the sandbox it makes one veth pair, one nftables
// table and one control group, all named canopy, and sets a few kernel settings which it remembers. [Down] takes all of
// that away again.
//
// Every step of [Up] looks at what is there before it acts, so that a killed `canopy up` is repaired by the next one.
package local

import (
	"path/filepath"
)

// StateDir holds everything that survives a reboot: the databases, images, volumes, logs and root file systems.
const StateDir = "/var/lib/canopy"

// RunDir holds what is true only until the machine is rebooted: the lock, and which process is the sandbox.
const RunDir = "/run/canopy"

// NodeName is the name of the platform's only node and the host name in the sandbox.
const NodeName = "canopy"

// SystemNamespace is where Canopy itself runs in the platform's Kubernetes.
const SystemNamespace = "canopy-system"

// Directories and files below StateDir.
var (
	binaryPath     = filepath.Join(StateDir, "bin", "canopy")
	specPath       = filepath.Join(StateDir, "sandbox", "spec.json")
	statePath      = filepath.Join(StateDir, "sandbox", "state.json")
	logDir         = filepath.Join(StateDir, "logs")
	kubernetesDir  = filepath.Join(StateDir, "kubernetes")
	etcdDir        = filepath.Join(StateDir, "etcd")
	kubeletDir     = filepath.Join(StateDir, "kubelet")
	registryDir    = filepath.Join(StateDir, "registry")
	volumesDir     = filepath.Join(StateDir, "volumes")
	rootsDir       = filepath.Join(StateDir, "roots")
	settingsPath   = filepath.Join(StateDir, "settings.json")
	sysctlPath     = filepath.Join(StateDir, "sysctl.json")
	processPath    = filepath.Join(RunDir, "sandbox.json")
	lockPath       = filepath.Join(RunDir, "lock")
	cgroupName     = "canopy"
	hostInterface  = "canopy0"
	guestInterface = "eth0"
)

// KubeconfigPath is the administrator's kubeconfig of the platform's Kubernetes.
var KubeconfigPath = filepath.Join(StateDir, "kubeconfig")
