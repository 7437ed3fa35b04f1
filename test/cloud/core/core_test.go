// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// call makes one call, and returns its status; 0: there was no answer.
func call(t *testing.T, c *Cloud, operation string, do func()) int {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.Serve(w, operation, func(w http.ResponseWriter, _ *Refusal) { w.WriteHeader(http.StatusTeapot) }, func(http.ResponseWriter) { do() })
	}))
	defer server.Close()
	response, err := http.Post(server.URL, "", nil)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func TestFaultsHitTheCallsThatTheyAreFor(t *testing.T) {
	for name, test := range map[string]struct {
		faults []Fault
		want   []int // of create, list, create, create
		done   int
	}{
		"none":                       {nil, []int{200, 200, 200, 200}, 4},
		"the first of any":           {[]Fault{{Kind: Internal}}, []int{418, 200, 200, 200}, 3},
		"the second of an operation": {[]Fault{{Operation: "create", Kind: Internal, After: 1}}, []int{200, 200, 418, 200}, 3},
		"two, and then another":      {[]Fault{{Kind: Internal, Times: 2}, {Kind: Quota}}, []int{418, 418, 418, 200}, 1},
		"all of an operation":        {[]Fault{{Operation: "create", Kind: Internal, Times: Always}}, []int{418, 200, 418, 418}, 1},
		"a lost answer is done":      {[]Fault{{Kind: Lost}}, []int{0, 200, 200, 200}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			c := New()
			for _, f := range test.faults {
				c.Inject(f)
			}
			var got []int
			done := 0
			for _, operation := range []string{"create", "list", "create", "create"} {
				got = append(got, call(t, c, operation, func() { done++ }))
			}
			if !slices.Equal(got, test.want) || done != test.done {
				t.Errorf("%v and %d done, want %v and %d", got, done, test.want, test.done)
			}
			if calls := c.Calls(); calls["create"] != 3 || c.Total() != 4 {
				t.Errorf("counted %v", calls)
			}
		})
	}
}

func TestPages(t *testing.T) {
	all := []int{1, 2, 3, 4, 5}
	for name, test := range map[string]struct {
		limit, offset, size int
		want                []int
		next                int
	}{
		"all":                          {0, 0, 0, all, 0},
		"the first":                    {0, 0, 2, []int{1, 2}, 2},
		"the last":                     {0, 4, 2, []int{5}, 0},
		"beyond":                       {0, 9, 2, nil, 0},
		"no more than the cloud gives": {2, 2, 50, []int{3, 4}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			c := New()
			c.PageSize = test.limit
			if page, next := Page(c, all, test.offset, test.size); !slices.Equal(page, test.want) || next != test.next {
				t.Errorf("Page() = %v, %d, want %v, %d", page, next, test.want, test.next)
			}
		})
	}
}

// booter says what it is told.
type booter struct {
	booted  []Instance
	running bool
	broken  error
}

func (b *booter) Boot(_ context.Context, i Instance) error {
	b.booted = append(b.booted, i)
	return b.broken
}

func (b *booter) Look(context.Context, string) (string, bool) { return "10.1.2.3", b.running }

func (b *booter) Stop(_ context.Context, id string) error {
	b.booted = slices.DeleteFunc(b.booted, func(i Instance) bool { return i.ID == id })
	return nil
}

func TestABooterRunsInstancesWithTheirUserData(t *testing.T) {
	c, b := New(), &booter{}
	c.Booter = b
	launched, err := c.Launch(t.Context(), Instance{ID: "i", Name: "demo", UserData: []byte("#cloud-config")})
	if err != nil || len(b.booted) != 1 || b.booted[0].Name != "demo" || string(b.booted[0].UserData) != "#cloud-config" {
		t.Fatalf("Launch() = %v, %v with %v", launched, err, b.booted)
	}
	if i := c.Instance(t.Context(), "i"); i.State != Pending || i.PrivateIP != "10.1.2.3" {
		t.Errorf("while it boots: %+v", i)
	}
	b.running = true
	if i := c.Instance(t.Context(), "i"); i.State != Running {
		t.Errorf("when it has booted: %+v", i)
	}
	if there, err := c.End(t.Context(), "i"); !there || err != nil || len(b.booted) != 0 {
		t.Errorf("End() = %v, %v with %v", there, err, b.booted)
	}
	for range c.Looks + 1 { // it goes by being looked at
		c.Instance(t.Context(), "i")
	}
	if left := c.Left(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestWhatCannotBootIsNoInstance(t *testing.T) {
	c := New()
	c.Booter = &booter{broken: errors.New("no space")}
	_, err := c.Launch(t.Context(), Instance{ID: "i"})
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Kind != Internal || c.Left() != nil {
		t.Errorf("Launch() = %v, left: %v", err, c.Left())
	}
}
