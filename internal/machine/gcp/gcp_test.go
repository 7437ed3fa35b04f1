// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/compute/v1"
	"k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/gcp"
	"canopy.dev/canopy/test/cloud/core"
	testcloud "canopy.dev/canopy/test/cloud/gcp"
	"canopy.dev/canopy/test/cloud/suite"
)

// world is a project that answers, and what opens it.
type world struct {
	*testcloud.Cloud

	cloud    *gcp.Cloud
	endpoint string
	account  machine.Account
	key      map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	test := testcloud.New()
	server := httptest.NewServer(test)
	t.Cleanup(server.Close)
	key := keyOf(t, test, server.URL, "seed@demo-project.iam.gserviceaccount.com", true)
	w := &world{Cloud: test, cloud: gcp.New(gcp.TokenDirectory), endpoint: server.URL, key: map[string]string{}}
	if err := json.Unmarshal(key, &w.key); err != nil {
		t.Fatal(err)
	}
	w.account = machine.Account{
		Place:       v1alpha1.Place{GCP: &v1alpha1.GCPPlace{Region: "us-east1", ZoneSuffixes: []string{"b", "c"}, Endpoint: server.URL}},
		Credentials: map[string][]byte{"serviceAccount": key},
	}
	return w
}

// keys are made once: they are the slow part.
var keys sync.Map

func keyOf(t *testing.T, test *testcloud.Cloud, endpoint, email string, known bool) []byte {
	t.Helper()
	made, _ := keys.LoadOrStore(email, sync.OnceValues(testcloud.GenerateKey))
	key, err := made.(func() (*testcloud.Key, error))()
	if err != nil {
		t.Fatal(err)
	}
	content, err := test.ServiceAccount(key, endpoint, email, known)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// cluster returns a cluster with its network.
func (w *world) cluster(t *testing.T) machine.Cluster {
	t.Helper()
	c := machine.Cluster{Account: w.account, Name: "demo", UID: "0b3a8f6e-demo"}
	network, err := w.cloud.EnsureNetwork(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
	return c
}

func newMachine(name string, change func(*v1alpha1.GCPMachine)) machine.Machine {
	spec := &v1alpha1.GCPMachine{MachineType: "e2-standard-2", DiskGiB: 50, DiskType: "pd-balanced"}
	if change != nil {
		change(spec)
	}
	return machine.Machine{Name: name, UID: types.UID("5d1c2c9a-" + name), Pool: "workers", Provider: v1alpha1.Provider{GCP: spec}, UserData: []byte("#cloud-config\n")}
}

// asked returns the only instance as it was asked for.
func (w *world) asked(t *testing.T) *compute.Instance {
	t.Helper()
	all := w.Machines()
	if len(all) != 1 {
		t.Fatalf("there are %d instances, want 1", len(all))
	}
	return all[0].Detail.(*compute.Instance)
}

func TestSuite(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		t.Helper()
		w := newWorld(t)
		wrong := keyOf(t, w.Cloud, w.endpoint, "stranger@demo-project.iam.gserviceaccount.com", false)
		block := func(change func(*v1alpha1.GCPMachine)) v1alpha1.Provider { return newMachine("", change).Provider }
		return suite.World{
			Cloud: w.cloud, Test: w.Cloud.Cloud, Account: w.account,
			WrongKey: map[string][]byte{"serviceAccount": wrong}, Secret: "PRIVATE KEY",
			Provider: block(nil), Size: "e2-standard-2", Zone: "us-east1-b",
			NoSuchSize:      block(func(m *v1alpha1.GCPMachine) { m.MachineType = "e9-huge" }),
			NoSuchImage:     block(func(m *v1alpha1.GCPMachine) { m.Image = "gone" }),
			CreateOperation: "compute.instances.insert", ListOperation: "compute.instances.aggregatedList", DeleteOperation: "compute.instances.delete",
			Needed:   []string{"cloudresourcemanager.projects.testIamPermissions"},
			Named:    v1alpha1.CloudNetwork{Network: "named", Subnets: []string{"named"}},
			NotThere: v1alpha1.CloudNetwork{Network: "nowhere"},
			Sole:     true,
		}
	})
}

func TestAnInstanceIsWhatItsPoolAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.GCPMachine)
		is     func(*compute.Instance) bool
	}{
		"the first zone of the place, the newest Ubuntu": {nil, func(i *compute.Instance) bool {
			return strings.HasPrefix(i.MachineType, "zones/us-east1-b/") && i.Disks[0].InitializeParams.DiskSizeGb == 50 &&
				strings.HasSuffix(i.Disks[0].InitializeParams.SourceImage, "ubuntu-2404-lts-amd64") && i.Disks[0].AutoDelete
		}},
		"a zone": {func(m *v1alpha1.GCPMachine) { m.Zone = "us-east1-c" }, func(i *compute.Instance) bool {
			return strings.HasPrefix(i.MachineType, "zones/us-east1-c/")
		}},
		"an arm64 machine": {func(m *v1alpha1.GCPMachine) { m.MachineType = "t2a-standard-2" }, func(i *compute.Instance) bool {
			return strings.HasSuffix(i.Disks[0].InitializeParams.SourceImage, "ubuntu-2404-lts-arm64")
		}},
		"Debian installs cloud-init": {func(m *v1alpha1.GCPMachine) { m.OperatingSystem = v1alpha1.Debian }, func(i *compute.Instance) bool {
			return slices.ContainsFunc(i.Metadata.Items, func(m *compute.MetadataItems) bool {
				return m.Key == "startup-script" && strings.Contains(*m.Value, "cloud-init")
			})
		}},
		"an image of the project's own": {func(m *v1alpha1.GCPMachine) { m.Image = "own" }, func(i *compute.Instance) bool {
			return i.Disks[0].InitializeParams.SourceImage == "projects/demo-project/global/images/own"
		}},
		"spare capacity goes when it is taken back": {func(m *v1alpha1.GCPMachine) { m.Spot = true }, func(i *compute.Instance) bool {
			return i.Scheduling.ProvisioningModel == "SPOT" && i.Scheduling.InstanceTerminationAction == "DELETE"
		}},
		"a GPU cannot move": {func(m *v1alpha1.GCPMachine) { m.MachineType = "g2-standard-4" }, func(i *compute.Instance) bool {
			return i.Scheduling.OnHostMaintenance == "TERMINATE"
		}},
		"no public address": {func(m *v1alpha1.GCPMachine) { m.PublicIP = new(false) }, func(i *compute.Instance) bool {
			return len(i.NetworkInterfaces[0].AccessConfigs) == 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cluster := w.cluster(t)
			cluster.Network.Role = "nodes@demo-project.iam.gserviceaccount.com"
			if _, err := w.cloud.Create(t.Context(), cluster, newMachine("demo-workers-a", c.change)); err != nil {
				t.Fatal(err)
			}
			i := w.asked(t)
			if !c.is(i) || i.ServiceAccounts[0].Email != cluster.Network.Role || !slices.Equal(i.Tags.Items, cluster.Network.SecurityGroups) {
				t.Errorf("the instance is %+v", i)
			}
		})
	}
}

func TestTheRoleInTheDocumentationIsWhatIsVerified(t *testing.T) {
	page, err := os.ReadFile("../../../docs/how-to/clouds/gcp.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, permission := range gcp.Permissions {
		if !strings.Contains(string(page), "- "+permission+"\n") {
			t.Errorf("%s is not in docs/how-to/clouds/gcp.md", permission)
		}
	}
	w.Deny("compute.firewalls.create")
	refused := suite.WantReason(t, w.cloud.Verify(t.Context(), w.account), v1alpha1.ReasonUnauthorized)
	if refused != nil && !strings.Contains(refused.Message, "it may not compute.firewalls.create:") {
		t.Errorf("Verify() = %s", refused.Message)
	}
	_, err = w.cloud.EnsureNetwork(t.Context(), machine.Cluster{Account: w.account, Name: "demo", UID: "0b3a8f6e-demo"})
	suite.WantReason(t, err, v1alpha1.ReasonUnauthorized)
}

func TestExactlyThePermissionsThatAreNeededAreVerified(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	m := newMachine("demo-workers-a", func(m *v1alpha1.GCPMachine) { m.Image = "own" })
	instance, err := w.cloud.Create(t.Context(), cluster, m)
	if err != nil {
		t.Fatal(err)
	}
	m.UID = "another"
	if _, err := w.cloud.Create(t.Context(), cluster, m); err == nil {
		t.Fatal("a name was given twice")
	}
	if err := w.cloud.Delete(t.Context(), cluster, instance); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := w.cloud.List(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		if left, err := w.cloud.DeleteNetwork(t.Context(), cluster); err == nil && len(left) == 0 {
			break
		}
	}
	place := *w.account.Place.GCP
	place.ZoneSuffixes = nil
	if _, err := w.cloud.Offers(t.Context(), machine.Account{Place: v1alpha1.Place{GCP: &place}, Credentials: w.account.Credentials}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.Permissions(), gcp.Permissions); diff != "" {
		t.Errorf("permissions (-needed +verified):\n%s", diff)
	}
}

func TestAZoneThatIsSoldOutIsToldAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	m := newMachine("demo-workers-a", nil)
	w.SellOut("e2-standard-2", "us-east1-b")
	if _, err := w.cloud.Create(t.Context(), cluster, m); err != nil {
		t.Fatalf("Create() = %v: Google takes the request all the same", err)
	}
	var err error
	for range 3 {
		if _, err = w.cloud.Create(t.Context(), cluster, m); err != nil {
			break
		}
	}
	suite.WantReason(t, err, v1alpha1.ReasonResourcesDepleted)
	w.Heal()
	w.Age() // of the failure
	if _, err := w.cloud.Create(t.Context(), cluster, m); err != nil {
		t.Fatalf("Create() = %v, want another attempt", err)
	}
	if n := len(w.Machines()); n != 1 {
		t.Errorf("there are %d instances, want 1", n)
	}
}

func TestAnInstanceThatSomebodyStopsHasFailed(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	if _, err := w.cloud.Create(t.Context(), cluster, newMachine("demo-workers-a", nil)); err != nil {
		t.Fatal(err)
	}
	w.Stop(t.Context(), "us-east1-b", "demo-workers-a")
	instances, err := w.cloud.List(t.Context(), cluster)
	if err != nil || len(instances) != 1 || !instances[0].Failed || instances[0].Running {
		t.Errorf("List() = %+v, %v", instances, err)
	}
}

func TestANameThatIsTakenIsNotOurs(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	m := newMachine("demo-workers-a", nil)
	if _, err := w.cloud.Create(t.Context(), cluster, m); err != nil {
		t.Fatal(err)
	}
	m.UID = "another"
	_, err := w.cloud.Create(t.Context(), cluster, m)
	suite.WantReason(t, err, v1alpha1.ReasonDependencies)
}

func TestANetworkWaitsForWhatOthersMadeInIt(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	w.AddFirewall("k8s-fw-1234", cluster.Network.Network)
	var err error
	for range 5 {
		if _, err = w.cloud.DeleteNetwork(t.Context(), cluster); err != nil {
			break
		}
	}
	if refused := suite.WantReason(t, err, v1alpha1.ReasonDependencies); refused != nil && !strings.Contains(refused.Message, "k8s-fw-1234") {
		t.Errorf("DeleteNetwork() = %s", refused.Message)
	}
}

func TestANamedNetworkHasOneSubnetOrSaysWhich(t *testing.T) {
	w := newWorld(t)
	cluster := machine.Cluster{Account: w.account, Name: "demo", UID: "0b3a8f6e-demo", Named: v1alpha1.CloudNetwork{Network: "named"}}
	network, err := w.cloud.EnsureNetwork(t.Context(), cluster)
	if err != nil || !slices.Equal(network.Subnets, []string{"named"}) {
		t.Errorf("EnsureNetwork() = %+v, %v", network, err)
	}
	cluster.Place.GCP.Region = "us-west1"
	_, err = w.cloud.EnsureNetwork(t.Context(), cluster)
	suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
}

func TestAKeyThatIsRevokedWhileItIsUsed(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	w.Revoke()
	_, err := w.cloud.List(t.Context(), cluster)
	suite.WantReason(t, err, v1alpha1.ReasonUnauthenticated)
}

func TestAWorkloadIdentityNeedsNoKey(t *testing.T) {
	w := newWorld(t)
	w.SubjectToken = "who the seed is"
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "gcp"), []byte(w.SubjectToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud := gcp.New(directory)
	w.account.Credentials = w.identity(t, gcp.TokenDirectory+"/gcp")
	if err := cloud.Verify(t.Context(), w.account); err != nil {
		t.Errorf("Verify() = %v", err)
	}
}

func (w *world) identity(t *testing.T, file string) map[string][]byte {
	t.Helper()
	content, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": testcloud.Audience, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": w.endpoint + "/v1/token", "credential_source": map[string]string{"file": file},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"serviceAccount": content, "project": []byte(w.Project)}
}

func TestCredentialsCannotMakeASeedTellWhatItKnows(t *testing.T) {
	w := newWorld(t)
	with := func(field, value string) map[string][]byte {
		key := map[string]string{}
		for name, v := range w.key {
			key[name] = v
		}
		key[field] = value
		content, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{"serviceAccount": content}
	}
	for name, credentials := range map[string]map[string][]byte{
		"nothing":                                nil,
		"no JSON":                                {"serviceAccount": []byte("AKIA")},
		"a person's own":                         with("type", "authorized_user"),
		"a key that is none":                     with("private_key", "none"),
		"tokens from somebody else":              with("token_uri", "https://example.com/token"),
		"tokens from Google's name in another's": with("token_uri", "https://example.com/.googleapis.com"),
		"a file of the seed's":                   w.identity(t, "/var/run/secrets/kubernetes.io/serviceaccount/token"),
		"a file further up":                      w.identity(t, gcp.TokenDirectory+"/../kubernetes.io/serviceaccount/token"),
	} {
		t.Run(name, func(t *testing.T) {
			account := w.account
			account.Credentials = credentials
			before := w.Total()
			suite.WantReason(t, w.cloud.Verify(t.Context(), account), v1alpha1.ReasonUnauthenticated)
			if w.Total() != before {
				t.Error("somebody was called")
			}
		})
	}
}

func TestRateLimitsAreWaitedFor(t *testing.T) {
	w := newWorld(t)
	cluster := w.cluster(t)
	w.Inject(core.Fault{Kind: core.RateLimited})
	_, err := w.cloud.List(t.Context(), cluster)
	if refused := suite.WantReason(t, err, v1alpha1.ReasonRateLimited); refused != nil && refused.After == 0 {
		t.Errorf("it is tried again after %s", refused.After)
	}
}
