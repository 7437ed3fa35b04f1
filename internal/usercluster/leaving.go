// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package usercluster

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaving is the component of what is in a cluster only while it is being deleted.
const leaving = "leaving"

// LeavingPolicy refuses new load balancers and volumes.
const LeavingPolicy = "leaving.hosting.canopy.dev"

// annotationProvisioner is on volumes that Kubernetes had made for a claim.
const annotationProvisioner = "pv.kubernetes.io/provisioned-by"

// Leaving returns what keeps a cluster that is being deleted from getting more of its cloud. A load balancer that is there can
// still be changed, because who takes it away writes so into its Service.
func Leaving() []client.Object {
	return []client.Object{
		&admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: clusterMeta(LeavingPolicy, leaving),
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				FailurePolicy: new(admissionv1.Fail),
				MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{
					coreRule("services", admissionv1.Create, admissionv1.Update),
					coreRule("persistentvolumeclaims", admissionv1.Create),
				}},
				Validations: []admissionv1.Validation{{
					Expression: "request.resource.resource == 'services' && (object.spec.type != 'LoadBalancer' || oldObject != null && oldObject.spec.type == 'LoadBalancer')",
					Reason:     new(metav1.StatusReasonForbidden),
					Message:    "this cluster is being deleted: it gets no more load balancers and volumes",
				}},
			},
		},
		&admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: clusterMeta(LeavingPolicy, leaving),
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: LeavingPolicy, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			},
		},
	}
}

func coreRule(resource string, operations ...admissionv1.OperationType) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: operations,
		Rule:       admissionv1.Rule{APIGroups: []string{corev1.GroupName}, APIVersions: []string{"*"}, Resources: []string{resource}},
	}}
}

// LeavingTrial returns what a cluster refuses once Leaving is in force there.
func LeavingTrial() client.Object {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "canopy-trial", Namespace: metav1.NamespaceDefault, Labels: labels(leaving)},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 1}}},
	}
}

// CloudLive is what lives in a cluster of what its cloud may have for it, and who uses that.
type CloudLive struct {
	Services []corev1.Service
	Claims   []corev1.PersistentVolumeClaim
	Volumes  []corev1.PersistentVolume
	Pods     []corev1.Pod
}

// CloudResources is what a cluster that is being deleted has at its cloud.
type CloudResources struct {
	// Unasked are objects whose deletion nobody has asked for yet, in the order in which it has to be.
	Unasked []client.Object
	// Left names the load balancers and volumes that have to go and have not gone.
	Left []string
	// Kept names the volumes that are not to go with the cluster.
	Kept []string
}

// Release says what has to be deleted so that the cloud takes back what it has for a cluster. A volume goes with its claim, and a
// claim only when no pod on a node has it: a pod that is made anew is given to no node, because its claim is being deleted.
func Release(live CloudLive) CloudResources {
	var r CloudResources
	for i := range live.Services {
		if s := &live.Services[i]; s.Spec.Type == corev1.ServiceTypeLoadBalancer {
			r.Left = append(r.Left, "load balancer "+name(s))
			r.ask(s)
		}
	}
	goes := map[string]bool{} // names of volumes
	left := map[string]bool{} // names of claims whose volumes have not gone
	for _, v := range live.Volumes {
		switch claim := v.Spec.ClaimRef; {
		case v.Annotations[annotationProvisioner] == "" || v.Spec.HostPath != nil || v.Spec.Local != nil:
			// made by a person, or gone with its node
		case claim == nil:
			r.Kept = append(r.Kept, "volume "+v.Name)
		case v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete:
			r.Kept = append(r.Kept, fmt.Sprintf("volume %s of claim %s/%s", v.Name, claim.Namespace, claim.Name))
		default:
			goes[v.Name], left[claim.Namespace+"/"+claim.Name] = true, true
		}
	}
	for i := range live.Claims {
		if c := &live.Claims[i]; c.Spec.VolumeName == "" || goes[c.Spec.VolumeName] { // one without a volume may be about to get it
			left[name(c)] = true
			r.ask(c)
		}
	}
	r.releasePods(live.Pods, left)
	return r
}

// releasePods adds the pods on nodes that have one of the claims, and names the volumes of the claims.
func (r *CloudResources) releasePods(pods []corev1.Pod, claims map[string]bool) {
	user := map[string]string{}
	for i := range pods {
		p := &pods[i]
		used := slices.DeleteFunc(claimsOf(p), func(claim string) bool { return !claims[claim] })
		if p.Spec.NodeName == "" || len(used) == 0 {
			continue
		}
		r.ask(p)
		for _, claim := range used {
			user[claim] = " in use by pod " + p.Name
		}
	}
	for claim := range claims {
		r.Left = append(r.Left, "volume "+claim+user[claim])
	}
	slices.Sort(r.Left)
}

func (r *CloudResources) ask(obj client.Object) {
	if obj.GetDeletionTimestamp().IsZero() {
		r.Unasked = append(r.Unasked, obj)
	}
}

// claimsOf returns the claims that a pod names, with their namespace.
func claimsOf(p *corev1.Pod) []string {
	var claims []string
	for _, v := range p.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			claims = append(claims, p.Namespace+"/"+p.Name+"-"+v.Name)
		}
	}
	return claims
}

func name(obj client.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }
