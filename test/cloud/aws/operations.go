// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"slices"

	"canopy.dev/canopy/test/cloud/core"
)

// operations are all that there are, by their actions, with the parameters that a call must have: those of the models, which
// tests compare with AWS's SDK, and those of which only the API references tell.
var operations = map[string]struct {
	do       operation
	required []string
}{
	"ec2:CreateVpc":                     {createVPC, []string{"CidrBlock"}},
	"ec2:CreateSubnet":                  {createSubnet, []string{"VpcId", "CidrBlock"}},
	"ec2:CreateInternetGateway":         {createGateway, nil},
	"ec2:AttachInternetGateway":         {attach, []string{"InternetGatewayId", "VpcId"}},
	"ec2:CreateRouteTable":              {createTable, []string{"VpcId"}},
	"ec2:CreateRoute":                   {createRoute, []string{"RouteTableId", "DestinationCidrBlock", "GatewayId"}},
	"ec2:AssociateRouteTable":           {associate, []string{"RouteTableId", "SubnetId"}},
	"ec2:CreateSecurityGroup":           {createGroup, []string{"GroupName", "GroupDescription", "VpcId"}},
	"ec2:AuthorizeSecurityGroupIngress": {authorize, []string{"GroupId", "IpPermissions"}},
	"ec2:RevokeSecurityGroupIngress":    {revoke, []string{"GroupId", "IpPermissions"}},
	"ec2:RunInstances":                  {runInstances, []string{"ImageId", "InstanceType", "MinCount", "MaxCount"}},
	"ec2:TerminateInstances":            {terminateInstances, []string{"InstanceId"}},
	"ec2:DeleteSecurityGroup":           {deleteGroup, []string{"GroupId"}},
	"ec2:DeleteSubnet":                  {deleteSubnet, []string{"SubnetId"}},
	"ec2:DeleteRouteTable":              {deleteTable, []string{"RouteTableId"}},
	"ec2:DetachInternetGateway":         {detach, []string{"InternetGatewayId", "VpcId"}},
	"ec2:DeleteInternetGateway":         {deleteGateway, []string{"InternetGatewayId"}},
	"ec2:DeleteVpc":                     {deleteVPC, []string{"VpcId"}},

	"ec2:DescribeVpcs": {do: describe("vpcSet", "VpcId", "VpcID", of(func(c *Cloud) *core.Table[*vpc] { return c.vpcs }))},
	"ec2:DescribeSubnets": {do: describe("subnetSet", "SubnetId", "SubnetID",
		of(func(c *Cloud) *core.Table[*subnet] { return c.subnets }))},
	"ec2:DescribeInternetGateways": {do: describe("internetGatewaySet", "InternetGatewayId", "InternetGatewayID",
		of(func(c *Cloud) *core.Table[*gateway] { return c.gateways }))},
	"ec2:DescribeRouteTables": {do: describe("routeTableSet", "RouteTableId", "RouteTableID",
		of(func(c *Cloud) *core.Table[*routeTable] { return c.tables }))},
	"ec2:DescribeSecurityGroups": {do: describe("securityGroupInfo", "GroupId", "Group",
		of(func(c *Cloud) *core.Table[*group] { return c.groups }))},
	"ec2:DescribeNetworkInterfaces": {do: describe("networkInterfaceSet", "NetworkInterfaceId", "NetworkInterfaceID",
		of(func(c *Cloud) *core.Table[*networkInterface] { return c.interfaces }))},
	"ec2:DescribeInstances": {do: describeInstances},
	"ec2:DescribeRegions":   {do: describeRegions},
	"ec2:DescribeAvailabilityZones": {do: describe("availabilityZoneInfo", "ZoneName", "Zone",
		func(_ *Cloud, r *call) []*zone { return zonesIn(r.region) })},
	"ec2:DescribeInstanceTypes": {do: describe("instanceTypeSet", "InstanceType", "InstanceType",
		func(*Cloud, *call) []*instanceType { return instanceTypes })},
	"ec2:DescribeImages": {do: describe("imagesSet", "ImageId", "AMIID", imagesOf)},

	"elasticloadbalancing:CreateLoadBalancer":                  {createBalancer, []string{"LoadBalancerName", "Listeners"}},
	"elasticloadbalancing:DescribeLoadBalancers":               {do: describeBalancers},
	"elasticloadbalancing:DeleteLoadBalancer":                  {deleteBalancer, []string{"LoadBalancerName"}},
	"elasticloadbalancing:ConfigureHealthCheck":                {configureHealthCheck, []string{"LoadBalancerName", "HealthCheck"}},
	"elasticloadbalancing:DescribeLoadBalancerAttributes":      {describeBalancerAttributes, []string{"LoadBalancerName"}},
	"elasticloadbalancing:ModifyLoadBalancerAttributes":        {modifyBalancerAttributes, []string{"LoadBalancerName", "LoadBalancerAttributes"}},
	"elasticloadbalancing:RegisterInstancesWithLoadBalancer":   {registerInstances, []string{"LoadBalancerName", "Instances"}},
	"elasticloadbalancing:DeregisterInstancesFromLoadBalancer": {deregisterInstances, []string{"LoadBalancerName", "Instances"}},
	"elasticloadbalancing:CreateLoadBalancerListeners":         {createListeners, []string{"LoadBalancerName", "Listeners"}},
	"elasticloadbalancing:DeleteLoadBalancerListeners":         {deleteListeners, []string{"LoadBalancerName", "LoadBalancerPorts"}},
	"elasticloadbalancing:AttachLoadBalancerToSubnets":         {attachSubnets, []string{"LoadBalancerName", "Subnets"}},
	"elasticloadbalancing:DetachLoadBalancerFromSubnets":       {detachSubnets, []string{"LoadBalancerName", "Subnets"}},

	"iam:GetInstanceProfile": {getInstanceProfile, []string{"InstanceProfileName"}},
	"sts:GetCallerIdentity":  {do: getCallerIdentity},
	"sts:AssumeRole":         {assumeRole, []string{"RoleArn", "RoleSessionName"}},
	"ssm:GetParameter":       {getParameter, []string{"Name"}},
}

// Operations returns the actions of all operations, sorted.
func Operations() []string {
	var all []string
	for action := range operations {
		all = append(all, action)
	}
	slices.Sort(all)
	return all
}

// Required returns the parameters that a call must have.
func Required(action string) []string { return operations[action].required }
