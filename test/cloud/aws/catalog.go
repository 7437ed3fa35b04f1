// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"slices"
	"strconv"
)

// regions are those that the account is opted in to.
var regions = []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-central-1", "eu-west-1"}

// regionOf returns the region of a zone.
func regionOf(zone string) string { return zone[:len(zone)-1] }

func zonesOf(region string) []string { return []string{region + "a", region + "b", region + "c"} }

// zone is an availability zone, or a local one.
type zone struct {
	about

	Name   string `xml:"zoneName"`
	ID     string `xml:"zoneId"`
	Type   string `xml:"zoneType"`
	State  string `xml:"zoneState"`
	Region string `xml:"regionName"`
}

func (z *zone) attribute(filter string) ([]string, bool) {
	switch filter {
	case "zone-type":
		return []string{z.Type}, true
	case "state":
		return []string{z.State}, true
	}
	return nil, false
}

// zonesIn returns the zones of a region, in no order, and one that is no availability zone.
func zonesIn(region string) []*zone {
	of := func(name, kind, state string) *zone {
		return &zone{about: about{id: name}, Name: name, ID: name + "-id", Type: kind, State: state, Region: region}
	}
	zones := []*zone{of(region+"-aaa-1a", "local-zone", "available")}
	for _, name := range zonesOf(region) {
		zones = append(zones, of(name, "availability-zone", "available"))
	}
	slices.Reverse(zones)
	return zones
}

func describeRegions(*Cloud, *call) (any, error) {
	type region struct {
		Name     string `xml:"regionName"`
		Endpoint string `xml:"regionEndpoint"`
		OptIn    string `xml:"optInStatus"`
	}
	var all []region
	for _, name := range regions {
		all = append(all, region{name, "ec2." + name + ".amazonaws.com", "opt-in-not-required"})
	}
	return list[region]{set: "regionInfo", items: all}, nil
}

// instanceType is what an instance can be, in all regions.
type instanceType struct {
	about

	ID            string   `xml:"instanceType"`
	Current       bool     `xml:"currentGeneration"`
	Bare          bool     `xml:"bareMetal"`
	Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
	CPUs          int      `xml:"vCpuInfo>defaultVCpus"`
	MiB           int      `xml:"memoryInfo>sizeInMiB"`
	GPUs          []gpu    `xml:"gpuInfo>gpus>item"`
	// notIn are the last letters of the zones in which there is none of it.
	notIn []string
}

type gpu struct {
	Name         string `xml:"name"`
	Manufacturer string `xml:"manufacturer"`
	Count        int    `xml:"count"`
}

func (t *instanceType) attribute(filter string) ([]string, bool) {
	switch filter {
	case "current-generation":
		return []string{strconv.FormatBool(t.Current)}, true
	case "bare-metal":
		return []string{strconv.FormatBool(t.Bare)}, true
	}
	return nil, false
}

var (
	amd64 = []string{"x86_64"}
	arm64 = []string{"arm64"}
	both  = []string{"i386", "x86_64"}
)

var instanceTypes = []*instanceType{
	{about: about{id: "m5.large"}, ID: "m5.large", Current: true, Architectures: amd64, CPUs: 2, MiB: 8192},
	{about: about{id: "t3.small"}, ID: "t3.small", Current: true, Architectures: amd64, CPUs: 2, MiB: 2048},
	{about: about{id: "t3.medium"}, ID: "t3.medium", Current: true, Architectures: amd64, CPUs: 2, MiB: 4096},
	{about: about{id: "t3.large"}, ID: "t3.large", Current: true, Architectures: amd64, CPUs: 2, MiB: 8192},
	{about: about{id: "t2.medium"}, ID: "t2.medium", Current: true, Architectures: both, CPUs: 2, MiB: 4096},
	{about: about{id: "t4g.medium"}, ID: "t4g.medium", Current: true, Architectures: arm64, CPUs: 2, MiB: 4096, notIn: []string{"b"}},
	{about: about{id: "g4dn.xlarge"}, ID: "g4dn.xlarge", Current: true, Architectures: amd64, CPUs: 4, MiB: 16384, GPUs: []gpu{{"T4", "NVIDIA", 1}}},
	{about: about{id: "m5.metal"}, ID: "m5.metal", Current: true, Bare: true, Architectures: amd64, CPUs: 96, MiB: 393216},
	{about: about{id: "m1.small"}, ID: "m1.small", Architectures: both, CPUs: 1, MiB: 1740},
}

// spotPrice is what spare capacity costs, in US dollars an hour.
const spotPrice = 0.01

// image is what an instance can run, in all regions.
type image struct {
	about

	ID           string `xml:"imageId"`
	Name         string `xml:"name"`
	Owner        string `xml:"imageOwnerId"`
	State        string `xml:"imageState"`
	Architecture string `xml:"architecture"`
	RootDevice   string `xml:"rootDeviceName"`
	Created      string `xml:"creationDate"`
	sizeGiB      int
}

func (i *image) attribute(filter string) ([]string, bool) {
	switch filter {
	case "name":
		return []string{i.Name}, true
	case "architecture":
		return []string{i.Architecture}, true
	case "state":
		return []string{i.State}, true
	}
	return i.tag(filter)
}

// OwnImage is one that the account itself has made.
const OwnImage = "ami-0ddddddddddddddd1"

// Images of the makers of operating systems: Ubuntu's and Debian's newest, and two of Flatcar's.
const (
	UbuntuImage     = "ami-0aaaaaaaaaaaaaaa1"
	UbuntuARMImage  = "ami-0aaaaaaaaaaaaaaa2"
	DebianImage     = "ami-0bbbbbbbbbbbbbbb1"
	FlatcarImage    = "ami-0ccccccccccccccc1"
	flatcarOldImage = "ami-0ccccccccccccccc2"
)

const (
	accountID    = "123456789012"
	ownerUbuntu  = "099720109477"
	ownerDebian  = "136693071363"
	ownerFlatcar = "075585003325"
)

var images = []*image{
	ami(UbuntuImage, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261112", ownerUbuntu, "x86_64", "/dev/sda1"),
	ami(UbuntuARMImage, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20261112", ownerUbuntu, "arm64", "/dev/sda1"),
	ami(DebianImage, "debian-13-amd64-20261101-2284", ownerDebian, "x86_64", "/dev/xvda"),
	ami(FlatcarImage, "Flatcar-stable-4459.2.1-hvm", ownerFlatcar, "x86_64", "/dev/xvda"),
	ami(flatcarOldImage, "Flatcar-stable-4230.2.4-hvm", ownerFlatcar, "x86_64", "/dev/xvda"),
	ami(OwnImage, "golden", accountID, "x86_64", "/dev/sda1"),
}

func ami(id, name, owner, architecture, rootDevice string) *image {
	created := "2026-11-12T10:00:00.000Z"
	if id == flatcarOldImage {
		created = "2026-02-12T10:00:00.000Z"
	}
	return &image{
		about: about{id: id}, ID: id, Name: name, Owner: owner, State: "available",
		Architecture: architecture, RootDevice: rootDevice, Created: created, sizeGiB: 8,
	}
}

// imagesOf returns the images of the owners that a call names.
func imagesOf(_ *Cloud, r *call) []*image {
	owners := r.params.list("Owner")
	return slices.DeleteFunc(slices.Clone(images), func(i *image) bool {
		return len(owners) > 0 && !slices.Contains(owners, i.Owner) && (!slices.Contains(owners, "self") || i.Owner != accountID)
	})
}

// parameters are public ones of the Systems Manager.
var parameters = map[string]string{
	"/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id": UbuntuImage,
	"/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id": UbuntuARMImage,
	"/aws/service/debian/release/13/latest/amd64":                                        DebianImage,
}
