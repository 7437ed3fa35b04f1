// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"maps"
	"slices"
)

// anyKeys are the values whose own keys are not the chart's.
var anyKeys = []string{"annotations", "labels", "resources", "config"}

// UnknownValues returns the values that the chart does not know, such as "seed.adress", sorted. They would change nothing.
func (c Chart) UnknownValues() ([]string, error) {
	loaded, _, err := c.load()
	if err != nil {
		return nil, err
	}
	return unknownValues("", c.Values, loaded.Values), nil
}

func unknownValues(path string, given, known map[string]any) []string {
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		value, ok := known[key]
		if !ok {
			unknown = append(unknown, path+key)
			continue
		}
		below, ok := given[key].(map[string]any)
		knownBelow, ok2 := value.(map[string]any)
		if ok && ok2 && !slices.Contains(anyKeys, key) {
			unknown = append(unknown, unknownValues(path+key+".", below, knownBelow)...)
		}
	}
	return unknown
}
