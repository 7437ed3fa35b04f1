// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canopy.dev/canopy/api/v1alpha1"
)

func window(zone, start string, length time.Duration, days ...v1alpha1.Weekday) *v1alpha1.MaintenanceWindow {
	return &v1alpha1.MaintenanceWindow{Days: days, Start: start, Length: metav1.Duration{Duration: length}, TimeZone: zone}
}

func TestWindowAt(t *testing.T) {
	const hour = time.Hour
	tests := map[string]struct {
		now    string
		window *v1alpha1.MaintenanceWindow
		open   bool
		change string
	}{
		"before it, today":                 {"2027-07-01T01:59:59Z", window("UTC", "02:00", hour), false, "2027-07-01T02:00:00Z"},
		"at its first moment":              {"2027-07-01T02:00:00Z", window("UTC", "02:00", hour), true, "2027-07-01T03:00:00Z"},
		"at its last moment":               {"2027-07-01T02:59:59Z", window("UTC", "02:00", hour), true, "2027-07-01T03:00:00Z"},
		"when it closes":                   {"2027-07-01T03:00:00Z", window("UTC", "02:00", hour), false, "2027-07-02T02:00:00Z"},
		"over midnight":                    {"2027-07-02T01:00:00Z", window("UTC", "23:00", 4*hour, "Thursday"), true, "2027-07-02T03:00:00Z"},
		"the weekday is that of its start": {"2027-07-02T01:00:00Z", window("UTC", "23:00", 4*hour, "Friday"), false, "2027-07-02T23:00:00Z"},
		"in six days":                      {"2027-07-01T12:00:00Z", window("UTC", "12:00", hour, "Wednesday"), false, "2027-07-07T12:00:00Z"},
		"in seven days":                    {"2027-07-01T13:00:00Z", window("UTC", "12:00", hour, "Thursday"), false, "2027-07-08T12:00:00Z"},
		"the nearer of two days":           {"2027-07-01T13:00:00Z", window("UTC", "12:00", hour, "Thursday", "Saturday"), false, "2027-07-03T12:00:00Z"},
		"a zone where it is tomorrow":      {"2027-07-01T16:30:00Z", window("Asia/Tokyo", "01:00", hour, "Friday"), true, "2027-07-01T17:00:00Z"},
		"winter time":                      {"2027-01-01T00:30:00Z", window("Europe/Berlin", "02:00", hour), false, "2027-01-01T01:00:00Z"},
		"summer time":                      {"2027-06-30T23:30:00Z", window("Europe/Berlin", "02:00", hour), false, "2027-07-01T00:00:00Z"},
		"a time that clocks skip":          {"2027-03-28T00:00:00Z", window("Europe/Berlin", "02:30", hour), false, "2027-03-28T01:30:00Z"},
		"a window in which clocks are put": {"2027-03-28T02:30:00Z", window("Europe/Berlin", "00:00", 4*hour), true, "2027-03-28T03:00:00Z"},
		"always":                           {"2027-07-01T01:00:00Z", window("UTC", "02:00", 24*hour), true, "2027-07-01T02:00:00Z"},
		"none":                             {"2027-07-01T01:00:00Z", nil, true, "0001-01-01T00:00:00Z"},
		"no zone":                          {"2027-07-01T01:00:00Z", window("", "02:00", hour), false, "2027-07-01T02:00:00Z"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			open, change, err := windowAt(now, tc.window)
			if got := change.UTC().Format(time.RFC3339); err != nil || open != tc.open || got != tc.change {
				t.Errorf("got open %t until %s, %v; want %t, %s", open, got, err, tc.open, tc.change)
			}
		})
	}
	for _, zone := range []string{"Europe/Atlantis", "Local", "../../etc/passwd"} {
		if _, _, err := windowAt(time.Time{}, window(zone, "02:00", hour)); err == nil {
			t.Errorf("%s is taken for a time zone", zone)
		}
	}
}
