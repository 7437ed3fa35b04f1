// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package gcp

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// reason returns the reason of a refusal; empty for what is tried again without a word.
func reason(err error) string {
	if refused, ok := errors.AsType[*machine.RefusedError](err); ok {
		return refused.Reason
	}
	return ""
}

func TestWhatAnOperationFailsWithIsSomebodysBusiness(t *testing.T) {
	for code, want := range map[string]string{
		"QUOTA_EXCEEDED": v1alpha1.ReasonQuotaExceeded,
		"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": v1alpha1.ReasonResourcesDepleted,
		"IP_SPACE_EXHAUSTED":                        v1alpha1.ReasonResourcesDepleted,
		"RESOURCE_OPERATION_RATE_EXCEEDED":          v1alpha1.ReasonRateLimited,
		"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE":       v1alpha1.ReasonDependencies,
		"PERMISSIONS_ERROR":                         v1alpha1.ReasonUnauthorized,
		"RESOURCE_NOT_FOUND":                        v1alpha1.ReasonConfiguration,
		"INVALID_USAGE":                             v1alpha1.ReasonConfiguration,
		"CONDITION_NOT_MET":                         v1alpha1.ReasonConfiguration,
		"INTERNAL_ERROR":                            "",
	} {
		op := &compute.Operation{Error: &compute.OperationError{Errors: []*compute.OperationErrorErrors{{Code: code, Message: "said"}}}}
		if got := reason(explainOperation(op, "making")); got != want {
			t.Errorf("%s is %q, want %q", code, got, want)
		}
	}
}

func TestWhatACallIsRefusedWithIsSomebodysBusiness(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		said   string
		want   string
	}{
		"no such key":                {http.StatusUnauthorized, "authError", v1alpha1.ReasonUnauthenticated},
		"no right":                   {http.StatusForbidden, "forbidden", v1alpha1.ReasonUnauthorized},
		"a quota":                    {http.StatusForbidden, "quotaExceeded", v1alpha1.ReasonQuotaExceeded},
		"too many requests":          {http.StatusForbidden, "rateLimitExceeded", v1alpha1.ReasonRateLimited},
		"too many requests, by HTTP": {http.StatusTooManyRequests, "", v1alpha1.ReasonRateLimited},
		"an API that is not enabled": {http.StatusForbidden, "accessNotConfigured", v1alpha1.ReasonConfiguration},
		"a policy":                   {http.StatusPreconditionFailed, "conditionNotMet", v1alpha1.ReasonConfiguration},
		"in use":                     {http.StatusBadRequest, "resourceInUseByAnotherResource", v1alpha1.ReasonDependencies},
		"not ready yet":              {http.StatusBadRequest, "resourceNotReady", ""},
		"Google's own trouble":       {http.StatusServiceUnavailable, "backendError", ""},
	} {
		err := &googleapi.Error{Code: c.status, Message: "said", Header: http.Header{"Retry-After": {"7"}}, Errors: []googleapi.ErrorItem{{Reason: c.said}}}
		explained := explain(err, "making")
		if got := reason(explained); got != c.want {
			t.Errorf("%s is %q, want %q", name, got, c.want)
		}
		if refused, ok := errors.AsType[*machine.RefusedError](explained); ok && c.want == v1alpha1.ReasonRateLimited && refused.After != 7*time.Second {
			t.Errorf("%s is tried again after %s", name, refused.After)
		}
	}
}
