// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/access"
)

// defaultSeedKubeconfig is where the local platform puts the kubeconfig of its seed.
const defaultSeedKubeconfig = "/var/lib/canopy/kubeconfig"

func newKubeconfigCommand() *cobra.Command {
	var (
		seedKubeconfig string
		printOnly      bool
		ttl            time.Duration
	)
	cmd := &cobra.Command{
		Use:   "kubeconfig CLUSTER",
		Short: "Get into a user cluster: merge a short-lived kubeconfig into yours",
		Example: "  canopy kubeconfig demo && kubectl get nodes\n" +
			"  canopy kubeconfig demo --print > demo.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seed, err := seedClient(seedKubeconfig)
			if err != nil {
				return err
			}
			config, err := access.Kubeconfig(cmd.Context(), seed, access.Request{
				Cluster: args[0], User: currentUser(), Groups: []string{access.AdminGroup}, TTL: ttl,
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
	cmd.Flags().StringVar(&seedKubeconfig, "seed-kubeconfig", defaultSeedKubeconfig, "kubeconfig of the seed that hosts the cluster")
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

func seedClient(kubeconfig string) (client.Client, error) {
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the seed: %w: run canopy up, or name another with --seed-kubeconfig", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the seed: %w", err)
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return client.New(config, client.Options{Scheme: scheme})
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
