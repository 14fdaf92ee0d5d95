// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// Verdict is what a received message means to the layer above.
type Verdict uint8

const (
	// Nothing: the message was dropped or concerns this layer alone.
	Nothing Verdict = iota

	// Delivered: Message is a request or response that was not seen before. If
	// it is Confirmable it must be answered, and Ref names it for that:
	// Acknowledge, Reply, Reject or Forget. A Non-confirmable one has no Ref;
	// rejecting it means to ignore it (RFC 7252 section 4.3).
	Delivered

	// Acknowledged: the sent message of Owner was acknowledged by an Empty
	// message and is settled.
	Acknowledged

	// Answered: Message is an acknowledgement of the sent message of Owner and
	// carries a response. Whether it belongs to the request the token decides:
	// if it does, Settle(Ref), if not, it is rejected by doing nothing.
	Answered

	// Rejected: the sent message of Owner was answered by a Reset message and
	// is settled.
	Rejected

	// Unwanted: the same for a notification that Post has sent.
	Unwanted
)

// Progress is how far a sent message has come.
type Progress struct {
	Sent            bool      // at least once
	MessageID       uint16    // valid if Sent
	First           tick.Time // when it was sent first, valid if Sent
	Retransmissions int
}

// Arrival is what Link.Receive tells the layer above.
type Arrival struct {
	Verdict Verdict
	Message coap.Message // views into the datagram
	Ref     Ref
	Owner   uint32   // of Acknowledged, Answered, Rejected, Unwanted: from Send or Post
	Sent    Progress // likewise
}

// Receive takes one message, datagram, which came at time now.
func (l *Link) Receive(now tick.Time, datagram []byte) Arrival {
	m, err := coap.Parse(datagram)
	if err == coap.ErrTooShort || err == coap.ErrVersion {
		// Section 3: "Messages with unknown version numbers MUST be silently ignored."
		l.mem.drop(DropHeader)
		return Arrival{}
	}
	l.mem.traffic.Received++
	l.forgetExpired(now)
	if err != nil {
		l.malformed(&m)
		return Arrival{}
	}
	switch m.Type {
	case coap.Confirmable:
		return l.confirmable(now, &m)
	case coap.NonConfirmable:
		return l.nonConfirmable(now, &m)
	case coap.Acknowledgement:
		return l.acknowledgement(now, &m)
	default:
		return l.reset(now, &m)
	}
}

// malformed rejects a message with a format error: a Confirmable one by a
// matching Reset message, any other by silence (sections 4.2 and 4.3).
func (l *Link) malformed(m *coap.Message) {
	if m.Type != coap.Confirmable {
		l.mem.drop(DropFormat)
		return
	}
	l.mem.drop(DropFormatConfirmable)
	l.pushReset(m.MessageID)
}

func (l *Link) pushReset(mid uint16) {
	if !l.resets.push(mid) {
		l.mem.drop(DropResetQueue)
	}
}

// confirmable is section 4.2: acknowledge, which the layer above decides, or
// reject what is Empty or has a code of a reserved class.
func (l *Link) confirmable(now tick.Time, m *coap.Message) Arrival {
	switch {
	case m.Code.IsEmpty(): // a ping
		l.pushReset(m.MessageID)
		return Arrival{}
	case m.Code.IsReserved():
		l.mem.drop(DropReservedConfirmable)
		l.pushReset(m.MessageID)
		return Arrival{}
	}
	if i := l.lookup(now, m.MessageID); i != 0 {
		l.mem.drop(DropDuplicateConfirmable)
		l.repeat(i)
		return Arrival{}
	}
	if int(l.open.Len) >= l.mem.limits.PeerQueue {
		l.mem.drop(DropOpenQueue)
		return Arrival{}
	}
	i, ok := l.learn(m, now.Add(l.mem.exchangeLifetime))
	if !ok {
		return Arrival{}
	}
	l.add(i, open)
	return Arrival{Verdict: Delivered, Message: *m, Ref: Ref(i)}
}

// nonConfirmable is section 4.3. What is rejected is ignored; the Reset message
// that the section allows is not sent.
func (l *Link) nonConfirmable(now tick.Time, m *coap.Message) Arrival {
	switch {
	case m.Code.IsEmpty():
		l.mem.drop(DropEmptyNonConfirmable)
		return Arrival{}
	case m.Code.IsReserved():
		l.mem.drop(DropReserved)
		return Arrival{}
	case l.lookup(now, m.MessageID) != 0:
		l.mem.drop(DropDuplicate)
		return Arrival{}
	}
	i, ok := l.learn(m, now.Add(l.mem.nonLifetime))
	if !ok {
		return Arrival{}
	}
	l.add(i, known)
	return Arrival{Verdict: Delivered, Message: *m}
}

// lookup returns the record of a message received before with the Message ID,
// 0 if there is none whose lifetime lasts.
func (l *Link) lookup(now tick.Time, mid uint16) uint32 {
	i := l.mem.find(l.id, mid)
	if i == 0 {
		return 0
	}
	if r := l.mem.records.At(i); r.state == known && r.at <= now {
		l.forget(i)
		return 0
	}
	return i
}

// repeat sends the reply of record i again, unless none was given yet or it is
// about to be sent anyway.
func (l *Link) repeat(i uint32) {
	if r := l.mem.records.At(i); r.state == known && r.reply != noReply {
		l.move(i, replying)
		l.mem.traffic.RepeatedReplies++
	}
}

// learn makes a record of a received message, in no list yet, so that its
// duplicates are recognized.
func (l *Link) learn(m *coap.Message, until tick.Time) (uint32, bool) {
	for int(l.known.Len) >= l.mem.limits.PeerMessages {
		l.mem.drop(DropEvictedByPeer)
		l.forget(l.known.First)
	}
	i, ok := l.mem.newRecord(l)
	if !ok {
		l.mem.drop(DropMemory)
		return 0, false
	}
	r := l.mem.records.At(i)
	r.typ, r.mid, r.at = m.Type, m.MessageID, until
	l.mem.indexRecord(i)
	l.remember(until)
	return i, true
}

// acknowledgement matches an ACK to a Confirmable message by Message ID
// (section 4.4).
func (l *Link) acknowledgement(now tick.Time, m *coap.Message) Arrival {
	switch {
	case m.Code.IsRequest():
		l.mem.drop(DropAckWithRequest)
		return Arrival{}
	case m.Code.IsReserved():
		l.mem.drop(DropReserved)
		return Arrival{}
	}
	i := l.sent(m.MessageID)
	if i == 0 || l.mem.records.At(i).typ != coap.Confirmable {
		l.mem.drop(DropAckUnmatched)
		return Arrival{}
	}
	r := l.mem.records.At(i)
	if r.newer != 0 {
		l.stillInterested(i)
		return Arrival{}
	}
	a := Arrival{Verdict: Answered, Message: *m, Ref: Ref(i), Owner: r.ownerOrChain, Sent: r.progress()}
	if m.Code.IsEmpty() {
		a.Verdict, a.Ref = Acknowledged, 0
		l.measure(now, r)
		l.drop(i)
	}
	return a
}

// reset matches a RST to a message of either type by Message ID (section 4.4).
func (l *Link) reset(now tick.Time, m *coap.Message) Arrival {
	if !m.Code.IsEmpty() {
		l.mem.drop(DropResetNotEmpty)
		return Arrival{}
	}
	i := l.sent(m.MessageID)
	if i == 0 {
		return l.resetNoted(now, m)
	}
	r := l.mem.records.At(i)
	if r.state == superseded {
		i = r.newer
		r = l.mem.records.At(i)
	}
	a := Arrival{Verdict: Rejected, Message: *m, Owner: r.ownerOrChain, Sent: r.progress()}
	if r.abandoned {
		l.mem.drop(DropResetUnmatched)
		a = Arrival{}
	}
	l.drop(i)
	return a
}

// sent returns the record of the message with the Message ID that was sent and
// is not settled, 0 if there is none.
func (l *Link) sent(mid uint16) uint32 {
	for i := l.flying.First; i != 0; i = l.mem.records.Next(i) {
		if l.mem.records.At(i).mid == mid {
			return i
		}
	}
	return 0
}

// forgetExpired forgets the oldest messages whose lifetime is over. Those that
// stand behind a younger one, because their reply was repeated or because they
// are Non-confirmable, follow later; lookup does not take them for alive.
func (l *Link) forgetExpired(now tick.Time) {
	for i := l.known.First; i != 0 && l.mem.records.At(i).at <= now; i = l.known.First {
		l.forget(i)
	}
}

// forget forgets received message i.
func (l *Link) forget(i uint32) {
	l.remove(i)
	l.kept -= int32(l.mem.records.At(i).size)
	l.mem.unindexRecord(i)
	l.mem.release(i)
}
