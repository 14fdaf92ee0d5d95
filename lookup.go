// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A policy is what a server's sessions are made and judged by. It does not
// change; SetSecurity puts another in its place.
type policy struct {
	*security.Policy

	// instant: to look for a key in the configuration is looking into memory.
	// An application's own PSKSource may block.
	instant bool

	// looksUp: pre-shared keys are looked for in a Directory, which knows some
	// at once and some not. The time that takes must not tell.
	looksUp bool
}

func newServerPolicy(c *security.Config) (*policy, error) {
	p, err := c.Server()
	if err != nil {
		return nil, err
	}
	return &policy{p, instant(c), looksUp(c)}, nil
}

func looksUp(c *security.Config) bool {
	for _, host := range c.Hosts {
		if looksUp(host) {
			return true
		}
	}
	return c.Directory != nil
}

func instant(c *security.Config) bool {
	if _, ok := c.PSK.(*keys.PSKMap); !ok && c.PSK != nil {
		return false
	}
	for _, host := range c.Hosts {
		if !instant(host) {
			return false
		}
	}
	return true
}

// A lookup finds out for a handshake whose credential the client has shown, and
// its key. What is in memory it knows on the event loop, at once, unless the time
// would tell (begin). Public-key operations are done by a key worker. What has to
// be looked for where the credentials are kept parks this handshake and no other: the workers for that
// do nothing else, and of those that wait for them there is a bounded number.
type lookup struct {
	shard    *shard
	asked    tick.Time
	peer     endpoint.PeerID
	kind     endpoint.EventKind // EventWantPSK or EventWantVerdict
	identity []byte             // of a pre-shared key
	facts    dtls.Facts         // of a verdict
	question security.Question
	answer   security.Answer
	until    time.Time
	checked  bool // what a key worker does has been done

	// hides: the time of the answer could tell whether an identity is known. A raw
	// public key or a certificate has been proved by then, and a refusal says so.
	hides   bool
	instant bool // as the policy
}

// newLookup makes a look-up with copies of what it is about: the session may end
// meanwhile.
func (s *shard) newLookup(now tick.Time, ev *endpoint.Event) *lookup {
	t := &lookup{shard: s, asked: now, peer: ev.Peer(), kind: ev.Kind}
	if ev.Kind == endpoint.EventWantPSK {
		t.identity = append([]byte{}, ev.DTLS.Identity...)
		t.question = s.policy.AskPSK(ev.DTLS.ServerName, t.identity)
		t.hides, t.instant = s.policy.looksUp, s.policy.instant
		return t
	}
	t.facts = *ev.Facts
	t.question = s.policy.AskPeer(&t.facts)
	return t
}

// lookUp answers what a handshake wants to know, or has it answered.
func (s *shard) lookUp(now tick.Time, ev *endpoint.Event) {
	t := s.newLookup(now, ev)
	switch {
	case s.draining:
		s.ep.Abort(now, t.peer, dtls.ReasonLimit)
	case t.question.Costly():
		if !s.server.keyWorkers.submit(t) {
			s.server.counters.keyJobsRefused.Add(1)
			s.ep.Abort(now, t.peer, dtls.ReasonLimit)
		}
	case t.hides:
		s.server.unseen.Add(1)
		time.AfterFunc(rand.N(lookupSpread), t.begin)
	case s.policy.instant && t.known(time.Now()), !t.park():
		t.deliver(now)
	}
}

// begin is on a goroutine of its own, at a random moment. Nothing is answered to
// a wrong key, but whoever sends another datagram right behind, or a little
// later, sees how long the server was busy: that must not tell whether an
// identity is known, or in memory.
func (t *lookup) begin() {
	defer t.shard.server.unseen.Done()
	if t.shard.server.ctx.Err() == nil && (t.instant && t.known(time.Now()) || !t.park()) {
		t.post()
	}
}

// post brings the answer to the event loop; one that has ended needs it no more.
// Whatever was found, the handshake goes on at the same moment after the
// question, or, if that is over, at one of a few.
func (t *lookup) post() {
	if !t.hides {
		_ = t.shard.mail.post(t, true)
		return
	}
	passed := t.shard.clock.now().Sub(t.asked)
	wait := lookupSpread + lookupStep - passed
	if wait < 0 {
		wait = lookupStep - passed%lookupStep
	}
	time.AfterFunc(wait, func() { _ = t.shard.mail.post(t, true) })
}

// known answers from memory.
func (t *lookup) known(now time.Time) (ok bool) {
	t.checked = true
	t.answer, ok = t.question.Cached(now)
	return ok
}

// park has the question answered by those who may block. If too many wait
// already it is answered as if nobody knew, and reports false.
func (t *lookup) park() bool {
	s := t.shard.server
	t.checked = true
	t.until = time.Now().Add(s.lookupTime())
	if s.lookups.submit(t) {
		return true
	}
	s.counters.lookupsRefused.Add(1)
	t.answer = unavailable(errManyLookups)
	return false
}

var (
	errManyLookups = errors.New("too many look-ups wait for the store")
	errLateLookup  = errors.New("the look-up has waited too long for others")
)

func unavailable(err error) security.Answer {
	return security.Answer{Err: &keys.VerifyError{Reason: dtls.ReasonStoreUnavailable, Err: err}}
}

// run is on a key worker first if there is something to verify, and then, or at
// once, on a worker that may block.
func (t *lookup) run() {
	if t.checked {
		t.answer = t.shard.server.fetch(&t.question, t.until)
		t.post()
		return
	}
	now := time.Now()
	t.question.Check(now)
	if t.known(now) || !t.park() {
		t.post()
	}
	t.shard.server.relieve()
}

// fetch asks the directory, until the given time.
func (s *Server) fetch(q *security.Question, until time.Time) security.Answer {
	now := time.Now()
	if !now.Before(until) {
		s.counters.lookupsFailed.Add(1)
		return unavailable(errLateLookup)
	}
	ctx, cancel := context.WithDeadline(s.ctx, until)
	defer cancel()
	answer := q.Answer(ctx, now)
	if answer.Reason() == dtls.ReasonStoreUnavailable {
		s.counters.lookupsFailed.Add(1)
		s.log.lookupFailed(answer.Err)
	}
	return answer
}

func (s *Server) lookupTime() time.Duration {
	if s.LookupTime > 0 {
		return s.LookupTime
	}
	return DefaultLookupTime
}

// deliver is on the event loop. On the wire a credential that is refused, of
// which nothing is known, or of which nobody can say now, are the same.
func (t *lookup) deliver(now tick.Time) {
	s := t.shard
	if t.answer.Err != nil {
		s.judged(t.peer, t.answer.Err)
	} else if !t.remember(now) {
		return
	}
	if t.kind == endpoint.EventWantPSK {
		s.ep.ProvidePSK(now, t.peer, t.identity, t.answer.Key.Bytes())
		return
	}
	s.ep.ProvideVerdict(now, t.peer, t.answer.Reason())
}

// remember leaves with a handshake whose credential it is, and when that was
// asked. It reports false if the handshake has ended.
func (t *lookup) remember(now tick.Time) bool {
	s, n := t.shard, sessionNote{principal: t.answer.Principal, established: t.asked, doubted: t.answer.Stale}
	s.noted = n.append(s.noted[:0])
	err := s.ep.SetNote(now, t.peer, s.noted)
	if err == endpoint.ErrNoteTooLong {
		s.ep.Abort(now, t.peer, dtls.ReasonInternal)
	}
	return err == nil
}
