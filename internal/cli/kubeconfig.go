// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/local"
)

// clusterFlags say which user cluster is meant, and which master or seed knows it.
type clusterFlags struct {
	kubeconfig, project string
}

func (f *clusterFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", local.KubeconfigPath, "kubeconfig of the master, or of a seed that is used without one")
	flags.StringVarP(&f.project, "project", "p", "", `project of the cluster; needed if several have one of that name; "" is for a cluster in none`)
}

// find returns the place of the cluster with the name.
func (f *clusterFlags) find(cmd *cobra.Command, name string) (access.Place, error) {
	config, err := clientConfig(f.kubeconfig)
	if err != nil {
		return access.Place{}, err
	}
	query := access.Query{Name: name}
	if cmd.Flags().Changed("project") {
		query.Project = &f.project
	}
	return access.Find(cmd.Context(), config, query)
}

func newKubeconfigCommand() *cobra.Command {
	var (
		flags     clusterFlags
		printOnly bool
		ttl       time.Duration
	)
	cmd := &cobra.Command{
		Use:   "kubeconfig CLUSTER",
		Short: "Get into a user cluster: merge a short-lived kubeconfig into yours",
		Example: "  canopy kubeconfig demo && kubectl get nodes\n" +
			"  canopy kubeconfig demo --project payments --print > demo.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := flags.find(cmd, args[0])
			if err != nil {
				return err
			}
			config, err := access.Kubeconfig(cmd.Context(), access.Request{
				Place: place, User: currentUser(), Groups: []string{access.AdminGroup}, TTL: ttl,
			})
			if err != nil {
				return err
			}
			if printOnly {
				content, err := clientcmd.Write(*config)
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(content)
				return err
			}
			return merge(cmd, config, ttl)
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().BoolVar(&printOnly, "print", false, "write the kubeconfig to standard output instead of merging it into yours")
	cmd.Flags().DurationVar(&ttl, "ttl", 8*time.Hour, "how long the certificate is valid")
	return cmd
}

func currentUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "admin"
}

// clientConfig reads how the master is reached.
func clientConfig(kubeconfig string) (*rest.Config, error) {
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the master's kubeconfig: %w: run canopy up, or name another with --kubeconfig", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the master's kubeconfig: %w", err)
	}
	return config, nil
}

func merge(cmd *cobra.Command, config *clientcmdapi.Config, ttl time.Duration) error {
	options := clientcmd.NewDefaultPathOptions()
	mine, err := options.GetStartingConfig()
	if err != nil {
		return fmt.Errorf("reading your kubeconfig: %w", err)
	}
	name := config.CurrentContext
	mine.Clusters[name], mine.AuthInfos[name], mine.Contexts[name] = config.Clusters[name], config.AuthInfos[name], config.Contexts[name]
	mine.CurrentContext = name
	if err := clientcmd.ModifyConfig(options, *mine, false); err != nil {
		return fmt.Errorf("writing your kubeconfig: %w", err)
	}
	cmd.PrintErrf("Context %q is in %s and selected; it is valid for %s.\n\n  kubectl get nodes\n", name, options.GetDefaultFilename(), ttl)
	return nil
}
