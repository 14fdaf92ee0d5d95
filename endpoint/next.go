// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// Next reports whether there is news and writes it to ev. It must be repeated
// until there is none before the next call of Receive.
func (e *Endpoint) Next(ev *Event) bool {
	for p := e.news.head; p != nil; p = e.news.head {
		if e.nextOf(p, ev) {
			return true
		}
		e.news.remove(p)
		e.wants.push(p)
	}
	return false
}

// News reports whether Next has, or may have, something.
func (e *Endpoint) News() bool { return e.news.head != nil }

// nextOf brings up what one peer has: of its exchanges first, because they are
// views into the record that the session has opened last.
func (e *Endpoint) nextOf(p *peer, ev *Event) bool {
	for p.phase != closing {
		if p.table.Next(&e.event.table) {
			e.fromTable(p, ev)
			return true
		}
		if p.session == nil || !p.session.Next(e.now, &e.event.session) {
			break
		}
		if e.fromSession(p, ev) {
			return true
		}
	}
	if p.phase == closing && !p.announced {
		return e.announceEnd(p, ev)
	}
	return false
}

// begin makes ev an event of a peer.
func (e *Endpoint) begin(p *peer, ev *Event, kind EventKind) {
	*ev = Event{} // where it lies: a literal would be copied, and it is large
	ev.Kind, ev.Exchange.Peer, ev.Remote, ev.Tag = kind, p.id, e.zones.remote(&p.at.key), p.tag
	if p.at.note != 0 || p.at.asleep != 0 {
		ev.Note = e.noteOf(p.at)
	}
}

var tableEvents = [...]EventKind{
	request.RequestReceived:  EventRequest,
	request.ResponseReceived: EventResponse,
	request.Acknowledged:     EventAcknowledged,
	request.Failed:           EventFailed,
	request.Pong:             EventPong,
	request.Undelivered:      EventUndelivered,
	request.Notified:         EventNotified,
}

func (e *Endpoint) fromTable(p *peer, ev *Event) {
	t := &e.event.table
	e.begin(p, ev, tableEvents[t.Kind])
	ev.Exchange.ID = t.ID
	ev.Message, ev.Reason, ev.More = t.Message, t.Reason, t.More
	ev.MessageID, ev.Retransmissions, ev.Sent = t.MessageID, t.Retransmissions, t.Sent
	if t.Kind == request.RequestReceived {
		e.stats.Requests++
	}
}

// fromSession deals with one event of a session and reports whether the layer
// above has to hear of it.
func (e *Endpoint) fromSession(p *peer, ev *Event) bool {
	news := &e.event.session
	switch news.Kind {
	case dtls.EventData:
		if p.phase == open {
			e.hear(e.now, p)
			p.table.Receive(e.now, news.Data)
		}
		return false
	case dtls.EventClosed:
		e.end(e.now, p, CauseSession)
		return false
	case dtls.EventEstablished:
		if !e.established(e.now, p) {
			return false
		}
	case dtls.EventSuspect:
		e.suspect(p, news.Reason)
	}
	e.begin(p, ev, sessionEvents[news.Kind])
	ev.DTLS, ev.Facts = *news, p.session.Facts()
	return true
}

var sessionEvents = [...]EventKind{
	dtls.EventEstablished: EventConnected,
	dtls.EventWantPSK:     EventWantPSK,
	dtls.EventWantVerdict: EventWantVerdict,
	dtls.EventNeedJob:     EventNeedJob,
	dtls.EventSuspect:     EventSuspect,
}

// suspect passes on what is wrong with a client's PSK. The handshake goes on
// until its limit as if nothing had been noticed.
func (e *Endpoint) suspect(p *peer, why dtls.Reason) {
	p.suspected = true
	if why == dtls.ReasonUnknownIdentity {
		e.stats.UnknownIdentities++
	} else {
		e.stats.WrongPSKs++
	}
}

// established opens the session, if there is room, in place of the one that
// the address had before.
//
// RFC 6347 section 4.2.8: after a correct Finished the previous association
// must be abandoned. Everything made for it is dropped with its table: sealed
// for the new session it would reach whoever has the address now.
func (e *Endpoint) established(now tick.Time, p *peer) bool {
	if p.candidate {
		e.stats.Superseded++
		e.end(now, p.rival, CauseSuperseded)
	}
	if !e.makeRoom(now, standing(p.session.Facts())) {
		e.drop(DropSessions)
		p.refused = true // ends when the last flight is out: the close_notify is for a client that has it
		return false
	}
	e.stats.Handshakes++
	e.open(now, p)
	p.connected = true
	return true
}

// end takes a peer out of everything but the lists through which its last
// alert and its last event leave.
func (e *Endpoint) end(now tick.Time, p *peer, cause Cause) {
	e.closeSession(now, p, cause)
	p.cause = cause
	p.phase = closing
	e.leave(p.id.index)
	e.recent.remove(p)
	p.table.Release()
	e.detach(p)
	// A NoSec peer that came by itself was not announced, and goes as quietly
	// unless it observes.
	p.announced = !p.secure && !p.at.ours && !p.at.kept
	e.touch(p)
}

func (e *Endpoint) closeSession(now tick.Time, p *peer, cause Cause) {
	switch {
	case p.session == nil || cause == CauseSession:
	case cause == CauseSuperseded || p.session.State() == dtls.Handshaking && cause != CauseLocal:
		// The address is another's by now, or has not proved itself.
		p.silent = true
		p.session.Abort(now, dtls.ReasonLimit)
	default:
		p.session.Close(now)
	}
	if p.phase == handshaking {
		e.stats.HandshakesFailed++
	}
}

// detach takes a peer from its address. A candidate that waits behind it gets
// the address.
func (e *Endpoint) detach(p *peer) {
	rival := p.rival
	p.rival = nil
	e.removeKey(p.id.index)
	if rival == nil {
		return
	}
	rival.rival = nil
	if rival.candidate {
		rival.candidate = false
		e.admitKey(rival.id.index)
	}
}

func (e *Endpoint) announceEnd(p *peer, ev *Event) bool {
	p.announced = true
	e.begin(p, ev, EventDisconnected)
	ev.Cause, ev.Handshake = p.cause, p.session != nil && !p.connected
	ev.Suspected = p.suspected
	if p.session != nil {
		ev.Facts, ev.Err = p.session.Facts(), p.session.Err()
	}
	return true
}

// release frees the slot of a peer that has nothing left to say, upwards or
// downwards.
func (e *Endpoint) release(p *peer) {
	if !p.announced {
		return
	}
	e.news.remove(p)
	i := p.id.index
	e.forgetNote(p.at)
	e.free(p)
	e.slots.Free(i)
}
