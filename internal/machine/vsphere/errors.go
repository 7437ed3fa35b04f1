// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package vsphere

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/find"
	vim "github.com/vmware/govmomi/vim25/types"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// is reports whether there is a fault of the type T in the error.
func is[T vim.BaseMethodFault](err error) bool {
	var target T
	_, ok := fault.As(err, &target)
	return ok
}

func refusal(reason, format string, args ...any) error {
	return &machine.RefusedError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// refused classifies an error of vCenter, by the type of its fault.
func (s *session) refused(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*machine.RefusedError](err); ok {
		return err
	}
	var denied *vim.NoPermission
	_, isDenied := fault.As(err, &denied)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isUnknown := errors.AsType[*find.NotFoundError](err)
	_, isMany := errors.AsType[*find.MultipleFoundError](err)
	switch {
	case is[*vim.InvalidLogin](err), is[*vim.NotAuthenticated](err):
		return refusal(v1alpha1.ReasonUnauthenticated, "vCenter %s does not accept the user name and the password: put the right ones into the Preset's Secret (%v)", s.place.Endpoint, err)
	case isDenied:
		return refusal(v1alpha1.ReasonUnauthorized, "vCenter %s does not let the user %s do it: give its role the privilege %s on %s (%v)",
			s.place.Endpoint, s.user, privilegeOf(denied), objectOf(denied), err)
	case is[*vim.NotEnoughLicenses](err), is[*vim.LicenseRestricted](err):
		return refusal(v1alpha1.ReasonQuotaExceeded, "the licenses of vCenter %s do not allow more: %v", s.place.Endpoint, detail(err))
	case isDepleted(err):
		return refusal(v1alpha1.ReasonResourcesDepleted, "the compute cluster %s or the datastore %s of vCenter %s has too little left: %v",
			s.place.Cluster, s.place.Datastore, s.place.Endpoint, detail(err))
	case is[*vim.ResourceInUse](err):
		return refusal(v1alpha1.ReasonDependencies, "something in vCenter %s is in use by something else: %v", s.place.Endpoint, detail(err))
	case isCertificate:
		return refusal(v1alpha1.ReasonConfiguration, "the certificate of vCenter %s is not trusted: put its authority into the key %s of the Preset's Secret (%v)", s.place.Endpoint, keyAuthority, err)
	case isUnknown, isMany:
		return refusal(v1alpha1.ReasonConfiguration, "vCenter %s, datacenter %s: %v: correct the Datacenter, the cluster or the pool that names it", s.place.Endpoint, s.place.Datacenter, err)
	case isInvalid(err):
		return refusal(v1alpha1.ReasonConfiguration, "vCenter %s cannot do what the pool or the Datacenter asks for: %v", s.place.Endpoint, detail(err))
	}
	return fmt.Errorf("vCenter %s: %w", s.place.Endpoint, err)
}

// isDepleted reports whether there is too little of something: memory, processors, space, hosts.
func isDepleted(err error) bool {
	var of vim.BaseInsufficientResourcesFault
	_, ok := fault.As(err, &of)
	return ok || is[*vim.NoDiskSpace](err) || is[*vim.InsufficientStorageSpace](err) || is[*vim.NoCompatibleHost](err)
}

// isInvalid reports whether vCenter will never do it as it was asked for.
func isInvalid(err error) bool {
	var argument vim.BaseInvalidArgument
	var config vim.BaseVmConfigFault
	_, isArgument := fault.As(err, &argument)
	_, isConfig := fault.As(err, &config)
	return isArgument || isConfig || is[*vim.InvalidDatastore](err) || is[*vim.NotSupported](err) || is[*vim.InvalidName](err)
}

// detail returns the error with the name of its fault, since vCenter's texts leave out what they are about.
func detail(err error) string {
	var of vim.BaseMethodFault
	if _, ok := fault.As(err, &of); !ok {
		return err.Error()
	}
	if argument, ok := of.(*vim.InvalidArgument); ok {
		return fmt.Sprintf("%v (InvalidArgument: %s)", err, argument.InvalidProperty)
	}
	return fmt.Sprintf("%v (%T)", err, of)
}

func privilegeOf(denied *vim.NoPermission) string {
	if denied.PrivilegeId == "" {
		return "that it asks for"
	}
	return denied.PrivilegeId
}

func objectOf(denied *vim.NoPermission) string {
	if denied.Object == nil {
		return "the object"
	}
	return denied.Object.String()
}
