// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
)

// nouns are all things that there are verbs for.
var nouns = []noun{
	{
		name: "cluster", plural: "clusters", short: []string{"cl"}, kind: "Cluster", scope: inProject, everywhere: true,
		columns: columns("Name", "Project", "Status", "Version", "Datacenter", "Nodes", "Age", "+Seed", "+Upgrade", "+Endpoint", "+ID", "+Message"),
		row: output.RowOf(func(c *v1alpha1.Cluster) []string {
			ready := readyOf(c.Status.Conditions)
			return []string{
				c.Name, projectOf(c), clusterPhase(c), cmp.Or(c.Status.Version, c.Spec.Version), c.Spec.Datacenter, clusterNodes(c), age(c),
				c.Status.Seed, upgradeOf(c), c.Status.Endpoint, c.Status.ID, ready.Message,
			}
		}),
	},
	{
		name: "nodepool", plural: "nodepools", short: []string{"np", "pool", "pools"}, kind: "NodePool", scope: inCluster,
		columns: columns("Name", "Cluster", "Status", "Wanted", "Ready", "Version", "Age", "+Provider", "+Message"),
		row: output.RowOf(func(p *v1alpha1.NodePool) []string {
			ready := readyOf(p.Status.Conditions)
			return []string{
				p.Name, p.Spec.Cluster, phase(p, p.Status.Conditions), wantedOf(p), fmt.Sprint(p.Status.ReadyReplicas),
				cmp.Or(p.Status.Version, p.Spec.Version), age(p), firstKey(p.Spec.Provider), ready.Message,
			}
		}),
	},
	{
		name: "machine", plural: "machines", short: []string{"ma"}, scope: inCluster, whole: true,
		columns: columns("Name", "Pool", "Status", "Node", "Version", "Age", "+Message"),
		row:     valuesAt("name", "nodePool", "phase", "node", "version", "@created", "message"),
	},
	{
		name: "node", plural: "nodes", short: []string{"no"}, scope: inCluster, readOnly: true, whole: true,
		columns: columns("Name", "Pool", "Ready", "Version", "Machine", "+Image", "+Runtime", "+Message"),
		row:     valuesAt("name", "nodePool", "ready", "kubeletVersion", "machine", "osImage", "containerRuntime", "message"),
	},
	{
		name: "project", plural: "projects", short: []string{"proj"}, kind: "Project", scope: global,
		columns: columns("Name", "Title", "Status", "Clusters", "Members", "Age", "+Namespace", "+Message"),
		row: output.RowOf(func(p *v1alpha1.Project) []string {
			return []string{
				p.Name, p.Spec.DisplayName, phase(p, p.Status.Conditions), fmt.Sprint(p.Status.Clusters), fmt.Sprint(len(p.Spec.Members)), age(p),
				p.Status.Namespace, readyOf(p.Status.Conditions).Message,
			}
		}),
	},
	{
		name: "member", plural: "members", scope: inProject, whole: true,
		columns: columns("Name", "Kind", "Role", "+ID"),
		row:     valuesAt("name", "kind", "role", "id"),
	},
	{
		name: "sshkey", plural: "sshkeys", short: []string{"key", "keys"}, kind: "SSHKey", scope: inProject,
		columns: columns("Name", "Fingerprint", "Status", "Age"),
		row: output.RowOf(func(k *v1alpha1.SSHKey) []string {
			return []string{k.Name, k.Status.Fingerprint, phase(k, k.Status.Conditions), age(k)}
		}),
	},
	{
		name: "serviceaccount", plural: "serviceaccounts", short: []string{"sa"}, scope: inProject,
		columns: columns("Name", "Age"),
		row:     valuesAt("metadata.name", "@metadata.creationTimestamp"),
	},
	{
		name: "template", plural: "templates", short: []string{"tpl", "clustertemplate", "clustertemplates"}, kind: "ClusterTemplate", scope: inProject,
		columns: columns("Name", "Version", "Datacenter", "Pools", "Age", "Description"),
		row: output.RowOf(func(t *v1alpha1.ClusterTemplate) []string {
			return []string{t.Name, t.Spec.Cluster.Version, t.Spec.Cluster.Datacenter, fmt.Sprint(len(t.Spec.NodePools)), age(t), t.Spec.Description}
		}),
	},
	{
		name: "clusterset", plural: "clustersets", short: []string{"cs"}, kind: "ClusterSet", scope: inProject,
		columns: columns("Name", "Template", "Clusters", "Up-To-Date", "Status", "Age", "+Message"),
		row: output.RowOf(func(s *v1alpha1.ClusterSet) []string {
			return []string{
				s.Name, s.Spec.Template.Name, fmt.Sprint(s.Status.Total), fmt.Sprint(s.Status.UpToDate), phase(s, s.Status.Conditions), age(s),
				readyOf(s.Status.Conditions).Message,
			}
		}),
	},
	{
		name: "datacenter", plural: "datacenters", short: []string{"dc"}, kind: "Datacenter", scope: global,
		columns: columns("Name", "Provider", "Seed", "Country", "Location", "Age"),
		row: output.RowOf(func(d *v1alpha1.Datacenter) []string {
			return []string{d.Name, firstKey(d.Spec.Provider), d.Spec.Seed, d.Spec.Country, d.Spec.Location, age(d)}
		}),
	},
	{
		name: "seed", plural: "seeds", kind: "Seed", scope: global,
		columns: columns("Name", "Status", "Location", "Kubernetes", "Canopy", "Clusters", "Age", "+Message"),
		row: output.RowOf(func(s *v1alpha1.Seed) []string {
			status := phase(s, s.Status.Conditions)
			if s.Spec.Drained {
				status += ",Drained"
			}
			return []string{
				s.Name, status, s.Spec.Location, s.Status.KubernetesVersion, s.Status.InstalledVersion, fmt.Sprint(s.Status.Clusters), age(s),
				readyOf(s.Status.Conditions).Message,
			}
		}),
	},
	{
		name: "release", plural: "releases", short: []string{"rel", "version", "versions"}, kind: "Release", scope: global,
		columns: columns("Name", "Default", "End-Of-Life", "Blocked"),
		row: output.RowOf(func(r *v1alpha1.Release) []string {
			def := ""
			if r.Spec.Default {
				def = "default"
			}
			return []string{r.Name, def, r.Spec.EndOfLife, r.Spec.Blocked}
		}),
	},
	{
		name: "announcement", plural: "announcements", kind: "Announcement", scope: global,
		columns: columns("Name", "Severity", "From", "Until", "Message"),
		row: output.RowOf(func(a *v1alpha1.Announcement) []string {
			at := func(t *metav1.Time) string {
				if t == nil {
					return ""
				}
				return t.UTC().Format(time.RFC3339)
			}
			return []string{a.Name, string(a.Spec.Severity), at(a.Spec.From), at(a.Spec.Until), a.Spec.Message}
		}),
	},
	{
		name: "preset", plural: "presets", kind: "Preset", scope: global,
		columns: columns("Name", "Provider", "Status", "Verified", "Projects", "Age", "+Message"),
		row: output.RowOf(func(p *v1alpha1.Preset) []string {
			verified := "never"
			if at := p.Status.Verified; at != nil {
				verified = since(at.Time) + " ago"
			}
			return []string{
				p.Name, string(p.Spec.Provider), phase(p, p.Status.Conditions), verified, cmp.Or(strings.Join(p.Spec.Projects, ","), "all"), age(p),
				readyOf(p.Status.Conditions).Message,
			}
		}),
	},
	{
		name: "size", plural: "sizes", scope: inProject, readOnly: true, whole: true, offered: true,
		columns: columns("Name", "CPUs", "Memory", "GPUs", "Disk", "Price-Per-Hour", "Architecture", "+Description"),
		row: func(u *unstructured.Unstructured) ([]string, error) {
			row, err := valuesAt("name", "cpus", "memory", "gpus", "disk", "pricePerHour", "architecture", "description")(u)
			if currency, _, _ := unstructured.NestedString(u.Object, "currency"); currency != "" && row[5] != "" {
				row[5] += " " + currency
			}
			return row, err
		},
	},
	offer("region", "regions", "places"), offer("zone", "zones", ""), offer("image", "images", ""), offer("network", "networks", ""), offer("subnet", "subnets", ""),
	{
		name: "user", plural: "users", kind: "User", scope: global,
		columns: columns("Name", "Email", "Rights", "Projects", "Age"),
		row: output.RowOf(func(u *v1alpha1.User) []string {
			rights := ""
			switch {
			case u.Spec.Admin:
				rights = "admin"
			case u.Spec.GlobalViewer:
				rights = "global viewer"
			}
			return []string{u.Name, u.Spec.Email, rights, fmt.Sprint(len(u.Status.Projects)), age(u)}
		}),
	},
	{
		name: "operation", plural: "operations", short: []string{"op", "ops"}, scope: inProject, readOnly: true,
		columns: columns("ID", "Type", "Resource", "Name", "State", "Percent", "Started", "+User", "+Message"),
		row:     valuesAt("id", "type", "resource", "name", "state", "progress", "@startTime", "user", "message"),
	},
	{
		name: "audit", plural: "audit", scope: inProject, readOnly: true,
		columns: columns("Age", "User", "Verb", "Resource", "Name", "Status", "+Fields", "+Token", "+Source", "+Request"),
		row: valuesAt(
			"@spec.time", "spec.user", "spec.verb", "spec.resource", "spec.name", "result.status", "spec.fields", "spec.token", "spec.source", "spec.requestId",
		),
	},
}

// offer is a noun of what has a name and a description only; it is offered under another name than its plural, if there is one.
func offer(name, plural, path string) noun {
	return noun{
		name: name, plural: plural, path: path, scope: inProject, readOnly: true, whole: true, offered: true,
		columns: columns("Name", "Description"), row: valuesAt("name", "description"),
	}
}

// columns makes columns of names; those with a + are wide.
func columns(names ...string) []output.Column {
	made := make([]output.Column, 0, len(names))
	for _, name := range names {
		made = append(made, output.Column{Name: strings.TrimPrefix(name, "+"), Wide: strings.HasPrefix(name, "+")})
	}
	return made
}

// valuesAt reads the row of something that is no kind of Kubernetes' out of its members, which are separated by dots. Those with
// an @ are times.
func valuesAt(paths ...string) func(*unstructured.Unstructured) ([]string, error) {
	return func(u *unstructured.Unstructured) ([]string, error) {
		var values []string
		for _, path := range paths {
			name, isTime := strings.CutPrefix(path, "@")
			value, _, _ := unstructured.NestedFieldNoCopy(u.Object, strings.Split(name, ".")...)
			text := ""
			if value != nil {
				text = fmt.Sprint(value)
			}
			if at, err := time.Parse(time.RFC3339Nano, text); isTime && err == nil {
				text = since(at)
			}
			values = append(values, text)
		}
		return values, nil
	}
}

func number(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(time.Since(t))
}

func age(obj metav1.Object) string { return since(obj.GetCreationTimestamp().Time) }

// projectOf returns the project of what is in its namespace.
func projectOf(obj metav1.Object) string {
	return strings.TrimPrefix(obj.GetNamespace(), v1alpha1.ProjectNamespacePrefix)
}

func readyOf(conditions []metav1.Condition) metav1.Condition {
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready != nil {
		return *ready
	}
	return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: "Pending", Message: "the platform has not looked at it yet"}
}

// phase is one word for how something is: Ready, or why not.
func phase(obj metav1.Object, conditions []metav1.Condition) string {
	ready := readyOf(conditions)
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return "Deleting"
	case ready.Status == metav1.ConditionTrue && (ready.ObservedGeneration == 0 || ready.ObservedGeneration >= obj.GetGeneration()):
		return "Ready"
	case ready.Status == metav1.ConditionTrue:
		return "Updating"
	}
	return ready.Reason
}

func clusterPhase(c *v1alpha1.Cluster) string {
	status := phase(c, c.Status.Conditions)
	if c.Status.LastContact != nil {
		status = "Unknown"
	}
	if c.Spec.Paused {
		status += ",Paused"
	}
	return status
}

// clusterNodes is how many nodes are ready, of how many machines there are.
func clusterNodes(c *v1alpha1.Cluster) string {
	machines := int32(0)
	for _, pool := range c.Status.NodePools {
		machines += pool.Replicas
	}
	return fmt.Sprintf("%d/%d", c.Status.ReadyNodes, max(machines, c.Status.ReadyNodes))
}

func upgradeOf(c *v1alpha1.Cluster) string {
	if n := len(c.Status.AvailableUpgrades); n > 0 {
		return c.Status.AvailableUpgrades[n-1]
	}
	return ""
}

// firstKey returns the name of the provider that a block of providers has.
func firstKey(providers any) string {
	content, err := toMap(providers)
	if err != nil || len(content) == 0 {
		return ""
	}
	var names []string
	for name := range content {
		names = append(names, name)
	}
	return slices.Min(names)
}

// wantedOf says how many machines a pool is to have, and with autoscaling between which numbers, such as "3 (1-5)".
func wantedOf(p *v1alpha1.NodePool) string {
	a := p.Spec.Autoscaling
	if a == nil {
		return number(p.Spec.Replicas)
	}
	return fmt.Sprintf("%d (%s-%d)", p.Status.WantedReplicas, number(a.MinReplicas), a.MaxReplicas)
}
