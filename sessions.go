// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// A SessionID names one session of a running server. It never comes to name
// another, also not when a client makes a new one. Its text form is three
// numbers in hexadecimal, "0.2a.17".
type SessionID struct {
	shard int
	peer  endpoint.PeerID
}

// String returns the text form.
func (id SessionID) String() string {
	n := id.peer.Number()
	return fmt.Sprintf("%x.%x.%x", id.shard, uint32(n), n>>32)
}

// MarshalText returns the text form.
func (id SessionID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *SessionID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseSessionID(string(text))
	return err
}

// ParseSessionID reads the text form. Whether there is such a session is for Drop
// to say.
func ParseSessionID(s string) (SessionID, error) {
	parts := strings.Split(s, ".")
	var n [3]uint64
	ok := len(parts) == len(n)
	for i := 0; ok && i < len(n); i++ {
		var err error
		n[i], err = strconv.ParseUint(parts[i], 16, 32)
		ok = err == nil && n[i] < 1<<31
	}
	if !ok {
		return SessionID{}, fmt.Errorf("coaps: %q is no session", s)
	}
	return SessionID{int(n[0]), endpoint.PeerIDOf(n[2]<<32 | n[1])}, nil
}

// SessionInfo is one session as Server.Sessions shows it.
type SessionInfo struct {
	ID SessionID
	Peer

	Established time.Time
	LastSeen    time.Time // to the second
	Asleep      bool      // its keys are packed; that is no difference to anybody
	Forbidden   bool      // RevokeForbid: its requests are refused
	NotAfter    time.Time // when the first of its credentials ends; zero: none does
	Authorized  bool      // the application has said who it is (Request.Authorize)

	Observations int // how many resources its client observes
}

// Sessions goes over the sessions of the secure port, of any number, in no
// particular order. It asks the event loops for some at a time, between
// datagrams; a session that comes or goes meanwhile may be there or not. It
// ends early with ctx and with the server. An Inline handler must not ask for
// sessions, or drop one.
func (s *Server) Sessions(ctx context.Context) iter.Seq[SessionInfo] {
	return func(yield func(SessionInfo) bool) {
		for i, one := range s.shardsServing() {
			for place, more := 0, true; more && one.port.secure; {
				var some []SessionInfo
				some, place, more = one.list(ctx, i, place)
				for _, session := range some {
					if !yield(session) {
						return
					}
				}
			}
		}
	}
}

// list shows some sessions, and where to go on.
func (s *shard) list(ctx context.Context, number, place int) (some []SessionInfo, next int, more bool) {
	answer := make(chan listed, 1)
	l, _ := ask(ctx, s.loop, listLetter{s, number, place, answer}, answer)
	return l.sessions, l.next, l.next != 0
}

type listed struct {
	sessions []SessionInfo
	next     int
}

type listLetter struct {
	shard         *shard
	number, place int
	answer        chan<- listed
}

func (l listLetter) deliver(tick.Time) {
	var r listed
	r.next = l.shard.ep.Walk(l.place, walkPlaces, func(at *endpoint.Resident) bool {
		r.sessions = append(r.sessions, l.shard.info(l.number, at))
		return len(r.sessions) < sessionsListed
	})
	l.answer <- r
}

// info is what is known of one session.
func (s *shard) info(number int, at *endpoint.Resident) SessionInfo {
	known := s.known(at)
	n := &known.note
	return SessionInfo{
		ID: SessionID{number, at.ID}, Peer: known.peer,
		Established: s.clock.wall(n.established).Round(0), LastSeen: s.clock.wall(at.Heard).Round(0),
		Asleep: at.Asleep, Forbidden: s.forbids(n), NotAfter: n.notAfter(), Authorized: n.authorized,
		Observations: s.observers.list.Count(at.ID.Number()),
	}
}

// forbids reports whether the requests of a session are refused with
// RevokeForbid: somebody has taken its credential back, or its time is over.
func (s *shard) forbids(n *sessionNote) bool {
	return n.forbidden || s.server.OnRevoke == RevokeForbid && s.ended(s.clock.now(), n) == dtls.ReasonCredentialExpired.String()
}

// Drop ends a session with close_notify. The error is ErrNoSession if there is
// none of that ID, or that of ctx.
func (s *Server) Drop(ctx context.Context, id SessionID) error {
	shards := s.shardsServing()
	if id.shard < 0 || id.shard >= len(shards) {
		return ErrNoSession
	}
	one, answer := shards[id.shard], make(chan error, 1)
	err, ok := ask(ctx, one.loop, dropLetter{one, id.peer, answer}, answer)
	switch {
	case ok:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return ErrNoSession
}

type dropLetter struct {
	shard  *shard
	peer   endpoint.PeerID
	answer chan<- error
}

func (l dropLetter) deliver(now tick.Time) {
	if _, ok := l.shard.ep.Look(l.peer); !ok {
		l.answer <- ErrNoSession
		return
	}
	l.shard.ep.Disconnect(now, l.peer)
	l.answer <- nil
}

// shardsServing lists the shards whose loops run, or have run; none before Serve.
func (s *Server) shardsServing() []*shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.serving {
		return nil
	}
	return s.shards
}

// secureShards lists those of the secure port.
func (s *Server) secureShards() []*shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.serving || s.secure == nil {
		return nil
	}
	return s.secure.shards
}
