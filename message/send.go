// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// Send queues m, Confirmable or Non-confirmable, and copies it. The Message ID
// is chosen when it is transmitted.
//
// A Confirmable message waits until fewer than NSTART interactions with the peer
// are outstanding (RFC 7252 section 4.7) and is retransmitted until it is
// acknowledged, rejected, settled or given up. A Non-confirmable request is an
// interaction too and waits likewise; it is open, so that a Reset message finds
// it, until Settle or Abandon. In both cases Owner in Receive and Lost names the message by
// owner, and the Ref is valid until one of them did, or Settle or Abandon was
// called. A Non-confirmable response is sent and forgotten and has no Ref.
func (l *Link) Send(now tick.Time, m *coap.Message, owner uint32) (Ref, error) {
	if !sendable(m) {
		return 0, ErrType
	}
	i, err := l.keep(now, m, owner)
	switch {
	case err != nil:
		return 0, err
	case m.Type == coap.NonConfirmable && !m.Code.IsRequest():
		l.add(i, ready)
		return 0, nil
	}
	l.add(i, waiting)
	return Ref(i), nil
}

// keep makes a record of m, which is to be sent, in no list yet.
func (l *Link) keep(now tick.Time, m *coap.Message, owner uint32) (uint32, error) {
	if err := l.admit(now); err != nil {
		return 0, err
	}
	interval, err := l.timeout(m.Type)
	if err != nil {
		return 0, err
	}
	b, err := l.encode(m)
	if err != nil {
		return 0, err
	}
	i, ok := l.mem.newRecord(l)
	if !ok || !l.mem.store(i, b) {
		if ok {
			l.mem.release(i)
		}
		l.mem.drop(DropMemoryFull)
		return 0, ErrMemoryFull
	}
	r := l.mem.records.At(i)
	r.typ, r.ownerOrChain, r.interval = m.Type, owner, interval
	return i, nil
}

// sendable is Table 1 of section 4.3 for the types that a sender chooses. An
// Empty Confirmable message is a ping.
func sendable(m *coap.Message) bool {
	switch m.Type {
	case coap.Confirmable:
		return !m.Code.IsReserved()
	case coap.NonConfirmable:
		return !m.Code.IsReserved() && !m.Code.IsEmpty()
	}
	return false
}

// admit reports why no message can be queued at present.
func (l *Link) admit(now tick.Time) error {
	if int(l.waiting.Len+l.ready.Len+l.flying.Len) >= l.mem.limits.PeerQueue {
		l.mem.drop(DropQueueFull)
		return ErrQueueFull
	}
	if l.sending == 0 {
		n, err := l.mem.random(l.rand)
		if err != nil {
			return err
		}
		l.sending, _ = l.mem.senders.Alloc()
		l.sender().ids.start(uint16(n))
	}
	if l.restsUntil() > now {
		l.mem.drop(DropMessageIDs)
		return ErrMessageIDs
	}
	return nil
}

// timeout returns the initial timeout of a Confirmable message: "a random
// duration (often not an integral number of seconds) between ACK_TIMEOUT and
// (ACK_TIMEOUT * ACK_RANDOM_FACTOR)" (section 4.2).
func (l *Link) timeout(t coap.Type) (time.Duration, error) {
	if t != coap.Confirmable {
		return 0, nil
	}
	n, err := l.mem.random(l.rand)
	if err != nil {
		return 0, err
	}
	p := &l.mem.params
	part := float64(n>>11) / (1 << 53) // in [0, 1)
	return time.Duration(float64(p.AckTimeout) * (1 + (p.AckRandomFactor-1)*part)), nil
}

// Settle ends the sending of a message because the peer has answered: with an
// acknowledgement that was Answered, or with a response of its own, after which
// "it is clear to the requester that only the ACK was lost and a retransmission
// of the request would serve no purpose" (section 4.2).
func (l *Link) Settle(ref Ref) {
	if l.at(ref, waiting, flying, lost) != nil {
		l.drop(uint32(ref))
	}
}

// Abandon ends the sending of a message whose answer is not wanted any more: "A
// CoAP endpoint that sent a Confirmable message MAY give up in attempting to
// obtain an ACK even before the MAX_RETRANSMIT counter value is reached"
// (section 4.2). A Non-confirmable request remains an outstanding interaction as
// long as PROBING_RATE demands.
func (l *Link) Abandon(ref Ref) {
	r := l.at(ref, waiting, flying, lost)
	switch {
	case r == nil:
	case r.typ == coap.NonConfirmable && r.slot:
		r.abandoned = true
		l.mem.freeChunks(r.bytes)
		r.bytes, r.size = 0, 0
	default:
		l.drop(uint32(ref))
	}
}

// Progress returns how far a sent message has come.
func (l *Link) Progress(ref Ref) Progress {
	if r := l.at(ref, waiting, flying, lost); r != nil {
		return r.progress()
	}
	return Progress{}
}

func (r *record) progress() Progress {
	return Progress{
		Sent:            r.sent > 0,
		MessageID:       r.mid,
		First:           r.first,
		Retransmissions: max(int(r.sent)-1, 0),
	}
}

// drop ends the record of sent message i.
func (l *Link) drop(i uint32) {
	r := l.mem.records.At(i)
	l.land(r)
	if r.older|r.newer != 0 {
		l.dropRelated(r)
	}
	l.remove(i)
	l.mem.release(i)
}

// land gives up the slot and the retransmission of a message.
func (l *Link) land(r *record) {
	if r.slot {
		r.slot = false
		l.slots--
	}
	if r.due {
		r.due = false
		l.due--
	}
}
