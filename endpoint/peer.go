// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// PeerID names one peer: an address and the session it holds, or an address
// alone without DTLS. It never comes to name another, not even when a new
// session at the same address takes its place. The zero PeerID names nobody.
type PeerID struct {
	index      uint32 // of the slot, from 1 up
	generation uint32 // of the peer in it, from 1 up
}

// Index is a small number that no two peers have at the same time, for tables
// of the caller's own. It is used again.
func (id PeerID) Index() int { return int(id.index) }

// Number is the PeerID as a number, for those who write it down.
func (id PeerID) Number() uint64 { return uint64(id.generation)<<32 | uint64(id.index) }

// PeerIDOf is the PeerID with a number, which may name nobody.
func PeerIDOf(number uint64) PeerID { return PeerID{uint32(number), uint32(number >> 32)} }

// phase is where a peer stands.
type phase uint8

const (
	handshaking phase = iota // has a session that is not established
	open                     // NoSec, or an established session
	closing                  // nothing more is received or requested; its last alert and event go out
)

// A peer is what the endpoint knows of one address pair in one security context
// while something goes on there; its slot is what stays of it. The exchanges
// hang from it, and it holds at most one session for all its life. Matching an
// acknowledgement or a response of another session is therefore not checked but
// impossible (RFC 7252 sections 9.1.1 and 9.1.2). DTLS 1.2 without renegotiation
// has one epoch of application data a session, so the same goes for epochs.
type peer struct {
	id      PeerID
	at      *slot         // which id names
	self    uint32        // its number in Endpoint.peers, and its timer's
	session *dtls.Session // nil in NoSec mode, and while it sleeps
	table   request.Table // holds memory only while there is something to remember
	tag     any           // the caller's

	phase     phase
	secure    bool // has a session, awake or asleep
	drowsy    bool // was woken by a datagram, and nothing authentic has come yet
	connected bool // has been announced to the layer above
	announced bool // its end has been, too
	refused   bool // the handshake is complete, but there is no room
	silent    bool // sends nothing more, not even an alert
	suspected bool // has shown no key for its identity, which has been announced
	candidate bool // rival is the live one
	cause     Cause

	// Two sessions at one address (RFC 6347 section 4.2.8): the live one is
	// found by its key, the candidate by the live one. Both stay awake.
	rival *peer

	stirred tick.Time // when it came to the end of the recent ones
	armed   tick.Time // when the wheel will bring it up; not later than its deadline
	sent    *sent     // until one we connected to has proved itself: what an ICMP error may quote

	links [numLinks]link
}

func (p *peer) deadline() tick.Time {
	at := tick.Never
	if p.session != nil {
		at = p.session.Deadline()
	}
	return min(at, p.table.Deadline())
}

// A link is a peer's place in one list. A peer can be in one list of each kind.
type link struct{ next, prev *peer }

const (
	byRecency = iota // its session is awake: who goes to sleep next
	byNews           // has events for the layer above
	byWants          // may have datagrams to send
	numLinks
)

// A list links peers in the order they were pushed. Everything is done in
// constant time and without allocation, so that nothing ever scans the peers.
type list struct {
	kind       int
	head, tail *peer
	n          int
}

func (l *list) has(p *peer) bool { return p.links[l.kind].next != nil || l.tail == p }

// push appends p unless it is in a list of this kind.
func (l *list) push(p *peer) {
	if l.has(p) {
		return
	}
	p.links[l.kind] = link{prev: l.tail}
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.links[l.kind].next = p
	}
	l.tail = p
	l.n++
}

func (l *list) remove(p *peer) {
	if !l.has(p) {
		return
	}
	k := &p.links[l.kind]
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
