// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/secretstore"
	"canopy.dev/canopy/internal/steps"
)

func (i *installation) uninstall(ctx context.Context) error {
	list := []steps.Step{
		{Name: "look for clusters", Run: i.refuseWhileUsed},
		{Name: "uninstall the chart", Run: func(ctx context.Context) error { return install.Uninstall(ctx, i.config, install.Canopy(nil)) }},
	}
	if i.deleteData {
		list = append(list, steps.Step{Name: "delete the kinds and namespaces", Run: i.removeData})
	}
	if err := steps.Run(ctx, i.progress, list); err != nil {
		return err
	}
	if i.deleteData {
		fmt.Fprintln(i.out, "\nNothing of Canopy is left; Kubernetes empties the namespaces.")
		return nil
	}
	fmt.Fprintf(i.out, `
Canopy is uninstalled. On purpose, this is still there: the kinds with all objects of them, such as projects, and the namespaces
%s with all credentials and the samples of Prometheus, and %s with users and logins. With these, canopy install apply goes on where it ended.

  canopy install uninstall --delete-data    # deletes them, too
`, v1alpha1.SystemNamespace, secretstore.Namespace)
	return nil
}

// refuseWhileUsed fails while something is there that nobody would look after any more.
func (i *installation) refuseWhileUsed(ctx context.Context) error {
	hosted, err := hostedClusters(ctx, i.client)
	if err != nil {
		return err
	}
	if len(hosted) > 0 {
		return fmt.Errorf("there are %d user clusters: %s. Delete them first", len(hosted), kube.Few(hosted))
	}
	clusters := &v1alpha1.ClusterList{}
	if err := i.client.List(ctx, clusters); err != nil && !isUnknownKind(err) {
		return err
	}
	if n := len(clusters.Items); n > 0 {
		return fmt.Errorf("there are %d Clusters, such as %s of %s. Delete them first", n, clusters.Items[0].Name, clusters.Items[0].Namespace)
	}
	seeds := &v1alpha1.SeedList{}
	if err := i.client.List(ctx, seeds); err != nil && !isUnknownKind(err) {
		return err
	}
	for _, seed := range seeds.Items {
		if seed.Spec.KubeconfigSecretName != "" {
			return fmt.Errorf("this is the master of seed %s: remove it first (canopy seed remove %[1]s)", seed.Name)
		}
	}
	return nil
}

// removeData deletes what uninstalling has left. Nobody is there any more who would take finalizers away, and what they are
// for goes here, too.
func (i *installation) removeData(ctx context.Context) error {
	kinds := &unstructured.UnstructuredList{}
	kinds.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := i.client.List(ctx, kinds, client.MatchingLabels{"app.kubernetes.io/managed-by": "Helm"}); err != nil {
		return err
	}
	for k := range kinds.Items {
		kind := &kinds.Items[k]
		if notes := kind.GetAnnotations(); notes["meta.helm.sh/release-name"] != install.ReleaseName || notes["meta.helm.sh/release-namespace"] != v1alpha1.SystemNamespace {
			continue
		}
		if err := i.removeKind(ctx, kind); err != nil {
			return err
		}
	}
	for _, left := range []struct {
		gvk   schema.GroupVersionKind
		which client.ListOption
	}{
		{rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBindingList"), client.MatchingLabels{v1alpha1.LabelManagedBy: "users"}},
		{corev1.SchemeGroupVersion.WithKind("NamespaceList"), client.HasLabels{v1alpha1.LabelProject}},
		{corev1.SchemeGroupVersion.WithKind("NamespaceList"), client.MatchingFields{"metadata.name": v1alpha1.SystemNamespace}},
		{corev1.SchemeGroupVersion.WithKind("NamespaceList"), client.MatchingFields{"metadata.name": secretstore.Namespace}},
	} {
		if _, err := i.removeAll(ctx, left.gvk, left.which); err != nil {
			return err
		}
	}
	return nil
}

// removeKind deletes all objects of a kind, and then the kind.
func (i *installation) removeKind(ctx context.Context, kind *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(kind.Object, "spec", "group")
	name, _, _ := unstructured.NestedString(kind.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(kind.Object, "spec", "versions")
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["storage"] == true {
			gvk := schema.GroupVersionKind{Group: group, Version: fmt.Sprint(version["name"]), Kind: name + "List"}
			n, err := i.removeAll(ctx, gvk)
			if err != nil {
				return err
			}
			if n > 0 {
				fmt.Fprintf(i.progress, "%s: %d deleted\n", kind.GetName(), n)
			}
		}
	}
	return client.IgnoreNotFound(i.client.Delete(ctx, kind))
}

// removeAll deletes the objects of a list, whatever keeps them, and returns how many there were.
func (i *installation) removeAll(ctx context.Context, gvk schema.GroupVersionKind, which ...client.ListOption) (int, error) {
	objs := &metav1.PartialObjectMetadataList{}
	objs.SetGroupVersionKind(gvk)
	if err := i.client.List(ctx, objs, which...); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	for k := range objs.Items {
		obj := &objs.Items[k]
		obj.SetGroupVersionKind(gvk.GroupVersion().WithKind(strings.TrimSuffix(gvk.Kind, "List")))
		if len(obj.Finalizers) > 0 {
			none := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
			if err := client.IgnoreNotFound(i.client.Patch(ctx, obj.DeepCopy(), none)); err != nil {
				return 0, fmt.Errorf("deleting %s %s: %w", obj.Kind, client.ObjectKeyFromObject(obj), err)
			}
		}
		if err := client.IgnoreNotFound(i.client.Delete(ctx, obj)); err != nil {
			return 0, fmt.Errorf("deleting %s %s: %w", obj.Kind, client.ObjectKeyFromObject(obj), err)
		}
	}
	return len(objs.Items), nil
}
