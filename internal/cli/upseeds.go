// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/local"
	"canopy.dev/canopy/internal/steps"
)

// seedTimeout bounds how long a dedicated seed of the local platform takes.
const seedTimeout = 10 * time.Minute

// localSeed makes one user cluster of the local platform a dedicated seed, by the same way as any other Kubernetes:
// "canopy seed add" with an administrator's kubeconfig of it.
type localSeed struct {
	name, cluster string
	dir           string // of the two files that "canopy seed add" is given
	add           *seedAdd
}

// addLocalSeeds makes the first n dedicated seeds of the local platform, each with a user cluster. What is there stays.
func addLocalSeeds(ctx context.Context, out io.Writer, n int) error {
	for i := 1; i <= n; i++ {
		if err := addLocalSeed(ctx, out, local.SeedName(i), fmt.Sprintf("demo-%d", i)); err != nil {
			return err
		}
	}
	return nil
}

func addLocalSeed(ctx context.Context, out io.Writer, name, cluster string) error {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "canopy-seed-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is below the directory of temporary files
	progress := steps.New(out, isTerminal(out))
	s := &localSeed{name: name, cluster: cluster, dir: dir, add: &seedAdd{name: name, out: out, progress: progress, timeout: seedTimeout}}
	s.add.masterAt.kubeconfig = local.KubeconfigPath
	s.add.seedAt.kubeconfig = filepath.Join(dir, "kubeconfig")
	s.add.file = filepath.Join(dir, "seed.yaml")
	return steps.Run(ctx, progress, []steps.Step{
		{Name: "make the cluster " + name, Run: s.makeCluster},
		{Name: "check the cluster " + name, Run: s.add.check},
		{Name: "make the master's account there", Run: s.add.makeAccount},
		{Name: "register it with the master", Run: s.add.register},
		{Name: "wait until the seed " + name + " is ready", Run: s.add.await},
		{Name: "create the cluster " + cluster + " on it", Run: func(ctx context.Context) error { return local.MakeSeedDatacenter(ctx, name, cluster) }},
	})
}

// makeCluster makes the user cluster, opens a way to its gateway, and writes what "canopy seed add" is to know.
func (s *localSeed) makeCluster(ctx context.Context) error {
	if err := local.MakeSeedCluster(ctx, s.name); err != nil {
		return err
	}
	config, err := clientConfig(local.KubeconfigPath)
	if err != nil {
		return err
	}
	project := local.SeedsProject
	place, err := access.Find(ctx, config, access.Query{Name: s.name, Project: &project})
	if err != nil {
		return err
	}
	kubeconfig, err := access.Kubeconfig(ctx, access.Request{Place: place, User: currentUser(), Groups: []string{access.AdminGroup}, TTL: access.MinTTL})
	if err != nil {
		return err
	}
	if err := clientcmd.WriteToFile(*kubeconfig, s.add.seedAt.kubeconfig); err != nil {
		return err
	}
	address, err := local.OpenSeedGateway(ctx, place.Namespace())
	if err != nil {
		return err
	}
	spec, err := local.SeedSpec(s.name, address)
	if err != nil {
		return err
	}
	content, err := yaml.Marshal(&v1alpha1.Seed{ObjectMeta: metav1.ObjectMeta{Name: s.name}, Spec: spec})
	if err != nil {
		return err
	}
	return os.WriteFile(s.add.file, content, 0o600)
}
