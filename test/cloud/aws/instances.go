// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/test/cloud/core"
)

// Detail is what core does not know of an instance.
type Detail struct {
	Image, VPC, Subnet, Profile string
	Groups                      []string
	// Public is true if it has a public address; Spot is the highest price, "on demand" if none was given, and empty for an
	// instance that is not of spare capacity.
	Public bool
	Spot   string
	// MetadataTokens is "required" if the metadata service wants a token, and MetadataHops how far its answers go.
	MetadataTokens, MetadataHops string
	DiskGiB                      int
	DiskType                     string
	tags                         tagSet
}

// record is something that was made with a token, which is good as long as EC2 remembers it.
type record struct {
	id       string
	made     core.Instance
	params   string
	answered *instance
}

// instance is one as EC2 shows it.
type instance struct {
	about

	ID     string `xml:"instanceId"`
	Image  string `xml:"imageId"`
	Type   string `xml:"instanceType"`
	Launch string `xml:"launchTime"`
	VPC    string `xml:"vpcId,omitempty"`
	Subnet string `xml:"subnetId,omitempty"`
	State  struct {
		Code int    `xml:"code"`
		Name string `xml:"name"`
	} `xml:"instanceState"`
	Reason     *stateReason `xml:"stateReason"`
	Groups     []groupID    `xml:"groupSet>item"`
	Zone       string       `xml:"placement>availabilityZone"`
	PrivateIP  string       `xml:"privateIpAddress,omitempty"`
	PublicIP   string       `xml:"ipAddress,omitempty"`
	PrivateDNS string       `xml:"privateDnsName"`
	PublicDNS  string       `xml:"dnsName"`
}

type stateReason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

func (i *instance) attribute(filter string) ([]string, bool) {
	switch filter {
	case "instance-state-name":
		return []string{i.State.Name}, true
	case "vpc-id":
		return []string{i.VPC}, true
	}
	return i.tag(filter)
}

// codes are the numbers of states.
var codes = map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}

// reservation is what instances are shown in.
type reservation struct {
	ID        string      `xml:"reservationId"`
	Instances []*instance `xml:"instancesSet>item"`
}

// show returns an instance as it is; one that core has no more is terminated.
func show(i core.Instance, there bool) *instance {
	d := i.Detail.(*Detail)
	shown := &instance{
		about: about{i.ID, regionOf(i.Zone), d.tags}, ID: i.ID, Image: d.Image, Type: i.Size, Zone: i.Zone,
		Launch: i.Created.Format("2006-01-02T15:04:05.000Z"),
	}
	shown.State.Name = map[core.State]string{core.Pending: "pending", core.Running: "running", core.Ending: "shutting-down"}[i.State]
	if !there {
		shown.State.Name = "terminated"
	}
	shown.State.Code = codes[shown.State.Name]
	if !there || i.State == core.Ending {
		shown.Reason = &stateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
	}
	if !there {
		return shown
	}
	shown.VPC, shown.Subnet, shown.PrivateIP = d.VPC, d.Subnet, i.PrivateIP
	for _, g := range d.Groups {
		shown.Groups = append(shown.Groups, groupID{g})
	}
	if i.PrivateIP != "" {
		shown.PrivateDNS = "ip-" + strings.ReplaceAll(i.PrivateIP, ".", "-") + "." + regionOf(i.Zone) + ".compute.internal"
	}
	if d.Public && i.State == core.Running {
		shown.PublicIP = i.PublicIP
	}
	return shown
}

// userDataSize is how many bytes EC2 takes.
const userDataSize = 16384

func runInstances(c *Cloud, r *call) (any, error) {
	token := r.params.get("ClientToken")
	sent := url.Values(maps.Clone(r.params)).Encode()
	if known, again := c.tokens[token]; again && token != "" {
		if known.params != sent {
			return nil, fail("IdempotentParameterMismatch", "The provided client token %s was used before with other parameters.", token)
		}
		return reservation{"r-" + known.id[2:], []*instance{known.answered}}, nil // as it was then
	}
	if r.params.get("MinCount") != "1" || r.params.get("MaxCount") != "1" || len(token) > 64 {
		return nil, fail("InvalidParameterValue", "this test cloud runs one instance for each call")
	}
	order, err := c.orderOf(r)
	if err != nil {
		return nil, err
	}
	order.ID = c.id("i")
	launched, err := c.Launch(r.Context(), order)
	if err != nil {
		return nil, err
	}
	made := &record{id: order.ID, made: *launched, params: sent, answered: show(*launched, true)}
	c.launched[order.ID], c.order = made, append(c.order, order.ID)
	if token != "" {
		c.tokens[token] = made
	}
	return reservation{"r-" + order.ID[2:], []*instance{made.answered}}, nil
}

// orderOf returns what is asked for, if EC2 would make it.
func (c *Cloud) orderOf(r *call) (core.Instance, error) {
	none := core.Instance{}
	p := r.params
	size, img, err := fit(p.get("InstanceType"), p.get("ImageId"))
	if err != nil {
		return none, err
	}
	d := &Detail{Image: img.ID}
	s, err := c.placement(r, d)
	if err != nil {
		return none, err
	}
	if slices.Contains(size.notIn, s.Zone[len(s.Zone)-1:]) {
		return none, fail("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). Please retry your request by not specifying an Availability Zone or choosing another one.", size.ID, s.Zone)
	}
	userData, err := userDataOf(p.get("UserData"))
	if err != nil {
		return none, err
	}
	if err := disk(p, img, d); err != nil {
		return none, err
	}
	if err := c.options(p, d); err != nil {
		return none, err
	}
	if d.tags, err = r.tags("instance"); err != nil {
		return none, err
	}
	name, _ := d.tags.value("Name")
	tags := map[string]string{}
	for _, t := range d.tags.Items {
		tags[t.Key] = t.Value
	}
	return core.Instance{Name: name, Size: size.ID, Zone: s.Zone, Tags: tags, UserData: userData, Detail: d}, nil
}

// fit returns an instance type and an image that it can run.
func fit(typeID, imageID string) (*instanceType, *image, error) {
	at := slices.IndexFunc(instanceTypes, func(t *instanceType) bool { return t.ID == typeID })
	if at < 0 {
		return nil, nil, fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", typeID)
	}
	of := slices.IndexFunc(images, func(i *image) bool { return i.ID == imageID })
	if of < 0 {
		return nil, nil, fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", imageID)
	}
	if !slices.Contains(instanceTypes[at].Architectures, images[of].Architecture) {
		return nil, nil, fail("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI.",
			instanceTypes[at].Architectures[0], images[of].Architecture)
	}
	return instanceTypes[at], images[of], nil
}

// placement finds out where the instance is to be. A call that names an interface names no subnet beside it.
func (c *Cloud) placement(r *call, d *Detail) (*subnet, error) {
	interfaces := r.params.each("NetworkInterface")
	if len(interfaces) != 1 || r.params.has("SubnetId") || r.params.has("SecurityGroupId") {
		return nil, fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
	}
	nic := interfaces[0]
	if nic.get("DeviceIndex") == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter deviceIndex")
	}
	s, err := find(r, c.subnets, "SubnetID", nic.get("SubnetId"))
	if err != nil {
		return nil, err
	}
	for _, id := range nic.list("SecurityGroupId") {
		g, err := find(r, c.groups, "Group", id)
		if err != nil {
			return nil, err
		}
		if g.VPC != s.VPC {
			return nil, fail("InvalidParameter", "Security group %s and subnet %s belong to different networks.", g.id, s.id)
		}
		d.Groups = append(d.Groups, id)
	}
	d.VPC, d.Subnet, d.Public = s.VPC, s.id, nic.get("AssociatePublicIpAddress") == "true"
	return s, nil
}

// userDataOf returns user data as an instance sees it: cloud-init unpacks what is packed.
func userDataOf(encoded string) ([]byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fail("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(decoded) > userDataSize {
		return nil, fail("InvalidParameterValue", "User data is limited to %d bytes", userDataSize)
	}
	if !bytes.HasPrefix(decoded, []byte{0x1f, 0x8b}) {
		return decoded, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(decoded))
	if err != nil {
		return nil, fail("InvalidUserData.Malformed", "%v", err)
	}
	return io.ReadAll(reader)
}

// disk reads the root volume.
func disk(p params, img *image, d *Detail) error {
	for _, mapping := range p.each("BlockDeviceMapping") {
		if mapping.get("DeviceName") != img.RootDevice {
			return fail("InvalidBlockDeviceMapping", "the test cloud's instances have a root volume only, which is %s", img.RootDevice)
		}
		d.DiskType = mapping.get("Ebs.VolumeType")
		if strings.HasPrefix(d.DiskType, "io") && mapping.get("Ebs.Iops") == "" {
			return fail("MissingParameter", "The request must contain the parameter iops")
		}
		if size := mapping.get("Ebs.VolumeSize"); size != "" {
			d.DiskGiB, _ = strconv.Atoi(size)
			if d.DiskGiB < img.sizeGiB {
				return fail("InvalidBlockDeviceMapping", "Volume of size %sGB is smaller than snapshot, expect size >= %dGB", size, img.sizeGiB)
			}
		}
	}
	return nil
}

// options reads what else there can be.
func (c *Cloud) options(p params, d *Detail) error {
	d.MetadataTokens, d.MetadataHops = p.get("MetadataOptions.HttpTokens"), p.get("MetadataOptions.HttpPutResponseHopLimit")
	profile := p.get("IamInstanceProfile.Name") + p.get("IamInstanceProfile.Arn")
	if d.Profile = profile[strings.LastIndex(profile, "/")+1:]; d.Profile != "" && d.Profile != Profile {
		return fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", d.Profile)
	}
	if p.get("InstanceMarketOptions.MarketType") != "spot" {
		return nil
	}
	d.Spot = "on demand"
	if price := p.get("InstanceMarketOptions.SpotOptions.MaxPrice"); price != "" {
		d.Spot = price
		if most, err := strconv.ParseFloat(price, 64); err != nil || most < spotPrice {
			return fail("SpotMaxPriceTooLow", "Your Spot request price of %s is lower than the minimum required Spot request fulfillment price of %g.", price, spotPrice)
		}
	}
	return nil
}

func describeInstances(c *Cloud, r *call) (any, error) {
	there := map[string]*core.Instance{}
	for _, i := range c.Instances(r.Context(), func(i *core.Instance) bool { return regionOf(i.Zone) == r.region }) {
		there[i.ID] = i
	}
	all := make([]*instance, 0, len(c.order))
	for _, id := range c.order {
		if i, ok := there[id]; ok {
			all = append(all, show(*i, true))
		} else {
			all = append(all, show(c.launched[id].made, false))
		}
	}
	page, next, err := choose(c, r, all, "InstanceId", "InstanceID")
	reservations := make([]reservation, 0, len(page))
	for _, i := range page {
		reservations = append(reservations, reservation{"r-" + i.id[2:], []*instance{i}})
	}
	return list[reservation]{"reservationSet", reservations, next}, err
}

func terminateInstances(c *Cloud, r *call) (any, error) {
	type change struct {
		ID    string `xml:"instanceId"`
		State string `xml:"currentState>name"`
	}
	ids := r.params.list("InstanceId")
	for _, id := range ids { // all or none
		if _, ever := c.launched[id]; !ever {
			return nil, fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
	}
	var changes []change
	for _, id := range ids {
		state := "terminated" // which may be said again
		there, err := c.End(r.Context(), id)
		if err != nil {
			return nil, err
		}
		if there {
			state = "shutting-down"
		}
		changes = append(changes, change{id, state})
	}
	return list[change]{set: "instancesSet", items: changes}, nil
}

// Ended makes EC2 forget when an instance was made, as if it were long ago, for tests of what was made before.
func (c *Cloud) Ended(id string, ago time.Duration) error {
	var err error
	c.Do(func() {
		known, ok := c.launched[id]
		if !ok {
			err = fmt.Errorf("there never was an instance %s", id)
			return
		}
		known.made.Created = known.made.Created.Add(-ago)
		known.answered.Launch = known.made.Created.Format("2006-01-02T15:04:05.000Z")
	})
	return err
}
