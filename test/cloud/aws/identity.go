// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"net/http"
	"time"

	"canopy.dev/canopy/test/cloud/core"
)

// Profile is an instance profile that somebody else made.
const Profile = "nodes"

// Network is what somebody else made in us-east-2: a VPC with a gateway, two subnets and a security group.
const (
	GivenVPC    = "vpc-0ffffffffffffff01"
	GivenSubnet = "subnet-0ffffffffffff01"
	// GivenOther is in the zone b; the other one is in a.
	GivenOther = "subnet-0ffffffffffff02"
	GivenGroup = "sg-0fffffffffffffff01"
	GivenHome  = "us-east-2"
)

// give makes what somebody else made.
func (c *Cloud) give() {
	home := func(id string) about { return about{id: id, region: GivenHome} }
	c.vpcs.Give(GivenVPC, c.makeVPC(GivenHome, GivenVPC, "172.31.0.0/16", tagSet{[]tagItem{{"Name", "shared"}}}))
	c.subnets.Give(GivenSubnet, &subnet{about: home(GivenSubnet), ID: GivenSubnet, VPC: GivenVPC, Block: "172.31.0.0/20", Zone: GivenHome + "a"})
	c.subnets.Give(GivenOther, &subnet{about: home(GivenOther), ID: GivenOther, VPC: GivenVPC, Block: "172.31.16.0/20", Zone: GivenHome + "b"})
	c.groups.Give(GivenGroup, &group{about: home(GivenGroup), ID: GivenGroup, Name: "nodes", VPC: GivenVPC})
	c.gateways.Give("igw-0fffffffffffff01", &gateway{
		about: home("igw-0fffffffffffff01"), ID: "igw-0fffffffffffff01", Attachments: []attachment{{GivenVPC, "available"}},
	})
}

// Balance puts a load balancer, which somebody else made, into a subnet. Unbalance takes all of them away.
func (c *Cloud) Balance(subnetID string) {
	c.Do(func() {
		id := c.id("eni")
		s, ok := c.subnets.Get(subnetID)
		if !ok {
			return
		}
		c.interfaces.Give(id, &networkInterface{about: about{id: id, region: s.region}, ID: id, VPC: s.VPC, Subnet: s.id, Description: "ELB net/shop/50dc6c495c0c9188"})
	})
}

// Unbalance takes the load balancers away.
func (c *Cloud) Unbalance() {
	c.Do(func() {
		for _, i := range c.interfaces.All() {
			c.interfaces.Remove(i.id)
		}
	})
}

// Deny takes the right to do something away.
func (c *Cloud) Deny(action string) {
	c.Inject(core.Fault{Operation: action, Kind: core.Unauthorized, Times: core.Always})
}

func getInstanceProfile(_ *Cloud, r *call) (any, error) {
	name := r.params.get("InstanceProfileName")
	if name != Profile {
		return nil, &failure{http.StatusNotFound, "NoSuchEntity", "Instance Profile " + name + " cannot be found."}
	}
	type profile struct {
		Path       string
		Name       string `xml:"InstanceProfileName"`
		ID         string `xml:"InstanceProfileId"`
		ARN        string `xml:"Arn"`
		CreateDate string
		Roles      struct{}
	}
	return struct {
		Profile profile `xml:"InstanceProfile"`
	}{profile{Path: "/", Name: name, ID: "AIPAOFTHETESTCLOUD00", ARN: "arn:aws:iam::" + accountID + ":instance-profile/" + name, CreateDate: "2026-01-01T00:00:00Z"}}, nil
}

func getCallerIdentity(c *Cloud, r *call) (any, error) {
	id, _, _ := scopeOf(r.Request)
	return struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string
	}{c.keys[id].arn, "AIDAOFTHETESTCLOUD00", accountID}, nil
}

func assumeRole(c *Cloud, r *call) (any, error) {
	id, _, _ := scopeOf(r.Request)
	if r.params.get("RoleArn") != RoleARN || r.params.get("ExternalId") != ExternalID {
		return nil, &failure{http.StatusForbidden, "AccessDenied", "User: " + c.keys[id].arn + " is not authorized to perform: sts:AssumeRole on resource: " + r.params.get("RoleArn")}
	}
	temporary := key{
		secret: "temporary/secret/of/the/test/cloud", token: "session-token-of-the-test-cloud",
		arn: "arn:aws:sts::210987654321:assumed-role/canopy/" + r.params.get("RoleSessionName"),
	}
	const temporaryID = "ASIAOFTHETESTCLOUD00"
	c.keys[temporaryID] = temporary
	type credentials struct {
		AccessKeyID string `xml:"AccessKeyId"`
		Secret      string `xml:"SecretAccessKey"`
		Token       string `xml:"SessionToken"`
		Expiration  string
	}
	return struct{ Credentials credentials }{credentials{
		temporaryID, temporary.secret, temporary.token, time.Now().UTC().Add(time.Hour).Format(time.RFC3339),
	}}, nil
}

func getParameter(_ *Cloud, r *call) (any, error) {
	name := r.params.get("Name")
	value, ok := parameters[name]
	if !ok {
		return nil, core.Refuse(core.NotFound, "%s", name)
	}
	return map[string]any{"Parameter": map[string]any{"Name": name, "Type": "String", "Value": value, "Version": 1, "DataType": "aws:ec2:image"}}, nil
}
