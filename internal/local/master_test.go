// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hostingv1alpha1 "canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/examples"
	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/kube"
)

func decoded(t *testing.T, file []byte) []client.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	objs, err := decode(scheme, file)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// TestThePlatformsReleasesAreThoseThatThereAreImagesOf compares the examples with the list of images.
func TestThePlatformsReleasesAreThoseThatThereAreImagesOf(t *testing.T) {
	var all, defaults []string
	for _, obj := range decoded(t, examples.Small) {
		if release, ok := obj.(*v1alpha1.Release); ok {
			all = append(all, release.Name)
			if release.Spec.Default {
				defaults = append(defaults, release.Name)
			}
		}
	}
	want := images.KubernetesVersions()
	slices.Sort(want)
	slices.Sort(all)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{images.DefaultKubernetesVersion()}, defaults); diff != "" {
		t.Error(diff)
	}
}

func TestTheDemoIsWhereThePlatformLooksForIt(t *testing.T) {
	var got []string
	for _, obj := range append(decoded(t, examples.Small), decoded(t, examples.Demo)...) {
		switch obj := obj.(type) {
		case *v1alpha1.Cluster:
			if obj.Spec.Version != images.DefaultKubernetesVersion() {
				t.Errorf("the demo is of version %s, not of the default one", obj.Spec.Version)
			}
		case *v1alpha1.Release:
			continue
		}
		kind := strings.TrimPrefix(strings.ToLower(fmt.Sprintf("%T", obj)), "*v1alpha1.")
		got = append(got, kind+" "+client.ObjectKeyFromObject(obj).String())
	}
	want := []string{
		"seed /" + ownSeed, "datacenter /local", "project /" + DemoProject,
		"cluster project-" + DemoProject + "/" + DemoCluster, "nodepool project-" + DemoProject + "/demo-workers",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefusesWhatIsNoField(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	_, err := decode(scheme, []byte("apiVersion: canopy.dev/v1alpha1\nkind: Seed\nmetadata: {name: a}\nspec: {colour: red}\n"))
	if err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("error = %v, want one that names the field", err)
	}
}

func TestFirstNotReady(t *testing.T) {
	condition := func(status metav1.ConditionStatus, generation int64) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Reason: "Why", Message: "because", ObservedGeneration: generation}}
	}
	hosted := func(status metav1.ConditionStatus) *hostingv1alpha1.HostedCluster {
		hc := &hostingv1alpha1.HostedCluster{ObjectMeta: metav1.ObjectMeta{Name: "hosted", Generation: 2}}
		hc.Status.Version, hc.Status.Conditions = "1.37.2", condition(status, 2)
		return hc
	}
	cluster := func(status metav1.ConditionStatus, generation int64) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "cluster", Generation: 2}}
		c.Status.Version, c.Status.Conditions = "1.37.2", condition(status, generation)
		return c
	}
	never := cluster(metav1.ConditionFalse, 2)
	never.Status.Version = ""
	going := cluster(metav1.ConditionFalse, 2)
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	tests := map[string]struct {
		clusters []kube.Conditioned
		want     string
	}{
		"none":                  {nil, ""},
		"all are ready":         {[]kube.Conditioned{hosted(metav1.ConditionTrue), cluster(metav1.ConditionTrue, 2)}, ""},
		"the seed's is not":     {[]kube.Conditioned{hosted(metav1.ConditionFalse), cluster(metav1.ConditionTrue, 2)}, "hosted: Why: because"},
		"its seed is lost":      {[]kube.Conditioned{cluster(metav1.ConditionUnknown, 2)}, "cluster: Why: because"},
		"ready before a change": {[]kube.Conditioned{cluster(metav1.ConditionTrue, 1)}, "cluster: not looked at yet"},
		"one that never ran":    {[]kube.Conditioned{never}, ""},
		"one that goes":         {[]kube.Conditioned{going}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := firstNotReady(tc.clusters); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
