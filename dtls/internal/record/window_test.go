// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWindowAgainstModel compares the window with a set of all numbers seen.
//
// Proves rfc6347 §4.1.2.6: "Records that contain
// sequence numbers lower than the "left" edge of the window are
// rejected."
//
// Proves rfc6347 §4.1.2.6: "A minimum window size of 32 MUST be supported, but a
// window size of 64 is preferred and SHOULD be employed as the default."
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[uint64]bool{}
		highest := int64(-1)
		// Small steps around the edges, and now and then a leap.
		step := rapid.OneOf(rapid.Int64Range(-140, 70), rapid.Int64Range(-2, 2), rapid.Just(int64(1)<<40))
		for range rapid.IntRange(1, 300).Draw(t, "records") {
			seq := max(0, highest+step.Draw(t, "step"))
			want := !seen[uint64(seq)] && seq > highest-windowLen
			if got := w.fresh(uint64(seq)); got != want {
				t.Fatalf("fresh(%d) with highest %d is %t", seq, highest, got)
			}
			if want {
				w.mark(uint64(seq))
				seen[uint64(seq)] = true
				highest = max(highest, seq)
			}
		}
	})
}

// The window does not wrap at either end of the 48 bits.
func TestWindowAtTheEnds(t *testing.T) {
	var w window
	const last = 1<<48 - 1
	for _, seq := range []uint64{0, last, last - 1, last - windowLen + 1} {
		if !w.fresh(seq) {
			t.Errorf("%d is not fresh", seq)
		}
		w.mark(seq)
		if w.fresh(seq) {
			t.Errorf("%d is fresh after it was seen", seq)
		}
	}
	for _, seq := range []uint64{0, 1, last - windowLen} {
		if w.fresh(seq) {
			t.Errorf("%d is fresh left of the window", seq)
		}
	}
}
