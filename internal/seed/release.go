// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/kube"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/usercluster"
)

// releaseRetry is how often a cluster is asked what its cloud still has for it.
const releaseRetry = 3 * time.Second

// abandonHint says what a person can do when a cloud never gives back what it has.
const abandonHint = "the annotation " + v1alpha1.AnnotationAbandonCloud + "=true leaves them there"

// release waits until the cloud has taken back the load balancers and volumes that the cluster made there itself. A cluster
// whose API never answered has none, and one whose machines go already has none any more.
func (r *HostedClusterReconciler) release(ctx context.Context, hc *v1alpha1.HostedCluster) (string, error) {
	if !machine.AtCloud(hc) || hc.Status.Version == "" {
		return "", nil
	}
	capi := &clusterv1.Cluster{}
	err := r.Get(ctx, client.ObjectKeyFromObject(hc), capi)
	if apierrors.IsNotFound(err) || err == nil && !capi.DeletionTimestamp.IsZero() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if hc.Annotations[v1alpha1.AnnotationAbandonCloud] == "true" {
		setCondition(hc, v1alpha1.ConditionCloudReleased, false, v1alpha1.ReasonAbandoned,
			"load balancers and volumes of the cluster may stay at the cloud, because of the annotation "+v1alpha1.AnnotationAbandonCloud)
		return "", nil
	}
	waitsFor, kept, err := r.addons.release(ctx, client.ObjectKeyFromObject(hc))
	if err != nil {
		waitsFor = fmt.Sprintf("only the cluster's API knows which load balancers and volumes it has at the cloud, and it does not say: %v (kubectl -n %s get pods shows its control plane)", err, hc.Namespace)
	}
	if waitsFor != "" {
		waitsFor += "; " + abandonHint
		setCondition(hc, v1alpha1.ConditionCloudReleased, false, v1alpha1.ReasonDeleting, waitsFor)
		return "", kube.Wait(v1alpha1.ReasonDeleting, waitsFor, releaseRetry)
	}
	if len(kept) == 0 {
		setCondition(hc, v1alpha1.ConditionCloudReleased, true, v1alpha1.ReasonReleased, "")
		return "", nil
	}
	message := "what does not go with the cluster stays at the cloud: " + strings.Join(kept, ", ")
	setCondition(hc, v1alpha1.ConditionCloudReleased, true, v1alpha1.ReasonVolumesKept, message)
	r.Events.Eventf(hc, nil, corev1.EventTypeWarning, v1alpha1.ReasonVolumesKept, "Release", "%s", message)
	return "", nil
}

// stays says, after what a deletion waits for, what it leaves at the cloud.
func stays(hc *v1alpha1.HostedCluster) string {
	c := meta.FindStatusCondition(hc.Status.Conditions, v1alpha1.ConditionCloudReleased)
	if c == nil || c.Reason != v1alpha1.ReasonVolumesKept && c.Reason != v1alpha1.ReasonAbandoned {
		return ""
	}
	return "; " + c.Message
}

// release has the cluster give up what its cloud has for it, lets it have no more, and returns what is still there and what
// stays.
func (a *addons) release(ctx context.Context, key client.ObjectKey) (waitsFor string, kept []string, err error) {
	inside, err := a.clusters.GetUncachedClient(ctx, key)
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return "", nil, errors.New("the seed manager has no connection to it")
	}
	if err != nil {
		return "", nil, err
	}
	if admits, err := refuseMore(ctx, inside); err != nil {
		return "", nil, err
	} else if admits {
		return "waiting for the cluster's API to refuse new load balancers and volumes", nil, nil
	}
	live, err := cloudLive(ctx, inside)
	if err != nil {
		return "", nil, err
	}
	resources := usercluster.Release(live)
	for _, obj := range resources.Unasked {
		// What a process would still write goes with its volume.
		if err := kube.Delete(ctx, inside, obj, client.GracePeriodSeconds(1)); err != nil {
			return "", nil, err
		}
	}
	if n := len(resources.Left); n > 0 {
		waitsFor = fmt.Sprintf("waiting for the cloud to remove %s (%d in all)", kube.Few(resources.Left), n)
	}
	return waitsFor, resources.Kept, nil
}

// refuseMore keeps the cluster from getting more of its cloud, and reports whether its API still admits that.
func refuseMore(ctx context.Context, inside client.Client) (admits bool, err error) {
	owner := kube.Owner{FieldManager: hostedClusterController, Label: usercluster.OwnerLabel, Value: usercluster.OwnerValue}
	if err := (&kube.Applier{Client: inside}).Apply(ctx, owner, usercluster.Leaving()); err != nil {
		return false, err
	}
	_, _, err = kube.Preview(ctx, inside, owner, usercluster.LeavingTrial())
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsInternalError(err) { // whoever refuses it, or a webhook that is gone
		return false, nil
	}
	return err == nil, err
}

func cloudLive(ctx context.Context, inside client.Reader) (usercluster.CloudLive, error) {
	var services corev1.ServiceList
	var claims corev1.PersistentVolumeClaimList
	var volumes corev1.PersistentVolumeList
	var pods corev1.PodList
	// Claims before volumes: one that gets its volume meanwhile is still seen.
	for _, list := range []client.ObjectList{&services, &claims, &volumes, &pods} {
		if list == client.ObjectList(&pods) && len(claims.Items) == 0 {
			continue // there may be many, and none can have what there is not
		}
		if err := inside.List(ctx, list); err != nil {
			return usercluster.CloudLive{}, err
		}
	}
	return usercluster.CloudLive{Services: services.Items, Claims: claims.Items, Volumes: volumes.Items, Pods: pods.Items}, nil
}
