// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// advice is what to do about an error, and who.
var advice = map[string]string{
	v1alpha1.ReasonUnauthenticated:   "put a key that is valid into the Secret of the Preset",
	v1alpha1.ReasonUnauthorized:      "give the service account of the Preset a role that allows it",
	v1alpha1.ReasonQuotaExceeded:     "have the project's quota raised, or delete what is not needed",
	v1alpha1.ReasonResourcesDepleted: "it is tried again; another zone or machine type may have some",
	v1alpha1.ReasonRateLimited:       "it is tried again later",
	v1alpha1.ReasonDependencies:      "delete what uses it",
	v1alpha1.ReasonConfiguration:     "change the cluster, the pool or the Datacenter",
}

// rateLimitPause is how long is waited where Google does not say it; its limits are those of a minute.
const rateLimitPause = 30 * time.Second

func refused(reason, doing, message string) *machine.RefusedError {
	return &machine.RefusedError{Reason: reason, Message: fmt.Sprintf("%s: Google Cloud says: %s: %s", doing, strings.TrimSuffix(strings.TrimSpace(message), "."), advice[reason])}
}

// explain says whose business an error is. doing says what was tried, such as "making the instance a".
func explain(err error, doing string) error {
	if token, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return explainToken(token, doing)
	}
	said, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", doing, err)
	}
	reason := reasonOf(said)
	if reason == "" {
		return fmt.Errorf("%s: Google Cloud says: %d %s", doing, said.Code, said.Message)
	}
	r := refused(reason, doing, said.Message)
	if reason == v1alpha1.ReasonRateLimited {
		r.After = machine.RetryAfter(said.Header, rateLimitPause)
	}
	return r
}

// explainToken is for an answer to the request for a token. What is not about the credentials is tried again.
func explainToken(err *oauth2.RetrieveError, doing string) error {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(err.Body, &said) != nil || said.Code == "" || err.Response == nil || err.Response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s: Google Cloud gives no token for the credentials", doing)
	}
	return refused(v1alpha1.ReasonUnauthenticated, doing, said.Code+": "+said.Description)
}

// reasonOf returns one of v1alpha1's reasons; empty for what is tried again without a word.
func reasonOf(err *googleapi.Error) string {
	if reason, ok := map[string]string{
		"rateLimitExceeded":              v1alpha1.ReasonRateLimited,
		"userRateLimitExceeded":          v1alpha1.ReasonRateLimited,
		"quotaExceeded":                  v1alpha1.ReasonQuotaExceeded,
		"resourceInUseByAnotherResource": v1alpha1.ReasonDependencies,
		"resourceNotReady":               "",
		"accessNotConfigured":            v1alpha1.ReasonConfiguration,
	}[saidReason(err)]; ok {
		return reason
	}
	if strings.Contains(err.Message, stockout) {
		return v1alpha1.ReasonResourcesDepleted
	}
	switch err.Code {
	case http.StatusUnauthorized:
		return v1alpha1.ReasonUnauthenticated
	case http.StatusForbidden:
		return v1alpha1.ReasonUnauthorized
	case http.StatusTooManyRequests:
		return v1alpha1.ReasonRateLimited
	case http.StatusBadRequest, http.StatusNotFound, http.StatusPreconditionFailed:
		return v1alpha1.ReasonConfiguration
	}
	return ""
}

// stockout is in each of the codes for a zone that has no more of what is wanted.
const stockout = "RESOURCE_POOL_EXHAUSTED"

// explainOperation says whose business it is that an operation has failed.
func explainOperation(op *compute.Operation, doing string) error {
	if op.Error == nil || len(op.Error.Errors) == 0 {
		return fmt.Errorf("%s: Google Cloud says: %d %s", doing, op.HttpErrorStatusCode, op.HttpErrorMessage)
	}
	said := op.Error.Errors[0]
	reason := ""
	switch code := said.Code; {
	case strings.Contains(code, stockout), strings.HasPrefix(code, "IP_SPACE_EXHAUSTED"):
		reason = v1alpha1.ReasonResourcesDepleted
	case strings.Contains(code, "QUOTA_EXCEEDED"):
		reason = v1alpha1.ReasonQuotaExceeded
	case strings.HasSuffix(code, "RATE_EXCEEDED"):
		reason = v1alpha1.ReasonRateLimited
	case strings.Contains(code, "IN_USE"):
		reason = v1alpha1.ReasonDependencies
	case code == "PERMISSIONS_ERROR", code == "FORBIDDEN":
		reason = v1alpha1.ReasonUnauthorized
	case strings.HasPrefix(code, "INVALID_"), strings.HasSuffix(code, "NOT_FOUND"), code == "CONDITION_NOT_MET", code == "UNSUPPORTED_OPERATION":
		reason = v1alpha1.ReasonConfiguration
	default: // INTERNAL_ERROR and the like
		return fmt.Errorf("%s: Google Cloud says: %s: %s", doing, code, said.Message)
	}
	return refused(reason, doing, said.Message)
}

// is reports whether the API has answered with the HTTP status.
func is(err error, status int) bool {
	said, ok := errors.AsType[*googleapi.Error](err)
	return ok && said.Code == status
}

// saidReason returns the API's own word for the error.
func saidReason(err error) string {
	if said, ok := errors.AsType[*googleapi.Error](err); ok && len(said.Errors) > 0 {
		return said.Errors[0].Reason
	}
	return ""
}
