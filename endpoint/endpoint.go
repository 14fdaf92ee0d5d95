// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package endpoint joins the layers for all peers of one socket: it finds the
// peer a datagram is from, carries it up through DTLS and CoAP, and carries
// what is to be sent down the same way. It does no I/O and asks no clock; its
// caller is an event loop:
//
//	ep.Receive(now, &datagram)             // for each datagram
//	for ep.Next(&ev) { ... }               // after each of them
//	for ep.Transmit(now, &out) { send }    // after a batch
//	ep.Expire(now)                         // at ep.Deadline()
//
// Where a datagram goes: Receive finds the slot of its address pair (slot.go,
// index.go). None: a stranger's, for the gate (receive.go). A slot whose session
// is awake has a peer, which takes it; one that sleeps is woken (sleep.go), or
// not even that for what cannot be a record of its own. Next (next.go) brings up
// what came of it, Transmit (transmit.go) brings down what is to be sent, and
// there, when a peer has no more to say, its timer is set or it goes to rest.
//
// A peer is a pair of addresses together with its session, or the addresses
// alone in NoSec mode; both are the same type. All exchange state hangs from the
// peer, and a peer never changes its session. So nothing that belongs to one
// session can meet another: not a response that matches by token, not an
// acknowledgement that matches by Message ID, not an answer whose session has
// been replaced by that of another client behind the same address.
//
// Most peers of a large server sleep. Of one that does there is a slot of fixed
// size and its session in a few hundred bytes, both without pointers. Whatever
// it takes to find, wake, evict or end it is the same among a million.
package endpoint

import (
	"errors"
	"io"
	"math"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/internal/wheel"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Errors of the calls from above.
var (
	ErrGone     = errors.New("endpoint: the peer is gone")
	ErrInUse    = errors.New("endpoint: the address has a peer already")
	ErrTooLarge = request.ErrTooLarge // the message does not fit into one datagram
)

// Config is what an Endpoint is made of. It must not change after New.
type Config struct {
	// Server admits peers that begin to talk. Without it only those that were
	// named to Connect are known.
	Server bool

	DTLS    *dtls.Config    // of a server: what strangers must complete; nil is NoSec
	Request *request.Config // may be nil
	Limits  Limits
	Rand    io.Reader // unpredictable; tokens and Message IDs are made of it
}

// An Endpoint is all peers of one socket. It is not safe for concurrent use.
type Endpoint struct {
	cfg      Config
	limits   Limits
	mem      *request.Memory
	gate     *dtls.Gate // of a server with DTLS
	rates    rates
	counters *dtls.Counters // of the gate, or of the sessions of a client that have slept
	now      tick.Time      // of the last call that told it

	slots      slots                 // one for each peer, found by its addresses
	byAge      [numClasses]slab.List // of slots, the one silent longest first
	index      index
	zones      zones
	anyLocal   int    // slots that any local address finds
	generation uint32 // of the last peer

	peers     slab.Pool[peer] // of the slots where something is going on
	recent    list            // those whose session is awake, the one at rest longest first
	dormitory dormitory       // the sessions that are not
	spares    []*dtls.Session // to wake others in
	wheel     wheel.Wheel     // a timer for each peer

	news, wants list
	ending      bool // Close was called: Transmit ends peer after peer

	replies replies
	scratch []byte // one CoAP message on its way into a record
	event   events
	note    []byte // one that is longer than a cell, to be looked at
	stats   Stats

	resident Resident // as it is shown
}

// events are the layers' events, kept here so that none is allocated.
type events struct {
	session dtls.Event
	table   request.Event
}

// maxSpares is how many sessions are kept to wake others in. In the long run one
// goes to sleep for each that wakes.
const maxSpares = 256

// turn bounds what one call does for many peers: Expire leaves the rest to the
// next, and Deadline says at once.
const turn = 64

// New makes an endpoint without peers.
func New(cfg Config, now tick.Time) (*Endpoint, error) {
	var rc request.Config
	if cfg.Request != nil {
		rc = *cfg.Request
	}
	limits := cfg.Limits.resolved(rc.Params)
	e := &Endpoint{
		cfg:      cfg,
		limits:   limits,
		mem:      request.NewMemory(limits.requests(rc)),
		now:      now,
		counters: new(dtls.Counters),
		slots:    slab.New[slot](math.MaxInt32),
		index:    newIndex(),
		peers:    slab.New[peer](math.MaxInt32),
		recent:   list{kind: byRecency},
		spares:   make([]*dtls.Session, 0, maxSpares),
		news:     list{kind: byNews},
		wants:    list{kind: byWants},
		replies:  replies{ring: make([]reply, limits.Replies)},
		scratch:  make([]byte, udp.MaxDatagram),
	}
	e.dormitory.cells = slab.New[cell](math.MaxInt32)
	e.rates = newRates(&limits, &e.stats.Drops)
	e.wheel.Expired(now) // its time begins here
	if cfg.Server && cfg.DTLS != nil {
		gate, err := dtls.NewGate(cfg.DTLS, now)
		if err != nil {
			return nil, err
		}
		e.gate, e.counters = gate, gate.Counters()
		gate.Guard(&e.rates)
	}
	return e, nil
}

// Deadline is when Expire must be called if nothing else happens. It may be
// early.
func (e *Endpoint) Deadline() tick.Time {
	at := e.wheel.Next()
	if p := e.recent.head; p != nil {
		at = min(at, p.stirred.Add(e.limits.SleepAfter))
	}
	if !e.cfg.Server {
		return at
	}
	for _, c := range [...]class{secure, stranger} {
		if i := e.oldest(c); i != 0 {
			at = min(at, e.slots.At(i).heard.Add(e.limits.SessionIdle))
		}
	}
	if i := e.oldest(plain); i != 0 {
		at = min(at, e.slots.At(i).heard.Add(e.limits.PlainIdle))
	}
	return at
}

// Expire tells that time has passed. Next and Transmit may have something
// afterwards. It does a bounded amount of work: if more is due, Deadline is in
// the past still.
func (e *Endpoint) Expire(now tick.Time) {
	e.now = now
	for range turn {
		self, ok := e.wheel.Expired(now)
		if !ok {
			break
		}
		e.expirePeer(now, e.peers.At(self))
	}
	e.expireAwake(now)
	if e.cfg.Server {
		e.expireIdle(now, secure, e.limits.SessionIdle)
		e.expireIdle(now, stranger, e.limits.SessionIdle)
		e.expireIdle(now, plain, e.limits.PlainIdle)
	}
}

func (e *Endpoint) expirePeer(now tick.Time, p *peer) {
	p.armed = tick.Never
	if p.deadline() <= now {
		if p.session != nil {
			p.session.Expire(now)
		}
		p.table.Expire(now)
	}
	e.touch(p)
}

// expireIdle forgets the peers that have been silent for too long. The list is
// ordered by that, so only those are looked at.
func (e *Endpoint) expireIdle(now tick.Time, c class, limit time.Duration) {
	for range turn {
		i := e.oldest(c)
		if i == 0 || e.slots.At(i).heard.Add(limit) > now {
			return
		}
		if at := e.slots.At(i); at.kept || e.busy(at) {
			at.heard = now
			e.toBack(i)
			continue
		}
		e.stats.Idle++
		e.end(now, e.wake(i), CauseIdle)
	}
}

// busy reports whether an exchange with a peer is in progress, other than what it has
// only to acknowledge: who is silent does not hold its place by that.
func (e *Endpoint) busy(at *slot) bool {
	p := e.awake(at)
	return p != nil && !p.table.Resting()
}

// touch follows every call into a peer: it may have news, and something to
// send. When it has sent all, its timer is set.
func (e *Endpoint) touch(p *peer) {
	e.news.push(p)
	e.wants.push(p)
}

// arm sets the peer's timer. One that is set too early is left: it will be set
// again when it expires, which is rarer than that deadlines move back.
func (e *Endpoint) arm(p *peer) {
	if at := p.deadline(); at < p.armed {
		p.armed = at
		e.wheel.Set(p.self, at)
	}
}

// Close ends every peer; close_notify goes to those that have a session. They
// end one after the other as Transmit asks, so that a million take no memory
// at once: Next and Transmit must take turns until neither has anything. Then
// the endpoint is as new, and must not receive if that is not wanted.
func (e *Endpoint) Close(now tick.Time) {
	e.now = now
	e.ending = true
}

// endNext ends one more peer after Close. It reports false if none is left.
func (e *Endpoint) endNext(now tick.Time) bool {
	if !e.ending {
		return false
	}
	for c := halfOpen; c < numClasses; c++ {
		if i := e.oldest(c); i != 0 {
			e.end(now, e.wake(i), CauseLocal)
			return true
		}
	}
	e.ending = false
	return false
}

// Active reports whether an exchange with any peer is in progress. It looks at
// every peer that is awake and is for a server that shuts down.
func (e *Endpoint) Active() bool {
	for self := range uint32(e.peers.Made()) {
		if p := e.peers.At(self + 1); p.at != nil && p.table.Active() {
			return true
		}
	}
	return false
}
