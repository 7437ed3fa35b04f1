// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/kube"
)

// Level says how bad a finding is.
type Level string

// Levels of findings.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it can be installed; whether that is meant, a person has to know
	Problem Level = "problem" // it cannot
)

// Finding is the result of one check of a cluster that something is to be installed in.
type Finding struct {
	Check   string
	Level   Level
	Message string
}

// Err returns an error with all problems; nil if there is none.
func Err(findings []Finding) error {
	var problems []string
	for _, f := range findings {
		if f.Level == Problem {
			problems = append(problems, f.Check+": "+f.Message)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("the cluster is not ready for Canopy:\n  %s", strings.Join(problems, "\n  "))
}

const rightsCheck = "rights"

// Preflight checks a cluster before the chart is installed or upgraded there. It writes nothing. master identifies the
// cluster of the master whose seed this is to become; empty: of none. Without the rights to go on it ends early.
func Preflight(ctx context.Context, config *rest.Config, c Chart, master string) ([]Finding, error) {
	objs, err := c.Render(ctx)
	if err != nil {
		return nil, err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	p := &preflight{api: api, metadata: names, config: config, chart: c, objs: objs, master: master}
	var findings []Finding
	for _, check := range []struct {
		name string
		run  func(context.Context) (Level, string, error)
	}{
		{"Kubernetes version", p.version},
		{rightsCheck, p.rights},
		{"another installation", p.anotherInstallation},
		{"installed version", p.installed},
		{"kinds of others", p.kinds},
		{"storage class", p.storageClass},
		{"network policies", p.networkPolicies},
		{"node ports", p.nodePorts},
		{"address", p.address},
	} {
		level, message, err := check.run(ctx)
		if err != nil {
			return findings, fmt.Errorf("checking the cluster: %s: %w", check.name, err)
		}
		findings = append(findings, Finding{check.name, level, message})
		if check.name == rightsCheck && level == Problem {
			return findings, nil // the other checks need some of them
		}
	}
	return findings, nil
}

type preflight struct {
	api      kubernetes.Interface
	metadata metadata.Interface
	config   *rest.Config
	chart    Chart
	objs     []*unstructured.Unstructured
	master   string
}

func (p *preflight) version(context.Context) (Level, string, error) {
	version, err := p.api.Discovery().ServerVersion()
	if err != nil {
		return "", "", err
	}
	if err := CheckKubernetes(version.GitVersion); err != nil {
		return Problem, err.Error(), nil
	}
	return OK, version.GitVersion, nil
}

func (p *preflight) rights(ctx context.Context) (Level, string, error) {
	rights, err := RightsFor(p.objs)
	if err != nil {
		return "", "", err
	}
	rights = append(rights, Right{Rule: rule([]string{"get", "create", "patch"}, "", "namespaces")})
	denied, err := Denied(ctx, p.api, rights)
	if err != nil {
		return "", "", err
	}
	if len(denied) == 0 {
		return OK, "you may do all that is needed", nil
	}
	names := make([]string, 0, len(denied))
	for _, access := range denied {
		names = append(names, access.String())
	}
	return Problem, "you may not " + kube.Few(names) + ": use the kubeconfig of an administrator", nil
}

func (p *preflight) anotherInstallation(ctx context.Context) (Level, string, error) {
	ns, err := p.api.CoreV1().Namespaces().Get(ctx, p.chart.Namespace, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return "", "", err
	}
	if owner := ns.Annotations[v1alpha1.AnnotationInstallation]; owner != "" && p.master != "" && owner != p.master {
		return Problem, fmt.Sprintf("it is the seed of another master, whose cluster is %s: remove it there first (canopy seed remove)", owner), nil
	}
	records, err := p.metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + p.chart.Release})
	if err != nil {
		return "", "", err
	}
	for _, record := range records.Items {
		if record.Namespace != p.chart.Namespace {
			return Problem, fmt.Sprintf("there is one in the namespace %s: uninstall it (helm uninstall --namespace %s %s)", record.Namespace, record.Namespace, p.chart.Release), nil
		}
	}
	if len(records.Items) > 0 {
		return OK, "none but the one that is to be upgraded", nil
	}
	return OK, "none", nil
}

// installed says whether what is there can be upgraded to the chart.
func (p *preflight) installed(context.Context) (Level, string, error) {
	loaded, _, err := p.chart.load()
	if err != nil {
		return "", "", err
	}
	helm, err := p.chart.helm(p.config)
	if err != nil {
		return "", "", err
	}
	last, err := lastRelease(helm, p.chart.Release)
	if err != nil || last == nil {
		return OK, "none", err
	}
	from, to := versionOf(last), loaded.Metadata.Version
	if err := CheckUpgrade(from, to); err != nil {
		return Problem, err.Error(), nil
	}
	if from == to {
		return OK, from + ", as this one", nil
	}
	return OK, fmt.Sprintf("%s, which becomes %s", from, to), nil
}

// kinds looks for those that somebody else has installed, above all Cluster API's: two of its managers would work on the same
// objects.
func (p *preflight) kinds(ctx context.Context) (Level, string, error) {
	var foreign []string
	for _, obj := range p.objs {
		if obj.GetKind() != "CustomResourceDefinition" {
			continue
		}
		gvr := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
		crd, err := p.metadata.Resource(gvr).Get(ctx, obj.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		if owner := p.ownerOf(crd); owner != "" {
			foreign = append(foreign, fmt.Sprintf("%s (of %s)", crd.Name, owner))
		}
	}
	if len(foreign) == 0 {
		return OK, "none", nil
	}
	return Problem, fmt.Sprintf("%s are there and not Canopy's. It brings Cluster API and cannot share a cluster with another: use a cluster without", kube.Few(foreign)), nil
}

// ownerOf says who installed an object; empty: this release.
func (p *preflight) ownerOf(obj *metav1.PartialObjectMetadata) string {
	name, namespace := obj.Annotations["meta.helm.sh/release-name"], obj.Annotations["meta.helm.sh/release-namespace"]
	switch {
	case name == p.chart.Release && namespace == p.chart.Namespace:
		return ""
	case name != "":
		return "the Helm release " + namespace + "/" + name
	case slices.ContainsFunc([]string{"clusterctl.cluster.x-k8s.io", "cluster.x-k8s.io/provider"}, func(label string) bool { _, ok := obj.Labels[label]; return ok }):
		return "clusterctl"
	}
	return "somebody unknown"
}

func (p *preflight) storageClass(ctx context.Context) (Level, string, error) {
	classes, err := p.api.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", err
	}
	if name := kube.DefaultStorageClass(classes.Items); name != "" {
		return OK, name, nil
	}
	return Problem, "there is no default StorageClass, which the volumes of etcd and Prometheus get: make one, or annotate one with " + kube.DefaultStorageClassAnnotation + "=true", nil
}

// policyEngines are DaemonSets of what is known to enforce network policies.
var policyEngines = []string{"calico-node", "cilium", "antrea-agent", "weave-net", "kube-router", "canal", "node-network", "network-policy", "anetd", "aws-node", "azure-npm", "kindnet"}

func (p *preflight) networkPolicies(ctx context.Context) (Level, string, error) {
	sets, err := p.api.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{Limit: 500})
	if apierrors.IsForbidden(err) {
		return Warning, "you may not list DaemonSets, so it is not known whether anything enforces them", nil
	}
	if err != nil {
		return "", "", err
	}
	for _, set := range sets.Items {
		for _, engine := range policyEngines {
			if set.Name == engine {
				return OK, engine, nil
			}
		}
	}
	return Warning, "nothing is known here that enforces them. Without, control planes are not shielded from each other's pods", nil
}

func (p *preflight) nodePorts(ctx context.Context) (Level, string, error) {
	wanted := map[int64]string{}
	for _, obj := range p.objs {
		ports, _, err := unstructured.NestedSlice(obj.Object, "spec", "ports")
		if obj.GetKind() != "Service" || err != nil {
			continue
		}
		for _, port := range ports {
			if port, ok := port.(map[string]any); ok && port["nodePort"] != nil {
				wanted[asInt(port["nodePort"])] = obj.GetName()
			}
		}
	}
	services, err := p.api.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", err
	}
	for _, service := range services.Items {
		for _, port := range service.Spec.Ports {
			name, ok := wanted[int64(port.NodePort)]
			if ok && port.NodePort != 0 && (service.Namespace != p.chart.Namespace || service.Name != name) {
				return Problem, fmt.Sprintf("%d, which %s is to have, is the Service %s/%s's: choose another", port.NodePort, name, service.Namespace, service.Name), nil
			}
		}
	}
	return OK, "free", nil
}

// asInt returns a number of a manifest, which is one type or the other by where it came from.
func asInt(value any) int64 {
	switch v := value.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

func (p *preflight) address(ctx context.Context) (Level, string, error) {
	seed, _ := p.chart.Values["seed"].(map[string]any)
	address, _ := seed["address"].(string)
	nodes, err := p.api.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", err
	}
	if len(nodes.Items) == 0 {
		return Problem, "the cluster has no nodes", nil
	}
	for i := range nodes.Items {
		if slices.ContainsFunc(nodes.Items[i].Status.Addresses, func(a corev1.NodeAddress) bool { return a.Address == address }) {
			return OK, fmt.Sprintf("%s is that of node %s", address, nodes.Items[i].Name), nil
		}
	}
	return Warning, fmt.Sprintf("%s is no node's: it has to lead to the node ports of one", address), nil
}

// NodeAddress returns the address at which node ports of a cluster are best reached from outside: a node's external one if
// there is any, an internal one otherwise; empty if there is no node.
func NodeAddress(ctx context.Context, api kubernetes.Interface) (string, error) {
	nodes, err := api.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("looking for an address of the nodes: %w", err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for i := range nodes.Items {
			for _, address := range nodes.Items[i].Status.Addresses {
				if address.Type == kind {
					return address.Address, nil
				}
			}
		}
	}
	return "", nil
}
