// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// Timing sets the retransmission of flights (RFC 6347 §4.2.4.1). A zero field
// means its default.
type Timing struct {
	Initial time.Duration // first interval; default 1 s
	Cap     time.Duration // intervals double up to it; default 60 s
	// Retransmissions is how often a flight is sent again before the
	// handshake is given up; negative means never. The default 6 resends
	// until 63 s, and gives up at 123 s.
	Retransmissions int
}

// Defaults of Timing.
const (
	DefaultInitial         = time.Second
	DefaultCap             = 60 * time.Second
	DefaultRetransmissions = 6
)

// Constrained is the timing for constrained networks: 9 s, 18 s, 36 s
// (RFC 7925 §11).
func Constrained() Timing {
	return Timing{Initial: 9 * time.Second, Cap: DefaultCap, Retransmissions: 3}
}

// resolved fills in the defaults.
func (c Timing) resolved() Timing {
	if c.Initial <= 0 {
		c.Initial = DefaultInitial
	}
	if c.Cap <= 0 {
		c.Cap = DefaultCap
	}
	c.Cap = max(c.Cap, c.Initial)
	if c.Retransmissions == 0 {
		c.Retransmissions = DefaultRetransmissions
	}
	return c
}

// Expiry is what a timer says when time has passed.
type Expiry uint8

// Expiries.
const (
	Wait   Expiry = iota // nothing is due
	Resend               // send the flight again; the timer runs on
	GiveUp               // the peer has not answered any transmission
)

// Timer is the retransmission timer of one session's flights, the WAITING
// state of RFC 6347 §4.2.4. It never asks a clock.
type Timer struct {
	timing   Timing
	deadline tick.Time
	interval time.Duration // between the last transmission and deadline
	count    int           // retransmissions of this flight
	prompts  prompts
}

// NewTimer returns a timer that does not run.
func NewTimer(timing Timing) Timer {
	t := Timer{timing: timing.resolved(), deadline: tick.Never}
	t.prompts.gap = t.timing.Initial / 4
	return t
}

// Start sets the timer for a flight that is sent now. An interval that had
// to grow is kept: "Implementations SHOULD retain the current timer value
// until a transmission without loss occurs" (RFC 6347 §4.2.4.1).
func (t *Timer) Start(now tick.Time) {
	if t.count == 0 {
		t.interval = t.timing.Initial
	}
	t.count, t.prompts.count = 0, 0
	t.send(now)
}

func (t *Timer) send(now tick.Time) {
	t.prompts.sent = now
	t.deadline = now.Add(t.interval)
}

// Stop stops the timer: the next flight has arrived.
func (t *Timer) Stop() { t.deadline = tick.Never }

// Deadline is when Expire is due: exactly one interval after the flight was
// last sent, or tick.Never.
func (t *Timer) Deadline() tick.Time { return t.deadline }

// Retransmissions is how often the timer has sent the current flight again.
func (t *Timer) Retransmissions() int { return t.count }

// Expire says what is due now. After Resend the flight counts as sent again
// now, and the interval has doubled; after GiveUp the timer has stopped.
func (t *Timer) Expire(now tick.Time) Expiry {
	if t.deadline == tick.Never || now.Before(t.deadline) {
		return Wait
	}
	if t.count >= t.timing.Retransmissions {
		t.Stop()
		return GiveUp
	}
	t.count++
	t.interval = min(2*t.interval, t.timing.Cap)
	t.send(now)
	return Resend
}

// Prompt reports whether the flight should be sent again because the peer
// repeated its own, which "suggests that part of one's previous flight was
// lost" (RFC 6347 §4.2.4), and if so counts it as sent now.
func (t *Timer) Prompt(now tick.Time) bool {
	if !t.prompts.heed(now) {
		return false
	}
	if t.deadline != tick.Never {
		t.deadline = now.Add(t.interval)
	}
	return true
}

// maxPrompts is how often the peer's repetitions have a flight sent again. A
// peer that doubles its timer repeats itself less often within the life of a
// handshake.
const maxPrompts = 12

// prompts is what is known of one flight and the peer's repetitions.
type prompts struct {
	sent  tick.Time     // when the flight was last sent
	gap   time.Duration // a quarter of the first interval
	count uint8         // transmissions that the peer prompted
}

// heed reports whether a repetition has the flight sent again. It says no
// within gap after the last transmission, and after maxPrompts: the datagrams
// of one repeated flight prompt one answer, and a stream of forged ones
// prompts few. The peer's own timer is slower than that.
func (p *prompts) heed(now tick.Time) bool {
	if p.count >= maxPrompts || now.Before(p.sent.Add(p.gap)) {
		return false
	}
	p.count++
	p.sent = now
	return true
}
