// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apitypes "k8s.io/apimachinery/pkg/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
	testcloud "canopy.dev/canopy/test/cloud/aws"
	"canopy.dev/canopy/test/cloud/suite"
)

func TestSuite(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		t.Helper()
		w, _ := newWorld(t)
		return w
	})
}

func block(instanceType string, change ...func(*v1alpha1.AWSMachine)) v1alpha1.Provider {
	m := &v1alpha1.AWSMachine{InstanceType: instanceType, DiskGiB: 50, DiskType: "gp3"}
	for _, c := range change {
		c(m)
	}
	return v1alpha1.Provider{AWS: m}
}

func keys(id, secret string) map[string][]byte {
	return map[string][]byte{aws.KeyAccessKeyID: []byte(id), aws.KeySecretAccessKey: []byte(secret)}
}

func newWorld(t *testing.T) (suite.World, *testcloud.Cloud) {
	t.Helper()
	account := testcloud.New()
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	return suite.World{
		Cloud: aws.New(), Test: account.Cloud,
		Account: machine.Account{
			Place:       v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: testcloud.GivenHome, Endpoint: server.URL}},
			Credentials: keys(testcloud.AccessKeyID, testcloud.SecretAccessKey),
		},
		WrongKey: keys(testcloud.AccessKeyID, "wrong/secret/key"), Secret: "wrong/secret/key",
		Provider: block("t3.medium"), Size: "t3.medium", Zone: testcloud.GivenHome + "a",
		NoSuchSize: block("t9.medium"), NoSuchImage: block("t3.medium", func(m *v1alpha1.AWSMachine) { m.Image = "ami-00000000000000009" }),
		CreateOperation: "ec2:RunInstances", ListOperation: "ec2:DescribeInstances", DeleteOperation: "ec2:TerminateInstances",
		Needed: []string{
			"ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeInternetGateways", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
			"ec2:DescribeNetworkInterfaces", "ec2:DescribeAvailabilityZones", "ec2:DescribeRegions", "ec2:DescribeInstanceTypes",
			"ec2:DescribeInstances", "ec2:DescribeImages", "ssm:GetParameter", "ec2:CreateVpc", "ec2:CreateSubnet",
			"ec2:CreateInternetGateway", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:RunInstances",
		},
		Named: v1alpha1.CloudNetwork{
			Network: testcloud.GivenVPC, Subnets: []string{testcloud.GivenOther, testcloud.GivenSubnet}, SecurityGroups: []string{testcloud.GivenGroup},
		},
		NotThere: v1alpha1.CloudNetwork{Network: "vpc-00000000000000009"},
		Sole:     true,
	}, account
}

// connected returns a world with a cluster that has its network.
func connected(t *testing.T, named v1alpha1.CloudNetwork) (suite.World, *testcloud.Cloud, machine.Cluster) {
	t.Helper()
	w, account := newWorld(t)
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo", Named: named}
	ensure(t, w, &c)
	return w, account, c
}

func ensure(t *testing.T, w suite.World, c *machine.Cluster) {
	t.Helper()
	network, err := w.Cloud.EnsureNetwork(t.Context(), *c)
	if err != nil {
		t.Fatal(err)
	}
	c.Network = network
}

func order(name string, p v1alpha1.Provider) machine.Machine {
	return machine.Machine{Name: name, UID: apitypes.UID("u-" + name), Pool: "workers", Provider: p, UserData: []byte("#cloud-config\n")}
}

func create(t *testing.T, w suite.World, c machine.Cluster, m machine.Machine) machine.Instance {
	t.Helper()
	made, err := w.Cloud.Create(t.Context(), c, m)
	if err != nil {
		t.Fatalf("Create(%s) = %v", m.Name, err)
	}
	return made
}

// detail returns what the test cloud knows of the instance of a machine.
func detail(t *testing.T, w suite.World, name string) testcloud.Detail {
	t.Helper()
	for _, i := range w.Test.Machines() {
		if i.Name == name {
			return *i.Detail.(*testcloud.Detail)
		}
	}
	t.Fatalf("there is no instance %s", name)
	return testcloud.Detail{}
}

func TestWhatAnInstanceIsMadeAs(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{Role: testcloud.Profile})
	plain := func(change ...func(*testcloud.Detail)) testcloud.Detail {
		d := testcloud.Detail{
			Image: testcloud.UbuntuImage, VPC: c.Network.Network, Subnet: c.Network.Subnets[0], Groups: c.Network.SecurityGroups,
			Public: true, MetadataTokens: "required", MetadataHops: "1", DiskGiB: 50, DiskType: "gp3", Profile: testcloud.Profile,
		}
		for _, c := range change {
			c(&d)
		}
		return d
	}
	type (
		ask  = func(*v1alpha1.AWSMachine)
		want = func(*testcloud.Detail)
	)
	made := 0
	for name, test := range map[string]struct {
		size string
		ask  ask
		want want
	}{
		"an Ubuntu with a public address, and tokens for the metadata": {ask: func(*v1alpha1.AWSMachine) {}, want: func(*testcloud.Detail) {}},
		"without a public address":                                     {ask: func(m *v1alpha1.AWSMachine) { m.PublicIP = new(false) }, want: func(d *testcloud.Detail) { d.Public = false }},
		"with another disk":                                            {ask: func(m *v1alpha1.AWSMachine) { m.DiskGiB, m.DiskType = 200, "io2" }, want: func(d *testcloud.Detail) { d.DiskGiB, d.DiskType = 200, "io2" }},
		"of spare capacity":                                            {ask: func(m *v1alpha1.AWSMachine) { m.Spot = &v1alpha1.AWSSpot{} }, want: func(d *testcloud.Detail) { d.Spot = "on demand" }},
		"of spare capacity up to a price":                              {ask: func(m *v1alpha1.AWSMachine) { m.Spot = &v1alpha1.AWSSpot{MaxPrice: "0.05"} }, want: func(d *testcloud.Detail) { d.Spot = "0.05" }},
		"a Debian":                                                     {ask: func(m *v1alpha1.AWSMachine) { m.OperatingSystem = v1alpha1.Debian }, want: func(d *testcloud.Detail) { d.Image = testcloud.DebianImage }},
		"the newest Flatcar":                                           {ask: func(m *v1alpha1.AWSMachine) { m.OperatingSystem = v1alpha1.Flatcar }, want: func(d *testcloud.Detail) { d.Image = testcloud.FlatcarImage }},
		"of an image of its own":                                       {ask: func(m *v1alpha1.AWSMachine) { m.Image = testcloud.OwnImage }, want: func(d *testcloud.Detail) { d.Image = testcloud.OwnImage }},
		"of ARM, with an image of that":                                {size: "t4g.medium", ask: func(*v1alpha1.AWSMachine) {}, want: func(d *testcloud.Detail) { d.Image = testcloud.UbuntuARMImage }},
		"of two architectures, with an image":                          {size: "t2.medium", ask: func(*v1alpha1.AWSMachine) {}, want: func(*testcloud.Detail) {}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.size == "" {
				test.size = "t3.medium"
			}
			made++
			machine := fmt.Sprintf("m-%d", made)
			create(t, w, c, order(machine, block(test.size, test.ask)))
			if diff := cmp.Diff(plain(test.want), detail(t, w, machine), cmpopts.IgnoreUnexported(testcloud.Detail{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestThePlaceChoosesImages(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{})
	place := *c.Place.AWS
	place.Images = v1alpha1.Images{v1alpha1.Ubuntu: testcloud.OwnImage}
	c.Place.AWS = &place
	create(t, w, c, order("a", block("t3.medium")))
	if got := detail(t, w, "a").Image; got != testcloud.OwnImage {
		t.Errorf("the image is %s", got)
	}
}

func TestAZoneHasASubnetWhenAMachineIsThere(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{})
	inC := block("t3.medium", func(m *v1alpha1.AWSMachine) { m.Zone = "us-east-2c" })
	first := create(t, w, c, order("a", inC))
	if !strings.HasPrefix(first.ProviderID, "aws:///us-east-2c/i-") {
		t.Errorf("the machine is %s", first.ProviderID)
	}
	calls := w.Test.Total()
	create(t, w, c, order("b", inC))
	if n := w.Test.Total() - calls; n != 1 {
		t.Errorf("the second machine in a zone costs %d calls: %v", n, w.Test.Calls())
	}
	before := c.Network.Subnets
	ensure(t, w, &c)
	if len(c.Network.Subnets) != 2 || c.Network.Subnets[0] != before[0] {
		t.Errorf("the subnets are %v, were %v", c.Network.Subnets, before)
	}
	create(t, w, c, order("c", block("t3.medium")))
	if d := detail(t, w, "c"); d.Subnet != before[0] {
		t.Errorf("a machine without a zone is in %s", d.Subnet)
	}
	empty(t, w, c)
}

// empty deletes a cluster, and wants nothing to be left.
func empty(t *testing.T, w suite.World, c machine.Cluster) {
	t.Helper()
	remove(t, w, c)
	if left := w.Test.Left(); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

// remove deletes what a cluster has.
func remove(t *testing.T, w suite.World, c machine.Cluster) {
	t.Helper()
	for range 10 {
		instances, err := w.Cloud.List(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range instances {
			if err := w.Cloud.Delete(t.Context(), c, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left, err := w.Cloud.DeleteNetwork(t.Context(), c); err != nil || len(left) > 0 {
		t.Errorf("DeleteNetwork() = %v, %v", left, err)
	}
}

func TestWhatIsNotNamedIsMadeInANamedVPC(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{Network: testcloud.GivenVPC})
	if slices.Contains(c.Network.Subnets, testcloud.GivenSubnet) || len(c.Network.Subnets) != 1 {
		t.Errorf("the subnets are %v", c.Network.Subnets)
	}
	other := c
	other.UID = "77aa1c55-demo" // of the same name
	ensure(t, w, &other)
	create(t, w, other, order("b", block("t3.medium")))
	create(t, w, c, order("a", block("t3.medium")))
	if got := w.Test.Left(); len(got) != 8 { // for each: a subnet, a route table, a security group, an instance
		t.Errorf("there are %v", got)
	}
	remove(t, w, c)
	empty(t, w, other)
}

func TestWhatCannotBeNamed(t *testing.T) {
	w, _ := newWorld(t)
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
	other := c
	other.UID = "77aa1c55-other"
	ensure(t, w, &other)
	for name, named := range map[string]v1alpha1.CloudNetwork{
		"subnets of two VPCs":                {Subnets: []string{testcloud.GivenSubnet, other.Network.Subnets[0]}},
		"a subnet of another VPC":            {Network: testcloud.GivenVPC, Subnets: other.Network.Subnets},
		"a subnet that is not there":         {Subnets: []string{"subnet-00000000000000009"}},
		"a security group of another VPC":    {Network: testcloud.GivenVPC, SecurityGroups: other.Network.SecurityGroups},
		"a security group without a network": {SecurityGroups: []string{testcloud.GivenGroup}},
		"a security group that is not there": {Network: testcloud.GivenVPC, SecurityGroups: []string{"sg-00000000000000009"}},
		"an instance profile that is not":    {Role: "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			c.Named = named
			_, err := w.Cloud.EnsureNetwork(t.Context(), c)
			_ = suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
		})
	}
	remove(t, w, c)
	empty(t, w, other)
}

func TestWhatCannotBeMade(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{})
	for name, test := range map[string]struct {
		size   string
		change func(*v1alpha1.AWSMachine)
	}{
		"a size that its zone does not have":     {"t4g.medium", func(m *v1alpha1.AWSMachine) { m.Zone = "us-east-2b" }},
		"a zone of another region":               {"t3.medium", func(m *v1alpha1.AWSMachine) { m.Zone = "us-west-1a" }},
		"spare capacity for less than it costs":  {"t3.medium", func(m *v1alpha1.AWSMachine) { m.Spot = &v1alpha1.AWSSpot{MaxPrice: "0.001"} }},
		"an image of another architecture":       {"t4g.medium", func(m *v1alpha1.AWSMachine) { m.Image = testcloud.UbuntuImage }},
		"a Debian where there is none published": {"t4g.medium", func(m *v1alpha1.AWSMachine) { m.OperatingSystem = v1alpha1.Debian }},
		"a Flatcar where there is none":          {"t4g.medium", func(m *v1alpha1.AWSMachine) { m.OperatingSystem = v1alpha1.Flatcar }},
		"a disk that is smaller than the image":  {"t3.medium", func(m *v1alpha1.AWSMachine) { m.DiskGiB = 4 }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Cloud.Create(t.Context(), c, order("a", block(test.size, test.change)))
			_ = suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
		})
	}
	if got := w.Test.Machines(); len(got) > 0 {
		t.Errorf("there are instances %v", got)
	}
}

func TestLargeUserDataIsPacked(t *testing.T) {
	w, _, c := connected(t, v1alpha1.CloudNetwork{})
	m := order("a", block("t3.medium"))
	m.UserData = []byte("#cloud-config\n# " + strings.Repeat("many keys ", 4000))
	create(t, w, c, m)
	if got := w.Test.Machines()[0].UserData; string(got) != string(m.UserData) {
		t.Errorf("the instance has %d bytes of user data, want %d", len(got), len(m.UserData))
	}
	noise := make([]byte, 20000)
	_, _ = rand.Read(noise) // never fails
	m = order("b", block("t3.medium"))
	m.UserData = []byte("#cloud-config\n# " + hex.EncodeToString(noise))
	_, err := w.Cloud.Create(t.Context(), c, m)
	_ = suite.WantReason(t, err, v1alpha1.ReasonConfiguration)
}

func TestAnInstanceThatWasMadeBefore(t *testing.T) {
	w, account, c := connected(t, v1alpha1.CloudNetwork{})
	m := order("a", block("t3.medium"))
	made := create(t, w, c, m)
	m.UserData = []byte("#cloud-config\n# with another token")
	if again := create(t, w, c, m); again.ID != made.ID {
		t.Errorf("with other user data it is %s, was %s", again.ID, made.ID)
	}
	m = order("b", block("t3.medium"))
	made = create(t, w, c, m)
	if err := account.Ended(made.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := w.Test.Vanish(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	again := create(t, w, c, m)
	if again.ID != made.ID || !again.Failed || !strings.Contains(again.Message, "terminated") {
		t.Errorf("an instance that has ended since: %+v", again)
	}
}

func TestWhatSomebodyElsePutIntoTheNetworkIsTold(t *testing.T) {
	w, account, c := connected(t, v1alpha1.CloudNetwork{})
	account.Balance(c.Network.Subnets[0])
	_, err := w.Cloud.DeleteNetwork(t.Context(), c)
	if refused := suite.WantReason(t, err, v1alpha1.ReasonDependencies); refused != nil && !strings.Contains(refused.Message, "ELB net/shop") {
		t.Errorf("it says %s", refused.Message)
	}
	account.Unbalance()
	empty(t, w, c)
}

func TestAnAssumedRole(t *testing.T) {
	w, _ := newWorld(t)
	credentials := keys(testcloud.AccessKeyID, testcloud.SecretAccessKey)
	credentials[aws.KeyRoleARN] = []byte(testcloud.RoleARN)
	account := w.Account
	account.Credentials = credentials
	_ = suite.WantReason(t, w.Cloud.Verify(t.Context(), account), v1alpha1.ReasonUnauthorized)
	credentials[aws.KeyExternalID] = []byte(testcloud.ExternalID)
	if err := w.Cloud.Verify(t.Context(), account); err != nil {
		t.Errorf("Verify() = %v", err)
	}
	if n := w.Test.Calls()["sts:AssumeRole"]; n != 2 {
		t.Errorf("the role was assumed %d times", n)
	}
}

func TestAKeyThatIsRevokedWhileInUse(t *testing.T) {
	w, account, c := connected(t, v1alpha1.CloudNetwork{})
	create(t, w, c, order("a", block("t3.medium")))
	account.Revoke()
	_, err := w.Cloud.List(t.Context(), c)
	_ = suite.WantReason(t, err, v1alpha1.ReasonUnauthenticated)
	_, err = w.Cloud.Create(t.Context(), c, order("b", block("t3.medium")))
	_ = suite.WantReason(t, err, v1alpha1.ReasonUnauthenticated)
}

func TestMessagesStayTheSame(t *testing.T) {
	w, account := newWorld(t)
	account.Deny("ec2:CreateVpc")
	c := machine.Cluster{Account: w.Account, Name: "demo", UID: "0b3a8f6e-demo"}
	_, err := w.Cloud.EnsureNetwork(t.Context(), c)
	refused := suite.WantReason(t, err, v1alpha1.ReasonUnauthorized)
	const want = "ec2:CreateVpc for cluster demo: You are not authorized to perform this operation (UnauthorizedOperation): " +
		"give its user or role the policy of docs/how-to/clouds/aws.md"
	if refused != nil && refused.Message != want {
		t.Errorf("it says %q, want %q", refused.Message, want)
	}
	err = w.Cloud.Verify(t.Context(), w.Account)
	if refused := suite.WantReason(t, err, v1alpha1.ReasonUnauthorized); refused != nil && !strings.Contains(refused.Message, testcloud.UserARN+" may not do ec2:CreateVpc in us-east-2") {
		t.Errorf("it says %q", refused.Message)
	}
}

// TestThePolicyAllowsWhatIsDoneAndNothingElse compares the documentation with what the test cloud can do, which is what this
// package and AWS's cloud controller manager do.
func TestThePolicyAllowsWhatIsDoneAndNothingElse(t *testing.T) {
	page, err := os.ReadFile("../../../docs/how-to/clouds/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	text, _, _ := strings.Cut(rest, "```")
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, s := range policy.Statement {
		allowed = append(allowed, s.Action...)
	}
	slices.Sort(allowed)
	allowed = slices.Compact(allowed) // some are, of what carries one tag or another
	// Tags are part of what is made. The others need no right, or that of the cluster that names a profile.
	done := append(testcloud.Operations(), "ec2:CreateTags", "elasticloadbalancing:AddTags")
	done = slices.DeleteFunc(done, func(action string) bool {
		return strings.HasPrefix(action, "sts:") || strings.HasPrefix(action, "iam:")
	})
	slices.Sort(done)
	if diff := cmp.Diff(done, allowed); diff != "" {
		t.Errorf("the policy (-done +allowed):\n%s", diff)
	}
}
