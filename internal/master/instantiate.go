// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// instance is what a cluster of a set should be.
type instance struct {
	cluster *v1alpha1.Cluster
	pools   []*v1alpha1.NodePool
}

// objects are all of them, the cluster last.
func (i instance) objects() []client.Object {
	var objs []client.Object
	for _, pool := range i.pools {
		objs = append(objs, pool)
	}
	return append(objs, i.cluster)
}

// Instantiate returns the Cluster and the NodePools that a template makes of an entry of a set. The Cluster carries a hash of
// what they are to be, by which is seen what was changed by hand.
func Instantiate(set *v1alpha1.ClusterSet, template *v1alpha1.ClusterTemplateSpec, entry v1alpha1.SetCluster) (*v1alpha1.Cluster, []*v1alpha1.NodePool) {
	template = template.DeepCopy()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: entry.Name, Namespace: set.Namespace}, Spec: template.Cluster}
	for _, override := range []struct {
		field *string
		value string
	}{
		{&cluster.Spec.Datacenter, entry.Datacenter}, {&cluster.Spec.Preset, entry.Preset}, {&cluster.Spec.Version, entry.Version},
	} {
		if override.value != "" {
			*override.field = override.value
		}
	}
	var pools []*v1alpha1.NodePool
	specs := map[string]v1alpha1.NodePoolSpec{}
	for _, p := range template.NodePools {
		pool := &v1alpha1.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: entry.Name + "-" + p.Name, Namespace: set.Namespace},
			Spec:       v1alpha1.NodePoolSpec{Cluster: entry.Name, MachinePool: p.MachinePool},
		}
		for _, own := range entry.NodePools {
			if own.Name == p.Name && own.Replicas != nil {
				pool.Spec.Replicas = new(*own.Replicas)
			}
		}
		pools = append(pools, pool)
		specs[pool.Name] = pool.Spec
	}
	cluster.Annotations = map[string]string{v1alpha1.AnnotationTemplateHash: hash(struct {
		Cluster v1alpha1.ClusterSpec
		Pools   map[string]v1alpha1.NodePoolSpec
	}{cluster.Spec, specs})}
	return cluster, pools
}

// hash identifies a value by its JSON.
func hash(value any) string {
	content, err := json.Marshal(value)
	if err != nil {
		return "" // of no type that is given here
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:5])
}

// mostChanges is how many changes of a cluster are listed.
const mostChanges = 20

// mostOfValue is how much of a value is shown.
const mostOfValue = 80

// changesOf returns how the spec of an object differs from what it would become, in the order of its fields.
func changesOf(before, after map[string]any, conflicts []kube.Conflict) []v1alpha1.Change {
	changes := appendChanges(nil, "spec", before["spec"], after["spec"])
	for i := range changes {
		for _, conflict := range conflicts {
			if within(conflict.Field, changes[i].Field) || within(changes[i].Field, conflict.Field) {
				changes[i].ChangedBy = conflict.Manager
			}
		}
	}
	return changes
}

// within reports whether a field is another or a part of it.
func within(field, other string) bool {
	return field == other || strings.HasPrefix(field, other+".") || strings.HasPrefix(field, other+"[")
}

func appendChanges(changes []v1alpha1.Change, field string, before, after any) []v1alpha1.Change {
	from, isMap := before.(map[string]any)
	to, isMap2 := after.(map[string]any)
	if !isMap || !isMap2 {
		if !reflect.DeepEqual(before, after) {
			changes = append(changes, v1alpha1.Change{Field: field, From: shown(before), To: shown(after)})
		}
		return changes
	}
	names := map[string]bool{}
	for name := range from {
		names[name] = true
	}
	for name := range to {
		names[name] = true
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		changes = appendChanges(changes, field+"."+name, from[name], to[name])
	}
	return changes
}

// shown is a value as JSON, cut where it is long; empty if there is none.
func shown(value any) string {
	if value == nil {
		return ""
	}
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if runes := []rune(string(content)); len(runes) > mostOfValue {
		return string(runes[:mostOfValue]) + "…"
	}
	return string(content)
}
