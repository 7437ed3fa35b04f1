// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"io/fs"
	"sync"

	"sigs.k8s.io/yaml"
)

// Version is that of the chart, and of every program that has it.
var Version = sync.OnceValue(func() string {
	var chart struct {
		Version string `json:"version"`
	}
	content, err := fs.ReadFile(Chart(), "Chart.yaml")
	if err == nil {
		err = yaml.Unmarshal(content, &chart)
	}
	if err != nil {
		panic(err) // it is in the binary
	}
	return chart.Version
})
