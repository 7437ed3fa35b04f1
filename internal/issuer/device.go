// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"canopy.dev/canopy/internal/secretstore"
)

// mostDevices bounds what somebody who is not logged in can make the API remember, for as long as a code is valid.
const mostDevices = 1000

// deviceLifetime is how long somebody may take to go to a browser.
const deviceLifetime = 10 * time.Minute

// device is a command without a browser that waits for its user to log in elsewhere.
type device struct {
	Client   string    `json:"client"`
	Scopes   []string  `json:"scopes"`
	Subject  string    `json:"subject,omitempty"`
	AuthTime time.Time `json:"authTime,omitzero"`
	Denied   bool      `json:"denied,omitempty"`
	Used     bool      `json:"used,omitempty"`
}

var devices = secretstore.Kind[device]{Name: "device"}

// StoreDeviceAuthorization remembers a device that waits.
func (s *storage) StoreDeviceAuthorization(ctx context.Context, client, deviceCode, userCode string, expires time.Time, scopes []string) error {
	waiting, err := devices.Count(ctx, s.store)
	if err != nil {
		return err
	}
	if waiting >= mostDevices {
		return errors.New("too many devices wait for a login: try again in some minutes")
	}
	same, err := devices.Find(ctx, s.store, userCode)
	if err != nil {
		return err
	}
	if len(same) > 0 {
		return op.ErrDuplicateUserCode
	}
	return devices.Create(ctx, s.store, deviceCode, device{Client: client, Scopes: scopes}, secretstore.Expires(expires), secretstore.Index(userCode))
}

// GetDeviceAuthorizatonState returns how far the login for a device is. That it has succeeded is told once.
func (s *storage) GetDeviceAuthorizatonState(ctx context.Context, client, deviceCode string) (*op.DeviceAuthorizationState, error) {
	record, err := devices.Get(ctx, s.store, deviceCode)
	if errors.Is(err, secretstore.ErrNotFound) {
		return &op.DeviceAuthorizationState{ClientID: client}, nil // it has expired
	}
	if err != nil {
		return nil, err
	}
	d := record.Value
	if d.Client != client || d.Used {
		return nil, errors.New("the device code is another client's, or was used already")
	}
	state := &op.DeviceAuthorizationState{ClientID: d.Client, Scopes: d.Scopes, Expires: record.Expires, Denied: d.Denied}
	if d.Subject == "" {
		return state, nil
	}
	record.Value.Used = true
	if err := devices.Update(ctx, s.store, record); err != nil {
		return nil, err
	}
	state.Done, state.Subject, state.AuthTime, state.AMR = true, d.Subject, d.AuthTime, []string{"pwd"}
	return state, nil
}

// waiting returns the device that shows a code to its user.
func (s *storage) waiting(ctx context.Context, userCode string) (*secretstore.Record[device], error) {
	records, err := devices.Find(ctx, s.store, normalize(userCode))
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		if d := record.Value; d.Subject == "" && !d.Denied && !d.Used {
			return record, nil
		}
	}
	return nil, secretstore.ErrNotFound
}

// normalize lets people type a code in small letters, and without its dash.
func normalize(userCode string) string {
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(userCode))
	if len(code) != 8 {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// decide lets the device in as somebody, or says no (subject is empty).
func (s *storage) decide(ctx context.Context, record *secretstore.Record[device], subject string) error {
	record.Value.Subject, record.Value.AuthTime, record.Value.Denied = subject, s.store.Now().UTC(), subject == ""
	return devices.Update(ctx, s.store, record)
}
