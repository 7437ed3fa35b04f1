// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command kubernetes is all of Kubernetes but kube-proxy in one binary: it acts as the command it is called by (through a
// link, or as its first argument), and as "control-plane" it runs kube-apiserver, kube-controller-manager and
// kube-scheduler in one process.
//
// One binary means one compilation, one image layer, and text pages that all clusters on a machine share.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// commands are built only when called: building one registers its feature gates and signal handlers.
var commands = map[string]func() *cobra.Command{
	"control-plane":           newControlPlaneCommand,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, ok := commands[name]; !ok && name != "kubeadm" && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	if name == "kubeadm" { // has a root command of its own
		if err := kubeadm.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	newCommand, ok := commands[name]
	if !ok {
		known := slices.Sorted(maps.Keys(commands))
		fmt.Fprintf(os.Stderr, "%q is none of kubeadm, %s\n", name, strings.Join(known, ", "))
		os.Exit(1)
	}
	os.Exit(cli.Run(newCommand()))
}
