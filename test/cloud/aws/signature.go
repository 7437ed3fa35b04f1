// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/test/cloud/core"
)

// What opens the account, and whose it is.
const (
	AccessKeyID     = "AKIAOFTHETESTCLOUD00"
	SecretAccessKey = "secret/of+the/test/cloud/of/forty/letters"
	UserARN         = "arn:aws:iam::123456789012:user/canopy"
	// RoleARN may be assumed by this user, who knows ExternalID.
	RoleARN    = "arn:aws:iam::210987654321:role/canopy"
	ExternalID = "external-id-of-the-test-cloud"
)

// key is an access key. One that ends has a session token.
type key struct {
	secret, token, arn string
}

// Revoke makes the user's key unknown.
func (c *Cloud) Revoke() {
	c.Do(func() { delete(c.keys, AccessKeyID) })
}

// maxSkew is how far the clock of whoever signs may be off.
const maxSkew = 5 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// scopeOf returns the key, the region and the service that a call was signed for.
func scopeOf(r *http.Request) (id, region, service string) {
	parts := strings.Split(fieldsOf(r)["Credential"], "/")
	if len(parts) != 5 {
		return "", "", ""
	}
	return parts[0], parts[2], parts[3]
}

// fieldsOf returns the fields of the Authorization header.
func fieldsOf(r *http.Request) map[string]string {
	fields := map[string]string{}
	header, _ := strings.CutPrefix(r.Header.Get("Authorization"), algorithm)
	for field := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	return fields
}

// authenticate finds out whether a call was signed with a key of the account, by version 4 of AWS's signatures.
func (c *Cloud) authenticate(r *call, body []byte) error {
	id, region, service := scopeOf(r.Request)
	k, known := c.keys[id]
	if !known || k.token != r.Header.Get("X-Amz-Security-Token") {
		return core.Refuse(core.Unauthenticated, "")
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(timeFormat, date)
	if err != nil {
		return wrongSignature(service)
	}
	if skew := time.Since(at); skew > maxSkew || skew < -maxSkew {
		return fail("RequestExpired", "Request has expired.")
	}
	fields := fieldsOf(r.Request)
	scope := strings.Join([]string{date[:8], region, service, "aws4_request"}, "/")
	toSign := strings.Join([]string{algorithm, date, scope, hashOf([]byte(canonical(r.Request, fields["SignedHeaders"], body)))}, "\n")
	signingKey := []byte("AWS4" + k.secret)
	for part := range strings.SplitSeq(scope, "/") {
		signingKey = sign(signingKey, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(sign(signingKey, toSign))), []byte(fields["Signature"])) {
		return wrongSignature(service)
	}
	return nil
}

// canonical is the form of a call that is signed. None of the calls has a query.
func canonical(r *http.Request, signed string, body []byte) string {
	lines := []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery}
	names := strings.Split(signed, ";")
	if !slices.Contains(names, "host") {
		return ""
	}
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		lines = append(lines, name+":"+strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(append(lines, "", signed, hashOf(body)), "\n")
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func sign(key []byte, content string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(content))
	return mac.Sum(nil)
}

// wrongSignature is what the services say, with the form that they have computed where they do.
func wrongSignature(service string) error {
	switch service {
	case "ec2":
		return core.Refuse(core.Unauthenticated, "")
	case "ssm":
		return fail("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return &failure{http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."}
}
