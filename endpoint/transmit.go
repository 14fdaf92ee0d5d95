// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"

	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Transmit fills d with the next datagram to send and reports whether there was
// one. d.Buf must hold the MTU. Peers take turns. It must be repeated until there
// is none before Deadline is asked: what is sent starts timers.
func (e *Endpoint) Transmit(now tick.Time, d *udp.Datagram) bool {
	e.now = now
	if e.replies.take(d) {
		return true
	}
	for e.wants.head != nil || e.endNext(now) {
		p := e.wants.head
		if d.N = e.transmitPeer(now, p, d.Buf); d.N == 0 {
			e.wants.remove(p)
			e.sentAll(now, p)
			continue
		}
		e.wants.toBack(p)
		if p.sent != nil {
			p.sent.add(d.Payload())
		}
		d.Remote, d.Local = e.zones.remote(&p.at.key), e.zones.local(&p.at.key)
		return true
	}
	return false
}

// sentAll follows when a peer has nothing more to send: it ends, or rests, or
// waits for its timer.
func (e *Endpoint) sentAll(now tick.Time, p *peer) {
	switch {
	case p.phase == closing:
		e.release(p)
	case p.refused:
		e.end(now, p, CauseLimit)
	case p.drowsy && e.layDown(p), e.dismiss(p):
	default:
		if p.drowsy && !e.news.has(p) {
			e.stir(p) // it could not be laid down, so it is awake like others
		}
		e.arm(p)
	}
	e.trim()
}

// transmitPeer writes the peer's next datagram: what DTLS itself has to say
// comes before the data it protects.
func (e *Endpoint) transmitPeer(now tick.Time, p *peer, buf []byte) int {
	switch {
	case !p.secure && p.phase == open:
		return p.table.Transmit(now, buf)
	case p.silent:
		return 0
	case p.session == nil:
		return e.transmitAsleep(now, p, buf)
	}
	if n := p.session.Transmit(now, buf); n > 0 || p.phase != open {
		return n
	}
	for {
		n := p.table.Transmit(now, e.scratch)
		if n == 0 {
			return 0
		}
		record, err := p.session.Seal(buf[:0], e.scratch[:n])
		if err == nil && len(record) <= len(buf) {
			return len(record)
		}
		e.unsealed(p)
	}
}

// transmitAsleep wakes a session to retransmit something, or for what waited
// behind something else. It goes to sleep again right away.
func (e *Endpoint) transmitAsleep(now tick.Time, p *peer, buf []byte) int {
	n := p.table.Transmit(now, e.scratch)
	if n == 0 {
		return 0 // also for a peer without DTLS that has ended
	}
	e.wake(p.id.index)
	record, err := p.session.Seal(buf[:0], e.scratch[:n])
	if err == nil && len(record) <= len(buf) {
		return len(record)
	}
	e.unsealed(p)
	return e.transmitPeer(now, p, buf)
}

// unsealed follows a message that the session could not protect: it has ended,
// perhaps by its last sequence number, or its MTU has shrunk since the message
// was accepted.
func (e *Endpoint) unsealed(p *peer) {
	e.drop(DropUnsealed)
	e.news.push(p)
}

// replySize holds a HelloVerifyRequest with a cookie of 32 bytes, 60, or an
// alert.
const replySize = 128

// replies are answers to strangers: the gate's, and Resets. No other state is
// kept for them, and their number is limited.
type replies struct {
	ring  []reply
	first int
	n     int
}

type reply struct {
	remote netip.AddrPort
	local  netip.Addr
	n      int
	bytes  [replySize]byte
}

func (r *replies) add(e *Endpoint, d *udp.Datagram, answer []byte) {
	if r.n == len(r.ring) {
		e.drop(DropReplyQueue)
		return
	}
	slot := &r.ring[(r.first+r.n)%len(r.ring)]
	slot.remote, slot.local = d.Remote, d.Local
	slot.n = copy(slot.bytes[:], answer)
	r.n++
}

func (r *replies) take(d *udp.Datagram) bool {
	if r.n == 0 {
		return false
	}
	slot := &r.ring[r.first]
	r.first, r.n = (r.first+1)%len(r.ring), r.n-1
	d.N = copy(d.Buf, slot.bytes[:slot.n])
	d.Remote, d.Local = slot.remote, slot.local
	return true
}
