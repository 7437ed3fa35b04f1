// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/kube"
)

// fieldManager is under which name Helm owns fields, whoever runs it here: the canopy command or the master.
const fieldManager = "canopy"

// Action is what happens to an object.
type Action string

// Actions of a plan.
const (
	Create Action = "create"
	Change Action = "change"
	Delete Action = "delete"
)

// Planned is what an installation would do to one object.
type Planned struct {
	Action Action
	// Object is its kind, namespace and name, for example "Deployment canopy-system/canopy-seed".
	Object string
	// Diff is a unified diff of a change, without the content of Secrets.
	Diff string
}

// Plan returns what Run would do, without doing it: objects that it would not touch are not in it. It asks the API server what
// would become of each object, so that defaults are no differences.
func Plan(ctx context.Context, config *rest.Config, c Chart) ([]Planned, error) {
	objs, err := c.Render(ctx)
	if err != nil {
		return nil, err
	}
	objects, err := newPlanner(config, c)
	if err != nil {
		return nil, err
	}
	var plan []Planned
	wanted := map[string]bool{}
	for _, obj := range objs {
		wanted[kube.Describe(obj)] = true
		planned, err := objects.compare(ctx, obj)
		if err != nil {
			return nil, fmt.Errorf("comparing %s: %w", kube.Describe(obj), err)
		}
		if planned != nil {
			plan = append(plan, *planned)
		}
	}
	helm, err := c.helm(config)
	if err != nil {
		return nil, err
	}
	last, err := lastRelease(helm, c.Release)
	if err != nil || last == nil {
		return plan, err
	}
	before, err := parseManifest(last.Manifest)
	if err != nil {
		return nil, err
	}
	for _, obj := range before {
		if !wanted[kube.Describe(obj)] && !isKept(obj) {
			plan = append(plan, Planned{Action: Delete, Object: kube.Describe(obj)})
		}
	}
	return plan, nil
}

func isKept(obj *unstructured.Unstructured) bool {
	return obj.GetAnnotations()["helm.sh/resource-policy"] == "keep"
}

type planner struct {
	chart  Chart
	client dynamic.Interface
	mapper meta.RESTMapper
}

func newPlanner(config *rest.Config, c Chart) (*planner, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	mapper, err := newGetter(config, c.Namespace).ToRESTMapper()
	if err != nil {
		return nil, err
	}
	return &planner{chart: c, client: client, mapper: mapper}, nil
}

// compare returns nil if the object would stay as it is.
func (p *planner) compare(ctx context.Context, obj *unstructured.Unstructured) (*Planned, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := p.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return &Planned{Action: Create, Object: kube.Describe(obj)}, nil
	}
	if err != nil {
		return nil, err
	}
	var resource dynamic.ResourceInterface = p.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = p.client.Resource(mapping.Resource).Namespace(obj.GetNamespace())
	}
	live, err := resource.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &Planned{Action: Create, Object: kube.Describe(obj)}, nil
	}
	if err != nil {
		return nil, err
	}
	after, err := resource.Apply(ctx, obj.GetName(), p.asHelm(obj), metav1.ApplyOptions{FieldManager: fieldManager, Force: true, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, err
	}
	diff, err := difference(live, after)
	if err != nil || diff == "" {
		return nil, err
	}
	return &Planned{Action: Change, Object: kube.Describe(obj), Diff: diff}, nil
}

// asHelm adds what Helm adds.
func (p *planner) asHelm(obj *unstructured.Unstructured) *unstructured.Unstructured {
	obj = obj.DeepCopy()
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels["app.kubernetes.io/managed-by"] = "Helm"
	annotations["meta.helm.sh/release-name"], annotations["meta.helm.sh/release-namespace"] = p.chart.Release, p.chart.Namespace
	obj.SetLabels(labels)
	obj.SetAnnotations(annotations)
	return obj
}

// difference returns a unified diff of two versions of an object, of what people write in them; empty: there is none.
func difference(before, after *unstructured.Unstructured) (string, error) {
	before, after = written(before), written(after)
	if before.GetKind() == "Secret" {
		for _, field := range []string{"data", "stringData"} {
			hide(before.Object, after.Object, field)
		}
	}
	x, err := yaml.Marshal(before.Object)
	if err != nil {
		return "", err
	}
	y, err := yaml.Marshal(after.Object)
	if err != nil || bytes.Equal(x, y) {
		return "", err
	}
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(x)), B: difflib.SplitLines(string(y)), FromFile: "now", ToFile: "then", Context: 2,
	})
}

// written returns an object without what changes by itself.
func written(obj *unstructured.Unstructured) *unstructured.Unstructured {
	obj = obj.DeepCopy()
	unstructured.RemoveNestedField(obj.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
	return obj
}

// hide replaces the values of a field of two objects by what only tells whether they differ.
func hide(before, after map[string]any, field string) {
	x, _ := before[field].(map[string]any)
	y, _ := after[field].(map[string]any)
	for key, value := range x {
		other, ok := y[key]
		x[key] = "(hidden)"
		if ok && other != value {
			y[key] = "(hidden, another)"
		} else if ok {
			y[key] = "(hidden)"
		}
	}
	for key := range y {
		if _, ok := x[key]; !ok {
			y[key] = "(hidden)"
		}
	}
}

// String returns a line for each object, and the changes below theirs.
func (p Planned) String() string {
	sign := map[Action]string{Create: "+", Change: "~", Delete: "-"}[p.Action]
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", sign, p.Object)
	for line := range strings.Lines(p.Diff) {
		if !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}
