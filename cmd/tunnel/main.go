// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command tunnel runs beside both ends of a user cluster's VPN. It is a program of its own, not a part of canopy-server,
// because every cluster runs three of it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"canopy.dev/canopy/internal/tunnel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	cmd := tunnel.NewCommand()
	err := cmd.ExecuteContext(ctx)
	stop()
	if err != nil {
		cmd.PrintErrln("Error: " + err.Error())
		os.Exit(1)
	}
}
