// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/core/webhooks/admission"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/golden"
)

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(clusterv1.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()

// demo is a cluster whose control plane runs, with one pool of two machines.
func demo(mods ...func(*v1alpha1.HostedCluster)) *v1alpha1.HostedCluster {
	c := &v1alpha1.HostedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "cluster-demo"},
		Spec: v1alpha1.HostedClusterSpec{
			Version: "1.37.2",
			Network: v1alpha1.Network{PodCIDR: "172.25.0.0/16", ServiceCIDR: "10.240.16.0/20", DNSDomain: "cluster.local"},
			NodePools: []v1alpha1.NodePool{{
				Name: "workers", Replicas: new(int32(2)), Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}},
			}},
		},
		Status: v1alpha1.HostedClusterStatus{Version: "1.37.2", Endpoint: "https://203.0.113.7:31234", ExposeStrategy: v1alpha1.ExposeNodePort},
	}
	for _, mod := range mods {
		mod(c)
	}
	return c
}

var variants = map[string]func(*v1alpha1.HostedCluster){
	"ten-machines":   func(c *v1alpha1.HostedCluster) { c.Spec.NodePools[0].Replicas = new(int32(10)) },
	"scaled-to-zero": func(c *v1alpha1.HostedCluster) { c.Spec.NodePools[0].Replicas = new(int32(0)) },
	"no-pools":       func(c *v1alpha1.HostedCluster) { c.Spec.NodePools = nil },
	"gateway": func(c *v1alpha1.HostedCluster) {
		c.Status.Endpoint, c.Status.TLSServerName = "https://203.0.113.8:443", "demo.seed.example.test"
		c.Status.ExposeStrategy = v1alpha1.ExposeGateway
	},
	"labels-and-taints": func(c *v1alpha1.HostedCluster) {
		c.Spec.NodePools[0].Labels = map[string]string{"team": "search", "node-role.kubernetes.io/worker": ""}
		c.Spec.NodePools[0].Taints = []corev1.Taint{{Key: "team", Value: "search", Effect: corev1.TaintEffectNoSchedule}}
	},
	"resources": func(c *v1alpha1.HostedCluster) {
		c.Spec.NodePools[0].Provider.Local.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	},
	"bring-your-own": func(c *v1alpha1.HostedCluster) {
		c.Spec.NodePools[0].Provider = v1alpha1.Provider{BringYourOwn: &v1alpha1.BringYourOwnMachine{}}
	},
	"autoscaling-begins": autoscaled(3, 20),
	"upgrading":          func(c *v1alpha1.HostedCluster) { c.Status.Version = "1.36.3" },
	"two-pools": func(c *v1alpha1.HostedCluster) {
		c.Spec.NodePools = append(c.Spec.NodePools, v1alpha1.NodePool{
			Name: "old", Replicas: new(int32(0)), Version: "1.36.3", Provider: v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}},
		})
	},
}

func objects(t *testing.T, cluster *v1alpha1.HostedCluster) []client.Object {
	t.Helper()
	objs, err := Objects(cluster, nil)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

func TestObjects(t *testing.T) {
	base := golden.YAML(t, scheme, objects(t, demo()))
	golden.Check(t, "base.yaml", base)
	for name, mod := range variants {
		t.Run(name, func(t *testing.T) {
			golden.CheckVariant(t, name+".diff", base, golden.YAML(t, scheme, objects(t, demo(mod))))
		})
	}
}

func TestNoMachinesWithoutAnAddress(t *testing.T) {
	for _, endpoint := range []string{"", "https://203.0.113.7", "203.0.113.7:31234"} {
		_, err := Objects(demo(func(c *v1alpha1.HostedCluster) { c.Status.Endpoint = endpoint }), nil)
		if err == nil || !strings.Contains(err.Error(), "status.endpoint") {
			t.Errorf("the endpoint %q is good enough for machines to join: %v", endpoint, err)
		}
	}
}

// Their webhooks do not run on a seed, so what they would fill in or refuse must not be in the objects in the first place.
func TestClusterAPIsWebhooksHaveNothingToAdd(t *testing.T) {
	for name, mod := range variants {
		t.Run(name, func(t *testing.T) {
			for _, obj := range objects(t, demo(mod)) {
				before := golden.YAML(t, scheme, []client.Object{obj})
				if err := admit(t, obj); err != nil {
					t.Errorf("%T %s is refused: %v", obj, obj.GetName(), err)
				}
				if after := golden.YAML(t, scheme, []client.Object{obj}); after != before {
					t.Errorf("%T %s gets defaults: it becomes\n%s\nand was\n%s", obj, obj.GetName(), after, before)
				}
			}
		})
	}
}

func admit(t *testing.T, obj client.Object) error {
	t.Helper()
	switch o := obj.(type) {
	case *clusterv1.MachineDrainRule:
		_, err := (&admission.MachineDrainRule{}).ValidateCreate(t.Context(), o)
		return err
	case *clusterv1.MachineHealthCheck:
		w := &admission.MachineHealthCheck{}
		_, err := w.ValidateCreate(t.Context(), o)
		return errors.Join(w.Default(t.Context(), o), err)
	case *clusterv1.MachineDeployment:
		_, err := (&admission.MachineDeployment{}).ValidateCreate(t.Context(), o)
		// The webhook's own defaulting needs a request; a machine made from the template gets these.
		m := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Labels: o.Spec.Template.Labels}, Spec: o.Spec.Template.Spec}
		return errors.Join((&admission.Machine{}).Default(t.Context(), m), err)
	}
	return nil
}

func TestTheTemplatesNamesChangeWithWhatTheyHold(t *testing.T) {
	names := func(mod func(*v1alpha1.HostedCluster)) map[string]bool {
		found := map[string]bool{}
		for _, obj := range objects(t, demo(mod)) {
			switch obj.(type) {
			case *v1alpha1.ProviderMachineTemplate, *v1alpha1.BootstrapConfigTemplate:
				found[obj.GetObjectKind().GroupVersionKind().Kind+obj.GetName()] = true
			}
		}
		return found
	}
	base := names(func(*v1alpha1.HostedCluster) {})
	for name, c := range map[string]struct {
		mod     func(*v1alpha1.HostedCluster)
		changed int
	}{
		"more machines replace none":            {variants["ten-machines"], 0},
		"a version replaces by the deployment":  {variants["upgrading"], 0},
		"labels replace the bootstrap template": {variants["labels-and-taints"], 1},
		"resources replace the machine's":       {variants["resources"], 1},
	} {
		t.Run(name, func(t *testing.T) {
			changed := 0
			for n := range names(c.mod) {
				if !base[n] {
					changed++
				}
			}
			if changed != c.changed {
				t.Errorf("%d templates have a new name, want %d", changed, c.changed)
			}
		})
	}
}

func TestVersionOf(t *testing.T) {
	for name, c := range map[string]struct{ wanted, running, pool, want string }{
		"a pool follows the control plane":                   {"1.37.2", "1.37.2", "", "1.37.2"},
		"a pool waits while the control plane is upgraded":   {"1.37.2", "1.36.3", "", "1.36.3"},
		"a pool's own newer version waits, too":              {"1.37.2", "1.36.3", "1.37.2", "1.36.3"},
		"a pool may stay behind":                             {"1.37.2", "1.37.2", "1.36.3", "1.36.3"},
		"a pool goes to its own version at once if it may":   {"1.37.2", "1.36.3", "1.36.1", "1.36.1"},
		"ten is more than nine":                              {"1.10.0", "1.9.0", "", "1.9.0"},
		"a control plane that never ran holds back nobody":   {"1.37.2", "", "", "1.37.2"},
		"not even a pool with a version of its own":          {"1.37.2", "", "1.36.3", "1.36.3"},
		"the leading v of what runs is not part of versions": {"1.37.2", "v1.37.2", "", "1.37.2"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := demo()
			cluster.Spec.Version, cluster.Status.Version = c.wanted, c.running
			if got := VersionOf(cluster, v1alpha1.NodePool{Version: c.pool}); got != c.want {
				t.Errorf("VersionOf() = %q, want %q", got, c.want)
			}
		})
	}
}

func TestProvidersFor(t *testing.T) {
	local := struct{ Provider }{}
	for name, c := range map[string]struct {
		providers Providers
		block     v1alpha1.Provider
		ok        bool
	}{
		"the provider whose block is set":    {Providers{v1alpha1.ProviderLocal: local}, v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}, true},
		"a provider that the seed lacks":     {Providers{}, v1alpha1.Provider{Local: &v1alpha1.LocalMachine{}}, false},
		"a block of a kind that we know not": {Providers{v1alpha1.ProviderLocal: local}, v1alpha1.Provider{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := c.providers.For(c.block)
			var refused *RefusedError
			if c.ok != (found != nil) || c.ok == errors.As(err, &refused) {
				t.Errorf("For() = %v, %v", found, err)
			}
		})
	}
}
