// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
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
	switch p := e.find(d.Remote, d.Local); {
	case p == nil:
		e.receiveStranger(now, d)
	case p.session == nil:
		e.hear(now, p)
		e.table(p).Receive(now, d.Payload())
		e.touch(p)
	default:
		e.receiveSecure(now, p, d)
	}
}

// receiveStranger judges a datagram from an address without a peer.
func (e *Endpoint) receiveStranger(now tick.Time, d *udp.Datagram) {
	switch {
	case e.gate != nil:
		e.screen(now, d, nil)
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
		p := e.newPeer(now, d.Remote, d.Local, nil)
		e.open(now, p)
		e.byAddr[p.pair()] = p
		e.table(p).Receive(now, d.Payload())
		e.touch(p)
	case m.Type == coap.Confirmable:
		e.drop(DropStranger)
		e.replies.add(e, d, []byte{0x70, 0, byte(m.MessageID >> 8), byte(m.MessageID)})
	default:
		e.drop(DropStranger)
	}
}

// receiveSecure decides which of the sessions at an address a datagram is for.
func (e *Endpoint) receiveSecure(now tick.Time, p *peer, d *udp.Datagram) {
	half := p.candidate
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
		e.screen(now, d, p)
	case p.candidate != nil && !p.session.Authenticates(d.Payload()):
		e.feed(now, p.candidate, d)
	default:
		e.feed(now, p, d)
	}
}

func (e *Endpoint) feed(now tick.Time, p *peer, d *udp.Datagram) {
	p.session.Receive(now, d.Payload())
	e.touch(p)
}

// screen asks the gate about a datagram of somebody who has not proved
// anything. Only a cookie that holds makes a session, whatever p, the peer
// that now has the address, may be.
func (e *Endpoint) screen(now tick.Time, d *udp.Datagram, p *peer) {
	answer := e.scratch[:replySize]
	s := e.gate.Screen(now, d.Remote, d.Payload(), answer)
	if s.Reply > 0 {
		e.replies.add(e, d, answer[:s.Reply])
	}
	if s.Session != nil {
		e.admit(now, d, s.Session, p)
	}
}

// admit begins a handshake. RFC 6347 section 4.2.8: an established session at
// the address stays until the newcomer has proved itself by a verified
// Finished; the cookie proves the address only, and could have been had by
// whoever shares it.
func (e *Endpoint) admit(now tick.Time, d *udp.Datagram, s *dtls.Session, p *peer) {
	if p != nil && p.phase == handshaking {
		e.end(now, p, CauseSuperseded)
		p = nil
	}
	if p != nil && p.candidate != nil {
		e.end(now, p.candidate, CauseSuperseded)
	}
	if e.halfOpen.n >= e.limits.HalfOpen {
		e.drop(DropHalfOpen)
		e.end(now, e.halfOpen.head, CauseLimit)
	}
	q := e.newPeer(now, d.Remote, d.Local, s)
	if p != nil {
		q.local = p.local
	}
	e.age(q, &e.halfOpen)
	if p == nil {
		e.byAddr[q.pair()] = q
	} else {
		p.candidate, q.live = q, p
	}
	e.touch(q)
}

// newPeer takes a slot. The caller puts the peer under its address.
func (e *Endpoint) newPeer(now tick.Time, remote netip.AddrPort, local netip.Addr, s *dtls.Session) *peer {
	var index uint32
	if n := len(e.free); n > 0 {
		index, e.free = e.free[n-1], e.free[:n-1]
	} else {
		index, e.slots = uint32(len(e.slots)), append(e.slots, slot{})
	}
	at := &e.slots[index]
	at.generation++
	at.peer = &peer{
		id: PeerID{index, at.generation}, remote: remote, local: local, session: s,
		heard: now, armed: tick.Never,
	}
	return at.peer
}

// open makes a peer ready for exchanges, for which there must be room.
func (e *Endpoint) open(now tick.Time, p *peer) {
	p.phase, p.heard = open, now
	if p.session != nil {
		e.age(p, &e.secure)
		return
	}
	if e.plain.n >= e.limits.PlainPeers && e.cfg.Server {
		e.drop(DropPlainEvicted)
		e.end(now, e.plain.head, CauseLimit)
	}
	e.age(p, &e.plain)
}

// table returns the peer's exchanges, which begin now if nothing was remembered.
func (e *Endpoint) table(p *peer) *request.Table {
	if p.table != nil {
		return p.table
	}
	if n := len(e.tables); n > 0 {
		p.table, e.tables = e.tables[n-1], e.tables[:n-1]
	} else {
		p.table = new(request.Table)
	}
	p.table.Init(e.mem, e.cfg.Rand)
	return p.table
}

// forget gives a table back. Message IDs begin elsewhere in the next one; those
// of before may be used again once the table is idle.
func (e *Endpoint) forget(p *peer) {
	if p.table != nil {
		p.table.Release()
		e.tables, p.table = append(e.tables, p.table), nil
	}
}

// age moves a peer into the list of its class.
func (e *Endpoint) age(p *peer, l *list) {
	if p.aging != nil {
		p.aging.remove(p)
	}
	p.aging = l
	if l != nil {
		l.push(p)
	}
}

// hear notes that a peer is there. Once a second is enough for limits of
// minutes, and spares a busy peer the relinking.
func (e *Endpoint) hear(now tick.Time, p *peer) {
	if now.Sub(p.heard) >= time.Second {
		p.heard = now
		p.aging.toBack(p)
	}
}
