// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package hetzner

import (
	"errors"
	"fmt"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// reasons are who has to act, by Hetzner's codes. What is not among them passes by itself.
var reasons = map[hcloud.ErrorCode]struct{ reason, advice string }{
	hcloud.ErrorCodeUnauthorized:          {v1alpha1.ReasonUnauthenticated, "put a token that is valid into the Preset's Secret"},
	hcloud.ErrorCodeForbidden:             {v1alpha1.ReasonUnauthorized, "the token of the Preset has to be one for reading and writing"},
	"token_readonly":                      {v1alpha1.ReasonUnauthorized, "the token of the Preset has to be one for reading and writing"},
	hcloud.ErrorCodeResourceLimitExceeded: {v1alpha1.ReasonQuotaExceeded, "ask Hetzner for more, or delete what is not needed"},
	hcloud.ErrorCodeResourceUnavailable:   {v1alpha1.ReasonResourcesDepleted, "choose another server type or location, or wait"},
	hcloud.ErrorCodePlacementError:        {v1alpha1.ReasonResourcesDepleted, "choose another server type or location, or wait"},
	hcloud.ErrorCodeNoSubnetAvailable:     {v1alpha1.ReasonResourcesDepleted, "the network has no address left"},
	hcloud.ErrorCodeRateLimitExceeded:     {v1alpha1.ReasonRateLimited, ""},
	hcloud.ErrorCodeResourceInUse:         {v1alpha1.ReasonDependencies, ""},
	hcloud.ErrorCodeProtected:             {v1alpha1.ReasonDependencies, "end its protection"},
	hcloud.ErrorCodeInvalidInput:          {v1alpha1.ReasonConfiguration, "change the pool, the Datacenter or the image"},
	hcloud.ErrorCodeInvalidServerType:     {v1alpha1.ReasonConfiguration, "change the pool's server type"},
	hcloud.ErrorCodeNotFound:              {v1alpha1.ReasonConfiguration, "change the pool, the Datacenter or the image"},
	hcloud.ErrorCodeUniquenessError:       {v1alpha1.ReasonConfiguration, "rename what has the name there"},
	hcloud.ErrorUnsupportedError:          {v1alpha1.ReasonConfiguration, "change the pool, the Datacenter or the image"},
}

// classify says who has to act on what a call returned. what is the call and its object, such as "creating server demo-a".
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	said, ok := errors.AsType[hcloud.Error](err)
	if !ok {
		return fmt.Errorf("%s at Hetzner: %w", what, err)
	}
	found, ok := reasons[said.Code]
	if !ok {
		return fmt.Errorf("%s at Hetzner: %w", what, err)
	}
	message := fmt.Sprintf("%s: Hetzner says: %s (%s)", what, said.Message, said.Code)
	if found.advice != "" {
		message += "; " + found.advice
	}
	return &machine.RefusedError{Reason: found.reason, Message: message}
}

// ignoreNotFound is nil if it is not there.
func ignoreNotFound(err error) error {
	if hcloud.IsError(err, hcloud.ErrorCodeNotFound) {
		return nil
	}
	return err
}
