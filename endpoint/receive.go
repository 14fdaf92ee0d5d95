// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Receive takes one datagram, works in its buffer and keeps hold of it until
// Next has returned false. Nothing a datagram contains is an error: what has no
// effect is counted.
func (e *Endpoint) Receive(now tick.Time, d *udp.Datagram) {
	e.now = now
	if d.Local.IsMulticast() {
		// RFC 7252 section 8.1: no Reset either. A socket can hear groups
		// that another program on the host has joined.
		e.drop(DropMulticast)
		return
	}
	i := e.find(d.Remote, d.Local)
	if i == 0 {
		e.receiveStranger(now, d)
		return
	}
	at := e.slots.At(i)
	switch {
	case at.class == plain:
		p := e.awake(at)
		if p == nil {
			p = e.rise(i)
		}
		e.hear(now, p)
		p.table.Receive(now, d.Payload())
		e.touch(p)
	case at.asleep != 0:
		e.receiveAsleep(now, i, d)
	default:
		e.receiveSecure(now, e.awake(at), d)
	}
}

// receiveAsleep wakes a session for what may be a record of its own. A
// ClientHello of a device that begins anew waits for its cookie.
func (e *Endpoint) receiveAsleep(now tick.Time, i uint32, d *udp.Datagram) {
	switch {
	case dtls.IsProtected(d.Payload()):
		e.feed(now, e.wake(i), d)
	case e.gate != nil && dtls.IsClientHello(d.Payload()):
		e.screen(now, d, i)
	default:
		e.drop(DropAsleep)
	}
}

// receiveStranger judges a datagram from an address without a peer.
func (e *Endpoint) receiveStranger(now tick.Time, d *udp.Datagram) {
	switch {
	case e.ending:
		e.drop(DropStranger)
	case e.gate != nil:
		e.screen(now, d, 0)
	case e.cfg.DTLS == nil:
		e.receivePlainStranger(now, d)
	default:
		e.drop(DropStranger)
	}
}

// receivePlainStranger begins a NoSec peer with its first request. Everything
// else an unknown address can send needs no memory: a Confirmable message is
// rejected, the rest is ignored (RFC 7252 sections 4.2 and 4.3).
func (e *Endpoint) receivePlainStranger(now tick.Time, d *udp.Datagram) {
	m, err := coap.Parse(d.Payload())
	switch {
	case err == coap.ErrTooShort || err == coap.ErrVersion:
		e.drop(DropMalformed)
	case err == nil && e.cfg.Server && m.Code.IsRequest() && m.Type <= coap.NonConfirmable:
		e.beginPlain(now, d)
	case m.Type == coap.Confirmable:
		e.drop(DropStranger)
		if e.rates.Answer(now) {
			e.replies.add(e, d, []byte{0x70, 0, byte(m.MessageID >> 8), byte(m.MessageID)})
		}
	default:
		e.drop(DropStranger)
	}
}

func (e *Endpoint) beginPlain(now tick.Time, d *udp.Datagram) {
	k, ok := e.zones.key(d.Remote, d.Local, true)
	if !ok {
		e.drop(DropZone)
		return
	}
	p := e.newPeer(now, k, nil)
	e.admitKey(p.id.index)
	e.open(now, p)
	p.table.Receive(now, d.Payload())
	e.touch(p)
}

// receiveSecure decides which of the sessions at an address a datagram is for.
func (e *Endpoint) receiveSecure(now tick.Time, p *peer, d *udp.Datagram) {
	half := p.rival
	if p.phase == handshaking {
		half = p
	}
	switch {
	case e.gate != nil && dtls.IsClientHello(d.Payload()):
		// The client has begun anew, or the network has repeated the hello.
		for _, q := range [...]*peer{half, p} {
			if q != nil && q.session.RepeatsHello(d.Payload()) {
				e.feed(now, q, d)
				return
			}
		}
		e.screen(now, d, p.id.index)
	case p.rival != nil && !p.session.Authenticates(d.Payload()):
		e.feed(now, p.rival, d)
	default:
		e.feed(now, p, d)
	}
}

func (e *Endpoint) feed(now tick.Time, p *peer, d *udp.Datagram) {
	p.session.Receive(now, d.Payload())
	e.touch(p)
}

// screen asks the gate about a datagram of somebody who has not proved
// anything. Only a cookie that holds makes a session, whoever has the address
// now: slot i, or nobody if that is 0.
func (e *Endpoint) screen(now tick.Time, d *udp.Datagram, i uint32) {
	answer := e.scratch[:replySize]
	s := e.gate.Screen(now, d.Remote, d.Payload(), answer)
	if s.Reply > 0 {
		e.replies.add(e, d, answer[:s.Reply])
	}
	if s.Session != nil {
		e.admit(now, d, s.Session, i)
	}
}

// admit begins a handshake. RFC 6347 section 4.2.8: an established session at
// the address stays until the newcomer has proved itself by a verified
// Finished; the cookie proves the address only, and could have been had by
// whoever shares it.
func (e *Endpoint) admit(now tick.Time, d *udp.Datagram, s *dtls.Session, i uint32) {
	k, ok := e.zones.key(d.Remote, d.Local, true)
	if !ok {
		e.drop(DropZone)
		return
	}
	var live *peer
	if i != 0 {
		k = e.slots.At(i).key
		p := e.wake(i)
		if p.session.RepeatsHello(d.Payload()) {
			// Of one that sleeps it is asked only now: a late copy, by the
			// network, of what the session began with.
			e.feed(now, p, d)
			return
		}
		live = e.makeWay(now, p)
	}
	if e.count(halfOpen) >= e.limits.HalfOpen {
		e.drop(DropHalfOpen)
		e.end(now, e.wake(e.oldest(halfOpen)), CauseLimit)
	}
	q := e.newPeer(now, k, s)
	if live == nil {
		e.admitKey(q.id.index)
	} else {
		live.rival, q.rival, q.candidate = q, live, true
	}
	e.touch(q)
}

// makeWay ends the handshake in progress at an address, and returns the
// established peer there, if there is one, which stays.
func (e *Endpoint) makeWay(now tick.Time, p *peer) (live *peer) {
	if p.phase == handshaking {
		e.end(now, p, CauseSuperseded)
		return nil
	}
	if p.rival != nil {
		e.end(now, p.rival, CauseSuperseded)
	}
	e.stir(p)
	return p
}

// newPeer takes a slot, and a peer for it. The caller sees that it is found.
func (e *Endpoint) newPeer(now tick.Time, k key, s *dtls.Session) *peer {
	i := e.newSlot(now, k)
	p := e.rise(i)
	if s != nil {
		p.session, p.secure = s, true
		e.enter(i, halfOpen)
	}
	return p
}

// open makes a peer ready for exchanges, for which there must be room.
func (e *Endpoint) open(now tick.Time, p *peer) {
	p.at.heard = now
	p.phase = open
	if p.secure {
		e.enter(p.id.index, standing(p.session.Facts()))
		p.sent = nil // it has proved itself
		e.stir(p)
		return
	}
	if e.count(plain) >= e.limits.PlainPeers && e.cfg.Server {
		e.evictPlain(now)
	}
	e.enter(p.id.index, plain)
}

// hearAgain is how long a peer that was heard is not noted again: short beside
// all limits, and it spares a busy peer the relinking.
const hearAgain = time.Second

// hear notes that a peer is there.
func (e *Endpoint) hear(now tick.Time, p *peer) {
	if now.Sub(p.at.heard) >= hearAgain {
		p.at.heard = now
		e.toBack(p.id.index)
	}
	e.stir(p)
}
