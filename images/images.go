// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package images carries the list of every image into the binaries. It runs nothing, reads nothing and writes nothing;
// the folders beside it hold the sources of the images: Go modules of their own and file trees.
package images

import _ "embed"

// List is the content of images.yaml; internal/images parses it.
//
//go:embed images.yaml
var List []byte
