// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

func TestWhatACallIsRefusedWithIsSomebodysBusiness(t *testing.T) {
	for name, c := range map[string]struct {
		status        int
		code, message string
		want          string
	}{
		"no token":               {http.StatusUnauthorized, "ExpiredAuthenticationToken", "", v1alpha1.ReasonUnauthenticated},
		"no right":               {http.StatusForbidden, "AuthorizationFailed", "", v1alpha1.ReasonUnauthorized},
		"cores":                  {http.StatusConflict, "OperationNotAllowed", "exceeding approved Total Regional Cores quota", v1alpha1.ReasonQuotaExceeded},
		"addresses":              {http.StatusBadRequest, "PublicIPCountLimitReached", "", v1alpha1.ReasonQuotaExceeded},
		"sold out":               {http.StatusConflict, "SkuNotAvailable", "", v1alpha1.ReasonResourcesDepleted},
		"sold out in the zone":   {http.StatusConflict, "ZonalAllocationFailed", "", v1alpha1.ReasonResourcesDepleted},
		"too many requests":      {http.StatusTooManyRequests, "TooManyRequests", "", v1alpha1.ReasonRateLimited},
		"in use":                 {http.StatusBadRequest, "InUseSubnetCannotBeDeleted", "", v1alpha1.ReasonDependencies},
		"locked":                 {http.StatusConflict, "ScopeLocked", "", v1alpha1.ReasonDependencies},
		"a policy":               {http.StatusForbidden, "RequestDisallowedByPolicy", "", v1alpha1.ReasonConfiguration},
		"no such image":          {http.StatusNotFound, "PlatformImageNotFound", "", v1alpha1.ReasonConfiguration},
		"something else goes on": {http.StatusConflict, "AnotherOperationInProgress", "", ""},
		"Azure's own trouble":    {http.StatusInternalServerError, "InternalServerError", "", ""},
	} {
		body := `{"error": {"code": "` + c.code + `", "message": "` + c.message + `"}}`
		explained := explain(runtime.NewResponseError(&http.Response{
			StatusCode: c.status, Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(body)),
			Request: httptest.NewRequest(http.MethodPut, "https://management.azure.com/", nil),
		}), "making")
		refused, ok := errors.AsType[*machine.RefusedError](explained)
		switch {
		case ok != (c.want != ""), ok && refused.Reason != c.want:
			t.Errorf("%s is %v, want %q", name, explained, c.want)
		case !strings.Contains(explained.Error(), c.code) || !strings.Contains(explained.Error(), c.message):
			t.Errorf("%s: %v", name, explained)
		case c.want == v1alpha1.ReasonRateLimited && refused.After != 7*time.Second:
			t.Errorf("%s is tried again after %s", name, refused.After)
		}
	}
}

func TestActionsMatchPatterns(t *testing.T) {
	const action = "microsoft.compute/virtualmachines/write"
	for pattern, want := range map[string]bool{
		"*": true, "*/write": true, "microsoft.compute/*": true, "microsoft.*/virtualmachines/*": true, action: true,
		"*/read": false, "microsoft.network/*": false, "microsoft.compute/virtualmachines/writes": false, "microsoft.*/disks/*": false,
	} {
		if got := matches(pattern, action); got != want {
			t.Errorf("%s matches: %t, want %t", pattern, got, want)
		}
	}
}
