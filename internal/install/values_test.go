// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnknownValues(t *testing.T) {
	got, err := Canopy(map[string]any{
		"image": "a", "imgae": "b",
		"seed":       map[string]any{"address": "192.0.2.1", "addr": "192.0.2.1", "resources": map[string]any{"limits": map[string]any{"memory": "1Gi"}}},
		"gateway":    map[string]any{"service": map[string]any{"annotations": map[string]any{"example.com/a": "b"}, "nodeport": 1}},
		"monitoring": map[string]any{"alertmanager": map[string]any{"config": map[string]any{"templates": []any{"a"}}}},
	}).UnknownValues()
	if diff := cmp.Diff([]string{"gateway.service.nodeport", "imgae", "seed.addr"}, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
}
