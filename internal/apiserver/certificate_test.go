// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"crypto/x509"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestTheServersOwnCertificate(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "canopy-system", Name: AuthorityName}
	public := &corev1.ConfigMap{ObjectMeta: meta}
	for _, obj := range []client.Object{&corev1.Secret{ObjectMeta: meta}, public} {
		if err := shared.kube.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	config, err := certificates(t.Context(), shared.kube, "", []string{"canopy.example.com", "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.kube.Get(t.Context(), client.ObjectKeyFromObject(public), public); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(public.Data[AuthorityKey]))
	for _, host := range []string{"canopy.example.com", "192.0.2.1"} {
		if _, err := shown.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Error(err)
		}
	}
	if bytes.Equal(shown.Leaf.RawSubject, shown.Leaf.RawIssuer) {
		t.Error("curl takes it for self-signed")
	}
	again, err := certificates(t.Context(), shared.kube, "", []string{"canopy.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if other, err := again.GetCertificate(nil); err != nil || !bytes.Equal(other.Leaf.AuthorityKeyId, shown.Leaf.AuthorityKeyId) {
		t.Errorf("another replica has another authority: %v", err)
	}
}
