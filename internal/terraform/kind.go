// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"canopy.dev/canopy/internal/cli/api"
)

// kind is one kind of thing of the platform: how it is called here, and where the API has it. Attributes come from its
// CustomResourceDefinition; each has a file of its own.
type kind struct {
	// name is that of the resource, after canopy_; plural is that of the data source with all of them.
	name, plural string
	description  string
	// crd is the plural in the kind's CustomResourceDefinition; empty: nothing but its name is said of it.
	crd string
	// collection is where the API has all of them, after the project and the cluster.
	collection string
	// inProject and inCluster say what the name is unique in. What is in a cluster has an attribute with its name.
	inProject, inCluster bool
	// without are fields of the spec that belong to other resources.
	without []string
	// shown are what the platform says about it.
	shown []shownField
	// waits says that it takes its time until it is what was said, and to go.
	waits bool
	// readOnly kinds have data sources only.
	readOnly bool

	spec *node // by load
}

// shownField is a value that the platform determines. All are text.
type shownField struct{ name, path, description string }

// kinds are all of them.
var kinds = []*kind{&project, &cluster, &nodePool, &sshKey, &template, &datacenter, &preset, &release, &serviceAccount}

// load reads the definition.
func (k *kind) load() error {
	k.spec = &node{shape: object}
	if k.crd == "" {
		return nil
	}
	definition, err := readCRD(k.crd)
	if err == nil {
		k.spec, err = definition.spec(k.without...)
	}
	return err
}

// place is where one thing is.
type place struct{ project, cluster, name string }

// list is the path of the list that it is in.
func (k *kind) list(at place) string {
	var parts []string
	if k.inProject && at.project != "" {
		parts = append(parts, "projects", at.project)
	}
	if k.inCluster {
		parts = append(parts, "clusters", at.cluster)
	}
	return api.Path(append(parts, k.collection)...)
}

// item is the path of the thing itself.
func (k *kind) item(at place) string { return k.list(at) + "/" + at.name }

// id is how somebody names it for an import.
func (k *kind) id(at place) string {
	parts := []string{at.project, at.cluster, at.name}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// form says how ids look.
func (k *kind) form() string {
	parts := []string{"name"}
	if k.inCluster {
		parts = append([]string{"cluster"}, parts...)
	}
	if k.inProject {
		parts = append([]string{"project"}, parts...)
	}
	return strings.Join(parts, "/")
}

func (k *kind) parse(id string) (place, error) {
	parts, form := strings.Split(id, "/"), strings.Split(k.form(), "/")
	if len(parts) != len(form) || slices.Contains(parts, "") {
		return place{}, fmt.Errorf("%q is not %s", id, k.form())
	}
	var at place
	for i, part := range form {
		switch part {
		case "project":
			at.project = parts[i]
		case "cluster":
			at.cluster = parts[i]
		case "name":
			at.name = parts[i]
		}
	}
	return at, nil
}

// locate reads where something is out of its attributes.
func (k *kind) locate(attributes map[string]tftypes.Value) place {
	return place{stringOf(attributes["project"]), stringOf(attributes["cluster"]), stringOf(attributes["name"])}
}

// stringOf returns a string, and "" for one that is not there or not known yet.
func stringOf(v tftypes.Value) string {
	var s string
	if v.Type() == nil || v.IsNull() || !v.IsKnown() || v.As(&s) != nil {
		return ""
	}
	return s
}

// attributePath returns the attribute that a place in a request is about, such as body.spec.network.podCIDR; ok says whether there
// is one.
func (k *kind) attributePath(location string) (at path.Path, ok bool) {
	keys, found := strings.CutPrefix(location, "body.spec.")
	if !found {
		return path.Empty(), false
	}
	n := k.spec
	for key := range strings.SplitSeq(keys, ".") {
		key, _, _ = strings.Cut(key, "[")
		i := slices.IndexFunc(n.fields, func(f field) bool { return f.key == key })
		if i < 0 {
			break
		}
		at, n, ok = at.AtName(n.fields[i].name), n.fields[i].node, true
	}
	return at, ok
}
