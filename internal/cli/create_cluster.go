// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// clusterOptions are the flags of "canopy create cluster".
type clusterOptions struct {
	createOptions
	waitFlags

	datacenter, version, preset, profile, template string
	sshKeys                                        []string
	nodes                                          int32
	machine                                        string
	noKubeconfig                                   bool
}

// newCreateClusterCommand returns "canopy create cluster", and "canopy render cluster", which prints what that would send.
func newCreateClusterCommand(render bool) *cobra.Command {
	o := &clusterOptions{}
	cmd := &cobra.Command{
		Use:   "cluster NAME",
		Short: "Create a cluster with a node pool, and wait until it is ready",
		Long: `Create a cluster with a node pool, and wait until it is ready. Nothing but a name is needed: the version is the platform's default, and
the datacenter the only one that the project may use, if there is one only.

Ctrl-C does not stop the cluster from being made. In the end your kubeconfig has a context for it.`,
		Example: `  canopy create cluster demo
  canopy create cluster shop --datacenter aws-frankfurt --preset aws --nodes 3 --machine size=m7i.large,disk=100
  canopy create cluster shop --from-template standard
  canopy create cluster shop --dry-run=server -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	if render {
		cmd.Short, cmd.Long, cmd.Example = "Print the documents of a cluster and its node pool", "", "  canopy render cluster shop --nodes 3 > shop.yaml"
		o.clientFlags.add(cmd)
		o.dry, o.Format = dryRunClient, "yaml"
	} else {
		o.createOptions.add(cmd)
		o.waitFlags.add(cmd)
		cmd.Flags().BoolVar(&o.noKubeconfig, "no-kubeconfig", false, "leave your kubeconfig alone")
	}
	o.addProject(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.datacenter, "datacenter", "", "where the cluster's machines are, as in canopy get datacenters")
	flags.StringVar(&o.version, "version", "", "version of Kubernetes, as in canopy get releases; the minor alone means its newest patch")
	flags.StringVar(&o.preset, "preset", "", "credentials for the datacenter's provider, as in canopy get presets")
	flags.StringVar(&o.profile, "profile", "", "how the control plane is laid out")
	flags.StringVar(&o.template, "from-template", "", "template of the project, or of the platform, as in canopy get templates")
	flags.StringSliceVar(&o.sshKeys, "ssh-key", nil, "key whose holder may log in to machines, as in canopy get sshkeys; may be given more than once")
	flags.Int32Var(&o.nodes, "nodes", 1, "how many machines the node pool has; 0: there is no pool")
	flags.StringVar(&o.machine, "machine", "", machineUsage)
	complete(cmd, "datacenter", completeNames("datacenter"))
	complete(cmd, "machine", completeMachine)
	complete(cmd, "version", completeNames("release"))
	complete(cmd, "preset", completeNames("preset"))
	complete(cmd, "ssh-key", completeNames("sshkey"))
	complete(cmd, "from-template", completeNames("template"))
	return cmd
}

func (o *clusterOptions) run(cmd *cobra.Command, name string) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	if !o.noKubeconfig && !o.noWait && o.dry == "" {
		if _, err := ownKubeconfig(); err != nil {
			return err
		}
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	project, err := s.project(ctx)
	if err != nil {
		return err
	}
	items, err := o.documents(ctx, s, project, name, cmd.Flags().Changed("nodes"))
	if err != nil {
		return err
	}
	for k, i := range items {
		if i.noun.kind == "NodePool" && o.dry == dryRunServer {
			continue // its cluster is not there
		}
		if items[k], err = o.send(ctx, s, i); err != nil {
			return err
		}
	}
	if o.dry != "" || o.noWait {
		if err := o.tell(s, items...); err != nil || o.dry != "" {
			return err
		}
		s.next("%s wait cluster/%s -p %s --for=condition=Ready", self(), name, project)
		return nil
	}
	if err := s.awaitAll(ctx, items, &o.waitFlags); err != nil {
		return err
	}
	if err := o.tell(s, items...); err != nil {
		return err
	}
	if o.noKubeconfig {
		s.next("%s kubeconfig %s -p %s", self(), name, project)
		return nil
	}
	return s.mergeKubeconfig(ctx, items[0], kubeconfigOptions{})
}

// documents returns the cluster and its pools.
func (o *clusterOptions) documents(ctx context.Context, s *session, project, name string, nodesSaid bool) ([]item, error) {
	template, err := o.templateOf(ctx, s, project)
	if err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: template.Cluster}
	spec := &cluster.Spec
	spec.Preset = cmp.Or(o.preset, spec.Preset)
	spec.Profile = cmp.Or(hostingv1alpha1.Profile(o.profile), spec.Profile)
	if len(o.sshKeys) > 0 {
		spec.SSHKeys = o.sshKeys
	}
	datacenter, err := s.datacenter(ctx, cmp.Or(o.datacenter, spec.Datacenter))
	if err != nil {
		return nil, err
	}
	spec.Datacenter = datacenter.Name
	if spec.Version, err = s.release(ctx, cmp.Or(o.version, spec.Version)); err != nil {
		return nil, err
	}
	if o.template == "" && o.nodes > 0 {
		pool := v1alpha1.TemplateNodePool{Name: "workers", MachinePool: v1alpha1.MachinePool{Replicas: &o.nodes}}
		if pool.Provider, err = machineAt(datacenter, o.machine); err != nil {
			return nil, err
		}
		template.NodePools = []v1alpha1.TemplateNodePool{pool}
	}
	first, err := newItem("Cluster", place{project: project}, cluster)
	if err != nil {
		return nil, err
	}
	items := []item{first}
	for _, pool := range template.NodePools {
		if nodesSaid {
			pool.Replicas = &o.nodes
		}
		i, err := newItem("NodePool", place{project, name}, &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + pool.Name}, Spec: v1alpha1.NodePoolSpec{Cluster: name, MachinePool: pool.MachinePool},
		})
		if err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	return items, nil
}

// templateOf returns the template that is meant: the project's own comes before the platform's of the same name.
func (o *clusterOptions) templateOf(ctx context.Context, s *session, project string) (v1alpha1.ClusterTemplateSpec, error) {
	template := &v1alpha1.ClusterTemplate{}
	if o.template == "" {
		return template.Spec, nil
	}
	err := s.client.Into(ctx, api.Request{Path: api.Path("projects", project, "templates", o.template)}, template)
	if api.IsNotFound(err) {
		err = s.client.Into(ctx, api.Request{Path: api.Path("templates", o.template)}, template)
	}
	return template.Spec, explain("reading the template "+o.template, err)
}

// datacenter returns the datacenter of the name, or the only one that there is.
func (s *session) datacenter(ctx context.Context, name string) (*v1alpha1.Datacenter, error) {
	datacenter := &v1alpha1.Datacenter{}
	if name != "" {
		err := s.client.Into(ctx, api.Request{Path: api.Path("datacenters", name)}, datacenter)
		return datacenter, explain("reading the datacenter "+name, err)
	}
	list, err := s.client.List(ctx, api.Path("datacenters"), nil)
	if err != nil {
		return nil, explain("listing the datacenters", err)
	}
	if len(list.Items) == 1 {
		return datacenter, fromUnstructured(&list.Items[0], datacenter)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	if len(names) == 0 {
		return nil, &output.Error{Exit: output.ExitNotFound, What: "there is no datacenter that you may use", Next: "ask an administrator for one"}
	}
	slices.Sort(names)
	return nil, output.Usage("say where the cluster's machines are to be, with --datacenter: %s", strings.Join(names, ", "))
}

// release returns the version that is meant: one that is said, the newest patch of a minor that is said, or the default.
func (s *session) release(ctx context.Context, version string) (string, error) {
	if strings.Count(version, ".") == 2 {
		return strings.TrimPrefix(version, "v"), nil
	}
	list, err := s.client.List(ctx, api.Path("releases"), nil)
	if err != nil {
		return "", explain("listing the releases", err)
	}
	var names []string
	for i := range list.Items {
		release := &v1alpha1.Release{}
		if err := fromUnstructured(&list.Items[i], release); err != nil {
			return "", err
		}
		switch {
		case version == "" && release.Spec.Default:
			return release.Name, nil
		case version != "" && strings.HasPrefix(release.Name, strings.TrimPrefix(version, "v")+".") && release.Spec.Blocked == "":
			names = append(names, release.Name)
		}
	}
	if len(names) == 0 {
		return "", &output.Error{
			Exit: output.ExitUsage, What: "say the version of Kubernetes, with --version", Next: self() + " get releases",
			Why: map[bool]string{true: "the platform has no default", false: "there is no release " + version}[version == ""],
		}
	}
	return slices.MaxFunc(names, output.CompareNatural), nil
}
