// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/smithy-go"

	testcloud "canopy.dev/canopy/test/cloud/aws"
)

func TestLoadBalancers(t *testing.T) {
	server := httptest.NewServer(testcloud.New())
	t.Cleanup(server.Close)
	config := aws.Config{
		Region: testcloud.GivenHome, BaseEndpoint: &server.URL, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(testcloud.AccessKeyID, testcloud.SecretAccessKey, ""),
	}
	balancing, computing := elb.NewFromConfig(config), ec2.NewFromConfig(config)
	group, err := computing.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: new("web"), Description: new("web"), VpcId: new(testcloud.GivenVPC)})
	if err != nil {
		t.Fatal(err)
	}
	input := func(change ...func(*elb.CreateLoadBalancerInput)) *elb.CreateLoadBalancerInput {
		made := &elb.CreateLoadBalancerInput{
			LoadBalancerName: new("web"), Subnets: []string{testcloud.GivenSubnet, testcloud.GivenOther}, SecurityGroups: []string{*group.GroupId},
			Listeners: []types.Listener{{Protocol: new("tcp"), LoadBalancerPort: 80, InstancePort: new(int32(30080))}},
		}
		for _, c := range change {
			c(made)
		}
		return made
	}
	made, err := balancing.CreateLoadBalancer(t.Context(), input())
	if err != nil || !strings.HasSuffix(*made.DNSName, ".us-east-2.elb.amazonaws.com") {
		t.Fatalf("%v: %v", made, err)
	}
	for want, change := range map[string]func(*elb.CreateLoadBalancerInput){
		"DuplicateLoadBalancerName": func(*elb.CreateLoadBalancerInput) {},
		"ValidationError":           func(i *elb.CreateLoadBalancerInput) { i.LoadBalancerName = new(strings.Repeat("a", 33)) },
		"SubnetNotFound":            func(i *elb.CreateLoadBalancerInput) { i.LoadBalancerName, i.Subnets = new("b"), []string{"subnet-9"} },
		"InvalidSecurityGroup": func(i *elb.CreateLoadBalancerInput) {
			i.LoadBalancerName, i.SecurityGroups = new("b"), []string{"sg-9"}
		},
		"InvalidConfigurationRequest": func(i *elb.CreateLoadBalancerInput) {
			i.LoadBalancerName, i.Subnets = new("b"), append(i.Subnets, i.Subnets[0])
		},
	} {
		_, err := balancing.CreateLoadBalancer(t.Context(), input(change))
		wantCode(t, err, want)
	}
	_, err = balancing.RegisterInstancesWithLoadBalancer(t.Context(), &elb.RegisterInstancesWithLoadBalancerInput{
		LoadBalancerName: new("web"), Instances: []types.Instance{{InstanceId: new("i-9")}},
	})
	wantCode(t, err, "InvalidInstance")
	_, err = balancing.ConfigureHealthCheck(t.Context(), &elb.ConfigureHealthCheckInput{LoadBalancerName: new("web"), HealthCheck: &types.HealthCheck{
		Target: new("TCP:30080"), Interval: new(int32(5)), Timeout: new(int32(5)), HealthyThreshold: new(int32(2)), UnhealthyThreshold: new(int32(6)),
	}})
	wantCode(t, err, "ValidationError")
	found, err := balancing.DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{LoadBalancerNames: []string{"web"}})
	if err != nil || len(found.LoadBalancerDescriptions) != 1 || *found.LoadBalancerDescriptions[0].HealthCheck.Target != "TCP:30080" || *found.LoadBalancerDescriptions[0].VPCId != testcloud.GivenVPC {
		t.Errorf("it is shown as %+v: %v", found, err)
	}

	for range 2 { // that there is none is no error
		if _, err := balancing.DeleteLoadBalancer(t.Context(), &elb.DeleteLoadBalancerInput{LoadBalancerName: new("web")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = balancing.DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{LoadBalancerNames: []string{"web"}})
	wantCode(t, err, "LoadBalancerNotFound")
	ungroup := func() error {
		_, err := computing.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId})
		return err
	}
	wantCode(t, ungroup(), "DependencyViolation") // its network interfaces go later
	for err = ungroup(); err != nil; err = ungroup() {
		wantCode(t, err, "DependencyViolation")
	}
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
