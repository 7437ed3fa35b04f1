// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command terraform-provider-canopy is the Terraform provider, which Terraform starts.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"canopy.dev/canopy/deploy"
	"canopy.dev/canopy/internal/terraform"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "terraform-provider-canopy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	provider, err := terraform.New(deploy.Version())
	if err != nil {
		return err
	}
	return providerserver.Serve(ctx, provider, providerserver.ServeOpts{Address: terraform.Address})
}
