// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A letter is what another goroutine has for an event loop.
type letter interface {
	deliver(now tick.Time) // runs on the event loop
}

var (
	errMailboxFull   = errors.New("coaps: too many calls wait for the event loop")
	errMailboxClosed = errors.New("coaps: the event loop has ended")
)

// An envelope is a letter on its way. What is sent often has its own.
type envelope struct {
	letter
	below   *envelope // posted before this one
	counted bool      // among those of which there is a limit
}

// A mailbox is the only way from other goroutines to an event loop. The loop
// waits in Recv; the read deadline of its socket is the doorbell. Nobody waits
// for anybody: letters are a stack of which the loop takes all at once.
type mailbox struct {
	conn  udp.Conn
	clock clock

	top     atomic.Pointer[envelope] // the letter posted last; sealed when the loop has ended
	counted atomic.Int32             // letters in the box that post has put there
	waiting atomic.Bool              // the loop is in Recv, or on its way there: ring

	// Of the loop alone:
	opened *envelope // taken from the stack, in order, and not delivered yet
	bell   tick.Time // the read deadline in force, 0 if that is not known
}

var (
	rung   = time.Unix(1, 0) // a time in the past
	sealed = new(envelope)
)

// post hands a letter to the loop. One that has to arrive is taken even when
// the box is full.
func (m *mailbox) post(l letter, hasToArrive bool) error {
	if m.counted.Add(1) > mailboxLetters && !hasToArrive {
		m.counted.Add(-1)
		return errMailboxFull
	}
	if err := m.put(&envelope{letter: l, counted: true}); err != nil {
		return err
	}
	return m.ring()
}

// put hands over a letter and leaves it to the caller to ring.
func (m *mailbox) put(e *envelope) error {
	for {
		top := m.top.Load()
		if top == sealed {
			return errMailboxClosed
		}
		e.below = top
		if m.top.CompareAndSwap(top, e) {
			return nil
		}
	}
}

// ring wakes the loop if it waits and has letters. Of those who could, one does.
func (m *mailbox) ring() error {
	if !m.waiting.Load() || m.empty() || !m.waiting.CompareAndSwap(true, false) {
		return nil
	}
	return m.conn.SetReadDeadline(rung)
}

// nudge wakes the loop although there is nothing for it in the box.
func (m *mailbox) nudge() {
	if m.waiting.Load() && m.waiting.CompareAndSwap(true, false) {
		_ = m.conn.SetReadDeadline(rung) // fails only when closed
	}
}

func (m *mailbox) empty() bool { return m.top.Load() == nil }

// sleep prepares the loop's wait until the given time and reports whether there
// are no letters. The doorbell is armed before anybody may ring it, so that
// nobody's ringing is undone.
func (m *mailbox) sleep(now, until tick.Time) bool {
	if m.opened != nil || !m.empty() {
		return false
	}
	m.arm(now, until)
	m.waiting.Store(true)
	if m.empty() {
		return true
	}
	m.awake()
	return false
}

// awake ends the wait. Somebody who has rung, or is about to, has moved the
// deadline.
func (m *mailbox) awake() {
	if m.waiting.Load() && m.waiting.CompareAndSwap(true, false) {
		return
	}
	m.bell = 0
}

// arm sets the read deadline. One in force that is earlier is left: moving it
// costs more than waking once for nothing.
func (m *mailbox) arm(now, until tick.Time) {
	if m.bell <= now || until < m.bell {
		m.bell = until
		_ = m.conn.SetReadDeadline(m.clock.wall(until)) // fails only when closed, as Recv will
	}
}

// deliver opens letters in the order in which they were posted, so many that
// datagrams need not wait for long.
func (m *mailbox) deliver(now tick.Time) {
	for range turnLetters {
		if m.opened == nil {
			if m.empty() {
				return
			}
			m.opened = inOrder(m.top.Swap(nil))
		}
		e := m.opened
		m.opened = e.below // before the letter is delivered: after that it may be on its way again
		if e.counted {
			m.counted.Add(-1)
		}
		e.deliver(now)
	}
}

// inOrder turns a stack around.
func inOrder(top *envelope) (first *envelope) {
	for e := top; e != nil; {
		below := e.below
		e.below = first
		first, e = e, below
	}
	return first
}

// close throws away what comes too late.
func (m *mailbox) close() { m.top.Store(sealed) }

// clock is the engine's time: nanoseconds since the loop began.
type clock struct{ origin time.Time }

func (c clock) now() tick.Time { return tick.Time(time.Since(c.origin)) }

// wall is a time as the net package wants it, zero for never.
func (c clock) wall(t tick.Time) time.Time {
	if t == tick.Never {
		return time.Time{}
	}
	return c.origin.Add(time.Duration(t))
}
