// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package digitalocean

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/digitalocean/godo"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// classify says who has to act on what a call returned. what is the call and its object, such as "creating Droplet demo-a".
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	response, ok := errors.AsType[*godo.ErrorResponse](err)
	if !ok || response.Response == nil {
		return fmt.Errorf("%s at DigitalOcean: %w", what, err)
	}
	refused := &machine.RefusedError{}
	advice := ""
	switch status, said := response.Response.StatusCode, strings.ToLower(response.Message); {
	case status == http.StatusUnauthorized:
		refused.Reason, advice = v1alpha1.ReasonUnauthenticated, "put a token that is valid into the Preset's Secret"
	case status == http.StatusForbidden:
		refused.Reason, advice = v1alpha1.ReasonUnauthorized, "give the token of the Preset the right scope"
	case status == http.StatusTooManyRequests:
		refused.Reason, refused.After = v1alpha1.ReasonRateLimited, machine.RetryAfter(response.Response.Header, 0)
	case status == http.StatusConflict:
		refused.Reason = v1alpha1.ReasonDependencies
	case status == http.StatusUnprocessableEntity && strings.Contains(said, "limit"):
		refused.Reason, advice = v1alpha1.ReasonQuotaExceeded, "ask DigitalOcean for more, or delete what is not needed"
	case status == http.StatusUnprocessableEntity && strings.Contains(said, "not available"):
		refused.Reason, advice = v1alpha1.ReasonResourcesDepleted, "choose another size or region, or wait"
	case status == http.StatusUnprocessableEntity && strings.Contains(said, "pending event"):
		return fmt.Errorf("%s at DigitalOcean: %w", what, err) // it is busy with the last call
	case status == http.StatusUnprocessableEntity, status == http.StatusBadRequest, status == http.StatusNotFound:
		refused.Reason, advice = v1alpha1.ReasonConfiguration, "change the pool, the Datacenter or the image"
	default:
		return fmt.Errorf("%s at DigitalOcean: %w", what, err)
	}
	refused.Message = fmt.Sprintf("%s: DigitalOcean says: %s (%d)", what, response.Message, response.Response.StatusCode)
	if advice != "" {
		refused.Message += "; " + advice
	}
	return refused
}

// hasStatus reports whether a call was answered with one of the statuses.
func hasStatus(err error, statuses ...int) bool {
	response, ok := errors.AsType[*godo.ErrorResponse](err)
	if !ok || response.Response == nil {
		return false
	}
	for _, status := range statuses {
		if response.Response.StatusCode == status {
			return true
		}
	}
	return false
}

// ignoreNotFound is nil if it is not there.
func ignoreNotFound(err error) error {
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
