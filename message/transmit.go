// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// Transmit writes the next message to send to dst and returns its length, 0 if
// there is none. What answers the peer goes first, then retransmissions, then
// what is new.
//
// dst should hold Limits.MessageBytes. A message for which it is too small
// counts as sent and lost on the way.
func (l *Link) Transmit(now tick.Time, dst []byte) int {
	for {
		n, more := l.next(now, dst)
		switch {
		case n > 0:
			l.mem.traffic.Sent++
			return n
		case !more:
			return 0
		}
		l.mem.drop(DropTransmitSpace)
	}
}

// next takes the next message out of its queue and writes it. It returns 0 and
// true if the message did not fit.
func (l *Link) next(now tick.Time, dst []byte) (n int, more bool) {
	switch {
	case l.resets.len > 0:
		return writeEmpty(dst, coap.Reset, l.resets.pop()), true
	case l.replies.Len > 0:
		return l.sendReply(l.replies.First, dst), true
	}
	if i := l.nextDue(now); i != 0 {
		return l.sendAgain(now, i, dst), true
	}
	if i := l.nextNew(now); i != 0 {
		return l.sendFirst(now, i, dst), true
	}
	return 0, false
}

// writeEmpty writes an Empty message.
func writeEmpty(dst []byte, t coap.Type, mid uint16) int {
	m := coap.Message{Type: t, Code: coap.Empty, MessageID: mid}
	if len(dst) < m.Size() {
		return 0
	}
	b, _ := m.AppendTo(dst[:0]) // an Empty message is always valid
	return len(b)
}

func (l *Link) write(dst []byte, r *record) int {
	if len(dst) < int(r.size) {
		return 0
	}
	return l.mem.load(dst, r)
}

// sendReply writes the reply of received message i and keeps it for duplicates.
func (l *Link) sendReply(i uint32, dst []byte) int {
	l.move(i, known)
	switch r := l.mem.records.At(i); r.reply {
	case storedReply:
		return l.write(dst, r)
	case resetReply:
		return writeEmpty(dst, coap.Reset, r.mid)
	default:
		return writeEmpty(dst, coap.Acknowledgement, r.mid)
	}
}

// nextDue returns a message to retransmit, 0 if there is none. What comes too
// late is left out: "the entire sequence of (re-)transmissions MUST stay in the
// envelope of MAX_TRANSMIT_SPAN (see Section 4.8.2), even if that means a
// sender may miss an opportunity to transmit" (section 4.2).
func (l *Link) nextDue(now tick.Time) uint32 {
	for i := l.flying.First; i != 0 && l.due > 0; i = l.mem.records.Next(i) {
		r := l.mem.records.At(i)
		if !r.due {
			continue
		}
		r.due = false
		l.due--
		switch {
		case now > r.first.Add(l.mem.transmitSpan):
		case r.newer != 0 && l.restsUntil() > now:
			// Its heir has no Message ID, and what it replaces must not be seen again.
			l.mem.drop(DropMessageIDs)
		default:
			return i
		}
	}
	return 0
}

// sendAgain retransmits Confirmable message i.
func (l *Link) sendAgain(now tick.Time, i uint32, dst []byte) int {
	r := l.mem.records.At(i)
	r.sent++
	r.at = l.spaced(r, now, r.at)
	if r.newer == 0 || !l.succeed(now, i) {
		l.mem.traffic.Retransmissions++
	}
	return l.write(dst, r)
}

// spaced moves the next timeout of r away from now, if necessary: "the minimum
// spacing before another retransmission is ACK_TIMEOUT" (section 4.2).
func (l *Link) spaced(r *record, now, next tick.Time) tick.Time {
	next = max(next, now.Add(l.mem.params.AckTimeout))
	return min(next, r.first.Add(l.mem.transmitWait))
}

// nextNew returns the next message to send for the first time, with a Message
// ID, 0 if there is none or the limits hold it back.
func (l *Link) nextNew(now tick.Time) uint32 {
	for l.ready.Len > 0 {
		i := l.ready.First
		if l.identify(now, i) {
			return i
		}
		l.mem.drop(DropMessageIDs)
		l.drop(i) // it is Non-confirmable: late is worse than never
	}
	if l.waiting.Len == 0 || int(l.slots) >= l.mem.params.NStart && !l.freeSlot(now) {
		return 0
	}
	if l.resting = !l.identify(now, l.waiting.First); l.resting {
		return 0
	}
	return l.waiting.First
}

// identify gives message i its Message ID.
func (l *Link) identify(now tick.Time, i uint32) bool {
	mid, ok := l.sender().ids.take(now, l.mem.exchangeLifetime)
	if !ok {
		return false
	}
	l.mem.stamp(l.mem.records.At(i), mid)
	l.remember(now.Add(l.mem.exchangeLifetime))
	return true
}

// sendFirst sends message i for the first time.
func (l *Link) sendFirst(now tick.Time, i uint32, dst []byte) int {
	r := l.mem.records.At(i)
	n := l.write(dst, r)
	if r.state == ready {
		l.drop(i)
		return n
	}
	r.sent, r.round, r.first = 1, 1, now
	r.slot = true
	l.slots++
	switch {
	case r.state == posted:
		l.note(now, i)
		return n
	case r.typ == coap.Confirmable:
		r.at = now.Add(r.interval)
	default:
		r.at = now.Add(l.probing(int(r.size)))
	}
	l.move(i, flying)
	return n
}

// probing is how long a Non-confirmable request of n bytes counts as an
// outstanding interaction if nothing comes back. The time "MUST be chosen in
// such a way that an endpoint does not exceed an average data rate of
// PROBING_RATE in sending to another endpoint that does not respond" (section
// 4.7).
func (l *Link) probing(n int) time.Duration {
	seconds := float64(n) / l.mem.params.ProbingRate
	return time.Duration(min(seconds, 1e9) * float64(time.Second)) // 1e9 s fit into a Duration
}

// Expire tells l that it is now. It forgets what is over, starts
// retransmissions that are due, and gives up what has run out of them: see
// Lost.
func (l *Link) Expire(now tick.Time) {
	for i := l.flying.First; i != 0; {
		next := l.mem.records.Next(i)
		l.expire(now, i)
		i = next
	}
	if l.restsUntil() <= now {
		l.resting = false // Transmit goes on
	}
	if l.sending != 0 {
		l.expireNoted(now)
		l.freeSlot(now) // Transmit goes on
	}
	if l.quiet > now {
		l.forgetExpired(now)
		return
	}
	for l.known.First != 0 {
		l.forget(l.known.First)
	}
	l.quiet = tick.Never
}

// expire handles the timeouts of sent message i up to now.
func (l *Link) expire(now tick.Time, i uint32) {
	r := l.mem.records.At(i)
	if r.typ == coap.NonConfirmable {
		if r.at <= now {
			l.land(r)
			r.at = tick.Never
			if r.abandoned {
				l.drop(i)
			}
		}
		return
	}
	for r.at <= now {
		if !l.backOff(now, r) {
			l.land(r)
			l.move(i, lost)
			return
		}
	}
}

// backOff begins the next round of a Confirmable message whose timeout was
// triggered: "When the timeout is triggered and the retransmission counter is
// less than MAX_RETRANSMIT, the message is retransmitted, the retransmission
// counter is incremented, and the timeout is doubled" (section 4.2). The
// timeouts are counted from the first transmission, so that a late Expire is
// caught up on the next one, and end with MAX_TRANSMIT_WAIT. It reports false
// when the attempts have run out.
func (l *Link) backOff(now tick.Time, r *record) bool {
	if int(r.round) > l.mem.params.retransmissions() {
		return false
	}
	r.round++
	r.at = l.spaced(r, now, r.first.Add(r.interval*(1<<r.round-1)))
	if !r.due {
		r.due = true
		l.due++
	}
	return true
}

// Lost returns a message that was given up after MAX_RETRANSMIT, and forgets
// it. It reports false if there is no more.
func (l *Link) Lost() (owner uint32, p Progress, ok bool) {
	i := l.lost.First
	for i != 0 && l.interested(i) {
		l.beginAnew(i)
		i = l.lost.First
	}
	if i == 0 {
		return 0, Progress{}, false
	}
	r := l.mem.records.At(i)
	owner, p = r.ownerOrChain, r.progress()
	l.drop(i)
	return owner, p, true
}
