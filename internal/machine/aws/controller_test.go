// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"testing"

	"canopy.dev/canopy/api/hosting/v1alpha1"
	"canopy.dev/canopy/internal/machine"
	"canopy.dev/canopy/internal/machine/aws"
)

func TestControllerConfig(t *testing.T) {
	cluster := machine.Cluster{
		Account: machine.Account{Place: v1alpha1.Place{AWS: &v1alpha1.AWSPlace{Region: "us-east-2"}}, Credentials: keys("id", "secret")},
		Name:    "demo",
	}
	if _, _, err := aws.ControllerConfig(cluster); err == nil {
		t.Error("there is a configuration without a network")
	}
	cluster.Network = v1alpha1.CloudNetwork{Network: "vpc-1", Subnets: []string{"subnet-1", "subnet-2"}}
	own, sdk, err := aws.ControllerConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if want := "[Global]\nRegion = us-east-2\nVPC = vpc-1\nSubnetID = subnet-1\nKubernetesClusterTag = demo\n"; own != want {
		t.Errorf("its own is\n%s", own)
	}
	if want := "[default]\nregion = us-east-2\naws_access_key_id = id\naws_secret_access_key = secret\n"; sdk != want {
		t.Errorf("the SDK's is\n%s", sdk)
	}
	cluster.Credentials[aws.KeyRoleARN] = []byte("arn:aws:iam::210987654321:role/canopy")
	if _, sdk, _ = aws.ControllerConfig(cluster); sdk != "[default]\nregion = us-east-2\nrole_arn = arn:aws:iam::210987654321:role/canopy\nrole_session_name = canopy\n"+
		"source_profile = key\n[profile key]\naws_access_key_id = id\naws_secret_access_key = secret\n" {
		t.Errorf("the SDK's with a role is\n%s", sdk)
	}
	cluster.Credentials = keys("id\ncredential_process = /bin/sh", "secret")
	if _, _, err := aws.ControllerConfig(cluster); err == nil {
		t.Error("a key can be another setting")
	}
}
