// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"canopy.dev/canopy/api/hosting/v1alpha1"
)

func TestReasons(t *testing.T) {
	for reason, codes := range map[string][]string{
		v1alpha1.ReasonUnauthenticated:   {"AuthFailure", "InvalidClientTokenId", "ExpiredToken", "UnrecognizedClientException", "SignatureDoesNotMatch", "RequestExpired"},
		v1alpha1.ReasonUnauthorized:      {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "OptInRequired"},
		v1alpha1.ReasonQuotaExceeded:     {"VcpuLimitExceeded", "InstanceLimitExceeded", "VpcLimitExceeded", "MaxSpotInstanceCountExceeded", "VolumeLimitExceeded"},
		v1alpha1.ReasonResourcesDepleted: {"InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "InsufficientCapacity"},
		v1alpha1.ReasonRateLimited:       {"RequestLimitExceeded", "Throttling", "ThrottlingException"},
		v1alpha1.ReasonDependencies:      {"DependencyViolation", "OperationNotPermitted"},
		v1alpha1.ReasonConfiguration:     {"InvalidAMIID.NotFound", "InvalidInstanceType", "InvalidParameterValue", "Unsupported", "NoSuchEntity", "ParameterNotFound", "SpotMaxPriceTooLow"},
		"":                               {"InternalError", "Unavailable", "ServiceUnavailable", "IncorrectInstanceState", "SomethingNew"},
	} {
		for _, code := range codes {
			if got := reasonOf(code); got != reason {
				t.Errorf("reasonOf(%s) = %q, want %q", code, got, reason)
			}
		}
	}
}

func TestFreeBlock(t *testing.T) {
	for name, test := range map[string]struct {
		vpc  string
		used []string
		want string
	}{
		"the first":                     {"10.0.0.0/16", nil, "10.0.0.0/20"},
		"a gap":                         {"10.0.0.0/16", []string{"10.0.0.0/20", "10.0.32.0/20"}, "10.0.16.0/20"},
		"beside a smaller one":          {"10.0.0.0/16", []string{"10.0.5.0/24"}, "10.0.16.0/20"},
		"a quarter of a small VPC":      {"172.31.4.0/24", []string{"172.31.4.0/26"}, "172.31.4.64/26"},
		"all of the smallest VPC":       {"172.31.4.0/28", nil, "172.31.4.0/28"},
		"none: one subnet has it all":   {"10.0.0.0/16", []string{"10.0.0.0/16"}, ""},
		"none: the VPC is none of IPv4": {"2001:db8::/56", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var used []netip.Prefix
			for _, u := range test.used {
				used = append(used, netip.MustParsePrefix(u))
			}
			got, err := freeBlock(test.vpc, used)
			if test.want == "" && err == nil || test.want != "" && got.String() != test.want {
				t.Errorf("freeBlock() = %v, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestMissingRules(t *testing.T) {
	want := rulesOf("sg-1")
	for name, test := range map[string]struct {
		have []types.IpPermission
		want []types.IpPermission
	}{
		"all":                             {nil, want},
		"none":                            {rulesOf("sg-1"), nil},
		"that between themselves":         {rulesOf("sg-2"), want[:1]},
		"those whose source is elsewhere": {append(rulesOf("sg-1")[:2], types.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), IpRanges: []types.IpRange{{CidrIp: new("192.0.2.0/24")}}}), want[2:]},
	} {
		t.Run(name, func(t *testing.T) {
			opts := []cmp.Option{cmpopts.IgnoreUnexported(types.IpPermission{}, types.IpRange{}, types.UserIdGroupPair{}), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(test.want, missing(want, test.have), opts...); diff != "" {
				t.Errorf("missing() (-want +got):\n%s", diff)
			}
		})
	}
}
