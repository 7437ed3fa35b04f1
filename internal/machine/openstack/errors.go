// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package openstack

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

func refusal(reason, format string, args ...any) error {
	return &machine.RefusedError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// statusOf returns the status of the answer that is in the error; 0: there is none.
func statusOf(err error) int {
	if answer, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return answer.Actual
	}
	return 0
}

// refused classifies an error, by the status of the answer, and by its text where OpenStack has one status for several reasons.
func refused(place *v1alpha1.OpenStackPlace, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*machine.RefusedError](err); ok {
		return err
	}
	if denied, ok := errors.AsType[*gophercloud.ErrUnableToReauthenticate](err); ok {
		err = denied.ErrReauth // what Keystone says, and not what the service said before
	}
	_, noEndpoint := errors.AsType[*gophercloud.ErrEndpointNotFound](err)
	_, noCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	answer, _ := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err)
	said := messageOf(answer)
	call := strings.TrimSpace(answer.Method + " " + answer.URL)
	switch {
	case noEndpoint:
		return refusal(v1alpha1.ReasonConfiguration, "OpenStack %s does not have one of Nova, Neutron and Glance in the region %s: correct the Datacenter", place.AuthURL, place.Region)
	case noCertificate:
		return refusal(v1alpha1.ReasonConfiguration, "the certificate of OpenStack %s is not trusted: put its authority into the key %s of the Preset's Secret", place.AuthURL, keyAuthority)
	case answer.Actual == http.StatusUnauthorized:
		return refusal(v1alpha1.ReasonUnauthenticated, "OpenStack %s does not accept the credentials: put the right ones into the Preset's Secret (%s: %s)", place.AuthURL, call, said)
	case isDepleted(said):
		return refusal(v1alpha1.ReasonResourcesDepleted, "OpenStack %s has no more of it: %s (%s)", place.AuthURL, said, call)
	case isQuota(answer.Actual, said):
		return refusal(v1alpha1.ReasonQuotaExceeded, "the project has as much at OpenStack %s as it may have: delete something, or have its quota raised: %s (%s)", place.AuthURL, said, call)
	case answer.Actual == http.StatusForbidden:
		return refusal(v1alpha1.ReasonUnauthorized, "the credentials may not do it at OpenStack %s: give their user the role member of the project (%s: %s)", place.AuthURL, call, said)
	case answer.Actual == http.StatusTooManyRequests, answer.Actual == http.StatusRequestEntityTooLarge:
		return &machine.RefusedError{
			Reason: v1alpha1.ReasonRateLimited, After: machine.RetryAfter(answer.ResponseHeader, 0),
			Message: fmt.Sprintf("OpenStack %s has had too many requests: it is asked again later (%s)", place.AuthURL, call),
		}
	case answer.Actual == http.StatusConflict:
		return refusal(v1alpha1.ReasonDependencies, "something at OpenStack %s is in the way: %s (%s)", place.AuthURL, said, call)
	case answer.Actual == http.StatusBadRequest, answer.Actual == http.StatusNotFound:
		return refusal(v1alpha1.ReasonConfiguration, "OpenStack %s cannot do what the pool, the cluster or the Datacenter asks for: %s (%s)", place.AuthURL, said, call)
	case answer.Actual != 0:
		return fmt.Errorf("%s: OpenStack answers %d: %s", call, answer.Actual, said)
	}
	return fmt.Errorf("OpenStack %s: %w", place.AuthURL, err)
}

// isDepleted reports whether the text says that no host can take the server.
func isDepleted(said string) bool { return strings.Contains(said, "No valid host was found") }

// isQuota reports whether the answer says that a quota is reached: Nova says so by 403, Neutron by 409, Cinder by 413.
func isQuota(status int, said string) bool {
	said = strings.ToLower(said)
	return status != http.StatusTooManyRequests && (strings.Contains(said, "quota exceeded") || strings.Contains(said, "exceeds allowed") && strings.Contains(said, "quota"))
}

// messageOf returns what the service says in the body, which is {"<fault>": {"message": …}} for Nova, Keystone and Cinder, and
// {"NeutronError": {"message": …}} for Neutron. Glance says it in plain text.
func messageOf(answer gophercloud.ErrUnexpectedResponseCode) string {
	var faults map[string]struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer.Body, &faults); err == nil {
		for _, fault := range faults {
			if fault.Message != "" {
				return fault.Message
			}
		}
	}
	const enough = 200
	text := strings.TrimSpace(string(answer.Body))
	return text[:min(len(text), enough)]
}
