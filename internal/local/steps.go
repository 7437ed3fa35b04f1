// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"

	"canopy.dev/canopy/internal/steps"
)

// step is one named part of Up. It returns nil once the condition that it stands for is observed.
type step struct {
	name string
	run  func(context.Context) error
}

func runSteps(ctx context.Context, progress *steps.Progress, list []step) error {
	named := make([]steps.Step, 0, len(list))
	for _, s := range list {
		named = append(named, steps.Step{Name: s.name, Run: s.run})
	}
	return steps.Run(ctx, progress, named)
}
