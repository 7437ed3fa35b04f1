// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/test/cloud/core"
)

// server is what Nova knows of an instance beside what every cloud does.
type server struct {
	metadata object
	image    string
	network  string
	fault    string
}

var (
	metadataKey = regexp.MustCompile(`^[a-zA-Z0-9-_:. ]{1,255}$`)
	serverTag   = regexp.MustCompile(`^[^,/]{1,60}$`)
)

// maxUserData is of base64.
const maxUserData = 65535

// createServer launches an instance. What is not checked at once, such as whether a host has space, shows in its status.
func (c *Cloud) createServer(r *http.Request) (int, any, error) {
	o, err := read(r, "server")
	if err != nil {
		return 0, nil, err
	}
	s := &server{metadata: object{}}
	i := core.Instance{ID: c.uuid(), Tags: map[string]string{}, Detail: s}
	i.Name, _ = o["name"].(string)
	i.Zone, _ = o["availability_zone"].(string)
	if i.Name == "" {
		return 0, nil, invalid("Invalid input for field/attribute name.")
	}
	if i.Zone == "" {
		i.Zone = zones[0]
	} else if !slices.Contains(zones, i.Zone) {
		return 0, nil, invalid("The requested availability zone is not available")
	}
	for _, check := range []func(*http.Request, object, *core.Instance) error{checkFlavor, checkTags, checkUserData, c.checkBoot} {
		if err := check(r, o, &i); err != nil {
			return 0, nil, err
		}
	}
	port, err := c.portFor(o, i.ID)
	if err != nil {
		return 0, nil, err
	}
	launched, err := c.Launch(r.Context(), i)
	if err != nil {
		return 0, nil, err
	}
	c.collections["port"].table.Put(port["id"].(string), port)
	s.network = port["network_id"].(string)
	if port["mine"] != true {
		port["device_id"], port["device_owner"] = i.ID, "compute:"+i.Zone
	}
	if _, boots := o["block_device_mapping_v2"]; boots {
		c.volumes.Put(i.ID, i.ID)
	}
	return http.StatusAccepted, object{"server": object{"id": launched.ID, "links": []object{}, "OS-DCF:diskConfig": "MANUAL", "adminPass": "a"}}, nil
}

func checkFlavor(_ *http.Request, o object, i *core.Instance) error {
	for _, flavor := range flavors {
		if flavor["id"] == o["flavorRef"] {
			i.Size = flavor["name"].(string)
			return nil
		}
	}
	return invalid("Flavor %v could not be found.", o["flavorRef"])
}

// checkTags checks tags and metadata. The former came with version 2.52.
func checkTags(r *http.Request, o object, i *core.Instance) error {
	version := r.Header.Get("X-OpenStack-Nova-API-Version")
	tags, _ := o["tags"].([]any)
	if len(tags) > 0 && version != "2.52" {
		return invalid("Invalid input for field/attribute server. Additional properties are not allowed ('tags' was unexpected)")
	}
	for _, tag := range tags {
		if text, _ := tag.(string); serverTag.MatchString(text) {
			i.Tags[text] = ""
			continue
		}
		return invalid("Invalid input for field/attribute tags. Value: %v.", tag)
	}
	metadata, _ := o["metadata"].(object)
	for key, value := range metadata {
		if text, ok := value.(string); !ok || len(text) > 255 || !metadataKey.MatchString(key) {
			return invalid("Invalid input for field/attribute metadata. '%s' does not match any of the regexes", key)
		}
	}
	maps.Copy(i.Detail.(*server).metadata, metadata)
	return nil
}

func checkUserData(_ *http.Request, o object, i *core.Instance) error {
	text, _ := o["user_data"].(string)
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(text) > maxUserData {
		return invalid("Invalid input for field/attribute user_data.")
	}
	i.UserData = content
	return nil
}

// checkBoot wants an image, or a volume that is made of one.
func (c *Cloud) checkBoot(_ *http.Request, o object, i *core.Instance) error {
	image, _ := o["imageRef"].(string)
	if devices, _ := o["block_device_mapping_v2"].([]any); len(devices) > 0 {
		device, _ := devices[0].(object)
		if device["source_type"] != "image" || device["destination_type"] != "volume" || device["boot_index"] != 0.0 || device["volume_size"] == nil {
			return invalid("Block Device Mapping is Invalid.")
		}
		image, _ = device["uuid"].(string)
	}
	if !slices.ContainsFunc(images, func(o object) bool { return o["id"] == image }) {
		return invalid("Can not find requested image")
	}
	i.Detail.(*server).image = image
	return nil
}

// portFor returns the port of a new server: one that there is, or one that Nova makes and deletes.
func (c *Cloud) portFor(o object, id string) (object, error) {
	networks, _ := o["networks"].([]any)
	if len(networks) != 1 {
		return nil, invalid("Invalid input for field/attribute server. 'networks' is a required property")
	}
	network, _ := networks[0].(object)
	if network["port"] != nil {
		port, err := c.get("port", network["port"])
		switch {
		case err != nil:
			return nil, invalid("Port id %v could not be found.", network["port"])
		case port["device_id"] != "":
			return nil, inUse("Port %v is still in use.", port["id"])
		}
		return port, nil
	}
	if _, err := c.get("network", network["uuid"]); err != nil {
		return nil, invalid("Network %v could not be found.", network["uuid"])
	}
	groups := []any{}
	asked, _ := o["security_groups"].([]any)
	for _, group := range asked {
		name, _ := group.(object)
		found := slices.DeleteFunc(c.collections["security_group"].table.All(), func(g object) bool { return g["id"] != name["name"] && g["name"] != name["name"] })
		if len(found) != 1 {
			return nil, invalid("Unable to find security_group with name or id '%v'", name["name"])
		}
		groups = append(groups, found[0]["id"])
	}
	port := object{"id": c.uuid(), "name": "", "description": "", "network_id": network["uuid"], "security_groups": groups, "device_id": id, "device_owner": "compute:nova", "mine": true}
	return port, c.beginPort(port)
}

// sweep lets go of what belonged to servers that have gone.
func (c *Cloud) sweep() {
	gone := func(id any) bool { return c.Members(func(i *core.Instance) bool { return i.ID == id }) == 0 }
	for _, port := range c.collections["port"].table.All() {
		if owner, _ := port["device_owner"].(string); !strings.HasPrefix(owner, "compute:") || !gone(port["device_id"]) {
			continue
		}
		if port["mine"] == true {
			c.collections["port"].table.Remove(port["id"].(string))
		} else {
			port["device_id"], port["device_owner"] = "", ""
		}
	}
	for _, volume := range c.volumes.All() {
		if gone(volume) {
			c.volumes.Remove(volume)
		}
	}
}

// Fail makes an instance one that Nova could not make, for that reason.
func (c *Cloud) Fail(id, reason string) {
	c.Do(func() {
		c.Members(func(i *core.Instance) bool {
			if i.ID == id {
				i.Detail.(*server).fault = reason
			}
			return false
		})
	})
}

func (c *Cloud) listServers(r *http.Request) (int, any, error) {
	all := []object{}
	for _, i := range c.Instances(r.Context(), func(i *core.Instance) bool {
		for tag := range strings.SplitSeq(r.URL.Query().Get("tags"), ",") {
			if _, has := i.Tags[tag]; tag != "" && !has {
				return false
			}
		}
		return true
	}) {
		all = append(all, c.show(i))
	}
	return answerPage(c, r, "servers", all)
}

// show is an instance as Nova shows it.
func (c *Cloud) show(i *core.Instance) object {
	s := i.Detail.(*server)
	o := object{
		"id": i.ID, "name": i.Name, "status": "BUILD", "created": i.Created.Format(time.RFC3339), "updated": i.Created.Format(time.RFC3339),
		"metadata": s.metadata, "tags": slices.Sorted(maps.Keys(i.Tags)), "image": object{"id": s.image}, "flavor": object{"original_name": i.Size},
		"OS-EXT-AZ:availability_zone": i.Zone, "OS-EXT-STS:task_state": nil, "addresses": object{},
	}
	if _, boots := c.volumes.Get(i.ID); boots {
		o["image"] = ""
	}
	if i.State == core.Running || i.State == core.Ending {
		o["status"], o["addresses"] = "ACTIVE", c.addresses(i, s)
	}
	if i.State == core.Ending {
		o["OS-EXT-STS:task_state"] = "deleting"
	}
	if s.fault != "" {
		o["status"], o["fault"] = "ERROR", object{"code": 500, "message": s.fault, "created": o["created"]}
	}
	return o
}

func (c *Cloud) addresses(i *core.Instance, s *server) object {
	entry := func(address, kind string) object {
		return object{"addr": address, "version": 4, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}
	}
	list := []object{entry(i.PrivateIP, "fixed")}
	for _, port := range c.with("port", "device_id", i.ID) {
		for _, floating := range c.with("floatingip", "port_id", port["id"]) {
			list = append(list, entry(fmt.Sprint(floating["floating_ip_address"]), "floating"))
		}
	}
	network, _ := c.get("network", s.network)
	return object{fmt.Sprint(network["name"]): list}
}

func (c *Cloud) deleteServer(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	there, err := c.End(r.Context(), id)
	if err == nil && !there {
		err = core.Refuse(core.NotFound, "Instance %s could not be found.", id)
	}
	return http.StatusNoContent, nil, err
}
