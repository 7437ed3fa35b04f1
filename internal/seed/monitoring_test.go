// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/kube"
)

// watch does what happens with the monitoring once the API answers, which it never does here.
func (c clusterTest) watch() {
	c.Helper()
	c.get(c.hc, c.hc.Name)
	in, keys, _, err := c.gather(c.Context(), c.hc, "kubernetes:1")
	if err != nil {
		c.Fatal(err)
	}
	owner := kube.Owner{FieldManager: hostedClusterController, Label: v1alpha1.LabelCluster, Value: c.hc.Name, Object: c.hc}
	c.reconcileMonitoring(c.Context(), in, keys, owner)
}

// monitoring returns the resource versions of what watches the cluster.
func (c clusterTest) monitoring() map[string]string {
	c.Helper()
	found := map[string]string{}
	for name, version := range c.versions() {
		if slices.Contains([]string{"StatefulSet/prometheus", "ConfigMap/prometheus", "Secret/prometheus", "Service/components"}, name) {
			found[name] = version
		}
	}
	return found
}

func (c clusterTest) component(name string) v1alpha1.ComponentStatus {
	for _, component := range c.hc.Status.Components {
		if component.Name == name {
			return component
		}
	}
	return v1alpha1.ComponentStatus{}
}

func TestWhatWatchesAClusterComesAndGoes(t *testing.T) {
	c := newClusterTest(t, "watched")
	c.step()
	if first := c.monitoring(); len(first) > 0 {
		t.Errorf("before the API answers there is %v", first)
	}
	c.watch()
	if got := c.component(controlplane.Prometheus); got.Ready || got.Message != "its pod does not exist yet" {
		t.Errorf("status: %+v", got)
	}
	before := c.monitoring()
	if len(before) != 4 {
		t.Errorf("there is only %v", before)
	}
	var files []string
	for file := range c.secret(controlplane.SecretPrometheus) {
		files = append(files, file)
	}
	slices.Sort(files)
	if diff := cmp.Diff([]string{"ca.crt", "kube-state-metrics.conf", "kube-state-metrics.crt", "kube-state-metrics.key", "prometheus.crt", "prometheus.key"}, files); diff != "" {
		t.Errorf("it has other keys than it needs:\n%s", diff)
	}
	c.step() // the API does not answer
	c.watch()
	if diff := cmp.Diff(before, c.monitoring()); diff != "" {
		t.Errorf("a second time changed something:\n%s", diff)
	}

	c.hc.Spec.Monitoring.Enabled = new(false)
	if err := c.Update(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	c.step()
	c.watch()
	if left := c.monitoring(); len(left) > 0 {
		t.Errorf("it was turned off, and there is still %v", left)
	}
	if got := c.component(controlplane.Prometheus); got.Name != "" {
		t.Errorf("it is still in the status: %+v", got)
	}
	service := &corev1.Service{}
	c.get(service, controlplane.APIServer) // what is another component's stays
	set := &appsv1.StatefulSet{}
	c.get(set, controlplane.Name)
}

func TestAClusterThatCannotBeWatchedIsStillReady(t *testing.T) {
	c := newClusterTest(t, "unwatched")
	c.step()
	r := *c.HostedClusterReconciler
	r.Client = interceptor.NewClient(c.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, live client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*corev1.Secret); ok && key.Name == controlplane.SecretPrometheus {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, nil)
			}
			return live.Get(ctx, key, obj, opts...)
		},
	})
	broken := clusterTest{t, &r, c.hc}
	broken.watch()
	if got := broken.component(controlplane.Prometheus); got.Reason != v1alpha1.ReasonError || !strings.Contains(got.Message, "forbidden") {
		t.Errorf("status: %+v", got)
	}
	if got := retryMonitoring(broken.hc, reconcile.Result{RequeueAfter: 2 * monitoringRetry}); got.RequeueAfter != monitoringRetry {
		t.Errorf("it is tried again after %s", got.RequeueAfter)
	}
}
