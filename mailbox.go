// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"sync"
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

// A mailbox is the only way from other goroutines to an event loop. The loop
// waits in Recv; the read deadline of its socket is the doorbell.
type mailbox struct {
	conn  udp.Conn
	clock clock

	mu      sync.Mutex
	letters []letter
	closed  bool
	waiting bool      // the loop is in Recv, or on its way there: ring
	bell    tick.Time // the read deadline in force
	spare   []letter  // of the loop alone: the slice emptied last
}

// rung is a time in the past.
var rung = time.Unix(1, 0)

// post hands a letter to the loop. One that has to arrive is taken even when
// the box is full.
func (m *mailbox) post(l letter, hasToArrive bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return errMailboxClosed
	case len(m.letters) >= mailboxLetters && !hasToArrive:
		return errMailboxFull
	}
	m.letters = append(m.letters, l)
	if m.waiting {
		m.waiting, m.bell = false, 0
		return m.conn.SetReadDeadline(rung)
	}
	return nil
}

// sleep prepares the loop's wait until the given time and reports whether there
// are no letters. A deadline in force that is earlier is left: moving it costs
// more than waking once for nothing.
func (m *mailbox) sleep(now, until tick.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.letters) > 0 {
		return false
	}
	m.waiting = true
	m.arm(now, until)
	return true
}

// poll prepares for a look at the socket while letters wait.
func (m *mailbox) poll(now, until tick.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arm(now, until)
}

func (m *mailbox) arm(now, until tick.Time) {
	if m.bell <= now || until < m.bell {
		m.bell = until
		_ = m.conn.SetReadDeadline(m.clock.wall(until)) // fails only when closed, as Recv will
	}
}

// deliver ends the wait and opens all letters.
func (m *mailbox) deliver(now tick.Time) {
	m.mu.Lock()
	m.waiting = false
	letters := m.letters
	m.letters = m.spare[:0]
	m.mu.Unlock()
	for i, l := range letters {
		letters[i] = nil
		l.deliver(now)
	}
	m.spare = letters
}

func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.letters = true, nil
}

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
