// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package examples holds the YAML of the examples that the local platform is made of. It runs nowhere, reads nothing and
// writes nothing.
package examples

import _ "embed" // for the files

// Small is small.yaml: a seed, its datacenter, the releases of Kubernetes, and a project.
//
//go:embed small.yaml
var Small []byte

// Demo is demo.yaml: a cluster with a node in that project.
//
//go:embed demo.yaml
var Demo []byte
