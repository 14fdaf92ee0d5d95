// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// RFC 7641 section 4.5.2: a notification that is out of date while it is
// retransmitted gives way to a current one.
//
// The record that flies stays the same, with its timer and its counter, its slot
// and its Ref. What will follow it is its heir, another record that holds the
// bytes: r.newer. When the time of the next transmission has come, r takes the
// bytes and a new Message ID, and the heir's record keeps the old one as
// superseded, so that an acknowledgement or a Reset message for it is still
// understood: r.older, a list. The newer of each superseded one is r.

// Supersede puts m in the place of message ref: a posted one, or a Confirmable one
// that Send has queued. If it was not sent yet that happens at once, and else
// with its next transmission; Type is that of ref. If what was sent is
// acknowledged before, m is sent as a message of its own. ref remains valid and
// means m. After an error nothing has changed.
func (l *Link) Supersede(ref Ref, m *coap.Message) error {
	r := l.at(ref, waiting, posted, flying)
	if r == nil || r.typ == coap.NonConfirmable && r.state != posted {
		return ErrUnknown
	}
	m.Type = r.typ
	b, err := l.encode(m)
	if err != nil {
		return err
	}
	if r.state != flying {
		return l.restore(uint32(ref), b)
	}
	if r.newer != 0 {
		return l.restore(r.newer, b)
	}
	i, ok := l.mem.newRecord(l)
	if !ok {
		l.mem.drop(DropMemoryFull)
		return ErrMemoryFull
	}
	if err := l.restore(i, b); err != nil {
		l.mem.release(i)
		return err
	}
	l.mem.records.At(i).state = heir
	r.newer = i
	return nil
}

// restore stores b as the bytes of record i instead of those it has.
func (l *Link) restore(i uint32, b []byte) error {
	old := l.mem.records.At(i).bytes
	if !l.mem.store(i, b) {
		l.mem.drop(DropMemoryFull)
		return ErrMemoryFull
	}
	l.mem.freeChunks(old)
	return nil
}

// inherit gives r the bytes of its heir, and the heir those of r.
func (l *Link) inherit(r *record) *record {
	h := l.mem.records.At(r.newer)
	r.bytes, h.bytes = h.bytes, r.bytes
	r.size, h.size = h.size, r.size
	return h
}

// succeed makes the next transmission of message i that of its heir, "with a new
// Message ID and the following transmission parameters: If the previous
// (re-)transmission attempt timed out, retain its transmission parameters" (RFC
// 7641 section 4.5.2). It reports false if there is no Message ID for it.
func (l *Link) succeed(now tick.Time, i uint32) bool {
	mid, ok := l.sender().ids.take(now, l.mem.exchangeLifetime)
	if !ok {
		return false
	}
	r := l.mem.records.At(i)
	h, old := l.inherit(r), r.newer
	l.mem.freeChunks(h.bytes)
	h.bytes, h.size = 0, 0
	h.typ, h.mid, h.at = r.typ, r.mid, tick.Never
	h.newer, h.older, r.newer, r.older = i, r.older, 0, old
	l.add(old, superseded)
	l.mem.stamp(r, mid)
	l.remember(now.Add(l.mem.exchangeLifetime))
	return true
}

// stillInterested is an acknowledgement of message i, which was superseded or has
// an heir. "Even though this does not signal consistency, it is valuable in that it
// signals the client's further interest in the resource" (RFC 7641 section 4.5.2).
func (l *Link) stillInterested(i uint32) {
	if r := l.mem.records.At(i); r.state == superseded {
		r.reply = emptyAck // of the peer's
		return
	}
	l.beginAnew(i)
}

// interested reports whether something that message i superseded was acknowledged,
// so that the peer is not to be taken for gone.
func (l *Link) interested(i uint32) bool {
	for j := l.mem.records.At(i).older; j != 0; j = l.mem.records.At(j).older {
		if l.mem.records.At(j).reply == emptyAck {
			return true
		}
	}
	return false
}

// beginAnew sends message i, or its heir, as a new message: "otherwise, initialize
// the transmission parameters as usual" (RFC 7641 section 4.5.2).
func (l *Link) beginAnew(i uint32) {
	r := l.mem.records.At(i)
	l.land(r)
	if r.newer != 0 {
		l.inherit(r)
	}
	l.dropRelated(r)
	if interval, err := l.timeout(r.typ); err == nil {
		r.interval = interval
	}
	r.sent = 0
	l.move(i, waiting)
}

// dropRelated forgets the heir of r and what r superseded.
func (l *Link) dropRelated(r *record) {
	if r.newer != 0 {
		l.mem.release(r.newer)
	}
	for j := r.older; j != 0; {
		next := l.mem.records.At(j).older
		l.remove(j)
		l.mem.release(j)
		j = next
	}
	r.older, r.newer = 0, 0
}
