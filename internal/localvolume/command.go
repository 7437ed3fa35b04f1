// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package localvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// A claim that fails is tried again after minRetry, then twice as long, up to maxRetry.
const (
	minRetry = 200 * time.Millisecond
	maxRetry = time.Minute
)

// workers is how many claims and how many volumes are worked on at the same time.
const workers = 8

// NewCommand returns the command `volumes`, which runs the provisioner until it is told to end.
func NewCommand() *cobra.Command {
	p := &provisioner{}
	cmd := &cobra.Command{
		Use:   "volumes",
		Short: "Make volumes of directories on this node's disk",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), p)
		},
	}
	cmd.Flags().StringVar(&p.path, "path", "", "directory that holds the volumes, the same in this container and on the node")
	cmd.Flags().StringVar(&p.node, "node", os.Getenv("NODE_NAME"), "name of this node (default: $NODE_NAME)")
	cmd.Flags().BoolVar(&p.shared, "shared", false, "every node sees the same directory: volumes can be used on all of them")
	return cmd
}

func run(ctx context.Context, p *provisioner) error {
	if !filepath.IsAbs(p.path) {
		return fmt.Errorf("--path %q: want an absolute path", p.path)
	}
	if p.node == "" && !p.shared {
		return errors.New("--node is empty: name the node that --path is on, or set --shared")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("find the cluster this runs in: %w", err)
	}
	config.QPS = -1 // claims are waited for
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, ProvisionerName, p,
		controller.LeaderElection(false), // there is one replica, which is replaced only after it has ended
		controller.Threadiness(workers),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](minRetry, maxRetry)),
		controller.FailedProvisionThreshold(0), // never give up
		controller.FailedDeleteThreshold(0),
	).Run(ctx)
	return nil
}
