// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func service(name string, of corev1.ServiceType) corev1.Service {
	return corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.ServiceSpec{Type: of}}
}

func claim(name, volume string) corev1.PersistentVolumeClaim {
	return corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume}}
}

// volume is one that was made for a claim and goes with it.
func volume(name, claim string, mods ...func(*corev1.PersistentVolume)) corev1.PersistentVolume {
	v := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{annotationProvisioner: "ebs.csi.aws.com"}}}
	v.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "a", Name: claim}
	for _, mod := range mods {
		mod(&v)
	}
	return v
}

func retained(v *corev1.PersistentVolume) {
	v.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
}

func pod(name, node string, claims ...string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	for _, c := range claims {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c}}})
	}
	return p
}

func TestWhatACloudHasForACluster(t *testing.T) {
	going := metav1.Now()
	gone := claim("data", "pv")
	gone.DeletionTimestamp = &going
	ephemeral := pod("web", "node")
	ephemeral.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}}}
	for name, tc := range map[string]struct {
		live                CloudLive
		unasked, left, kept []string
	}{
		"a Service with a load balancer": {
			live:    CloudLive{Services: []corev1.Service{service("web", corev1.ServiceTypeLoadBalancer), service("db", corev1.ServiceTypeClusterIP)}},
			unasked: []string{"*v1.Service a/web"}, left: []string{"load balancer a/web"},
		},
		"a volume with its claim and all pods that have it": {
			live: CloudLive{
				Claims: []corev1.PersistentVolumeClaim{claim("data", "pv")}, Volumes: []corev1.PersistentVolume{volume("pv", "data")},
				Pods: []corev1.Pod{pod("one", "node", "data"), pod("two", "node", "data"), pod("other", "node"), pod("waiting", "", "data")},
			},
			unasked: []string{"*v1.PersistentVolumeClaim a/data", "*v1.Pod a/one", "*v1.Pod a/two"}, left: []string{"volume a/data in use by pod two"},
		},
		"one pod with two claims": {
			live: CloudLive{
				Claims:  []corev1.PersistentVolumeClaim{claim("data", "pv"), claim("logs", "pv-2")},
				Volumes: []corev1.PersistentVolume{volume("pv", "data"), volume("pv-2", "logs")}, Pods: []corev1.Pod{pod("one", "node", "data", "logs")},
			},
			unasked: []string{"*v1.PersistentVolumeClaim a/data", "*v1.PersistentVolumeClaim a/logs", "*v1.Pod a/one"},
			left:    []string{"volume a/data in use by pod one", "volume a/logs in use by pod one"},
		},
		"a claim that has been asked to go":           {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{gone}}},
		"a claim that goes, and its volume":           {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{gone}, Volumes: []corev1.PersistentVolume{volume("pv", "data")}}, left: []string{"volume a/data"}},
		"a volume whose claim has gone":               {live: CloudLive{Volumes: []corev1.PersistentVolume{volume("pv", "data")}}, left: []string{"volume a/data"}},
		"a claim that waits for its volume":           {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{claim("data", "")}}, unasked: []string{"*v1.PersistentVolumeClaim a/data"}, left: []string{"volume a/data"}},
		"a claim whose volume is retained":            {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{claim("data", "pv")}, Volumes: []corev1.PersistentVolume{volume("pv", "data", retained)}, Pods: []corev1.Pod{pod("one", "node", "data")}}, kept: []string{"volume pv of claim a/data"}},
		"a volume that no claim has":                  {live: CloudLive{Volumes: []corev1.PersistentVolume{volume("pv", "", func(v *corev1.PersistentVolume) { v.Spec.ClaimRef = nil })}}, kept: []string{"volume pv"}},
		"a volume that a person has made":             {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{claim("data", "pv")}, Volumes: []corev1.PersistentVolume{volume("pv", "data", func(v *corev1.PersistentVolume) { v.Annotations = nil })}}},
		"a volume that is a folder of a node":         {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{claim("data", "pv")}, Volumes: []corev1.PersistentVolume{volume("pv", "data", func(v *corev1.PersistentVolume) { v.Spec.HostPath = &corev1.HostPathVolumeSource{} })}}},
		"the claim of a pod's own and no other's pod": {live: CloudLive{Claims: []corev1.PersistentVolumeClaim{claim("web-scratch", "pv")}, Volumes: []corev1.PersistentVolume{volume("pv", "web-scratch")}, Pods: []corev1.Pod{ephemeral, pod("other", "node", "else")}}, unasked: []string{"*v1.PersistentVolumeClaim a/web-scratch", "*v1.Pod a/web"}, left: []string{"volume a/web-scratch in use by pod web"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Release(tc.live)
			var unasked []string
			for _, obj := range got.Unasked {
				unasked = append(unasked, fmt.Sprintf("%T %s/%s", obj, obj.GetNamespace(), obj.GetName()))
			}
			if diff := cmp.Diff([][]string{tc.unasked, tc.left, tc.kept}, [][]string{unasked, got.Left, got.Kept}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
