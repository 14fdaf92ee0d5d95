// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"
	"time"
)

// Proves rfc7641 §3.4: "An incoming notification was sent more recently than the
// freshest notification so far when one of the following conditions is met:"
func TestFresher(t *testing.T) {
	const half = 1 << 23
	for _, c := range []struct {
		v1, v2  uint32
		elapsed time.Duration
		want    bool
	}{
		{1, 2, 0, true},
		{2, 1, 0, false},
		{7, 7, 0, false}, // the same one, twice
		{7, 7, 128 * time.Second, false},
		{7, 7, 128*time.Second + 1, true}, // T2 > T1 + 128 seconds
		{2, 1, 129 * time.Second, true},
		{0, half - 1, 0, true},
		{0, half, 0, false}, // neither V2 - V1 < 2^23 nor V1 > V2
		{half, 0, 0, false}, // V1 - V2 > 2^23 is wanted
		{half + 1, 0, 0, true},
		{numbers - 1, 0, 0, true},
		{numbers - 1, half - 2, 0, true},
		{numbers - 1, half - 1, 0, false},
		{0, numbers - 1, 0, false},
		{1<<24 + 1, 2, 0, true}, // of a number of 32 bits the lower 24 count
		{2, 1<<24 + 1, 0, false},
	} {
		if got := Fresher(c.v1, c.v2, c.elapsed); got != c.want {
			t.Errorf("%d, %d after %v: %v", c.v1, c.v2, c.elapsed, got)
		}
	}
}

// The conditions as the text has them, for every pair of some numbers.
func TestFresherAsWritten(t *testing.T) {
	const half = 1 << 23
	some := []uint32{0, 1, 2, half - 1, half, half + 1, numbers - 2, numbers - 1, 12345, 9876543}
	for _, v1 := range some {
		for _, v2 := range some {
			want := v1 < v2 && v2-v1 < half || v1 > v2 && v1-v2 > half
			if got := Fresher(v1, v2, time.Second); got != want {
				t.Errorf("%d, %d: %v", v1, v2, got)
			}
		}
	}
}
