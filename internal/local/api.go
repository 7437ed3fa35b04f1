// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"canopy.dev/canopy/internal/apiserver"
)

// API returns the URL of the API of the platform that runs on this machine, and the authority of its certificate, in PEM.
func API(ctx context.Context) (url string, authority []byte, err error) {
	settings, err := settle(DefaultSettings(), false)
	if err != nil {
		return "", nil, err
	}
	c, err := newClient()
	if err != nil {
		return "", nil, err
	}
	published := &corev1.ConfigMap{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: SystemNamespace, Name: apiserver.AuthorityName}, published); err != nil {
		return "", nil, fmt.Errorf("reading the authority of the API's certificate: %w", err)
	}
	return settings.APIURL(), []byte(published.Data[apiserver.AuthorityKey]), nil
}
