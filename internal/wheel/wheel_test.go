// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wheel

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

const slotWidth = 1 << granularityBits

// A wheel is compared with the obvious implementation: a map that is scanned.
func TestAgainstScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Wheel
		want := map[uint32]tick.Time{}
		now := tick.Time(rapid.Int64Range(0, 1<<40).Draw(t, "start"))
		w.Expired(now)
		span := rapid.SampledFrom([]int64{1 << 18, 1 << 24, 1 << 36, 1 << 50, 1 << 61})
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := uint32(rapid.IntRange(0, 39).Draw(t, "id"))
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1, 2:
				at := now.Add(time.Duration(rapid.Int64Range(-1<<20, span.Draw(t, "span")).Draw(t, "in")))
				w.Set(id, at)
				want[id] = at
			case 3:
				w.Stop(id)
				delete(want, id)
			default:
				now = advance(t, &w, now)
				checkExpired(t, &w, now, want)
			}
			checkNext(t, &w, want)
		}
	})
}

// advance moves the clock to the wheel's own deadline, or some way ahead.
func advance(t *rapid.T, w *Wheel, now tick.Time) tick.Time {
	if next := w.Next(); next != tick.Never && rapid.Bool().Draw(t, "toNext") {
		return max(now, next)
	}
	return now.Add(time.Duration(rapid.Int64Range(0, 1<<38).Draw(t, "sleep")))
}

func checkExpired(t *rapid.T, w *Wheel, now tick.Time, want map[uint32]tick.Time) {
	for {
		id, ok := w.Expired(now)
		if !ok && w.Next() <= now {
			continue // there is more to do
		}
		if !ok {
			break
		}
		at, set := want[id]
		if !set || at > now {
			t.Fatalf("timer %d expired at %d, want %d (set %v)", id, now, at, set)
		}
		delete(want, id)
	}
	for id, at := range want {
		if at <= now-slotWidth {
			t.Fatalf("timer %d for %d has not expired at %d", id, at, now)
		}
	}
}

func checkNext(t *rapid.T, w *Wheel, want map[uint32]tick.Time) {
	first := tick.Never
	for _, at := range want {
		first = min(first, at)
	}
	next := w.Next()
	if (next == tick.Never) != (first == tick.Never) {
		t.Fatalf("Next = %d, first timer %d", next, first)
	}
	if first != tick.Never && next > max(first, tick.Time(w.now<<granularityBits))+slotWidth {
		t.Fatalf("Next = %d is after the first timer, %d", next, first)
	}
}

// A loop that sleeps until Next wakes a bounded number of times for a timer,
// however far away it is.
func TestFewWakesPerTimer(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, time.Second, time.Hour, 1000 * time.Hour} {
		var w Wheel
		now := tick.Time(0).Add(12345 * time.Hour)
		w.Expired(now)
		at := now.Add(d)
		w.Set(3, at)
		for wakes := 1; ; wakes++ {
			now = max(now, w.Next())
			if _, ok := w.Expired(now); ok {
				break
			}
			if wakes > levels {
				t.Fatalf("timer in %v: more than %d wakes", d, levels)
			}
		}
		if now < at || now > at+slotWidth {
			t.Errorf("timer in %v expired %v late", d, now.Sub(at))
		}
	}
}

func TestNoAllocs(t *testing.T) {
	var w Wheel
	now := tick.Time(0)
	for id := range uint32(1000) {
		w.Set(id, now.Add(time.Hour))
	}
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Second)
		w.Set(7, now.Add(2*time.Second))
		w.Expired(now)
	}); n != 0 {
		t.Errorf("Set and Expired allocate %v times", n)
	}
}

// The cost of moving a timer does not depend on how many others are set.
func BenchmarkSet(b *testing.B) {
	for _, bm := range []struct {
		name   string
		timers uint32
	}{{"1", 1}, {"1M", 1 << 20}} {
		b.Run(bm.name, func(b *testing.B) {
			var w Wheel
			now := tick.Time(0)
			for id := range bm.timers {
				w.Set(id, now.Add(time.Hour+time.Duration(id)*time.Millisecond))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Microsecond)
				w.Set(uint32(i)%bm.timers, now.Add(2*time.Second))
				w.Expired(now)
			}
		})
	}
}

// When a million timers come near at once, no call moves more than a batch of
// them, none is lost, and none expires early or late.
func TestManyTimersAtOnce(t *testing.T) {
	const timers = 1 << 20
	var w Wheel
	now := tick.Time(0)
	w.Expired(now)
	for id := range uint32(timers) {
		w.Set(id, now.Add(250*time.Second+time.Duration(id)*time.Microsecond))
	}
	longest, left, calls := time.Duration(0), timers, 0
	for left > 0 {
		now = max(now, w.Next())
		began := time.Now()
		id, ok := w.Expired(now)
		longest = max(longest, time.Since(began))
		if calls++; calls > 10*timers {
			t.Fatal("the wheel does not come on")
		}
		if !ok {
			continue
		}
		left--
		if late := now.Sub(tick.Time(0).Add(250*time.Second + time.Duration(id)*time.Microsecond)); late < 0 || late > slotWidth {
			t.Fatalf("timer %d expired %v late", id, late)
		}
	}
	t.Logf("the longest call took %v of the clock", longest)
	if w.Next() != tick.Never {
		t.Error("a timer is left")
	}
}
