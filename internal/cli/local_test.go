// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/local"
	"canopy.dev/canopy/internal/steps"
)

func TestPrintStatus(t *testing.T) {
	parts := []local.Part{
		{Name: "sandbox", State: local.Healthy, Reason: "process 5"},
		{Name: "kubelet", State: local.Unhealthy, Reason: "ended with exit code 1"},
	}
	tests := map[string]struct{ format, want string }{
		"table": {"table", `PART      STATE       REASON
sandbox   Healthy     process 5
kubelet   Unhealthy   ended with exit code 1
`},
		"json": {"json", `[
  {
    "name": "sandbox",
    "state": "Healthy",
    "reason": "process 5"
  },
  {
    "name": "kubelet",
    "state": "Unhealthy",
    "reason": "ended with exit code 1"
  }
]
`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printStatus(&out, tc.format, parts); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if err := printStatus(&bytes.Buffer{}, "xml", parts); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("error = %v, want one with the formats there are", err)
	}
	if local.AllHealthy(parts) || !local.AllHealthy(parts[:1]) {
		t.Error("one unhealthy part makes the platform unhealthy, and nothing else does")
	}
}

func TestExplainUpSaysWhichStepAndWhatToDo(t *testing.T) {
	cause := errors.New("no route")
	err := explainUp(&steps.Error{Step: "serve images", Err: cause})
	for _, want := range []string{"serve images", "no route", "canopy up", "canopy local logs"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want it to mention %q", err, want)
		}
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if got := explainUp(cause); got.Error() != cause.Error() {
		t.Errorf("an error of no step becomes %v", got)
	}
}
