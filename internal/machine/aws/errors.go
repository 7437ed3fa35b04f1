// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Codes that say what is not clear from their form (see reasonOf). All are documented in the API references of EC2, IAM, STS
// and SSM.
var (
	codesUnauthenticated = []string{
		"AuthFailure", "Blocked", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId",
		"InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken", "NotAuthorized", "RequestExpired", "SignatureDoesNotMatch",
		"UnrecognizedClientException",
	}
	codesUnauthorized = []string{
		"AccessDenied", "AccessDeniedException", "AuthFailure.ServiceLinkedRoleCreationNotPermitted", "OptInRequired",
		"PendingVerification", "UnauthorizedOperation",
	}
	codesDependencies = []string{
		"CannotDelete", "DependencyViolation", "InvalidGroup.InUse", "InvalidSubnet.Conflict", "OperationNotPermitted",
		"Resource.AlreadyAssociated",
	}
	codesConfiguration = []string{
		"MissingParameter", "NoSuchEntity", "ParameterNotFound", "SpotMaxPriceTooLow", "UnknownParameter", "ValidationError",
		"VPCIdNotSpecified", "ValidationException", "VolumeTypeNotAvailableInZone",
	}
	codesNotFound = []string{
		"InvalidGroup.NotFound", "InvalidInternetGatewayID.NotFound", "InvalidRouteTableID.NotFound",
		"InvalidSubnetID.NotFound", "InvalidVpcID.NotFound",
	}
)

// reasonOf returns the reason for one of AWS's error codes; empty: it may go by itself.
func reasonOf(code string) string {
	switch {
	case slices.Contains(codesUnauthenticated, code):
		return v1alpha1.ReasonUnauthenticated
	case slices.Contains(codesUnauthorized, code):
		return v1alpha1.ReasonUnauthorized
	case isThrottle(code):
		return v1alpha1.ReasonRateLimited
	case strings.HasSuffix(code, "LimitExceeded"), code == "MaxSpotInstanceCountExceeded":
		return v1alpha1.ReasonQuotaExceeded
	case strings.HasPrefix(code, "Insufficient"), code == "UnfulfillableCapacity":
		return v1alpha1.ReasonResourcesDepleted
	case slices.Contains(codesDependencies, code):
		return v1alpha1.ReasonDependencies
	case strings.HasPrefix(code, "Invalid"), strings.HasPrefix(code, "Unsupported"), slices.Contains(codesConfiguration, code):
		return v1alpha1.ReasonConfiguration
	}
	return ""
}

func isThrottle(code string) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	return throttled || strings.HasPrefix(code, "RequestLimitExceeded")
}

// advice is what to do about a reason, where AWS's own message does not say.
var advice = map[string]string{
	v1alpha1.ReasonUnauthenticated: "give the Preset's Secret an access key that works",
	v1alpha1.ReasonUnauthorized:    "give its user or role the policy of docs/how-to/clouds/aws.md",
	v1alpha1.ReasonQuotaExceeded:   "ask AWS for a higher quota in this region, or use less",
}

// refuse classifies an error of AWS's. The call is its name and what it was for, such as "ec2:RunInstances of machine web-1".
// The message never changes for the same problem, so it is without the ID of the request.
func refuse(call string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s: %w", call, err)
	}
	message := fmt.Sprintf("%s: %s", call, api.ErrorCode())
	reason := reasonOf(api.ErrorCode())
	// What does not authenticate is told with the canonical request, a session token among it.
	if text := plain(api.ErrorMessage()); text != "" && reason != v1alpha1.ReasonUnauthenticated {
		message = fmt.Sprintf("%s: %s (%s)", call, text, api.ErrorCode())
	}
	if reason == "" {
		return errors.New(message)
	}
	if what, ok := advice[reason]; ok {
		message += ": " + what
	}
	return &machine.RefusedError{Reason: reason, Message: message}
}

// encoded is what AWS adds to some messages: it is long, different each time, and nobody can read it.
var encoded = regexp.MustCompile(`(?s)\s*Encoded authorization failure message:.*`)

func plain(message string) string {
	return strings.TrimRight(strings.TrimSpace(encoded.ReplaceAllString(message, "")), ".")
}

// is reports whether AWS said no with one of the codes.
func is(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// configuration is an error about what the spec or the place says.
func configuration(format string, args ...any) error {
	return &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: fmt.Sprintf(format, args...)}
}
