// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wheel is a hierarchical timing wheel: timers are set, moved, stopped
// and expired in amortized constant time, whatever their number, and asking for the next
// one looks at no timer that is not due. No call does much at once, not even
// when a million timers come near together.
package wheel

import (
	"math/bits"

	"github.com/coaps-go/coaps/tick"
)

const (
	// granularityBits makes a slot of the lowest level 131 µs wide, finer than
	// any timer of RFC 7252 or RFC 6347 needs and coarse enough for a timer set
	// minutes ahead to move down few levels.
	granularityBits = 17

	levelBits = 6 // 64 slots a level, so that one word tells which are in use
	slots     = 1 << levelBits
	levels    = 8 // 8 levels of 6 bits and 17 bits below: all of tick.Time
)

// A Wheel holds at most one timer for each identifier. Identifiers are small
// numbers, indices into a table of the caller. The zero value is ready.
type Wheel struct {
	now    uint64                // the slot of level 0 being emptied; all earlier ones are empty
	inUse  [levels]uint64        // bit s of word l: heads[l][s] is not empty
	heads  [levels][slots]uint32 // first timer of a slot, as identifier + 1
	timers []*[blockLen]timer    // by identifier, in blocks that never move

	// moving is the level of a slot that has begun, and whose timers are being
	// moved down, batch by batch; 0 when there is none.
	moving int
}

const (
	blockLen = 256  // timers allocated at a time
	batch    = 1024 // timers moved down by one call
)

// A timer is linked into the list of its slot.
type timer struct {
	at         uint64 // in slots of level 0, rounded up
	next, prev uint32 // identifier + 1, 0 at the ends
	level      uint8
	slot       uint8
	set        bool
}

// Set makes the timer of id expire at the given time, instead of when it was
// to expire before. A time that has passed expires at the next call of Expired,
// tick.Never stops the timer. It never expires early, and late by no more than
// a slot of 131 µs.
func (w *Wheel) Set(id uint32, at tick.Time) {
	if at == tick.Never {
		w.Stop(id)
		return
	}
	for int(id/blockLen) >= len(w.timers) {
		w.timers = append(w.timers, new([blockLen]timer))
	}
	w.Stop(id)
	w.at(id).at = max(slotOf(at+(1<<granularityBits-1)), w.now)
	w.link(id)
}

// Stop forgets the timer of id. It does nothing when there is none.
func (w *Wheel) Stop(id uint32) {
	if int(id/blockLen) < len(w.timers) && w.at(id).set {
		w.unlink(id)
	}
}

func (w *Wheel) at(id uint32) *timer { return &w.timers[id/blockLen][id%blockLen] }

// Next returns when Expired should be called if nothing is set before: not
// later than the first timer, and early by at most the times it takes to move
// that timer down the levels. It is tick.Never if no timer is set.
func (w *Wheel) Next() tick.Time {
	if w.moving > 0 {
		return tick.Time(w.now << granularityBits)
	}
	_, at, ok := w.first()
	if !ok {
		return tick.Never
	}
	return tick.Time(at << granularityBits)
}

// Expired returns the identifier of one timer that is due at now and stops it.
// Callers repeat it until there is none, or until Next is after now: it also
// reports none when there was so much to do that the rest is for the next call.
func (w *Wheel) Expired(now tick.Time) (id uint32, ok bool) {
	target := slotOf(now)
	for budget := batch; ; {
		if budget = w.cascade(budget); w.moving > 0 {
			return 0, false
		}
		level, at, ok := w.first()
		if !ok || at > target {
			w.now = max(w.now, target)
			return 0, false
		}
		w.now = max(w.now, at)
		if level > 0 {
			w.moving = level
			continue
		}
		id := w.heads[0][at%slots] - 1
		w.unlink(id)
		return id, true
	}
}

// cascade moves timers of a slot that has begun to lower levels: they share its
// digit with now. Nothing expires before all of them are moved, as one left
// behind would be found after later ones. It returns what is left of the budget.
func (w *Wheel) cascade(budget int) int {
	if w.moving == 0 {
		return budget
	}
	head := &w.heads[w.moving][w.now>>(w.moving*levelBits)%slots]
	for ; *head != 0 && budget > 0; budget-- {
		id := *head - 1
		w.unlink(id)
		w.link(id)
	}
	if *head == 0 {
		w.moving = 0
	}
	return budget
}

// first finds the lowest slot in use: its level and the time it begins.
func (w *Wheel) first() (level int, at uint64, ok bool) {
	for l, word := range w.inUse {
		if word != 0 {
			shift := l * levelBits
			above := w.now >> (shift + levelBits) << levelBits
			return l, (above | uint64(bits.TrailingZeros64(word))) << shift, true
		}
	}
	return 0, 0, false
}

// link puts a timer into the slot of the highest digit, in base 64, in which
// its time differs from now. Timers of one level therefore share all higher
// digits with now, and every slot in use lies ahead of now's own.
func (w *Wheel) link(id uint32) {
	t := w.at(id)
	level := max(bits.Len64(t.at^w.now)-1, 0) / levelBits
	slot := t.at >> (level * levelBits) % slots
	t.level, t.slot, t.set = uint8(level), uint8(slot), true
	head := &w.heads[level][slot]
	t.prev, t.next = 0, *head
	if t.next != 0 {
		w.at(t.next - 1).prev = id + 1
	}
	*head = id + 1
	w.inUse[level] |= 1 << slot
}

func (w *Wheel) unlink(id uint32) {
	t := w.at(id)
	if t.next != 0 {
		w.at(t.next - 1).prev = t.prev
	}
	if t.prev != 0 {
		w.at(t.prev - 1).next = t.next
	} else {
		w.heads[t.level][t.slot] = t.next
		if t.next == 0 {
			w.inUse[t.level] &^= 1 << t.slot
		}
	}
	t.set = false
}

func slotOf(t tick.Time) uint64 { return uint64(max(t, 0)) >> granularityBits }
