// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"errors"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
)

// Before a handler is looked for there are two questions: may the session go on
// (stopped), and do the rules allow the request (judge)? barred and denied answer a
// request if not; decide asks both again for each notification, and for everybody
// who observes when sessions or rules have changed.

// SetAccess changes who may do what, from the next request of everybody on.
// What is observed is decided again within a second: who may not see it any more
// gets 4.03, or 4.01, as the last notification. A nil list, such as acl.Compile
// returns with an error, denies everything.
func (s *Server) SetAccess(list *acl.List) {
	if list == nil {
		list = new(acl.List)
	}
	s.access.Store(list)
	s.reconsider()
}

// ClearAccess lets everybody who has a session do everything from the next
// request on, as a Server does whose Access is nil.
func (s *Server) ClearAccess() {
	s.access.Store(nil)
	s.reconsider()
}

// denied answers a request that its sender may not make, before anybody has
// looked whether there is such a resource: 4.01 to whoever has not proved who
// he is, 4.03 to whoever has (RFC 7252 sections 5.9.2.2 and 5.9.2.4). A missing
// resource is answered alike, unless Server.RevealMissing.
func (s *shard) denied(now tick.Time, w *work) bool {
	r := &w.request
	if r.access == nil {
		return false
	}
	d := s.judge(r, acl.MethodOf(r.Method))
	if d == nil {
		s.withoutObserve(r)
		return false
	}
	s.server.counters.requestsDenied.Add(1)
	s.server.log.denied(r, d.last.Code, d.reason, d.access, d.rule)
	s.answer(now, w, d.last)
	return true
}

// judge asks the access rules whether a request has the rights that it needs: nil
// if so.
func (s *shard) judge(r *Request, rights acl.Methods) *departure {
	if r.access == nil {
		return nil
	}
	decision := r.access.Decide(r.subject, rights, r.Path)
	if decision.Allowed {
		return nil
	}
	d := &departure{reason: ReasonAccess, access: r.access, rule: decision.Rule, last: request.Outgoing{Code: coap.Unauthorized}}
	if r.subject.Authenticated {
		d.last.Code = coap.Forbidden
	}
	if s.server.RevealMissing && missing(*s.server.handler.Load(), r) {
		d.last = request.Outgoing{Code: coap.NotFound, Payload: []byte(noSuchResource)}
	}
	return d
}

// stopped is why a session may not go on, "" if it may, and whether it is to be
// closed.
func (s *shard) stopped(now tick.Time, who *session) (reason string, closes bool) {
	reason = s.ended(now, &who.note)
	switch {
	case reason != "" && s.closesFor(reason):
		return reason, true
	case who.note.forbidden:
		return ReasonForbidden, false
	case s.server.OnRevoke == RevokeKeep:
		return "", false
	}
	return reason, false
}

// decide is both questions at once, for an observer: whether its session may go on,
// and whether the rules let it observe; nil if so.
func (s *shard) decide(now tick.Time, peer endpoint.PeerID, r *Request) *departure {
	if who := r.session; who.watched {
		reason, closes := s.stopped(now, who)
		if closes {
			s.expire(now, peer, who, reason)
			return &departure{reason: reason, peer: &who.peer}
		}
		if reason != "" {
			return &departure{reason: reason, last: request.Outgoing{Code: coap.Forbidden}, rule: acl.NoRule}
		}
	}
	return s.judge(r, acl.MethodOf(r.Method)|acl.OBSERVE)
}

// barred deals with a request of a session that may not go on: it was forbidden
// to, or its time is over and nobody has noticed yet.
func (s *shard) barred(now tick.Time, ev *endpoint.Event, who *session) bool {
	reason, closes := s.stopped(now, who)
	switch {
	case closes:
		s.expire(now, ev.Peer(), who, reason)
		return true
	case reason == "":
		return false
	}
	s.server.counters.requestsDenied.Add(1)
	s.server.log.denied(&Request{Peer: who.peer, Method: ev.Message.Code, Path: s.paths.of(ev.Message.Options)}, coap.Forbidden, reason, nil, acl.NoRule)
	_ = s.ep.Respond(now, ev.Exchange, request.Outgoing{Code: coap.Forbidden}) // who is gone needs none
	s.turnedAway(now, ev, coap.Forbidden)
	return true
}

// withoutObserve makes a plain request of one for observation by somebody who
// may read a resource and not follow it. RFC 7641 section 4.1 has servers that
// do not add an entry to the list of observers answer so.
func (s *shard) withoutObserve(r *Request) {
	action, ok := r.Options.GetUint(coap.Observe)
	if ok && action == observeRegister && !r.access.Decide(r.subject, acl.MethodOf(r.Method)|acl.OBSERVE, r.Path).Allowed {
		s.server.counters.observersRefused.Add(1)
		r.Options.Remove(coap.Observe)
	}
}

// answer answers a request that no handler has seen.
func (s *shard) answer(now tick.Time, w *work, out request.Outgoing) {
	_ = s.ep.Respond(now, w.exchange, out) // who is gone needs none
	w.answered(out.Code)
	w.recycle()
}

// missing reports whether a Mux has nothing at the path of a request.
func missing(h Handler, r *Request) bool {
	m, ok := h.(*Mux)
	return ok && r.Path != wellKnownCore && m.route(r.Path) == nil
}

// Allowed reports whether the peer may make a request with method on path,
// which is percent-encoded as Path is. A Mux lists what is allowed in
// /.well-known/core. It holds during ServeCOAP.
func (r *Request) Allowed(method coap.Code, path string) bool {
	return r.access == nil || r.access.Decide(r.subject, acl.MethodOf(method), path).Allowed
}

var (
	// ErrNoSession says that a request came without DTLS, or that a session has
	// ended. It is an error of Request.Authorize and Server.Drop.
	ErrNoSession = errors.New("coaps: there is no such session")
	// ErrNobody is Request.Authorize's error for a principal without a name.
	ErrNobody = errors.New("coaps: a principal without a name")
)

// Authorize tells the server that the application has found out by its own
// means who the peer is, by a token that the request has brought for example.
// When the handler has returned, all requests of the session are who's, for
// access rules, logs and handlers, until who.NotAfter if that is set; the
// session is not closed when Server.AnonymousTime is over.
//
// What the session itself has proved does not change, and must stay good: when
// its own credential ends, is disabled, removed or revoked, so does the session,
// whoever it is by then. A Match is asked for both.
//
// If a Directory gave who, it is to be passed on as it is, Mark and all. It is
// asked about who right then, as the answer may have come before a change, and
// with each Recheck: by who.Credential if there is one, and then what it says
// holds from there on, NotAfter and Groups included. An application that knows
// more than the Directory does leaves Credential empty.
//
// Errors: ErrNoSession for a request without DTLS, as its address can be
// forged, and for a client's; ErrNobody for a who without a name;
// endpoint.ErrNoteTooLong if the names, together with those that the session has
// proved, are too long to be kept.
func (r *Request) Authorize(who security.Principal) error {
	switch {
	case r.session == nil || r.session.policy == nil:
		return ErrNoSession
	case who.IsZero():
		return ErrNobody
	}
	n := r.session.note
	who.Host = r.session.peer.Identity.Host()
	n.authorize(who)
	octets := n.append(nil)
	if bytes.Equal(octets, r.session.note.append(nil)) {
		return nil // said before
	}
	if len(octets) > endpoint.MaxNote {
		return endpoint.ErrNoteTooLong
	}
	r.session = r.session.policy.session(&r.Peer, r.Peer.Facts, &n)
	r.Peer, r.subject = r.session.peer, &r.session.subject
	r.authorized = true
	return nil
}

// authorize makes the session that of somebody else than its own credential, which
// is kept beside him.
func (n *sessionNote) authorize(who security.Principal) {
	own := *n.proved()
	n.own, n.authorized, n.principal = &own, true, who
}

// authorize makes what a handler has said of its peer the session's. What it was
// told of him may have changed while it was at work.
func (s *shard) authorize(now tick.Time, w *work) {
	r := &w.request
	id := w.exchange.Peer
	n, ok := parseNote(s.ep.Note(id))
	if !ok {
		return // it has ended
	}
	n.authorize(r.session.note.principal)
	if s.keep(now, id, &n) {
		s.ep.SetTag(id, nil)
		s.ep.Vouch(now, id)
		s.server.log.authorized(&r.Peer)
		s.recheck.authorized(now, id)
	}
}
