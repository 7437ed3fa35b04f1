// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/local/sandbox"
)

// PartState is how a part of the platform is.
type PartState string

// The states of a part.
const (
	// Healthy parts do their work.
	Healthy PartState = "Healthy"
	// Unhealthy parts should and do not.
	Unhealthy PartState = "Unhealthy"
	// Absent parts do not exist, or cannot be seen because something they run on is not there.
	Absent PartState = "Absent"
)

// Part is one row of the platform's status.
type Part struct {
	// Name of the part; of a user cluster "cluster/<project>/<name>", or "cluster/<name>" if it is in no project.
	Name string `json:"name"`
	// State of the part.
	State PartState `json:"state"`
	// Reason explains a state other than Healthy, and tells something useful otherwise.
	Reason string `json:"reason,omitempty"`
}

// Status looks at all parts, from the bottom up. The error is about looking, not about the parts.
func Status(ctx context.Context) ([]Part, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("the local platform belongs to root: run the command as root (sudo)")
	}
	p, running := runningSandbox()
	if !running {
		if _, err := os.Stat(StateDir); err != nil {
			return []Part{{"sandbox", Absent, "there is no local platform: make one with `canopy up`"}}, nil
		}
		return []Part{{"sandbox", Absent, "it is switched off: start it with `canopy up`"}}, nil
	}
	parts := []Part{{"sandbox", Healthy, fmt.Sprintf("process %d", p.PID)}}
	state, err := sandbox.ReadState(statePath)
	if err != nil {
		return nil, err
	}
	for _, name := range daemonNames {
		parts = append(parts, daemonPart(name, state.Daemons[name], time.Now()))
	}
	if err := apiReady(ctx); err != nil {
		return append(parts, Part{"API", Unhealthy, err.Error()}), nil
	}
	parts = append(parts, Part{"API", Healthy, ""})
	c, err := newClient()
	if err != nil {
		return nil, err
	}
	parts = append(parts, nodePart(ctx, c))
	parts = append(parts, deploymentParts(ctx, c)...)
	return append(parts, clusterParts(ctx, c)...), nil
}

// AllHealthy reports whether every part is healthy.
func AllHealthy(parts []Part) bool {
	for _, p := range parts {
		if p.State != Healthy {
			return false
		}
	}
	return true
}

func daemonPart(name string, d sandbox.DaemonState, now time.Time) Part {
	if d.PID == 0 {
		return Part{name, Unhealthy, d.Message}
	}
	up := now.Sub(time.Unix(d.StartedAt, 0)).Round(time.Second)
	return Part{name, Healthy, fmt.Sprintf("up for %s, restarted %d times", up, d.Restarts)}
}

func nodePart(ctx context.Context, c client.Client) Part {
	var node corev1.Node
	if err := c.Get(ctx, client.ObjectKey{Name: NodeName}, &node); err != nil {
		return Part{"node", Unhealthy, err.Error()}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return Part{"node", Healthy, node.Status.NodeInfo.KubeletVersion}
		}
		return Part{"node", Unhealthy, condition.Message}
	}
	return Part{"node", Unhealthy, "kubelet has not reported yet"}
}

// deploymentParts are what the platform runs in its own cluster.
func deploymentParts(ctx context.Context, c client.Client) []Part {
	var parts []Part
	for _, namespace := range []string{"kube-system", SystemNamespace} {
		var list appsv1.DeploymentList
		if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return append(parts, Part{namespace, Unhealthy, err.Error()})
		}
		for i := range list.Items {
			part := Part{Name: list.Items[i].Name, State: Healthy}
			if why := unavailable(&list.Items[i]); why != "" {
				part.State, part.Reason = Unhealthy, why
			}
			parts = append(parts, part)
		}
	}
	return parts
}

// clusterParts are the seeds that the master knows, its clusters, and those that somebody made on this seed by hand.
func clusterParts(ctx context.Context, c client.Client) []Part {
	seeds := &v1alpha1.SeedList{}
	err := c.List(ctx, seeds)
	if meta.IsNoMatchError(err) {
		return []Part{{"clusters", Absent, "Canopy is not installed yet: run `canopy up`"}}
	}
	if err != nil {
		return []Part{{"seeds", Unhealthy, err.Error()}}
	}
	clusters, err := userClusters(ctx, c)
	if err != nil {
		return []Part{{"clusters", Unhealthy, err.Error()}}
	}
	var parts []Part
	for i := range seeds.Items {
		parts = append(parts, readyPart("seed/"+seeds.Items[i].Name, &seeds.Items[i]))
	}
	for _, cluster := range clusters {
		switch of := cluster.(type) {
		case *v1alpha1.Cluster:
			parts = append(parts, readyPart("cluster/"+of.QualifiedName(), of))
		case *hostingv1alpha1.HostedCluster:
			if of.Labels[v1alpha1.LabelCluster] == "" {
				parts = append(parts, readyPart("cluster/"+of.Name, of))
			}
		}
	}
	return parts
}

// readyPart is how an object says that it is.
func readyPart(name string, obj kube.Conditioned) Part {
	part := Part{Name: name, State: Unhealthy, Reason: "no controller has looked at it yet"}
	if ready := meta.FindStatusCondition(*obj.StatusConditions(), v1alpha1.ConditionReady); ready != nil {
		part.Reason = ready.Message
		if ready.Status == metav1.ConditionTrue {
			part.State = Healthy
		}
	}
	return part
}
