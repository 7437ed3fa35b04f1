// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package sandbox is the first process inside the local platform's sandbox.
//
// The sandbox is one machine within the machine: process, mount, network, host name and IPC namespaces of its own on a
// root file system that was unpacked from the node image. The package runs there as process 1. It reads a [Spec] that
// `canopy up` wrote, mounts and enters the root, starts the daemons (containerd, registry, kubelet), starts them again
// when they die, and ends everything when it is told to stop. It writes one log file for each daemon and [State], a file
// that says what runs.
//
// It takes no requests. SIGHUP makes it read the spec again, and replaces the program itself by the binary that the
// spec names, without stopping a daemon whose definition is unchanged. SIGTERM ends the sandbox.
package sandbox
