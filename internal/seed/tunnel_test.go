// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/controlplane"
	"canopy.dev/canopy/internal/openvpn"
)

func (c clusterTest) podKeys() string {
	c.Helper()
	set := &appsv1.StatefulSet{}
	c.get(set, controlplane.Name)
	return set.Spec.Template.Annotations[controlplane.AnnotationKeys]
}

// Losing the tunnel's authority costs nothing but new keys, also of a cluster that runs.
func TestALostAuthorityOfTheTunnelIsReplaced(t *testing.T) {
	c := newClusterTest(t, "vpn-keys")
	c.step()
	before, keys := c.secret(controlplane.SecretOpenVPN), c.podKeys()
	c.hc.Status.Version = "1.37.2"
	if err := c.Status().Update(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	lost := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.hc.Namespace, Name: controlplane.SecretOpenVPNCA}}
	if err := c.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	c.step()
	after := c.secret(controlplane.SecretOpenVPN)
	for _, file := range []string{openvpn.FileCA, openvpn.FileTLSCrypt, "server.crt", "server.key"} {
		if len(after[file]) == 0 || string(after[file]) == string(before[file]) {
			t.Errorf("%s is not new", file)
		}
	}
	if c.podKeys() == keys {
		t.Error("kube-apiserver would go on with the old certificate")
	}
}

func TestTheTunnelCanBeChanged(t *testing.T) {
	c := newClusterTest(t, "vpn-change")
	c.step()
	c.hc.Spec.Network.Tunnel = v1alpha1.TunnelKonnectivity
	if err := c.Update(t.Context(), c.hc); err != nil {
		t.Fatal(err)
	}
	c.step()
	set := &appsv1.StatefulSet{}
	c.get(set, controlplane.Name)
	if n := len(set.Spec.Template.Spec.Containers); n != 3 {
		t.Errorf("%d containers, want etcd, kubernetes and konnectivity-server", n)
	}
	if data := c.secret(controlplane.SecretCertificates); len(data["konnectivity-server.crt"]) == 0 || len(data["egress-client.crt"]) > 0 {
		t.Error("the certificates are not those of the tunnel")
	}
}
