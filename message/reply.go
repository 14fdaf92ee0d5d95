// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import "github.com/coaps-go/coaps/coap"

// A Confirmable message that was Delivered gets one of these replies. From then
// on its Ref is void, and each duplicate that comes within EXCHANGE_LIFETIME
// gets the same reply: "The recipient SHOULD acknowledge each duplicate copy of
// a Confirmable message using the same Acknowledgement or Reset message but
// SHOULD process any request or response in the message only once" (RFC 7252
// section 4.5).

// Acknowledge answers with an Empty acknowledgement.
func (l *Link) Acknowledge(ref Ref) { l.answer(ref, emptyAck) }

// Reject answers with a Reset message.
func (l *Link) Reject(ref Ref) { l.answer(ref, resetReply) }

func (l *Link) answer(ref Ref, with reply) {
	if r := l.at(ref, open); r != nil {
		r.reply = with
		l.move(uint32(ref), replying)
	}
}

// Reply answers with an acknowledgement that carries the response m, whose Type
// and Message ID are set here. After an error the message is still unanswered.
func (l *Link) Reply(ref Ref, m *coap.Message) error {
	r := l.at(ref, open)
	if r == nil {
		return ErrUnknown
	}
	m.Type, m.MessageID = coap.Acknowledgement, r.mid
	b, err := l.encode(m)
	if err != nil {
		return err
	}
	for int(l.kept)+len(b) > l.mem.limits.PeerBytes && l.known.Len > 0 {
		l.mem.drop(DropEvictedByPeer)
		l.forget(l.known.First)
	}
	if len(b) <= shortLen {
		r.keepShort(b)
	} else if !l.mem.store(uint32(ref), b) {
		l.mem.drop(DropMemoryFull)
		return ErrMemoryFull
	}
	l.kept += int32(len(b))
	r.reply = storedReply
	l.move(uint32(ref), replying)
	return nil
}

// Forget leaves the message unanswered, as if it had not come: the next copy is
// delivered again.
func (l *Link) Forget(ref Ref) {
	if l.at(ref, open) != nil {
		l.forget(uint32(ref))
	}
}

// encode returns m encoded in the Memory's scratch buffer.
func (l *Link) encode(m *coap.Message) ([]byte, error) {
	if m.Size() > l.mem.limits.MessageBytes {
		l.mem.drop(DropTooLarge)
		return nil, ErrTooLarge
	}
	b, err := m.AppendTo(l.mem.scratch[:0])
	l.mem.scratch = b[:0]
	return b, err
}
