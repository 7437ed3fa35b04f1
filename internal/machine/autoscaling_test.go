// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
)

// autoscaled gives the pool of demo a range.
func autoscaled(least, most int32) func(*v1alpha1.HostedCluster) {
	return func(c *v1alpha1.HostedCluster) {
		c.Spec.NodePools[0].Autoscaling = &v1alpha1.Autoscaling{MinReplicas: &least, MaxReplicas: most}
	}
}

// scaled is the pool of demo as it is, with that many machines wanted.
func scaled(replicas int32, handedOver bool) Deployments {
	d := &clusterv1.MachineDeployment{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: clusterv1.MachineDeploymentSpec{Replicas: &replicas}}
	if handedOver {
		d.Annotations = map[string]string{clusterv1.AutoscalerMinSizeAnnotation: "1", clusterv1.AutoscalerMaxSizeAnnotation: "20"}
	}
	return Deployments{"workers": d}
}

func TestObjectsOfAPoolThatIsAutoscaled(t *testing.T) {
	vm := v1alpha1.Provider{VSphere: &v1alpha1.VSphereMachine{CPUs: 4, MemoryMiB: 8192}}
	onVSphere := func(c *v1alpha1.HostedCluster) { c.Spec.NodePools[0].Provider = vm }
	mods := []func(*v1alpha1.HostedCluster){variants["labels-and-taints"], onVSphere}
	base := golden.YAML(t, scheme, objects(t, demo(mods...)))
	objs, err := Objects(demo(append(mods, autoscaled(1, 20))...), scaled(10, true))
	if err != nil {
		t.Fatal(err)
	}
	golden.CheckVariant(t, "autoscaled.diff", base, golden.YAML(t, scheme, objs))
}

func TestResizes(t *testing.T) {
	none := map[string]int32{}
	for name, c := range map[string]struct {
		cluster *v1alpha1.HostedCluster
		live    Deployments
		want    map[string]int32
	}{
		"a pool without autoscaling has its replicas":         {demo(), scaled(7, false), none},
		"a pool that is not there yet":                        {demo(autoscaled(1, 20)), nil, none},
		"what a pool has when it gets autoscaling it keeps":   {demo(autoscaled(1, 20)), scaled(7, false), map[string]int32{"workers": 7}},
		"if that is in the range":                             {demo(autoscaled(1, 5)), scaled(7, false), map[string]int32{"workers": 5}},
		"what it has been scaled to stays":                    {demo(autoscaled(1, 20)), scaled(7, true), none},
		"too many are brought into the range":                 {demo(autoscaled(1, 5)), scaled(7, true), map[string]int32{"workers": 5}},
		"too few are brought into the range":                  {demo(autoscaled(3, 5)), scaled(0, true), map[string]int32{"workers": 3}},
		"none are enough where that is allowed":               {demo(autoscaled(0, 5)), scaled(0, true), none},
		"without autoscaling the number is Objects' to write": {demo(), scaled(7, true), none},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Resizes(c.cluster, c.live)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
