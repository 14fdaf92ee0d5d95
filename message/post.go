// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// Notifications (RFC 7641) that are Non-confirmable. A Confirmable one is a
// Confirmable message like any other, for Send.

// postInterval is how long a Non-confirmable notification counts as an outstanding
// interaction if the round-trip time is not known: "If the server cannot maintain
// an RTT estimate for a client, it SHOULD NOT send more than one non-confirmable
// notification every 3 seconds" (RFC 7641 section 4.5.1).
const postInterval = 3 * time.Second

// maxNoted is how many notifications of one link are remembered for their Reset
// messages. More than that within NON_LIFETIME pretend that theirs was lost, which
// RFC 7641 section 4.5 allows.
const maxNoted = 32

// Post queues the Non-confirmable notification m, and copies it. Like a
// Confirmable message it waits until fewer than NSTART interactions are outstanding,
// and is one itself, until the round-trip time has passed: "servers MUST strictly
// limit the number of simultaneous outstanding notifications/responses that they
// transmit to a given client to NSTART" (RFC 7641 section 4.5.1).
//
// The Ref is valid until it is sent. Then its bytes are forgotten; only that a
// Reset message comes for it is told, for NON_LIFETIME: Unwanted, with owner.
func (l *Link) Post(now tick.Time, m *coap.Message, owner uint32) (Ref, error) {
	if m.Type != coap.NonConfirmable || !m.Code.IsResponse() {
		return 0, ErrType
	}
	i, err := l.keep(now, m, owner)
	if err != nil {
		return 0, err
	}
	l.add(i, posted)
	return Ref(i), nil
}

// Posted returns the message that was posted for owner and not sent yet, 0 if
// there is none.
func (l *Link) Posted(owner uint32) Ref {
	for i := l.waiting.First; i != 0; i = l.mem.records.Next(i) {
		if r := l.mem.records.At(i); r.state == posted && r.ownerOrChain == owner {
			return Ref(i)
		}
	}
	return 0
}

// Unpost forgets the message that was posted for owner and not sent yet. It
// reports false if there is none.
func (l *Link) Unpost(owner uint32) bool {
	ref := l.Posted(owner)
	if ref != 0 {
		l.drop(uint32(ref))
	}
	return ref != 0
}

// Token returns the token of a message that was not sent yet, as a view that
// holds until the next call; nil if ref names none.
func (l *Link) Token(ref Ref) []byte {
	r := l.at(ref, waiting, posted)
	if r == nil {
		return nil
	}
	b := l.mem.chunks.At(r.bytes)
	return b[4 : 4+b[0]&0x0f]
}

// note keeps what is needed of the posted message i, which was sent: its Message
// ID, and its slot for a while.
func (l *Link) note(now tick.Time, i uint32) {
	r, s := l.mem.records.At(i), l.sender()
	l.mem.freeChunks(r.bytes)
	r.bytes, r.size = 0, 0
	r.at = now.Add(postInterval)
	if s.rtt > 0 {
		r.at = now.Add(min(s.rtt, postInterval))
	}
	if int(s.noted.Len) >= maxNoted {
		l.forgetNoted(s.noted.First)
	}
	l.remove(i)
	r.state = noted
	l.mem.records.PushBack(&s.noted, i)
	l.mem.pushNewest(i)
}

// forgetNoted forgets record i, which is noted.
func (l *Link) forgetNoted(i uint32) {
	l.land(l.mem.records.At(i))
	l.mem.records.Remove(&l.sender().noted, i)
	l.mem.removeAged(i)
	l.mem.release(i)
}

// measure takes the time that message r took to be acknowledged for the round-trip
// time, unless it is not known which of its copies was. A longer one counts at
// once, a shorter one by and by.
func (l *Link) measure(now tick.Time, r *record) {
	if r.sent != 1 {
		return
	}
	s, took := l.sender(), max(now.Sub(r.first), 1)
	if took < s.rtt {
		took = s.rtt - (s.rtt-took)/8
	}
	s.rtt = took
}

// freeSlot gives back the slots of notifications whose time is over, and reports
// whether one is free now.
func (l *Link) freeSlot(now tick.Time) bool {
	for i := l.sender().noted.First; i != 0; i = l.mem.records.Next(i) {
		if r := l.mem.records.At(i); r.slot && r.at <= now {
			l.land(r)
		}
	}
	return int(l.slots) < l.mem.params.NStart
}

// slotAt returns when the first slot that a notification has is free,
// tick.Never if none has.
func (l *Link) slotAt() tick.Time {
	at := tick.Never
	for i := l.sender().noted.First; i != 0; i = l.mem.records.Next(i) {
		if r := l.mem.records.At(i); r.slot {
			at = min(at, r.at)
		}
	}
	return at
}

// resetNoted matches a RST to a notification that was posted.
func (l *Link) resetNoted(now tick.Time, m *coap.Message) Arrival {
	for i := l.firstNoted(); i != 0; i = l.mem.records.Next(i) {
		r := l.mem.records.At(i)
		if r.mid != m.MessageID || now >= r.first.Add(l.mem.nonLifetime) {
			continue
		}
		a := Arrival{Verdict: Unwanted, Message: *m, Owner: r.ownerOrChain, Sent: r.progress()}
		l.forgetNoted(i)
		return a
	}
	l.mem.drop(DropResetUnmatched)
	return Arrival{}
}

func (l *Link) firstNoted() uint32 {
	if l.sending == 0 {
		return 0
	}
	return l.sender().noted.First
}

// expireNoted forgets the notifications whose NON_LIFETIME is over.
func (l *Link) expireNoted(now tick.Time) {
	for i := l.firstNoted(); i != 0 && l.mem.records.At(i).first.Add(l.mem.nonLifetime) <= now; i = l.firstNoted() {
		l.forgetNoted(i)
	}
}

// RejectNon sends a Reset message for a Non-confirmable message that was
// Delivered. "In the case of a non-confirmable notification, rejecting the message
// with a Reset message is OPTIONAL" (RFC 7641 section 3.5).
func (l *Link) RejectNon(mid uint16) { l.pushReset(mid) }
