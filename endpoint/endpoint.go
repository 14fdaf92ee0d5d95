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
// A peer is an address together with its session, or an address alone in NoSec
// mode; both are the same type. All exchange state hangs from the peer, and a
// peer never changes its session. So nothing that belongs to one session can
// meet another: not a response that matches by token, not an acknowledgement
// that matches by Message ID, not an answer whose session has been replaced by
// that of another client behind the same address.
package endpoint

import (
	"errors"
	"io"
	"time"

	"github.com/coaps-go/coaps/dtls"
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
	cfg    Config
	limits Limits
	mem    *request.Memory
	gate   *dtls.Gate // of a server with DTLS
	now    tick.Time  // of the last call that told it

	slots  []slot
	free   []uint32
	tables []*request.Table // not in use
	byAddr map[pair]*peer
	wheel  wheel.Wheel

	halfOpen, secure, plain list // by age; every peer that is not closing is in one
	news, wants             list

	replies replies
	scratch []byte // one CoAP message on its way into a record
	event   events
	stats   Stats
}

// A slot holds the peers that have the same index, one after the other.
type slot struct {
	peer       *peer
	generation uint32
}

// events are the layers' events, kept here so that none is allocated.
type events struct {
	session dtls.Event
	table   request.Event
}

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
		byAddr:   make(map[pair]*peer),
		halfOpen: list{kind: byAge},
		secure:   list{kind: byAge},
		plain:    list{kind: byAge},
		news:     list{kind: byNews},
		wants:    list{kind: byWants},
		replies:  replies{ring: make([]reply, limits.Replies)},
		scratch:  make([]byte, udp.MaxDatagram),
	}
	e.wheel.Expired(now) // its time begins here
	if cfg.Server && cfg.DTLS != nil {
		gate, err := dtls.NewGate(cfg.DTLS, now)
		if err != nil {
			return nil, err
		}
		e.gate = gate
	}
	return e, nil
}

// Deadline is when Expire must be called if nothing else happens. It may be
// early.
func (e *Endpoint) Deadline() tick.Time {
	at := e.wheel.Next()
	if p := e.secure.head; p != nil && e.cfg.Server {
		at = min(at, p.heard.Add(e.limits.SessionIdle))
	}
	if p := e.plain.head; p != nil && e.cfg.Server {
		at = min(at, p.heard.Add(e.limits.PlainIdle))
	}
	return at
}

// Expire tells that time has passed. Next and Transmit may have something
// afterwards.
func (e *Endpoint) Expire(now tick.Time) {
	e.now = now
	for {
		index, ok := e.wheel.Expired(now)
		if !ok {
			break
		}
		e.expirePeer(now, e.slots[index].peer)
	}
	if e.cfg.Server {
		e.expireIdle(now, &e.secure, e.limits.SessionIdle)
		e.expireIdle(now, &e.plain, e.limits.PlainIdle)
	}
}

func (e *Endpoint) expirePeer(now tick.Time, p *peer) {
	p.armed = tick.Never
	if p.deadline() <= now {
		if p.session != nil {
			p.session.Expire(now)
		}
		if p.table != nil {
			p.table.Expire(now)
		}
	}
	e.touch(p)
}

// expireIdle forgets the peers that have been silent for too long. The list is
// ordered by that, so only those are looked at.
func (e *Endpoint) expireIdle(now tick.Time, l *list, limit time.Duration) {
	for p := l.head; p != nil && p.heard.Add(limit) <= now; p = l.head {
		if p.table != nil && p.table.Active() {
			p.heard = now
			l.toBack(p)
			continue
		}
		e.stats.Idle++
		e.end(now, p, CauseIdle)
	}
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
		e.wheel.Set(p.id.index, at)
	}
}

// Close ends every peer; close_notify goes to those that have a session.
func (e *Endpoint) Close(now tick.Time) {
	e.now = now
	for i := range e.slots {
		if p := e.slots[i].peer; p != nil && p.phase != closing {
			e.end(now, p, CauseLocal)
		}
	}
}

// Active reports whether an exchange with any peer is in progress. It looks at
// every peer and is for a server that shuts down.
func (e *Endpoint) Active() bool {
	for i := range e.slots {
		if p := e.slots[i].peer; p != nil && p.table != nil && p.table.Active() {
			return true
		}
	}
	return false
}
