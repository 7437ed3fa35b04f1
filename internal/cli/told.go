// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"canopy.dev/canopy/api/v1alpha1"
)

// told says what the API tells beside its answers: what one should know, and of a dry run what of the project's quota would be
// used.
func (s *session) told(header http.Header) {
	for _, text := range header.Values("Warning") {
		if quoted := strings.SplitN(text, " ", 3); len(quoted) == 3 { // a code, who warns, and what of (RFC 7234)
			if plain, err := strconv.Unquote(quoted[2]); err == nil {
				text = plain
			}
		}
		s.say("%s %s\n", s.style.Waiting("Warning:"), text)
	}
	quota := v1alpha1.QuotaStatus{}
	if effect := header.Get("Quota-Effect"); effect != "" && json.Unmarshal([]byte(effect), &quota) == nil {
		if parts := quotaParts(quota); len(parts) > 0 {
			s.say("Of the project's quota would be used: %s\n", strings.Join(parts, ", "))
		}
	}
}

// quotaParts is what is used of what there is, such as "nodes 3 of 10"; what is used without a quota is left out.
func quotaParts(quota v1alpha1.QuotaStatus) []string {
	count := func(n *int32) string {
		if n == nil {
			return ""
		}
		return fmt.Sprint(*n)
	}
	amount := func(q *resource.Quantity) string {
		if q == nil {
			return ""
		}
		return q.String()
	}
	hard, used := quota.Hard, quota.Used
	rows := [][3]string{
		{"clusters", count(used.Clusters), count(hard.Clusters)},
		{"nodes", count(used.Nodes), count(hard.Nodes)},
		{"cpu", amount(used.CPU), amount(hard.CPU)},
		{"memory", amount(used.Memory), amount(hard.Memory)},
		{"storage", amount(used.Storage), amount(hard.Storage)},
	}
	rows = slices.DeleteFunc(rows, func(row [3]string) bool { return row[2] == "" })
	parts := make([]string, len(rows))
	for i, row := range rows {
		if row[1] == "" {
			row[1] = "0"
		}
		parts[i] = fmt.Sprintf("%s %s of %s", row[0], row[1], row[2])
	}
	return parts
}
