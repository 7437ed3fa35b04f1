// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
)

// Keys of a Preset's Secret.
const (
	// KeyAccessKeyID and KeySecretAccessKey are an access key of an IAM user.
	KeyAccessKeyID     = "accessKeyID"
	KeySecretAccessKey = "secretAccessKey"
	// KeySessionToken belongs to an access key that ends; optional.
	KeySessionToken = "sessionToken"
	// KeyRoleARN is a role that the access key may assume, and KeyExternalID what its trust policy may want; optional.
	KeyRoleARN    = "roleARN"
	KeyExternalID = "externalID"
)

const (
	// callTimeout is for one attempt; maxAttempts and maxBackoff are for those of one call. What takes longer is tried again
	// by whoever called.
	callTimeout = 30 * time.Second
	maxAttempts = 3
	maxBackoff  = 200 * time.Millisecond
	// knownAge is how long is remembered what seldom changes: images, instance types and subnets of zones.
	knownAge = time.Hour
)

// account is an account at a region.
type account struct {
	region string
	ec2    *ec2.Client
	iam    *iam.Client
	ssm    *ssm.Client
	sts    *sts.Client

	known *machine.Lookups
}

// account returns the clients for credentials at a place. They are kept, with what they know: a signing key and an assumed
// role are good for many calls.
func (c *Cloud) account(a machine.Account) (*account, error) {
	if a.Place.AWS == nil {
		return nil, &machine.RefusedError{Reason: v1alpha1.ReasonConfiguration, Message: "the place is not one of AWS"}
	}
	for _, key := range []string{KeyAccessKeyID, KeySecretAccessKey} {
		if len(a.Credentials[key]) == 0 {
			return nil, &machine.RefusedError{Reason: v1alpha1.ReasonUnauthenticated, Message: fmt.Sprintf(
				"the Preset's Secret has no %s: it needs %s and %s, an access key of an IAM user", key, KeyAccessKeyID, KeySecretAccessKey)}
		}
	}
	return c.accounts.Get(a, func() (*account, error) { return connect(a), nil })
}

func connect(a machine.Account) *account {
	value := func(key string) string { return string(a.Credentials[key]) }
	config := aws.Config{
		Region:      a.Place.AWS.Region,
		Credentials: credentials.NewStaticCredentialsProvider(value(KeyAccessKeyID), value(KeySecretAccessKey), value(KeySessionToken)),
		HTTPClient:  awshttp.NewBuildableClient().WithTimeout(callTimeout),
		Retryer:     func() aws.Retryer { return retryer() },
	}
	if endpoint := a.Place.AWS.Endpoint; endpoint != "" {
		config.BaseEndpoint = &endpoint
	}
	if role := value(KeyRoleARN); role != "" {
		config.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config), role,
			func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "canopy"
				if id := value(KeyExternalID); id != "" {
					o.ExternalID = &id
				}
			}))
	}
	return &account{
		region: config.Region,
		ec2:    ec2.NewFromConfig(config), iam: iam.NewFromConfig(config),
		ssm: ssm.NewFromConfig(config), sts: sts.NewFromConfig(config),
		known: machine.NewLookups(knownAge),
	}
}

func retryer(more ...func(*retry.StandardOptions)) aws.Retryer {
	small := func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = maxAttempts, maxBackoff }
	return retry.NewStandard(append([]func(*retry.StandardOptions){small}, more...)...)
}

// once is for a call that makes something and has no token by which AWS would know it again: it is made again only if AWS
// refused it as one too many, since an answer that got lost may have made it.
func once(o *ec2.Options) {
	o.Retryer = retryer(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}}
	})
}

// settling is for a call about what was just made, which AWS may not know everywhere yet.
func settling(o *ec2.Options) {
	o.Retryer = retry.AddWithErrorCodes(retryer(), codesNotFound...)
}
