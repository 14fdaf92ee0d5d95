// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"encoding/binary"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
)

// A session is what a shard knows of a peer that has one, made of its facts and
// its note when it is first heard after a sleep. It does not change: handlers
// look at it while the event loop goes on.
type session struct {
	peer    Peer
	subject acl.Subject
	note    sessionNote
	policy  *policy // by which it was made; nil without DTLS
	watched bool    // its note says something that each request is judged by
}

// session makes a session of what is known.
func (p *policy) session(at *Peer, facts *dtls.Facts, n *sessionNote) *session {
	identity := p.Identify(facts, &n.principal)
	s := &session{note: *n, policy: p}
	s.watched = n.forbidden || n.anonymous && !n.authorized || !n.notAfter().IsZero()
	s.peer = Peer{
		Mode: identity.Mode(), Identity: identity, CipherSuite: facts.CipherSuite, Addr: at.Addr, Facts: facts,
	}
	s.subject = acl.Subject{
		Device: identity.Device(), Tenant: identity.Tenant(), Groups: identity.Groups(),
		Mode: n.aclMode(identity.Mode()), Host: identity.Host(), Authenticated: identity.Verified(),
	}
	return s
}

// aclMode is the mode as access rules name it.
func (n *sessionNote) aclMode(mode security.Mode) acl.Mode {
	switch {
	case n.authorized:
		return acl.Token
	case mode == security.PreSharedKey:
		return acl.PSK
	case mode == security.RawPublicKey:
		return acl.RPK
	case mode == security.Certificate:
		return acl.Certificate
	}
	return acl.NoSec
}

// A sessionNote is what is kept with a session while it sleeps: enough to know its peer
// again without asking anybody.
type sessionNote struct {
	mode        security.Mode
	anonymous   bool                // it has proved nothing itself
	authorized  bool                // the application has said who it is
	forbidden   bool                // RevokeForbid
	doubted     bool                // during the handshake: the answer on its credential may be out of date
	established tick.Time           // to the millisecond; during the handshake, when its credential was asked for
	principal   security.Principal  // who it is for rules and logs
	own         *security.Principal // if it is authorized: whose the credential is that it has proved itself
}

// proved is whose the session's own credential is, which is looked at as long as
// the session lasts.
func (n *sessionNote) proved() *security.Principal {
	if n.own != nil {
		return n.own
	}
	return &n.principal
}

// notAfter is when the session ends: with its own credential, or with that of
// whom it was authorized as, whichever is earlier; zero if with none.
func (n *sessionNote) notAfter() time.Time {
	end, other := n.principal.NotAfter, n.proved().NotAfter
	if end.IsZero() || !other.IsZero() && other.Before(end) {
		return other
	}
	return end
}

// stray reports whether the session has proved a certificate that is nobody's in
// particular.
func (n *sessionNote) stray() bool {
	return n.mode == security.Certificate && !n.anonymous && n.proved().IsZero()
}

// The bytes of a note: an octet of flags and the mode, when the session ends in
// seconds of Unix time in 5 if it does, milliseconds until it was established (a
// varint), if it is authorized its own principal, without the host and with its
// length before it (a varint), and the principal.
const (
	noteMode       = 1<<2 - 1
	noteAnonymous  = 1 << 2
	noteAuthorized = 1 << 3
	noteForbidden  = 1 << 4
	noteEnds       = 1 << 5
	noteDoubted    = 1 << 6
	noteMark       = 1 << 7 // always, so that no note is empty or begins with 0

	noteEndLen = 5
)

func (n *sessionNote) append(dst []byte) []byte {
	flags, end := noteMark|byte(n.mode)&noteMode, n.notAfter()
	for _, f := range [...]struct {
		set bool
		bit byte
	}{
		{n.anonymous, noteAnonymous}, {n.authorized, noteAuthorized}, {n.forbidden, noteForbidden},
		{n.doubted, noteDoubted}, {!end.IsZero(), noteEnds},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	dst = append(dst, flags)
	if flags&noteEnds != 0 {
		seconds := uint64(max(end.Unix(), 0))
		dst = append(dst, byte(seconds>>32), byte(seconds>>24), byte(seconds>>16), byte(seconds>>8), byte(seconds))
	}
	dst = binary.AppendUvarint(dst, uint64(n.established/tick.Time(time.Millisecond)))
	if n.authorized {
		own := *n.proved()
		own.Host = "" // the same
		octets := own.AppendBinary(nil)
		dst = append(binary.AppendUvarint(dst, uint64(len(octets))), octets...)
	}
	return n.principal.AppendBinary(dst)
}

// parseNote reads a note. It reports false if there is none.
func parseNote(b []byte) (n sessionNote, ok bool) {
	if len(b) == 0 {
		return n, false
	}
	n = glance(b)
	rest := b[1:]
	if b[0]&noteEnds != 0 {
		rest = rest[noteEndLen:]
	}
	_, size := binary.Uvarint(rest)
	rest = rest[size:]
	if n.authorized {
		length, size := binary.Uvarint(rest)
		own, _ := security.ParsePrincipal(rest[size:][:length]) // what it has written itself, as below
		n.own, rest = &own, rest[size:][length:]
	}
	n.principal, _ = security.ParsePrincipal(rest)
	if n.authorized {
		n.own.Host = n.principal.Host
	}
	return n, true
}

// glance reads of a note, which is not empty, all but the principals, and when
// the session ends. It allocates nothing.
func glance(b []byte) (n sessionNote) {
	flags := b[0]
	n.mode = security.Mode(flags & noteMode)
	n.anonymous, n.authorized, n.forbidden = flags&noteAnonymous != 0, flags&noteAuthorized != 0, flags&noteForbidden != 0
	n.doubted = flags&noteDoubted != 0
	b = b[1:]
	if flags&noteEnds != 0 {
		end := int64(b[0])<<32 | int64(binary.BigEndian.Uint32(b[1:]))
		n.principal.NotAfter = time.Unix(end, 0).UTC()
		b = b[noteEndLen:]
	}
	ms, _ := binary.Uvarint(b)
	n.established = tick.Time(ms) * tick.Time(time.Millisecond)
	return n
}

// keep leaves a note with a session. It reports false if the session is gone or
// the note too long, in which case the session ends: nobody would know it
// again.
func (s *shard) keep(now tick.Time, id endpoint.PeerID, n *sessionNote) bool {
	s.noted = n.append(s.noted[:0])
	err := s.ep.SetNote(now, id, s.noted)
	if err == endpoint.ErrNoteTooLong {
		s.ep.Disconnect(now, id)
	}
	s.noteEnd(n)
	s.epoch++
	if err == nil && s.observers.list.Known(id.Number()) {
		s.observers.reconsider(now, id)
	}
	return err == nil
}

// who is the session that an event is about. A peer that has slept since it was
// last heard is known again by its note.
func (s *shard) who(ev *endpoint.Event) *session {
	if known, ok := ev.Tag.(*session); ok {
		return known
	}
	if s.policy != nil {
		if facts := s.ep.Facts(ev.Peer()); facts != nil {
			n, _ := parseNote(ev.Note)
			return s.identify(ev, facts, &n)
		}
	}
	s.stranger.peer.Addr = ev.Remote
	return &s.stranger
}

// known is the session of a resident, as it is asleep or awake.
func (s *shard) known(at *endpoint.Resident) *session {
	n, _ := parseNote(at.Note)
	return s.policy.session(&Peer{Addr: at.Remote}, at.Facts(), &n)
}

// identify finds out who a peer has proved to be and leaves that with the peer.
func (s *shard) identify(ev *endpoint.Event, facts *dtls.Facts, n *sessionNote) *session {
	known := s.policy.session(&Peer{Addr: ev.Remote}, facts, n)
	s.ep.SetTag(ev.Peer(), known)
	return known
}
