// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/output"
)

// machineUsage explains --machine.
const machineUsage = "what the machines are at the provider: size=t3.large,disk=50,os=debian, or any field of canopy explain nodepool.spec.provider; or all of it in JSON"

// shortNames are names that mean the same at every provider, and what fields are called there that mean it.
var shortNames = map[string][]string{
	"size": {"instanceType", "machineType", "serverType", "flavor"}, "disk": {"diskGiB"}, "os": {"operatingSystem"},
	"cpu": {"cpus"}, "memory": {"memoryMiB"}, "zone": {"availabilityZone"},
}

// machineAt reads what machines are, as --machine says; for the local provider it needs not be said.
func machineAt(datacenter *v1alpha1.Datacenter, text string) (hostingv1alpha1.Provider, error) {
	var provider hostingv1alpha1.Provider
	name := firstKey(datacenter.Spec.Provider)
	switch {
	case text == "" && (name == string(hostingv1alpha1.ProviderLocal) || name == string(hostingv1alpha1.ProviderBringYourOwn)):
	case text == "":
		return provider, &output.Error{
			Exit: output.ExitUsage, What: fmt.Sprintf("say what machines the pool has at %s, with --machine", name),
			Next: fmt.Sprintf("--machine size=NAME, as in %s get sizes --datacenter %s; or make a cluster without nodes: --nodes 0", self(), datacenter.Name),
		}
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		block, err := machineBlock(name, text)
		if err != nil {
			return provider, err
		}
		content, err := json.Marshal(map[string]any{name: block})
		if err != nil {
			return provider, err
		}
		text = string(content)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&provider); err != nil {
		return provider, output.Usage("--machine cannot be read: %v", err)
	}
	return provider, nil
}

// machineBlock reads "size=t3.large,disk=50" into the block of a provider.
func machineBlock(provider, text string) (map[string]any, error) {
	fields, block := machineFields(provider), map[string]any{}
	for pair := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return nil, output.Usage("--machine: %q is not NAME=VALUE, such as size=NAME", pair)
		}
		if resources, ok := fields["resources"]; ok && resources == reflect.TypeFor[corev1.ResourceRequirements]() {
			if err := setLimit(block, name, value); err != nil {
				return nil, err
			}
			continue
		}
		field, err := machineField(fields, provider, name)
		if err != nil {
			return nil, err
		}
		if block[field], err = machineValue(fields[field], field, value); err != nil {
			return nil, err
		}
	}
	return block, nil
}

// machineField returns the field of a block that a name means.
func machineField(fields map[string]reflect.Type, provider, name string) (string, error) {
	for _, candidate := range append([]string{name}, shortNames[name]...) {
		if fields[candidate] != nil {
			return candidate, nil
		}
	}
	return "", &output.Error{
		Exit: output.ExitUsage, What: fmt.Sprintf("machines at %s have no %q; they have %s", provider, name, strings.Join(machineNames(provider), ", ")),
		Next: fmt.Sprintf("%s explain nodepool.spec.provider.%s", self(), provider),
	}
}

// machineValue reads the value of a field. Sizes in MiB or GiB can be written as quantities, too.
func machineValue(of reflect.Type, field, value string) (any, error) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch of.Kind() {
	case reflect.String:
		return value, nil
	case reflect.Bool:
		if b, err := strconv.ParseBool(value); err == nil {
			return b, nil
		}
		return nil, output.Usage("--machine: %s is true or false, not %q", field, value)
	case reflect.Int32:
		if n, err := strconv.ParseInt(value, 10, 32); err == nil {
			return n, nil
		}
		if q, err := resource.ParseQuantity(value); err == nil {
			for unit, size := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
				if strings.HasSuffix(field, unit) {
					return q.Value() / size, nil
				}
			}
		}
		return nil, output.Usage("--machine: %s is a number, not %q", field, value)
	case reflect.Struct:
		if value == "true" {
			return map[string]any{}, nil
		}
	}
	return nil, output.Usage("--machine: %s has fields of its own: write --machine as JSON", field)
}

// setLimit sets how much a local machine may have.
func setLimit(block map[string]any, name, value string) error {
	if name != "cpu" && name != "memory" {
		return output.Usage("--machine: local machines have cpu and memory, and no %q", name)
	}
	if _, err := resource.ParseQuantity(value); err != nil {
		return output.Usage("--machine: %s is a quantity such as 2 or 4Gi, not %q", name, value)
	}
	resources, ok := block["resources"].(map[string]any)
	if !ok {
		resources = map[string]any{"limits": map[string]any{}}
		block["resources"] = resources
	}
	resources["limits"].(map[string]any)[name] = value
	return nil
}

// machineFields are the fields of a provider's block, and what they are.
func machineFields(provider string) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	providers := reflect.TypeFor[hostingv1alpha1.Provider]()
	for i := range providers.NumField() {
		if jsonName(providers.Field(i)) == provider {
			for _, field := range reflect.VisibleFields(providers.Field(i).Type.Elem()) {
				if !field.Anonymous {
					fields[jsonName(field)] = field.Type
				}
			}
		}
	}
	return fields
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// machineNames are what can be said of machines at a provider, in short where there is a short name.
func machineNames(provider string) []string {
	if provider == string(hostingv1alpha1.ProviderLocal) {
		return []string{"cpu", "memory"}
	}
	var names []string
	for field := range machineFields(provider) {
		for short, means := range shortNames {
			if slices.Contains(means, field) {
				field = short
			}
		}
		names = append(names, field)
	}
	slices.Sort(names)
	return names
}

// completeMachine proposes what can be said of machines at the datacenter, and the sizes and images that are offered there.
func completeMachine(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	before, last := "", toComplete
	if i := strings.LastIndex(toComplete, ","); i >= 0 {
		before, last = toComplete[:i+1], toComplete[i+1:]
	}
	ctx, cancel := completionContext(cmd)
	defer cancel()
	s, err := completionSession(cmd)
	if err != nil {
		return nil, directive
	}
	datacenter, err := s.datacenterOf(ctx, flagValue(cmd, "datacenter"))
	if err != nil {
		return nil, directive
	}
	provider := firstKey(datacenter.Spec.Provider)
	name, value, said := strings.Cut(last, "=")
	var proposals []string
	if !said {
		for _, name := range machineNames(provider) {
			proposals = append(proposals, name+"=")
		}
	} else {
		field, _ := machineField(machineFields(provider), provider, name) // there is nothing to propose for one that there is not
		proposals = s.machineValues(ctx, field, choice{preset: flagValue(cmd, "preset"), datacenter: datacenter.Name})
		for i := range proposals {
			proposals[i] = name + "=" + proposals[i]
		}
		last = name + "=" + value
	}
	proposals = slices.DeleteFunc(proposals, func(p string) bool { return !strings.HasPrefix(p, last) })
	for i := range proposals {
		proposals[i] = before + proposals[i]
	}
	return proposals, directive
}
