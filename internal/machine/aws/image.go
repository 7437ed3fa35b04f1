// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// parameters are where the makers of an operating system publish its newest image, for an architecture in Go's words.
var parameters = map[v1alpha1.OperatingSystem]string{
	v1alpha1.Ubuntu: "/aws/service/canonical/ubuntu/server/24.04/stable/current/%s/hvm/ebs-gp3/ami-id",
	v1alpha1.Debian: "/aws/service/debian/release/13/latest/%s",
}

// Flatcar publishes no parameters: its images are those of an account, by name.
const (
	flatcarOwner = "075585003325"
	flatcarNames = "Flatcar-stable-*"
)

// architectures are AWS's names of them, by Go's.
var architectures = map[types.ArchitectureType]string{types.ArchitectureTypeX8664: "amd64", types.ArchitectureTypeArm64: "arm64"}

// image is what has to be known of one to run it.
type image struct {
	id, rootDevice string
}

// image returns the image of a machine: its own, the place's, or the newest of its operating system.
func (a *account) image(ctx context.Context, images v1alpha1.Images, want *v1alpha1.AWSMachine) (image, error) {
	system, id := want.Chosen(images)
	if id != "" {
		return a.imageOf(ctx, "image "+id, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	}
	architecture, err := a.architecture(ctx, want.InstanceType)
	if err != nil {
		return image{}, err
	}
	if system == v1alpha1.Flatcar {
		return a.imageOf(ctx, "newest image of Flatcar for "+string(architecture), &ec2.DescribeImagesInput{
			Owners:  []string{flatcarOwner},
			Filters: []types.Filter{filter("name", flatcarNames), filter("architecture", string(architecture)), filter("state", "available")},
		})
	}
	parameter, ok := parameters[system]
	if !ok {
		return image{}, configuration("there is no image of %q known for AWS: name one", system)
	}
	parameter = fmt.Sprintf(parameter, architectures[architecture])
	id, err = machine.Lookup(a.known, parameter, func() (string, error) {
		out, err := a.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
		if err != nil {
			return "", refuse("ssm:GetParameter "+parameter, err)
		}
		return *out.Parameter.Value, nil
	})
	if err != nil {
		return image{}, err
	}
	return a.imageOf(ctx, "image "+id, &ec2.DescribeImagesInput{ImageIds: []string{id}})
}

// imageOf returns the newest image that is asked for.
func (a *account) imageOf(ctx context.Context, what string, in *ec2.DescribeImagesInput) (image, error) {
	return machine.Lookup(a.known, what, func() (image, error) {
		found, err := every(ctx, "ec2:DescribeImages, "+what, ec2.NewDescribeImagesPaginator(a.ec2, in),
			func(o *ec2.DescribeImagesOutput) []types.Image { return o.Images })
		if err != nil {
			return image{}, err
		}
		if len(found) == 0 {
			return image{}, configuration("there is no %s in %s: name another one in the pool or the Datacenter", what, a.region)
		}
		newest := slices.MaxFunc(found, func(a, b types.Image) int { return strings.Compare(text(a.CreationDate), text(b.CreationDate)) })
		return image{id: *newest.ImageId, rootDevice: text(newest.RootDeviceName)}, nil
	})
}

// architecture returns that of an instance type.
func (a *account) architecture(ctx context.Context, instanceType string) (types.ArchitectureType, error) {
	return machine.Lookup(a.known, "instance type "+instanceType, func() (types.ArchitectureType, error) {
		out, err := a.ec2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{types.InstanceType(instanceType)}})
		if err != nil {
			return "", refuse("ec2:DescribeInstanceTypes "+instanceType, err)
		}
		for _, t := range out.InstanceTypes {
			if architecture, ok := architectureOf(t); ok {
				return architecture, nil
			}
		}
		return "", configuration("the instance type %s has no architecture for which there are images", instanceType)
	})
}

func architectureOf(t types.InstanceTypeInfo) (types.ArchitectureType, bool) {
	if t.ProcessorInfo == nil {
		return "", false
	}
	for _, architecture := range t.ProcessorInfo.SupportedArchitectures {
		if _, ok := architectures[architecture]; ok {
			return architecture, true
		}
	}
	return "", false
}
