// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// Notify sends a notification to a peer that observes (RFC 7641 section 4.2), with
// the token of its registration. It goes through the session that id names or
// not at all: "All notifications resulting from a GET request with an Observe
// Option MUST be returned within the same epoch of the same connection as the
// request" (section 7). One that sleeps is woken, and may sleep again when a
// Confirmable notification is over, or a Non-confirmable one sent.
//
// EventNotified or EventUndelivered follows as request.Table.Notify says. Errors
// are ErrGone, ErrTooLarge and those of request.Table.
func (e *Endpoint) Notify(now tick.Time, id PeerID, token []byte, out request.Outgoing) (ExchangeID, error) {
	e.now = now
	p := e.peer(id)
	if p == nil || p.phase != open {
		return ExchangeID{}, ErrGone
	}
	if !p.fits(&out) {
		return ExchangeID{}, ErrTooLarge
	}
	x, err := p.table.Notify(now, token, out)
	if err == nil {
		e.stats.Notifications++
	}
	e.wants.push(p)
	return ExchangeID{id, x}, err
}

// Supersede replaces a notification that is not over by another: see
// request.Table.Supersede.
func (e *Endpoint) Supersede(now tick.Time, id ExchangeID, out request.Outgoing) error {
	e.now = now
	p := e.peer(id.Peer)
	if p == nil || p.phase != open {
		return ErrGone
	}
	if !p.fits(&out) {
		return ErrTooLarge
	}
	err := p.table.Supersede(now, id.ID, out)
	e.wants.push(p)
	return err
}

// Keep has a NoSec peer kept, or not any more, although it is silent for longer
// than Limits.PlainIdle: it observes. When there are more than Limits.PlainPeers it
// gives way after those that are not kept; how many are is for the caller to
// bound, as their addresses can be forged. The end of one that is kept is told by
// EventDisconnected, which that of others without a session is not. Peers with a
// session are kept by their acknowledgements, of which there must be one in
// Limits.SessionIdle.
func (e *Endpoint) Keep(id PeerID, keep bool) {
	if at := e.slotOf(id); at != nil && at.class == plain {
		at.kept = keep
	}
}

// evictPlain forgets the NoSec peers that have been silent longest until there is
// room for one, rather those that are not kept. If it finds none of these, as there
// are too many before them, there may be a few more peers than Limits.PlainPeers for
// the moment.
func (e *Endpoint) evictPlain(now tick.Time) {
	for range turn {
		i := e.oldest(plain)
		if at := e.slots.At(i); at.kept {
			at.heard = now
			e.toBack(i)
			continue
		}
		e.forgetPlain(now)
		if e.count(plain) < e.limits.PlainPeers {
			return
		}
	}
	if most := e.limits.PlainPeers; most <= turn || e.count(plain) >= most+turn {
		e.forgetPlain(now)
	}
}

func (e *Endpoint) forgetPlain(now tick.Time) {
	e.drop(DropPlainEvicted)
	e.end(now, e.wake(e.oldest(plain)), CauseLimit)
}
