// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
)

// A shard is one socket of a port and the clients that it hears. All its methods
// run on its event loop.
type shard struct {
	*loop
	port     *port
	server   *Server
	policy   *policy // nil on the plain port
	stranger session // whoever asks on the plain port
	paths    paths
	works    []*work // to be used again
	details  map[endpoint.PeerID]error
	draining bool
	given    bool // the pool has requests that no worker was woken for
	inHand   int  // requests given to handlers and not answered yet

	recheck recheck
	strays  recheck // of certificates that are nobody's, in their own time
	hurried recheck // of what has changed while recheck is at work
	expiry  expiry
	noted   []byte // a note on its way to its session
	epoch   uint64 // how often a session has become another's, or was given other rights

	observers *observers
}

func newShard(p *port, l *loop, policy *policy) *shard {
	s := &shard{loop: l, port: p, server: p.server, policy: policy, details: make(map[endpoint.PeerID]error)}
	s.stranger.subject.Mode = acl.NoSec
	s.recheck.last, s.strays.strays, s.hurried.hurries = -1, true, true
	s.recheck.shard, s.strays.shard, s.hurried.shard = s, s, s
	s.expiry.shard, s.expiry.earliest = s, tick.Never
	s.observers = newObservers(s)
	l.handle, l.handOver, l.giveWay, l.ring = s.handle, s.handOver, s.server.nudge, s.ring
	return s
}

func (s *shard) handle(now tick.Time, ev *endpoint.Event) {
	switch ev.Kind {
	case endpoint.EventRequest:
		s.request(now, ev)
	case endpoint.EventWantPSK, endpoint.EventWantVerdict:
		s.lookUp(now, ev)
	case endpoint.EventNeedJob:
		s.keyTask(now, ev)
	case endpoint.EventConnected:
		s.connected(now, ev)
	case endpoint.EventSuspect:
		s.refused(ev, s.details[ev.Peer()])
	case endpoint.EventDisconnected:
		s.disconnected(now, ev)
	case endpoint.EventNotified:
		s.observers.notified(now, ev.Exchange)
	case endpoint.EventUndelivered:
		s.observers.undelivered(now, ev)
	}
}

// keyTask gives work to the key workers. When they cannot keep up the handshake
// ends, and the client tries again later.
func (s *shard) keyTask(now tick.Time, ev *endpoint.Event) {
	t := newKeyTask(s.loop, s.policy.Policy, ev)
	t.relieved = s.server.relieve
	if s.draining || !s.server.keyWorkers.submit(t) {
		s.server.counters.keyJobsRefused.Add(1)
		s.ep.Abort(now, ev.Peer(), dtls.ReasonLimit)
	}
}

// judged keeps what was wrong with a peer's credential until the handshake's end
// is logged. The peer may be gone by the time of the verdict.
func (s *shard) judged(id endpoint.PeerID, err error) {
	if s.ep.Remote(id).IsValid() {
		s.details[id] = err
	}
}

func (s *shard) connected(now tick.Time, ev *endpoint.Event) {
	if s.draining {
		s.ep.Disconnect(now, ev.Peer())
		return
	}
	delete(s.details, ev.Peer())
	n, _ := parseNote(ev.Note)
	asked, doubted := n.established, n.doubted
	identity := s.policy.Identify(ev.Facts, &n.principal)
	n.mode, n.anonymous, n.established, n.doubted = identity.Mode(), identity.Anonymous(), now, false
	if !s.keep(now, ev.Peer(), &n) {
		return
	}
	s.server.log.accepted(&s.identify(ev, ev.Facts, &n).peer)
	if asked <= s.recheck.last || doubted {
		s.recheck.alone(now, ev.Peer()) // what its handshake was told may not be so now
	}
}

func (s *shard) disconnected(now tick.Time, ev *endpoint.Event) {
	s.observers.gone(now, ev)
	if s.policy == nil {
		return // it was kept as it observed
	}
	detail := s.details[ev.Peer()]
	delete(s.details, ev.Peer())
	if ev.Handshake && !ev.Suspected {
		s.refused(ev, detail)
		return
	}
	s.server.log.ended(ev)
}

// request brings a request to its handler: on this goroutine if it is marked
// inline, else on a worker.
func (s *shard) request(now tick.Time, ev *endpoint.Event) {
	if s.draining {
		s.refuse(now, ev)
		return
	}
	path, known := s.paths.find(ev.Message.Options)
	if !known && s.unfit(now, ev) {
		return
	}
	who := s.who(ev)
	if who.watched && s.barred(now, ev, who) {
		return
	}
	w := s.newWork(ev, who, path, known)
	w.began = now
	if s.denied(now, w) {
		return
	}
	if w.handler, w.marks = handlerOf(*w.from, &w.request); w.request.Options.Has(coap.Observe) {
		s.observers.asked(w)
	}
	if w.marks&inline != 0 {
		s.inHand++
		w.serve()
		w.deliver(now)
		return
	}
	if !s.port.workers.put(w) {
		s.server.counters.handlersRefused.Add(1)
		s.observers.refused(now, w)
		s.refuse(now, ev)
		w.recycle()
		return
	}
	s.inHand++
	s.given = true
}

// unfit answers a request that no handler should see.
func (s *shard) unfit(now tick.Time, ev *endpoint.Event) bool {
	options := ev.Message.Options
	var out request.Outgoing
	switch {
	case options.Has(coap.ProxyURI) || options.Has(coap.ProxyScheme):
		// RFC 7252 section 5.10.2: whoever is no forward-proxy must say so.
		out.Code = coap.ProxyingNotSupported
	case tooManyOptions(options):
		s.server.counters.optionsRefused.Add(1)
		out = request.Outgoing{Code: coap.BadRequest, Payload: []byte(errTooManyOptions.Error())}
	default:
		return false
	}
	_ = s.ep.Respond(now, ev.Exchange, out)
	s.turnedAway(now, ev, out.Code)
	return true
}

// handOver wakes a worker for the requests of this turn, and reports whether
// there is work for any: a loop that has always something to do would not let
// them have the last processor.
func (s *shard) handOver() (given bool) {
	workers := s.port.workers
	if s.given {
		s.given, given = false, true
		workers.wake()
	}
	return given || !workers.queue.empty() || !s.server.keyWorkers.queue.empty()
}

// refuse answers 5.03 Service Unavailable. RFC 7252 section 5.9.3.4 has Max-Age
// say when to try again.
func (s *shard) refuse(now tick.Time, ev *endpoint.Event) {
	var buf [8]byte
	options := coap.AppendUintOption(buf[:0], 0, coap.MaxAge, uint32(retryAfter.Seconds()))
	_ = s.ep.Respond(now, ev.Exchange, request.Outgoing{Code: coap.ServiceUnavailable, Options: options})
	s.turnedAway(now, ev, coap.ServiceUnavailable)
}

// drain is the letter by which Shutdown asks whether the clients of a shard have
// come to rest.
type drain struct {
	shard *shard
	rest  chan<- bool
}

func (d drain) deliver(now tick.Time) {
	if !d.shard.draining {
		d.shard.draining = true
		d.shard.observers.stop(now)
	}
	d.rest <- d.shard.inHand == 0 && !d.shard.ep.Active()
}
