// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/examples"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/local/sandbox"
)

// DemoCluster is the user cluster that a new platform gets.
const DemoCluster = "demo"

// DemoProject is the project that the demo cluster is in.
const DemoProject = "demo"

// ownSeed is the Seed that is the platform's own cluster.
const ownSeed = "local"

// demoPath exists once the demo cluster was made.
var demoPath = filepath.Join(StateDir, "demo")

// clusterTimeout bounds how long user clusters may take; it is seconds on an idle machine.
const clusterTimeout = 5 * time.Minute

// masterOwner marks what the platform gives its master.
var masterOwner = kube.Owner{FieldManager: "canopy-local", Label: ownerLabel, Value: "master"}

// setUpMaster makes the platform's own cluster a seed of its master, with a datacenter, and the releases that there are
// images of. The project comes with a new master only: who deletes it has had a reason to.
func (u *up) setUpMaster(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	objs, err := decode(c.Scheme(), examples.Small)
	if err != nil {
		return err
	}
	isNew, err := newMaster(ctx, c)
	if err != nil {
		return err
	}
	if !isNew {
		objs = slices.DeleteFunc(objs, isProject)
	}
	if err := (&kube.Applier{Client: c}).Apply(ctx, masterOwner, objs); err != nil {
		return fmt.Errorf("apply examples/small.yaml: %w", err)
	}
	scope := kube.PruneScope{Owner: masterOwner, Kinds: []schema.GroupVersionKind{v1alpha1.GroupVersion.WithKind("Release")}}
	if err := kube.Prune(ctx, c, c, scope, objs); err != nil {
		return err
	}
	for _, obj := range objs {
		if conditioned, ok := obj.(kube.Conditioned); ok {
			if err := awaitReady(ctx, c, conditioned); err != nil {
				return err
			}
		}
	}
	return nil
}

// newMaster reports whether the platform has had no master before, or not got as far as its first cluster.
func newMaster(ctx context.Context, c client.Client) (bool, error) {
	err := c.Get(ctx, client.ObjectKey{Name: ownSeed}, &v1alpha1.Seed{})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look for the Seed %s: %w", ownSeed, err)
	}
	_, statErr := os.Stat(demoPath)
	return apierrors.IsNotFound(err) || statErr != nil, nil
}

func isProject(obj client.Object) bool {
	_, ok := obj.(*v1alpha1.Project)
	return ok
}

// decode returns the objects of a file of YAML documents.
func decode(scheme *runtime.Scheme, file []byte) ([]client.Object, error) {
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objs []client.Object
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objs, nil
		}
		if err != nil {
			return nil, err
		}
		decoded, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		obj, ok := decoded.(client.Object)
		if !ok {
			return nil, fmt.Errorf("%T is no object", decoded)
		}
		objs = append(objs, obj)
	}
}

// createDemo makes the first user cluster, on a new platform only: who deletes it or changes it has had a reason to. It
// returns when its control plane runs.
func (u *up) createDemo(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	if _, err := os.Stat(demoPath); err == nil {
		return nil
	}
	objs, err := decode(c.Scheme(), examples.Demo)
	if err != nil {
		return err
	}
	if err := (&kube.Applier{Client: c}).Apply(ctx, masterOwner, objs); err != nil {
		return fmt.Errorf("apply examples/demo.yaml: %w", err)
	}
	if err := sandbox.WriteFile(demoPath, nil, 0o644); err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: v1alpha1.ProjectNamespacePrefix + DemoProject, Name: DemoCluster}
	return awaitFor(ctx, clusterTimeout, "the control plane of "+DemoCluster, func(ctx context.Context) string {
		cluster := &v1alpha1.Cluster{}
		if err := c.Get(ctx, key, cluster); err != nil {
			return err.Error()
		}
		if cluster.Status.Version != "" {
			return ""
		}
		return notReadyYet(cluster)
	})
}

// awaitClusters waits until every user cluster that has ever run is ready, those of the master and those that somebody made
// on the seed by hand. Of the latter it says that they belong to no project, and of those that never ran, why: it would wait
// for what their users have to mend.
func (u *up) awaitClusters(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	if err := awaitFreshPods(ctx, c, u.process.Since); err != nil {
		return err
	}
	var strays, never []string
	err = awaitFor(ctx, clusterTimeout, "all clusters to be ready", func(ctx context.Context) string {
		all, err := userClusters(ctx, c)
		if err != nil {
			return err.Error()
		}
		strays, never = nil, nil
		for _, cluster := range all {
			if why := notReadyYet(cluster); why != "" && !hasRun(cluster) {
				never = append(never, cluster.GetName()+": "+why)
			}
			if _, ok := cluster.(*hostingv1alpha1.HostedCluster); ok && cluster.GetLabels()[v1alpha1.LabelCluster] == "" {
				strays = append(strays, cluster.GetName())
			}
		}
		return firstNotReady(all)
	})
	if err == nil && len(strays) > 0 {
		fmt.Fprintf(u.progress, "on the seed, in no project: %s\n", strings.Join(strays, ", "))
	}
	for _, cluster := range never {
		fmt.Fprintf(u.progress, "not waited for, it has never run: %s\n", cluster)
	}
	return err
}

// hasRun reports whether a user cluster has had a control plane.
func hasRun(cluster kube.Conditioned) bool {
	switch of := cluster.(type) {
	case *v1alpha1.Cluster:
		return of.Status.Version != ""
	case *hostingv1alpha1.HostedCluster:
		return of.Status.Version != ""
	}
	return false
}

// userClusters are the HostedClusters of the platform's own seed, and after them the Clusters of its master.
func userClusters(ctx context.Context, c client.Client) ([]kube.Conditioned, error) {
	hosted, clusters := &hostingv1alpha1.HostedClusterList{}, &v1alpha1.ClusterList{}
	if err := errors.Join(c.List(ctx, hosted), c.List(ctx, clusters)); err != nil {
		return nil, err
	}
	var all []kube.Conditioned
	for i := range hosted.Items {
		all = append(all, &hosted.Items[i])
	}
	for i := range clusters.Items {
		all = append(all, &clusters.Items[i])
	}
	return all, nil
}

// firstNotReady says what the first cluster that is not ready waits for; empty: all that have run and stay are ready.
func firstNotReady(clusters []kube.Conditioned) string {
	for _, cluster := range clusters {
		if !cluster.GetDeletionTimestamp().IsZero() || !hasRun(cluster) {
			continue
		}
		if why := notReadyYet(cluster); why != "" {
			return cluster.GetName() + ": " + why
		}
	}
	return ""
}

// notReadyYet says what the Ready condition of an object says; empty: it is ready.
func notReadyYet(obj kube.Conditioned) string {
	ready := meta.FindStatusCondition(*obj.StatusConditions(), v1alpha1.ConditionReady)
	switch {
	case ready == nil || ready.ObservedGeneration < obj.GetGeneration():
		return "not looked at yet"
	case ready.Status != metav1.ConditionTrue:
		return ready.Reason + ": " + ready.Message
	}
	return ""
}

func awaitReady(ctx context.Context, c client.Client, obj kube.Conditioned) error {
	what := fmt.Sprintf("%s %s", strings.TrimPrefix(fmt.Sprintf("%T", obj), "*v1alpha1."), obj.GetName())
	return await(ctx, what, func(ctx context.Context) string {
		if err := c.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err.Error()
		}
		return notReadyYet(obj)
	})
}
