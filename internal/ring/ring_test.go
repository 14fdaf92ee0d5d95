// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"testing"

	"pgregory.net/rapid"
)

// What goes in comes out, in order.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "size")
		q := New[uint32](size)
		var want []uint32
		for next := range uint32(50) {
			if len(want) < size && rapid.Bool().Draw(t, "push") {
				q.Push(next)
				want = append(want, next)
			} else if len(want) > 0 {
				if got := q.Pop(); got != want[0] {
					t.Fatalf("%d, want %d", got, want[0])
				}
				want = want[1:]
			}
			if q.Len() != len(want) {
				t.Fatalf("%d in the queue, want %d", q.Len(), len(want))
			}
		}
	})
}
