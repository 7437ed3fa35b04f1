// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	apitypes "k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"canopy.dev/canopy/internal/machine"
)

// maxUserData is how many bytes of user data EC2 takes, before base64.
const maxUserData = 16 << 10

// repeated is how old an instance is that cannot just have been made.
const repeated = time.Minute

// Create runs an instance. The machine's UID is the token by which EC2 knows a request that it has had before.
func (c *Cloud) Create(ctx context.Context, cluster machine.Cluster, m machine.Machine) (machine.Instance, error) {
	a, err := c.account(cluster.Account)
	if err != nil {
		return machine.Instance{}, err
	}
	if m.Provider.AWS == nil {
		return machine.Instance{}, configuration("the pool %s has no machines of AWS", m.Pool)
	}
	img, err := a.image(ctx, cluster.Place.AWS.Images, m.Provider.AWS)
	if err != nil {
		return machine.Instance{}, err
	}
	subnet, err := a.subnet(ctx, cluster, m.Provider.AWS.Zone)
	if err != nil {
		return machine.Instance{}, err
	}
	in, err := order(cluster, m, img, subnet)
	if err != nil {
		return machine.Instance{}, err
	}
	call := "ec2:RunInstances for machine " + m.Name
	out, err := a.ec2.RunInstances(ctx, in)
	if is(err, "IdempotentParameterMismatch") { // made before, of another image or with another token to join by
		return a.made(ctx, cluster, m)
	}
	if err != nil {
		return machine.Instance{}, refuse(call, err)
	}
	if len(out.Instances) != 1 {
		return machine.Instance{}, fmt.Errorf("%s: EC2 answers with %d instances", call, len(out.Instances))
	}
	made := instanceOf(out.Instances[0])
	if time.Since(made.Created) < repeated {
		return made, nil
	}
	// EC2 says again what it said then. If the instance has ended since, only a new machine gets a new one.
	now, err := a.describe(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{made.ID}})
	if err != nil || len(now) == 0 {
		return made, err
	}
	return instanceOf(now[0]), nil
}

// made returns the instance that was made for the machine.
func (a *account) made(ctx context.Context, cluster machine.Cluster, m machine.Machine) (machine.Instance, error) {
	found, err := a.describe(ctx, &ec2.DescribeInstancesInput{Filters: append(owned(cluster), filter("tag:"+machine.TagMachine, string(m.UID)))})
	if err != nil {
		return machine.Instance{}, err
	}
	if len(found) == 0 {
		return machine.Instance{}, fmt.Errorf("the instance of machine %s was made and does not show yet", m.Name)
	}
	return instanceOf(found[0]), nil
}

// List returns the instances with the cluster's tag. What EC2 has let go of is terminated, and shows for an hour more.
func (c *Cloud) List(ctx context.Context, cluster machine.Cluster) ([]machine.Instance, error) {
	a, err := c.account(cluster.Account)
	if err != nil {
		return nil, err
	}
	found, err := a.describe(ctx, &ec2.DescribeInstancesInput{
		Filters: append(owned(cluster), filter("instance-state-name", "pending", "running", "shutting-down", "stopping", "stopped")),
	})
	if err != nil {
		return nil, err
	}
	instances := make([]machine.Instance, 0, len(found))
	for _, i := range found {
		instances = append(instances, instanceOf(i))
	}
	return instances, nil
}

// Delete terminates an instance. Its volume, its network interface and their addresses go with it.
func (c *Cloud) Delete(ctx context.Context, cluster machine.Cluster, instance machine.Instance) error {
	a, err := c.account(cluster.Account)
	if err != nil {
		return err
	}
	_, err = a.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{instance.ID}})
	if is(err, "InvalidInstanceID.NotFound") {
		return nil
	}
	return refuse("ec2:TerminateInstances "+instance.ID, err)
}

func (a *account) describe(ctx context.Context, in *ec2.DescribeInstancesInput) ([]types.Instance, error) {
	return every(ctx, "ec2:DescribeInstances", ec2.NewDescribeInstancesPaginator(a.ec2, in),
		func(o *ec2.DescribeInstancesOutput) []types.Instance {
			var all []types.Instance
			for _, r := range o.Reservations {
				all = append(all, r.Instances...)
			}
			return all
		})
}

// order returns what to ask EC2 for. It is the same each time for the same machine and image, as its token wants it.
func order(cluster machine.Cluster, m machine.Machine, img image, subnet string) (*ec2.RunInstancesInput, error) {
	userData, err := compact(m.UserData)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	want := m.Provider.AWS
	tags := append(tagsOf(cluster, m.Name), tag(machine.TagMachine, string(m.UID)))
	in := &ec2.RunInstancesInput{
		ClientToken: new(string(m.UID)), MinCount: new(int32(1)), MaxCount: new(int32(1)),
		ImageId: &img.id, InstanceType: types.InstanceType(want.InstanceType),
		UserData: new(base64.StdEncoding.EncodeToString(userData)),
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: new(int32(0)), SubnetId: &subnet, Groups: cluster.Network.SecurityGroups,
			AssociatePublicIpAddress: new(want.PublicIP == nil || *want.PublicIP), DeleteOnTermination: new(true),
		}},
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: &img.rootDevice, Ebs: &types.EbsBlockDevice{
			VolumeSize: &want.DiskGiB, VolumeType: types.VolumeType(want.DiskType), DeleteOnTermination: new(true),
		}}},
		// Session tokens, and no hop to a pod: what runs on a machine does not get at its role or its user data.
		MetadataOptions: &types.InstanceMetadataOptionsRequest{
			HttpEndpoint: types.InstanceMetadataEndpointStateEnabled, HttpTokens: types.HttpTokensStateRequired, HttpPutResponseHopLimit: new(int32(1)),
		},
	}
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface} {
		in.TagSpecifications = append(in.TagSpecifications, tagged(kind, tags)...)
	}
	if want.DiskGiB == 0 {
		in.BlockDeviceMappings[0].Ebs.VolumeSize = nil // the image's
	}
	if strings.HasPrefix(want.DiskType, "io") {
		in.BlockDeviceMappings[0].Ebs.Iops = new(min(50*max(want.DiskGiB, 10), 16000)) // EC2 wants to be told
	}
	if spot := want.Spot; spot != nil {
		in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: types.MarketTypeSpot, SpotOptions: &types.SpotMarketOptions{
			SpotInstanceType: types.SpotInstanceTypeOneTime, InstanceInterruptionBehavior: types.InstanceInterruptionBehaviorTerminate,
		}}
		if spot.MaxPrice != "" {
			in.InstanceMarketOptions.SpotOptions.MaxPrice = &spot.MaxPrice
		}
	}
	if role := cluster.Network.Role; strings.HasPrefix(role, "arn:") {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Arn: &role}
	} else if role != "" {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &role}
	}
	return in, nil
}

// compact returns user data as EC2 takes it: a cloud-config that is too large is packed, which cloud-init undoes.
func compact(userData []byte) ([]byte, error) {
	if len(userData) <= maxUserData {
		return userData, nil
	}
	if bytes.HasPrefix(userData, []byte("#cloud-config")) {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(userData); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		userData = packed.Bytes()
	}
	if len(userData) > maxUserData {
		return nil, configuration("its user data has %d bytes and EC2 takes %d: use fewer SSH keys, mirrors or certificates", len(userData), maxUserData)
	}
	return userData, nil
}

// subnet returns the subnet for a machine in a zone. One in a zone that has none yet is made, unless the cluster names its
// subnets.
func (a *account) subnet(ctx context.Context, cluster machine.Cluster, zone string) (string, error) {
	if zone == "" && len(cluster.Network.Subnets) > 0 {
		return cluster.Network.Subnets[0], nil
	}
	return machine.Lookup(a.known, fmt.Sprintf("subnet of %s in %s", cluster.UID, zone), func() (string, error) {
		n, err := a.network(ctx, cluster, zone)
		if err != nil {
			return "", err
		}
		for _, s := range n.subnets {
			if zone == "" || *s.AvailabilityZone == zone {
				return *s.SubnetId, nil
			}
		}
		return "", configuration("none of the subnets that the cluster names is in %s: %s", zone, strings.Join(cluster.Named.Subnets, ", "))
	})
}

// instanceOf says what EC2 says.
func instanceOf(i types.Instance) machine.Instance {
	is := machine.Instance{ID: *i.InstanceId, MachineUID: apitypes.UID(valueOf(i.Tags, machine.TagMachine))}
	if i.LaunchTime != nil {
		is.Created = *i.LaunchTime
	}
	if i.Placement != nil {
		is.ProviderID = providerID(text(i.Placement.AvailabilityZone), is.ID)
	}
	for _, address := range []struct {
		kind  clusterv1.MachineAddressType
		value string
	}{
		{clusterv1.MachineHostName, valueOf(i.Tags, "Name")},
		{clusterv1.MachineInternalIP, text(i.PrivateIpAddress)},
		{clusterv1.MachineInternalDNS, text(i.PrivateDnsName)},
		{clusterv1.MachineExternalIP, text(i.PublicIpAddress)},
		{clusterv1.MachineExternalDNS, text(i.PublicDnsName)},
	} {
		if address.value != "" {
			is.Addresses = append(is.Addresses, clusterv1.MachineAddress{Type: address.kind, Address: address.value})
		}
	}
	state := types.InstanceStateNamePending
	if i.State != nil {
		state = i.State.Name
	}
	why := ""
	if i.StateReason != nil && text(i.StateReason.Message) != "" {
		why = ": " + *i.StateReason.Message
	}
	switch state {
	case types.InstanceStateNameRunning:
		is.Running = true
	case types.InstanceStateNameShuttingDown:
		is.Deleting, is.Reason, is.Message = true, "Deleting", fmt.Sprintf("instance %s is shutting down%s", is.ID, why)
	case types.InstanceStateNameTerminated:
		is.Failed, is.Reason, is.Message = true, "Terminated", fmt.Sprintf("instance %s was terminated%s", is.ID, why)
	case types.InstanceStateNameStopping, types.InstanceStateNameStopped:
		is.Reason, is.Message = "Stopped", fmt.Sprintf("instance %s was stopped%s: start it, or delete the machine", is.ID, why)
	default:
		is.Reason, is.Message = "Starting", fmt.Sprintf("instance %s is being started", is.ID)
	}
	return is
}
