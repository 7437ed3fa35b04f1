// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package core

import (
	"maps"
	"slices"
)

// Table is the objects of one kind. It is used while a request is served, or by Do.
type Table[T any] struct {
	kind  string
	rows  map[string]T
	ids   []string
	given map[string]bool
}

// NewTable returns a table of the cloud. Left says what is in it, by kind and ID.
func NewTable[T any](c *Cloud, kind string) *Table[T] {
	t := &Table[T]{kind: kind, rows: map[string]T{}, given: map[string]bool{}}
	c.tables = append(c.tables, t)
	return t
}

// Put adds an object, or replaces it.
func (t *Table[T]) Put(id string, row T) {
	if _, there := t.rows[id]; !there {
		t.ids = append(t.ids, id)
	}
	t.rows[id] = row
}

// Give adds an object that somebody else made: Left is silent about it.
func (t *Table[T]) Give(id string, row T) {
	t.Put(id, row)
	t.given[id] = true
}

// Get returns an object by its ID.
func (t *Table[T]) Get(id string) (T, bool) {
	row, ok := t.rows[id]
	return row, ok
}

// Remove removes an object, and reports whether it was there.
func (t *Table[T]) Remove(id string) bool {
	_, ok := t.rows[id]
	delete(t.rows, id)
	delete(t.given, id)
	t.ids = slices.DeleteFunc(t.ids, func(other string) bool { return other == id })
	return ok
}

// All returns the objects in the order in which they were made.
func (t *Table[T]) All() []T {
	rows := make([]T, 0, len(t.ids))
	for _, id := range t.ids {
		rows = append(rows, t.rows[id])
	}
	return rows
}

// Find returns the first object that is so.
func (t *Table[T]) Find(is func(T) bool) (T, bool) {
	for _, id := range t.ids {
		if is(t.rows[id]) {
			return t.rows[id], true
		}
	}
	var none T
	return none, false
}

func (t *Table[T]) left() []string {
	var left []string
	for _, id := range slices.Sorted(maps.Keys(t.rows)) {
		if !t.given[id] {
			left = append(left, t.kind+" "+id)
		}
	}
	return left
}
