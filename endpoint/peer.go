// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// PeerID names one peer: an address and the session it holds, or an address
// alone without DTLS. It never comes to name another, not even when a new
// session at the same address takes its place. The zero PeerID names nobody.
type PeerID struct {
	index      uint32
	generation uint32 // of the slot, from 1 up
}

// Index is a small number that no two peers have at the same time, for tables
// of the caller's own. It is used again.
func (id PeerID) Index() int { return int(id.index) }

// phase is where a peer stands.
type phase uint8

const (
	handshaking phase = iota // has a session that is not established
	open                     // NoSec, or an established session
	closing                  // nothing more is received or requested; its last alert and event go out
)

// A peer is what the endpoint knows of one address in one security context.
// The exchanges hang from it, and it holds at most one session for all its
// life. Matching an acknowledgement or a response of another session is
// therefore not checked but impossible (RFC 7252 sections 9.1.1 and 9.1.2).
// DTLS 1.2 without renegotiation has one epoch of application data a session,
// so the same goes for epochs.
type peer struct {
	id      PeerID
	remote  netip.AddrPort
	local   netip.Addr
	session *dtls.Session  // nil in NoSec mode
	tag     any            // the caller's
	table   *request.Table // nil while nothing is remembered of any exchange: most peers sleep most of the time

	phase     phase
	asked     bool // we have made requests: one table for all its life, so that no token occurs twice
	connected bool // has been announced to the layer above
	announced bool // its end has been, too
	refused   bool // the handshake is complete, but there is no room
	silent    bool // sends nothing more, not even an alert
	suspected bool // has shown no key for its identity, which has been announced
	cause     Cause

	// Two sessions at one address (RFC 6347 section 4.2.8): the live one is
	// known by the address, the candidate by the live one.
	live, candidate *peer

	heard tick.Time // when it was last authentic, to the second
	armed tick.Time // when the wheel will bring it up; not later than its deadline
	sent  *sent     // of a peer we connected to: what an ICMP error may quote

	aging *list // the list of its class: half-open, secure or plain
	links [numLinks]link
}

func (p *peer) deadline() tick.Time {
	at := tick.Never
	if p.session != nil {
		at = p.session.Deadline()
	}
	if p.table != nil {
		at = min(at, p.table.Deadline())
	}
	return at
}

// A link is a peer's place in one list. A peer can be in one list of each kind.
type link struct {
	next, prev *peer
	in         bool
}

const (
	byAge   = iota // oldest first: who is evicted next
	byNews         // has events for the layer above
	byWants        // may have datagrams to send
	numLinks
)

// A list links peers in the order they were pushed. Everything is done in
// constant time and without allocation, so that nothing ever scans the peers.
type list struct {
	kind       int
	head, tail *peer
	n          int
}

// push appends p unless it is in a list of this kind.
func (l *list) push(p *peer) {
	k := &p.links[l.kind]
	if k.in {
		return
	}
	*k = link{prev: l.tail, in: true}
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.links[l.kind].next = p
	}
	l.tail = p
	l.n++
}

func (l *list) remove(p *peer) {
	k := &p.links[l.kind]
	if !k.in {
		return
	}
	if k.prev == nil {
		l.head = k.next
	} else {
		k.prev.links[l.kind].next = k.next
	}
	if k.next == nil {
		l.tail = k.prev
	} else {
		k.next.links[l.kind].prev = k.prev
	}
	*k = link{}
	l.n--
}

// toBack moves p to the end.
func (l *list) toBack(p *peer) {
	if l.tail != p {
		l.remove(p)
		l.push(p)
	}
}

// sent remembers the beginnings of the datagrams sent last, to judge what an
// ICMP error quotes (RFC 7252 section 4.2). A CoAP header with its token is 12
// bytes, and a ClientHello has its random within the first 48.
type sent struct {
	next     int
	prefixes [4]prefix
}

type prefix struct {
	n     int
	bytes [48]byte
}

func (s *sent) add(datagram []byte) {
	p := &s.prefixes[s.next%len(s.prefixes)]
	p.n = copy(p.bytes[:], datagram)
	s.next++
}

// quotedBy reports whether quoted is a datagram sent lately, or a beginning of
// one that is long enough not to be guessed.
func (s *sent) quotedBy(quoted []byte) bool {
	const shortest = 4 // an empty CoAP message
	for i := range s.prefixes {
		p := &s.prefixes[i]
		n := min(p.n, len(quoted))
		if n >= shortest && n >= min(p.n, 12) && string(quoted[:n]) == string(p.bytes[:n]) {
			return true
		}
	}
	return false
}

// pair is what a peer is found by: both addresses. A peer that was connected
// without a local address is found by any.
type pair struct {
	remote netip.AddrPort
	local  netip.Addr
}

func (p *peer) pair() pair { return pair{p.remote, p.local} }

// find returns the peer that a datagram is from, or would be for.
func (e *Endpoint) find(remote netip.AddrPort, local netip.Addr) *peer {
	if p := e.byAddr[pair{remote, local}]; p != nil {
		return p
	}
	return e.byAddr[pair{remote: remote}]
}
