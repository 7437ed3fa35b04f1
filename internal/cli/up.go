// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
	"canopy.dev/canopy/internal/local"
	"canopy.dev/canopy/internal/local/sandbox"
	"canopy.dev/canopy/internal/steps"
)

// nextCommands is what somebody wants to type next.
const nextCommands = `
The platform runs. Its dashboard is at %[3]s: log in as admin@canopy.internal. Next:

  ./bin/canopy login
  ./bin/canopy get clusters
  ./bin/canopy kubeconfig %[1]s
  ./bin/kubectl create deployment web --image=registry.k8s.io/e2e-test-images/nginx:1.28.0-2

and without a login, as root on this machine:

  ./bin/canopy local status
  ./bin/canopy kubeconfig %[1]s --kubeconfig %[2]s --print > %[1]s.kubeconfig
  ./bin/kubectl --kubeconfig %[2]s get clusters,nodepools --all-namespaces
`

// firstAdmin is shown once.
const firstAdmin = `
The first administrator of this platform is %[1]s, with the password

  %[2]s

It is shown this once and kept nowhere. For another: canopy issuer reset-password %[1]s
`

// newUpCommand returns "canopy up": make the local platform run.
func newUpCommand() *cobra.Command {
	options := local.Options{Settings: local.DefaultSettings()}
	seeds, admin := 0, ""
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make a Canopy platform on this machine, or start and repair the one that is there",
		Long: `Make a Canopy platform on this machine: a one-node Kubernetes that is master and seed, with Canopy on it.

It needs Linux and root. Nothing of the machine is changed that "canopy down" does not change back: the platform lives in
` + local.StateDir + ` and in namespaces of its own. Run it again at any time: it repairs and updates what is there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Out = cmd.OutOrStdout()
			options.Terminal = isTerminal(options.Out)
			options.Explicit = anyChanged(cmd.Flags(), "link-cidr", "pod-cidr", "service-cidr", "load-balancer-cidr")
			options.FirstAdmin = func(email, password string) { admin = fmt.Sprintf(firstAdmin, email, password) }
			err := local.Up(cmd.Context(), options)
			fmt.Fprint(cmd.OutOrStdout(), admin) // also when a later step has failed: it is shown this once
			if err != nil {
				return explainUp(err)
			}
			if err := addLocalSeeds(cmd.Context(), options.Out, seeds); err != nil {
				return explainUp(err)
			}
			server, err := rememberLocal(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), nextCommands, local.DemoCluster, local.KubeconfigPath, server)
			return nil
		},
	}
	cmd.Flags().IntVar(&seeds, "seeds", 0, "make this many user clusters dedicated seeds, with a cluster on each; those that there are stay")
	prefixVar(cmd.Flags(), &options.Settings.LinkCIDR, "link-cidr", "network between this machine and the platform")
	prefixVar(cmd.Flags(), &options.Settings.PodCIDR, "pod-cidr", "network of the platform's pods")
	prefixVar(cmd.Flags(), &options.Settings.ServiceCIDR, "service-cidr", "network of the platform's services")
	prefixVar(cmd.Flags(), &options.Settings.LoadBalancerCIDR, "load-balancer-cidr", "network of the addresses of load balancers")
	return cmd
}

// localContext is what this machine's platform is called in the command's configuration.
const localContext = "local"

// rememberLocal tells the command where the API of this machine's platform is, and chooses it where nothing is chosen.
func rememberLocal(ctx context.Context) (server string, err error) {
	server, authority, err := local.API(ctx)
	if err != nil {
		return "", err
	}
	return server, config.Update(ctx, func(file *config.Config) error {
		x := config.Context{Name: localContext}
		if there := file.Find(localContext); there != nil && there.Server == server {
			x = *there
		}
		x.Server, x.CertificateAuthorityData = server, authority
		file.Put(x)
		file.CurrentContext = cmp.Or(file.CurrentContext, localContext)
		return nil
	})
}

// forgetLocal takes back what rememberLocal did, and the login.
func forgetLocal(ctx context.Context) error {
	return config.Update(ctx, func(file *config.Config) error {
		if !file.Remove(localContext) {
			return nil
		}
		return (&credential.Store{Context: localContext}).Delete(ctx)
	})
}

// newSandboxCommand returns the hidden command that `canopy up` starts as the first process of the sandbox.
func newSandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sandbox SPEC",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return sandbox.Main(args[0]) },
	}
}

// explainUp adds what to do to the error of a step.
func explainUp(err error) error {
	var step *steps.Error
	if !errors.As(err, &step) {
		return err
	}
	return fmt.Errorf("the step %q failed: %w\n\nRun `canopy up` again once the cause is gone; it carries on where it stopped. "+
		"Logs: `canopy local logs supervisor|containerd|kubelet|registry|kubeadm`", step.Step, step.Err)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func anyChanged(flags *pflag.FlagSet, names ...string) bool {
	for _, name := range names {
		if flags.Changed(name) {
			return true
		}
	}
	return false
}

// prefixVar adds a flag for a network.
func prefixVar(flags *pflag.FlagSet, p *netip.Prefix, name, usage string) {
	flags.TextVar(p, name, *p, usage)
}
