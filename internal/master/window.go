// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package master

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // the images have no time zones of their own

	"canopy.dev/canopy/api/v1alpha1"
)

// windowAt says whether a maintenance window is open, and when that changes: when it closes, or when the next one opens. One
// that is nil is always open, and changes never: the time is then zero.
func windowAt(now time.Time, window *v1alpha1.MaintenanceWindow) (open bool, change time.Time, err error) {
	if window == nil {
		return true, time.Time{}, nil
	}
	zone, err := timeZone(window.TimeZone)
	if err != nil {
		return false, time.Time{}, err
	}
	clock, err := time.Parse("15:04", window.Start)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("spec.maintenance.window.start: %q is no time of the day such as 02:30", window.Start)
	}
	year, month, day := now.In(zone).Date()
	for offset := -1; ; offset++ { // yesterday's may still be open, and one of the next seven days has the right name
		start := time.Date(year, month, day+offset, clock.Hour(), clock.Minute(), 0, 0, zone)
		midday := time.Date(year, month, day+offset, 12, 0, 0, 0, zone)
		if len(window.Days) > 0 && !slices.Contains(window.Days, v1alpha1.Weekday(midday.Weekday().String())) {
			continue
		}
		if end := start.Add(window.Length.Duration); now.Before(end) && !now.Before(start) {
			return true, end, nil
		}
		if now.Before(start) {
			return false, start, nil
		}
	}
}

// timeZone returns a zone by its name; none is UTC.
func timeZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" { // whoever's that may be
		return nil, fmt.Errorf("spec.maintenance.window.timeZone: there is no time zone %q: choose one such as Europe/Berlin or UTC", name)
	}
	return zone, nil
}
