// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command node-network is the part of Canopy that runs on every node of a cluster. It is a program of its own, not a part of
// canopy-server, because the first pod of a new node waits for its image.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"canopy.dev/canopy/internal/gatewayagent"
	"canopy.dev/canopy/internal/nodenetwork"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	cmd := nodenetwork.NewCommand()
	cmd.AddCommand(gatewayagent.NewCommand())
	err := cmd.ExecuteContext(ctx)
	stop()
	if err != nil {
		cmd.PrintErrln("Error: " + err.Error())
		os.Exit(1)
	}
}
