// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"errors"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	testcloud "canopy.dev/canopy/test/cloud/aws"
)

// wire are parameters that the protocol calls otherwise than the SDK.
var wire = map[string]string{"Description": "GroupDescription", "InstanceIds": "InstanceId"}

// TestRequiredParametersAreThoseOfTheModels asks AWS's SDK for each operation with nothing in it. What the SDK then misses is
// what the model of the service says that it requires.
func TestRequiredParametersAreThoseOfTheModels(t *testing.T) {
	config := aws.Config{Region: "us-east-2", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), BaseEndpoint: new("http://127.0.0.1:1"), Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	clients := map[string]reflect.Value{
		"ec2": reflect.ValueOf(ec2.NewFromConfig(config)), "iam": reflect.ValueOf(iam.NewFromConfig(config)),
		"sts": reflect.ValueOf(sts.NewFromConfig(config)), "ssm": reflect.ValueOf(ssm.NewFromConfig(config)),
		"elasticloadbalancing": reflect.ValueOf(elasticloadbalancing.NewFromConfig(config)),
	}
	for _, action := range testcloud.Operations() {
		service, name, _ := strings.Cut(action, ":")
		method := clients[service].MethodByName(name)
		if !method.IsValid() {
			t.Errorf("AWS has no operation %s", action)
			continue
		}
		input := reflect.New(method.Type().In(1).Elem())
		answer := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), input})
		err, _ := answer[1].Interface().(error)
		missing, ok := errors.AsType[smithy.InvalidParamsError](err)
		if !ok {
			continue // it requires nothing
		}
		for _, e := range missing.Errs() {
			invalid, _ := errors.AsType[smithy.InvalidParamError](e) // which all of them are
			_, member, _ := strings.Cut(invalid.Field(), ".")
			if w, other := wire[member]; other {
				member = w
			}
			if !slices.Contains(testcloud.Required(action), member) {
				t.Errorf("%s requires %s, which the test cloud does not miss", action, member)
			}
		}
	}
}

func TestSignatures(t *testing.T) {
	account := testcloud.New()
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		id, secret, token string
		want              map[string]string
	}{
		"the account's key":       {testcloud.AccessKeyID, testcloud.SecretAccessKey, "", map[string]string{}},
		"an unknown key":          {"AKIAUNKNOWN", testcloud.SecretAccessKey, "", map[string]string{"ec2": "AuthFailure", "iam": "InvalidClientTokenId", "sts": "InvalidClientTokenId", "ssm": "UnrecognizedClientException"}},
		"another secret":          {testcloud.AccessKeyID, "another", "", map[string]string{"ec2": "AuthFailure", "iam": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch", "ssm": "InvalidSignatureException"}},
		"a token that it has not": {testcloud.AccessKeyID, testcloud.SecretAccessKey, "token", map[string]string{"ec2": "AuthFailure", "iam": "InvalidClientTokenId", "sts": "InvalidClientTokenId", "ssm": "UnrecognizedClientException"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := aws.Config{Region: "us-east-2", Credentials: credentials.NewStaticCredentialsProvider(test.id, test.secret, test.token), BaseEndpoint: &server.URL}
			_, ofEC2 := ec2.NewFromConfig(config).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{testcloud.GivenVPC}})
			_, ofIAM := iam.NewFromConfig(config).GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: new(testcloud.Profile)})
			who, ofSTS := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			image, ofSSM := ssm.NewFromConfig(config).GetParameter(t.Context(), &ssm.GetParameterInput{Name: new("/aws/service/debian/release/13/latest/amd64")})
			for service, err := range map[string]error{"ec2": ofEC2, "iam": ofIAM, "sts": ofSTS, "ssm": ofSSM} {
				code := ""
				if api, ok := errors.AsType[smithy.APIError](err); ok {
					code = api.ErrorCode()
				} else if err != nil {
					t.Errorf("%s: %v", service, err)
				}
				if code != test.want[service] {
					t.Errorf("%s says %q, want %q", service, code, test.want[service])
				}
			}
			if len(test.want) == 0 && (*who.Arn != testcloud.UserARN || *image.Parameter.Value != testcloud.DebianImage) {
				t.Errorf("the user is %s, the image %s", *who.Arn, *image.Parameter.Value)
			}
		})
	}
}
