// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// advice is what to do about an error, and who.
var advice = map[string]string{
	v1alpha1.ReasonUnauthenticated:   "put a client secret that is valid into the Secret of the Preset",
	v1alpha1.ReasonUnauthorized:      "give the application of the Preset a role that allows it",
	v1alpha1.ReasonQuotaExceeded:     "have the subscription's quota raised, or delete what is not needed",
	v1alpha1.ReasonResourcesDepleted: "it is tried again; another zone or size may have some",
	v1alpha1.ReasonRateLimited:       "it is tried again later",
	v1alpha1.ReasonDependencies:      "delete what is in the way",
	v1alpha1.ReasonConfiguration:     "change the cluster, the pool or the Datacenter",
}

// rateLimitPause is how long is waited where Azure does not say it.
const rateLimitPause = 30 * time.Second

func refused(reason, doing, message string) *machine.RefusedError {
	return &machine.RefusedError{Reason: reason, Message: fmt.Sprintf("%s: Azure says: %s: %s", doing, strings.TrimSuffix(strings.TrimSpace(message), "."), advice[reason])}
}

// explain says whose business an error is. doing says what was tried, such as "making the virtual machine a".
func explain(err error, doing string) error {
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return explainToken(failed, doing)
	}
	said, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return fmt.Errorf("%s: %w", doing, err)
	}
	message := messageOf(said)
	reason := reasonOf(said, message)
	if reason == "" {
		return fmt.Errorf("%s: Azure says: %d %s: %s", doing, said.StatusCode, said.ErrorCode, message)
	}
	r := refused(reason, doing, said.ErrorCode+": "+message)
	if reason == v1alpha1.ReasonRateLimited {
		r.After = rateLimitPause
		if said.RawResponse != nil {
			r.After = machine.RetryAfter(said.RawResponse.Header, rateLimitPause)
		}
	}
	return r
}

// explainToken is for an answer to the request for a token. What is not about the credentials is tried again.
func explainToken(err *azidentity.AuthenticationFailedError, doing string) error {
	if err.RawResponse == nil || err.RawResponse.StatusCode >= http.StatusInternalServerError || err.RawResponse.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%s: Azure gives no token for the credentials", doing)
	}
	var said struct {
		Description string `json:"error_description"`
	}
	if body, e := runtime.Payload(err.RawResponse); e == nil {
		_ = json.Unmarshal(body, &said) // what is not JSON has no description
	}
	first, _, _ := strings.Cut(said.Description, "\n") // what follows are identifiers of the request
	return refused(v1alpha1.ReasonUnauthenticated, doing, "no token for the credentials "+strings.TrimSpace(first))
}

// messageOf returns what Azure says in words.
func messageOf(said *azcore.ResponseError) string {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if said.RawResponse == nil {
		return ""
	}
	if content, err := runtime.Payload(said.RawResponse); err == nil {
		_ = json.Unmarshal(content, &body) // what is not JSON has no message
	}
	return body.Error.Message
}

// reasons are Azure's codes that say more than the status of the answer.
var reasons = map[string]string{
	"QuotaExceeded":                         v1alpha1.ReasonQuotaExceeded,
	"SkuNotAvailable":                       v1alpha1.ReasonResourcesDepleted,
	"AllocationFailed":                      v1alpha1.ReasonResourcesDepleted,
	"ZonalAllocationFailed":                 v1alpha1.ReasonResourcesDepleted,
	"OverconstrainedAllocationRequest":      v1alpha1.ReasonResourcesDepleted,
	"OverconstrainedZonalAllocationRequest": v1alpha1.ReasonResourcesDepleted,
	"SubnetIsFull":                          v1alpha1.ReasonResourcesDepleted,
	"RequestDisallowedByPolicy":             v1alpha1.ReasonConfiguration,
	"MissingSubscriptionRegistration":       v1alpha1.ReasonConfiguration,
	"MarketplacePurchaseEligibilityFailed":  v1alpha1.ReasonConfiguration,
	"ScopeLocked":                           v1alpha1.ReasonDependencies,
	"RetryableError":                        "",
	"AnotherOperationInProgress":            "",
}

// reasonOf returns one of v1alpha1's reasons; empty for what is tried again without a word.
func reasonOf(said *azcore.ResponseError, message string) string {
	if reason, ok := reasons[said.ErrorCode]; ok {
		return reason
	}
	switch {
	case strings.HasSuffix(said.ErrorCode, "LimitReached"), said.ErrorCode == "OperationNotAllowed" && strings.Contains(strings.ToLower(message), "quota"):
		return v1alpha1.ReasonQuotaExceeded
	case strings.HasPrefix(said.ErrorCode, "InUse"):
		return v1alpha1.ReasonDependencies
	}
	switch said.StatusCode {
	case http.StatusUnauthorized:
		return v1alpha1.ReasonUnauthenticated
	case http.StatusForbidden:
		return v1alpha1.ReasonUnauthorized
	case http.StatusTooManyRequests:
		return v1alpha1.ReasonRateLimited
	case http.StatusBadRequest, http.StatusNotFound:
		return v1alpha1.ReasonConfiguration
	}
	return ""
}

// is reports whether Azure has answered with the HTTP status.
func is(err error, status int) bool {
	said, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && said.StatusCode == status
}
