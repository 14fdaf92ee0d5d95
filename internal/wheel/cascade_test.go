// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wheel

import (
	"math/rand/v2"
	"testing"

	"github.com/coaps-go/coaps/tick"
)

// TestTimersOfOneSlot has many timers share a slot of a higher level. When the
// slot is reached with the first of them still ahead, all of them have to move
// down, or the rest would expire late, and in the end never.
func TestTimersOfOneSlot(t *testing.T) {
	const unit = 1 << granularityBits
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var w Wheel
		at := map[uint32]tick.Time{}
		for id := range uint32(50) {
			at[id] = tick.Time(r.Int64N(20000) * unit)
			w.Set(id, at[id])
		}
		for now := tick.Time(0); now <= 20000*unit; now += tick.Time(r.Int64N(300) * unit) {
			for calls := 0; ; calls++ {
				if calls > 1000 {
					t.Fatalf("seed %d: Expired does not end", seed)
				}
				id, ok := w.Expired(now)
				if !ok {
					break
				}
				if at[id] > now {
					t.Fatalf("seed %d: timer of %d expired at %d", seed, at[id], now)
				}
				delete(at, id)
			}
			for id, due := range at {
				if due <= now {
					t.Fatalf("seed %d: timer %d of %d is late at %d", seed, id, due, now)
				}
			}
		}
	}
}
