// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/images/build"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/steps"
)

// installation is what the commands of "canopy install" are told.
type installation struct {
	target

	valuesFile string
	deleteData bool
	timeout    time.Duration

	out      io.Writer
	progress *steps.Progress
	config   *rest.Config
	client   client.WithWatch
	chart    install.Chart
}

// newInstallCommand returns "canopy install": put Canopy into any Kubernetes cluster.
func newInstallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install Canopy in any Kubernetes cluster: look first, do it, see how it is, take it away",
		Long: `Install Canopy in any Kubernetes cluster, with the chart that is in this command.

One file has the values; all of them are in deploy/chart/values.yaml. Values for images can be left out in a checkout in which
they are built (canopy images build).`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		newInstallSubcommand("plan", "Check the cluster, and show what apply would create, change and delete", (*installation).plan),
		newInstallSubcommand("apply", "Install Canopy, or upgrade it, or finish what was interrupted, and wait until it runs", (*installation).apply),
		newInstallSubcommand("status", "Show what is installed and how it is; the exit code is 1 unless all runs", (*installation).status),
		newInstallSubcommand("uninstall", "Take Canopy away, which is refused while there are clusters", (*installation).uninstall),
	)
	return cmd
}

func newInstallSubcommand(name, short string, run func(*installation, context.Context) error) *cobra.Command {
	i := &installation{}
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			i.out = cmd.OutOrStdout()
			i.progress = steps.New(i.out, isTerminal(i.out))
			if i.config, err = i.load(); err != nil {
				return err
			}
			if i.client, err = newClient(i.config); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), i.timeout)
			defer cancel()
			return run(i, ctx)
		},
	}
	i.addFlags(cmd.Flags(), "", "the cluster")
	switch name {
	case "plan", "apply":
		cmd.Flags().StringVarP(&i.valuesFile, "values", "f", "", "file with the chart's values")
	case "uninstall":
		cmd.Flags().BoolVar(&i.deleteData, "delete-data", false, "also delete the kinds with all objects of them, the namespaces of projects, and canopy-system with credentials and volumes")
	}
	cmd.Flags().DurationVar(&i.timeout, "timeout", 10*time.Minute, "how long it may take")
	return cmd
}

// read reads the values.
func (i *installation) read(context.Context) error {
	values := map[string]any{}
	if i.valuesFile != "" {
		content, err := os.ReadFile(i.valuesFile)
		if err != nil {
			return err
		}
		if err := yaml.UnmarshalStrict(content, &values); err != nil {
			return fmt.Errorf("%s: %w", i.valuesFile, err)
		}
	}
	if err := fillImages(values); err != nil {
		return err
	}
	i.chart = install.Canopy(values)
	unknown, err := i.chart.UnknownValues()
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("%s: there are no such values: %s: correct them; all that there are, are in deploy/chart/values.yaml", i.valuesFile, strings.Join(unknown, ", "))
	}
	return err
}

// fillImages names the images that the values do not: those that are built here.
func fillImages(values map[string]any) error {
	builder, builderErr := build.New(io.Discard)
	for key, name := range map[string]string{"image": "canopy-server", "nodeNetworkImage": "node-network", "openvpnImage": "openvpn"} {
		if given, _ := values[key].(string); given != "" {
			continue
		}
		if builderErr != nil {
			return fmt.Errorf("the values do not say %s: name the image of %s, with its tag", key, name)
		}
		wanted, err := images.Select(name)
		if err != nil {
			return err
		}
		built, ok, err := builder.Find(wanted[0])
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("the values do not say %s, and the image of %s is not built here: name it, or run canopy images build %s", key, name, name)
		}
		values[key] = built.Ref()
	}
	monitoring := within(values, "monitoring")
	for _, name := range []string{"prometheus", "alertmanager"} {
		if one := within(monitoring, name); one["image"] == nil {
			one["image"] = images.Ref(name)
		}
	}
	return nil
}

// within returns the values below a key, which it makes if there are none.
func within(values map[string]any, key string) map[string]any {
	below, ok := values[key].(map[string]any)
	if !ok {
		below = map[string]any{}
		values[key] = below
	}
	return below
}

func (i *installation) check(ctx context.Context) error {
	findings, err := install.Preflight(ctx, i.config, i.chart, "")
	printFindings(i.progress, findings)
	return errors.Join(err, install.Err(findings))
}

// printFindings writes a line for each check.
func printFindings(out io.Writer, findings []install.Finding) {
	for _, f := range findings {
		fmt.Fprintf(out, "%-8s %s: %s\n", f.Level, f.Check, f.Message)
	}
}

func (i *installation) plan(ctx context.Context) error {
	err := steps.Run(ctx, i.progress, []steps.Step{{Name: "read the values", Run: i.read}, {Name: "check the cluster", Run: i.check}})
	if err != nil {
		return err
	}
	plan, err := install.Plan(ctx, i.config, i.chart)
	if err != nil {
		return err
	}
	counts := map[install.Action]int{}
	fmt.Fprintln(i.out)
	for _, planned := range plan {
		counts[planned.Action]++
		fmt.Fprint(i.out, planned)
	}
	fmt.Fprintf(i.out, "\n%d to create, %d to change, %d to delete. Nothing was written; canopy install apply does it.\n", counts[install.Create], counts[install.Change], counts[install.Delete])
	return nil
}

func (i *installation) apply(ctx context.Context) error {
	err := steps.Run(ctx, i.progress, []steps.Step{
		{Name: "read the values", Run: i.read},
		{Name: "check the cluster", Run: i.check},
		{Name: "make the namespace", Run: func(ctx context.Context) error { return apply(ctx, i.client, install.Namespace()) }},
		{Name: "install the chart", Run: func(ctx context.Context) error { return install.Run(ctx, i.config, i.chart) }},
		{Name: "wait until it runs", Run: i.await},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(i.out, "\nCanopy %s runs. Next:\n\n  canopy install status\n", install.Version)
	return nil
}

// await waits until all Deployments of the release are available, and says what the first one that is not waits for.
func (i *installation) await(ctx context.Context) error {
	said := ""
	for {
		list := &appsv1.DeploymentList{}
		if err := i.client.List(ctx, list, client.InNamespace(v1alpha1.SystemNamespace), ofRelease); err != nil {
			return timedOut(err, said)
		}
		why := firstUnavailable(list.Items)
		if why == "" {
			return nil
		}
		if why != said {
			fmt.Fprintln(i.progress, why)
			said = why
		}
		watcher, err := i.client.Watch(ctx, &appsv1.DeploymentList{}, client.InNamespace(v1alpha1.SystemNamespace), ofRelease, fromVersion(list.ResourceVersion))
		if err != nil {
			return timedOut(err, said)
		}
		select {
		case <-watcher.ResultChan(): // whatever it is, look again
		case <-ctx.Done():
		}
		watcher.Stop()
		if ctx.Err() != nil {
			return timedOut(ctx.Err(), said)
		}
	}
}

// ofRelease selects what Helm has installed.
var ofRelease = client.MatchingLabels{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": install.ReleaseName}

func firstUnavailable(deployments []appsv1.Deployment) string {
	for i := range deployments {
		d := &deployments[i]
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas < want || s.AvailableReplicas < want || s.Replicas > want {
			return fmt.Sprintf("%s: %d of %d pods of the new version are available", d.Name, min(s.UpdatedReplicas, s.AvailableReplicas), want)
		}
	}
	return ""
}

func (i *installation) status(ctx context.Context) error {
	installed, err := install.Installed(ctx, i.config)
	if err != nil {
		return err
	}
	if installed == nil {
		return errors.New("there is no Canopy in this cluster: canopy install apply installs it")
	}
	fmt.Fprintf(i.out, "Canopy %s, revision %d, %s\n", installed.Version, installed.Revision, installed.Status)
	list := &appsv1.DeploymentList{}
	if err := i.client.List(ctx, list, client.InNamespace(v1alpha1.SystemNamespace), ofRelease); err != nil {
		return err
	}
	for _, d := range list.Items {
		state := firstUnavailable([]appsv1.Deployment{d})
		if state == "" {
			state = d.Name + ": runs"
		}
		fmt.Fprintln(i.out, "  "+state)
	}
	hosted, err := hostedClusters(ctx, i.client)
	if err != nil {
		return err
	}
	fmt.Fprintf(i.out, "  %d user clusters are hosted here\n", len(hosted))
	if why := firstUnavailable(list.Items); why != "" {
		return errors.New(why)
	}
	if !installed.Complete {
		return fmt.Errorf("the last installation is %s: canopy install apply finishes it", installed.Status)
	}
	if installed.Version != install.Version {
		return fmt.Errorf("this command has %s: canopy install apply upgrades", install.Version)
	}
	return nil
}

func hostedClusters(ctx context.Context, c client.Client) ([]string, error) {
	list := &hostingv1alpha1.HostedClusterList{}
	if err := c.List(ctx, list); err != nil && !isUnknownKind(err) {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for _, hc := range list.Items {
		names = append(names, hc.Name)
	}
	slices.Sort(names)
	return names, nil
}

func isUnknownKind(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

func fromVersion(version string) client.ListOption {
	return &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}}
}
