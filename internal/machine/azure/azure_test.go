// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/azure"
	"canopy.dev/canopy/test/cloud/suite"
)

func account() machine.Account {
	return machine.Account{
		Place: v1alpha1.Place{Azure: &v1alpha1.AzurePlace{Location: "westeurope"}},
		Credentials: map[string][]byte{
			"tenantID": []byte(tenant), "clientID": []byte(client), "clientSecret": []byte(secret), "subscriptionID": []byte(subscription),
		},
	}
}

func newMachine(name string, change func(*v1alpha1.AzureMachine)) machine.Machine {
	spec := &v1alpha1.AzureMachine{Size: "Standard_D2s_v5", DiskGiB: 50, DiskType: "StandardSSD_LRS"}
	if change != nil {
		change(spec)
	}
	return machine.Machine{Name: name, UID: types.UID("5d1c2c9a-" + name), Pool: "workers", Provider: v1alpha1.Provider{Azure: spec}, UserData: []byte("#cloud-config\n")}
}

func TestSuite(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		t.Helper()
		w := newSubscription()
		wrong := account().Credentials
		wrong["clientSecret"] = []byte("a-secret-that-is-wrong")
		block := func(change func(*v1alpha1.AzureMachine)) v1alpha1.Provider { return newMachine("", change).Provider }
		return suite.World{
			Cloud: azure.New(w), Test: w.Cloud, Account: account(), WrongKey: wrong, Secret: "a-secret-that-is-wrong",
			Provider: block(nil), Size: "Standard_D2s_v5",
			NoSuchSize:      block(func(m *v1alpha1.AzureMachine) { m.Size = "Huge" }),
			NoSuchImage:     block(func(m *v1alpha1.AzureMachine) { m.Image = "gone" }),
			CreateOperation: "VirtualMachinesClient.BeginCreateOrUpdate", ListOperation: "VirtualMachinesClient.NewListPager", DeleteOperation: "VirtualMachinesClient.BeginDelete",
			Needed:   []string{permissionsOperation},
			Named:    v1alpha1.CloudNetwork{ResourceGroup: "named", Network: "named", Subnets: []string{"named"}, SecurityGroups: []string{"named"}},
			NotThere: v1alpha1.CloudNetwork{ResourceGroup: "named", Network: "nowhere"},
			Sole:     true,
		}
	})
}

// cluster returns a cluster with its network in a subscription.
func cluster(t *testing.T, w *world) (*azure.Cloud, machine.Cluster) {
	t.Helper()
	cloud := azure.New(w)
	c := machine.Cluster{Account: account(), Name: "demo", UID: "0b3a8f6e-demo"}
	network, err := cloud.EnsureNetwork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
	return cloud, c
}

func TestAMachineIsWhatItsPoolAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.AzureMachine)
		is     func(*armcompute.VirtualMachine) bool
	}{
		"the newest Ubuntu": {nil, func(vm *armcompute.VirtualMachine) bool {
			return *vm.Properties.StorageProfile.ImageReference.SKU == "server" && vm.Plan == nil && vm.Properties.Priority == nil
		}},
		"an ARM": {func(m *v1alpha1.AzureMachine) { m.Size = "Standard_D2ps_v5" }, func(vm *armcompute.VirtualMachine) bool {
			return *vm.Properties.StorageProfile.ImageReference.SKU == "server-arm64"
		}},
		"Flatcar has a plan": {func(m *v1alpha1.AzureMachine) { m.OperatingSystem = v1alpha1.Flatcar }, func(vm *armcompute.VirtualMachine) bool {
			return *vm.Plan.Name == "stable-gen2"
		}},
		"an image of its own": {func(m *v1alpha1.AzureMachine) { m.Image = "own" }, func(vm *armcompute.VirtualMachine) bool {
			return strings.HasSuffix(*vm.Properties.StorageProfile.ImageReference.ID, "/providers/Microsoft.Compute/images/own")
		}},
		"a zone": {func(m *v1alpha1.AzureMachine) { m.Zone = "2" }, func(vm *armcompute.VirtualMachine) bool { return *vm.Zones[0] == "2" }},
		"spare capacity goes when it is taken back": {func(m *v1alpha1.AzureMachine) { m.Spot = true }, func(vm *armcompute.VirtualMachine) bool {
			return *vm.Properties.Priority == armcompute.VirtualMachinePriorityTypesSpot && *vm.Properties.EvictionPolicy == armcompute.VirtualMachineEvictionPolicyTypesDelete
		}},
		"no public address": {func(m *v1alpha1.AzureMachine) { m.PublicIP = new(false) }, func(vm *armcompute.VirtualMachine) bool {
			return vm.Properties.NetworkProfile.NetworkInterfaceConfigurations[0].Properties.IPConfigurations[0].Properties.PublicIPAddressConfiguration == nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSubscription()
			cloud, cl := cluster(t, w)
			cl.Network.Role = "nodes"
			if _, err := cloud.Create(t.Context(), cl, newMachine("demo-workers-a", c.change)); err != nil {
				t.Fatal(err)
			}
			vm := w.Machines()[0].Detail.(*armcompute.VirtualMachine)
			if !c.is(vm) || len(vm.Identity.UserAssignedIdentities) != 1 {
				t.Errorf("the virtual machine is %+v", vm)
			}
		})
	}
}

func TestAddressesAreAskedForOnce(t *testing.T) {
	w := newSubscription()
	cloud, cl := cluster(t, w)
	if _, err := cloud.Create(t.Context(), cl, newMachine("demo-workers-a", nil)); err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for range 5 {
		instances, err := cloud.List(t.Context(), cl)
		if err != nil {
			t.Fatal(err)
		}
		addresses = nil
		for _, a := range instances[0].Addresses {
			addresses = append(addresses, string(a.Type))
		}
	}
	if diff := cmp.Diff([]string{"Hostname", "InternalIP", "ExternalIP"}, addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if calls := w.Calls(); calls["InterfacesClient.NewListPager"] != 1 || calls["PublicIPAddressesClient.NewListPager"] != 1 {
		t.Errorf("the calls were %v", calls)
	}
}

func TestAMachineThatCannotBeMadeSaysWhy(t *testing.T) {
	w := newSubscription()
	cloud, cl := cluster(t, w)
	if _, err := cloud.Create(t.Context(), cl, newMachine("demo-workers-a", nil)); err != nil {
		t.Fatal(err)
	}
	id := w.Machines()[0].ID
	w.Cloud.Do(func() { w.Instance(t.Context(), id).Tags["failed"] = "no capacity for this size" })
	instances, err := cloud.List(t.Context(), cl)
	if err != nil || len(instances) != 1 || !instances[0].Failed || !strings.HasSuffix(instances[0].Message, "no capacity for this size") {
		t.Errorf("List() = %+v, %v", instances, err)
	}
}

func TestANameThatIsTakenIsNotOurs(t *testing.T) {
	w := newSubscription()
	cloud, cl := cluster(t, w)
	m := newMachine("demo-workers-a", nil)
	if _, err := cloud.Create(t.Context(), cl, m); err != nil {
		t.Fatal(err)
	}
	m.UID = "another"
	_, err := cloud.Create(t.Context(), cl, m)
	suite.WantReason(t, err, v1alpha1.ReasonDependencies)
}

func TestWhatIsMadeInANamedGroupGoesWithoutIt(t *testing.T) {
	w := newSubscription()
	cloud := azure.New(w)
	cl := machine.Cluster{Account: account(), Name: "demo", UID: "0b3a8f6e-demo", Named: v1alpha1.CloudNetwork{ResourceGroup: "named"}}
	if _, err := cloud.EnsureNetwork(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
	if left := w.Left(); len(left) != 2 {
		t.Errorf("made are %v", left)
	}
	for range 5 {
		if left, err := cloud.DeleteNetwork(t.Context(), cl); err != nil || len(left) == 0 {
			break
		}
	}
	if left := w.Left(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestTheRoleInTheDocumentationIsWhatIsVerified(t *testing.T) {
	page, err := os.ReadFile("../../../docs/how-to/clouds/azure.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range azure.Actions {
		if !strings.Contains(string(page), `"`+action+`"`) {
			t.Errorf("%s is not in docs/how-to/clouds/azure.md", action)
		}
	}
	w := newSubscription()
	w.denied = []string{"microsoft.network/*/write"}
	refused := suite.WantReason(t, azure.New(w).Verify(t.Context(), account()), v1alpha1.ReasonUnauthorized)
	if refused != nil && (!strings.Contains(refused.Message, "Microsoft.Network/virtualNetworks/write") || strings.Contains(refused.Message, "Microsoft.Compute/virtualMachines/write")) {
		t.Errorf("Verify() = %s", refused.Message)
	}
}
