// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestFirstIsThePartOfTheSortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 7, 50, 200} {
		all := random.Perm(100)
		sorted := slices.Sorted(slices.Values(all))
		if diff := gocmp.Diff(sorted[:min(n, 100)], append([]int{}, first(all, n, cmp.Compare[int])...)); diff != "" {
			t.Errorf("the first %d (-want +got):\n%s", n, diff)
		}
	}
}
