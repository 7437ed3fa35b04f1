// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy is the Helm chart, in the canopy command and in canopy-server alike, so that whoever installs Canopy
// installs what it was released with. It runs nothing, reads nothing and writes nothing.
package deploy

import (
	"embed"
	"io/fs"
)

//go:embed all:chart
var files embed.FS

// Chart returns the folder of the chart.
func Chart() fs.FS {
	chart, err := fs.Sub(files, "chart")
	if err != nil {
		panic(err) // the name is that of the folder that is embedded
	}
	return chart
}
