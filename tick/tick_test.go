// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package tick

import (
	"testing"
	"time"
)

func TestAddStaysAtNever(t *testing.T) {
	if got := Never.Add(time.Hour); got != Never {
		t.Errorf("Never + 1h = %d", got)
	}
	if got := (Never - 5).Add(time.Second); got != Never {
		t.Errorf("(Never - 5ns) + 1s = %d, want Never", got)
	}
	if got := Time(7).Add(3); got != 10 {
		t.Errorf("7 + 3 = %d", got)
	}
}

func TestFirst(t *testing.T) {
	if got := First(); got != Never {
		t.Errorf("First() = %d, want Never", got)
	}
	if got := First(9, Never, 4, 7); got != 4 {
		t.Errorf("First = %d, want 4", got)
	}
	if n := testing.AllocsPerRun(100, func() { First(9, Never, 4) }); n != 0 {
		t.Errorf("First allocates %v times", n)
	}
}
