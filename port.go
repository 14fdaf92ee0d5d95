// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
)

// A port is one of a server's sockets: the plain or the secure one. All its
// methods run on its event loop.
type port struct {
	*loop
	server   *Server
	policy   *security.Policy // nil on the plain port
	workers  *pool            // of its own: who floods the plain port does not slow down the secure one
	sessions []session        // by the index of the peer
	paths    paths
	details  map[endpoint.PeerID]error
	draining bool
	inHand   int // requests given to handlers and not answered yet
}

// A session is who a peer has proved to be, found once.
type session struct {
	id   endpoint.PeerID
	peer Peer
}

func (p *port) handle(now tick.Time, ev *endpoint.Event) {
	switch ev.Kind {
	case endpoint.EventRequest:
		p.request(now, ev)
	case endpoint.EventWantPSK, endpoint.EventWantVerdict, endpoint.EventNeedJob:
		p.keyTask(now, ev)
	case endpoint.EventConnected:
		p.connected(now, ev)
	case endpoint.EventSuspect:
		p.server.log.refused(ev, nil)
	case endpoint.EventDisconnected:
		p.disconnected(ev)
	}
}

// keyTask gives work to the key workers. When they cannot keep up the handshake
// ends, and the client tries again later.
func (p *port) keyTask(now tick.Time, ev *endpoint.Event) {
	t := newKeyTask(p.loop, p.policy, ev)
	t.judged = p.judged
	if ev.Kind == endpoint.EventWantPSK && p.server.instantPSK {
		t.work() // in memory: not worth a change of goroutines
		t.deliver(now)
		return
	}
	if p.draining || !p.server.keyWorkers.submit(t) {
		p.server.counters.keyJobsRefused.Add(1)
		p.ep.Abort(now, ev.Peer(), dtls.ReasonLimit)
	}
}

// judged keeps what was wrong with a peer's key until the handshake's end is
// logged. The peer may be gone by the time of the verdict.
func (p *port) judged(id endpoint.PeerID, err error) {
	if p.ep.Remote(id).IsValid() {
		p.details[id] = err
	}
}

func (p *port) connected(now tick.Time, ev *endpoint.Event) {
	if p.draining {
		p.ep.Disconnect(now, ev.Peer())
		return
	}
	for len(p.sessions) <= ev.Peer().Index() {
		p.sessions = append(p.sessions, session{})
	}
	identity := p.policy.Identify(ev.Facts)
	s := session{ev.Peer(), Peer{
		Mode: identity.Mode(), Identity: identity, CipherSuite: ev.Facts.CipherSuite, Addr: ev.Remote, Facts: ev.Facts,
	}}
	p.sessions[ev.Peer().Index()] = s
	p.server.log.accepted(&s.peer)
}

func (p *port) disconnected(ev *endpoint.Event) {
	if i := ev.Peer().Index(); i < len(p.sessions) && p.sessions[i].id == ev.Peer() {
		p.sessions[i] = session{}
	}
	detail := p.details[ev.Peer()]
	delete(p.details, ev.Peer())
	if ev.Handshake && !ev.Suspected {
		p.server.log.refused(ev, detail)
		return
	}
	p.server.log.ended(ev)
}

// peerOf is who sent a request.
func (p *port) peerOf(ev *endpoint.Event) Peer {
	if i := ev.Peer().Index(); i < len(p.sessions) && p.sessions[i].id == ev.Peer() {
		return p.sessions[i].peer
	}
	return Peer{Addr: ev.Remote}
}

// request brings a request to its handler: on this goroutine if it is marked
// inline, else on a worker.
func (p *port) request(now tick.Time, ev *endpoint.Event) {
	if p.draining {
		p.refuse(now, ev.Exchange)
		return
	}
	if o := ev.Message.Options; o.Has(coap.ProxyURI) || o.Has(coap.ProxyScheme) {
		// RFC 7252 section 5.10.2: whoever is no forward-proxy must say so.
		_ = p.ep.Respond(now, ev.Exchange, request.Outgoing{Code: coap.ProxyingNotSupported})
		return
	}
	if tooManyOptions(ev.Message.Options) {
		p.server.counters.optionsRefused.Add(1)
		_ = p.ep.Respond(now, ev.Exchange, request.Outgoing{Code: coap.BadRequest, Payload: []byte(errTooManyOptions.Error())})
		return
	}
	w := newWork(p, ev)
	if inline(p.server.handler, &w.request) {
		p.inHand++
		w.serve()
		w.deliver(now)
		return
	}
	if !p.workers.submit(w) {
		p.server.counters.handlersRefused.Add(1)
		p.refuse(now, ev.Exchange)
		w.recycle()
		return
	}
	p.inHand++
}

// refuse answers 5.03 Service Unavailable. RFC 7252 section 5.9.3.4 has Max-Age
// say when to try again.
func (p *port) refuse(now tick.Time, id endpoint.ExchangeID) {
	var buf [8]byte
	options := coap.AppendUintOption(buf[:0], 0, coap.MaxAge, uint32(retryAfter.Seconds()))
	_ = p.ep.Respond(now, id, request.Outgoing{Code: coap.ServiceUnavailable, Options: options})
}

// drain is the letter by which Shutdown asks whether the port has come to rest.
type drain struct {
	port *port
	rest chan<- bool
}

func (d drain) deliver(tick.Time) {
	d.port.draining = true
	d.rest <- d.port.inHand == 0 && !d.port.ep.Active()
}
