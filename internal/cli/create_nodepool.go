// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
)

// poolOptions are the flags of "canopy create nodepool".
type poolOptions struct {
	createOptions
	waitFlags
	rangeFlags

	replicas         int32
	version, machine string
	labels           map[string]string
	taints           []string
}

func newCreateNodePoolCommand() *cobra.Command {
	o := &poolOptions{}
	cmd := &cobra.Command{
		Use: "nodepool NAME", Aliases: []string{"np"}, Short: "Add machines of another sort to a cluster, and wait until they are nodes",
		Example: `  canopy create nodepool demo-gpu --cluster demo --replicas 2 --label gpu=yes --taint gpu=yes:NoSchedule
  canopy create nodepool demo-more --cluster demo --min-replicas 1 --max-replicas 5     # as many as pods ask for`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.createOptions.add(cmd)
	o.waitFlags.add(cmd)
	o.rangeFlags.add(cmd)
	o.addCluster(cmd)
	flags := cmd.Flags()
	flags.Int32Var(&o.replicas, "replicas", 1, "how many machines; with --min-replicas and --max-replicas, how many there are at first")
	flags.StringVar(&o.version, "version", "", "version of the kubelet; the default is that of the control plane, whatever it becomes")
	flags.StringVar(&o.machine, "machine", "", machineUsage)
	complete(cmd, "machine", completeMachine)
	flags.StringToStringVar(&o.labels, "label", nil, "label of the nodes, such as tier=web; may be given more than once")
	flags.StringArrayVar(&o.taints, "taint", nil, "taint of the nodes, such as gpu=yes:NoSchedule; may be given more than once")
	return cmd
}

func (o *poolOptions) run(cmd *cobra.Command, name string) error {
	ctx := cmd.Context()
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	taints, err := parseTaints(o.taints)
	if err != nil {
		return err
	}
	autoscaling, err := o.autoscaling(cmd)
	if err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	if s.current.Cluster == "" {
		return output.Usage("say which cluster, with --cluster")
	}
	clusterItem, err := s.find(ctx, reference{mustNoun("cluster"), s.current.Cluster})
	if err != nil {
		return err
	}
	cluster := &v1alpha1.Cluster{}
	if err := fromUnstructured(clusterItem.object, cluster); err != nil {
		return err
	}
	pool := &v1alpha1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodePoolSpec{
		Cluster: clusterItem.name, MachinePool: v1alpha1.MachinePool{Replicas: &o.replicas, Autoscaling: autoscaling, Version: o.version, Labels: o.labels, Taints: taints},
	}}
	datacenter, err := s.datacenter(ctx, cluster.Spec.Datacenter)
	if err != nil {
		return err
	}
	if pool.Spec.Provider, err = machineAt(datacenter, o.machine); err != nil {
		return err
	}
	i, err := newItem("NodePool", place{clusterItem.project, clusterItem.name}, pool)
	if err != nil {
		return err
	}
	if i, err = o.send(ctx, s, i); err != nil {
		return err
	}
	if o.dry == "" && !o.noWait {
		if err := s.awaitReady(ctx, i, &o.waitFlags); err != nil {
			return err
		}
	}
	if err := o.tell(s, i); err != nil || o.dry != "" {
		return err
	}
	s.next("%s get nodepools -p %s --cluster %s", self(), i.project, i.cluster)
	return nil
}

// parseTaints reads taints as kubectl writes them: key=value:Effect.
func parseTaints(texts []string) ([]corev1.Taint, error) {
	var taints []corev1.Taint
	for _, text := range texts {
		rest, effect, ok := strings.Cut(text, ":")
		key, value, _ := strings.Cut(rest, "=")
		if !ok || key == "" {
			return nil, output.Usage("%q is no taint: write key=value:NoSchedule", text)
		}
		taints = append(taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	return taints, nil
}
