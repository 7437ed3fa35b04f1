// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command canopy-server is everything of Canopy that runs in a cluster, one subcommand for each place.
package main

import (
	"os"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"canopy.dev/canopy/internal/apiserver"
	"canopy.dev/canopy/internal/gateway"
	"canopy.dev/canopy/internal/loadbalancer"
	"canopy.dev/canopy/internal/localvolume"
	"canopy.dev/canopy/internal/machine/clouds"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/seed"
)

func main() {
	root := &cobra.Command{
		Use:           "canopy-server",
		Short:         "The parts of Canopy that run in a cluster",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	// The command canopy has parts of the master and of the API in it, and not the clouds' SDKs: only here are they known to both.
	known := clouds.All()
	root.AddCommand(master.NewCommand(known), apiserver.NewCommand(known), seed.NewCommand(), gateway.NewCommand(), localvolume.NewCommand(), loadbalancer.NewCommand())
	if err := root.ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		root.PrintErrln("Error: " + err.Error())
		os.Exit(1)
	}
}
