// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AutoUpgrade says which upgrades begin by themselves.
//
// +kubebuilder:validation:Enum=None;Patch
type AutoUpgrade string

const (
	// AutoUpgradeNone leaves all upgrades to people.
	AutoUpgradeNone AutoUpgrade = "None"
	// AutoUpgradePatch brings the newest patch of the minor of spec.version, and leaves spec.version as it is.
	AutoUpgradePatch AutoUpgrade = "Patch"
)

// Maintenance says which upgrades begin by themselves, and when.
type Maintenance struct {
	// autoUpgrade: with Patch the cluster gets the newest patch of its minor in the next window. spec.version stays as it
	// is, so that whoever writes it (GitOps, say) need not know; the version that the cluster has never goes down.
	//
	// +optional
	// +default="None"
	AutoUpgrade AutoUpgrade `json:"autoUpgrade,omitempty"`

	// window is when upgrades may begin by themselves; none: at any time. One that has begun goes on when the window closes.
	//
	// +optional
	Window *MaintenanceWindow `json:"window,omitempty"`
}

// MaintenanceWindow is a time that comes again each week, or each day.
type MaintenanceWindow struct {
	// days are those on which the window opens; none: every day.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// start is when the window opens by the clock of the time zone, for example "02:30". Where clocks skip that time, it
	// opens as much later or earlier as they are put.
	//
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$"
	Start string `json:"start"`

	// length is how long the window stays open, between "30m" and "24h".
	//
	// +optional
	// +default="4h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('30m') && duration(self) <= duration('24h')",message="must be between 30m and 24h"
	Length metav1.Duration `json:"length,omitempty,omitzero"`

	// timeZone is a name of the IANA time zone database, for example "Europe/Berlin".
	//
	// +optional
	// +default="UTC"
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// Weekday is a day of the week.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// MaintenanceStatus is how far a cluster's automatic upgrades are.
type MaintenanceStatus struct {
	// version is the last one that came by itself.
	//
	// +optional
	Version string `json:"version,omitempty"`

	// upgrading is true from the moment that version came until the cluster has it and is ready.
	//
	// +optional
	Upgrading bool `json:"upgrading,omitempty"`

	// next is the version that comes next; empty: the cluster has the newest patch.
	//
	// +optional
	Next string `json:"next,omitempty"`

	// nextWindow is when the window opens in which it comes; empty while one is open.
	//
	// +optional
	NextWindow *metav1.Time `json:"nextWindow,omitempty"`

	// message says what the next upgrade waits for, other than for the window.
	//
	// +optional
	Message string `json:"message,omitempty"`
}
