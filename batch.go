// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"runtime"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
)

// A batch is some sessions whose credentials are looked at together, on a worker
// that may block.
type batch struct {
	recheck   *recheck
	policy    *policy
	changes   uint64 // recheck.changes before anything was asked
	questions []*questioned
	single    bool          // no part of a walk
	spent     time.Duration // by the worker
}

// questioned is a session that is looked at again. Both must be good, or it may
// not go on.
type questioned struct {
	id   endpoint.PeerID
	note sessionNote
	own  asking // about what it has proved itself
	who  asking // about whom it was authorized as

	hurried bool // recheck.hurries: what is good is no news
	late    bool // there was a change since it was asked
}

type asking struct {
	wanted   bool
	question security.Question
	answer   security.Answer
	answered bool
}

func (r *recheck) newBatch() *batch {
	return &batch{recheck: r, policy: r.shard.policy, changes: r.shard.recheck.changes}
}

func (b *batch) add(at *endpoint.Resident, n *sessionNote) *questioned {
	facts := at.Facts()
	q := &questioned{id: at.ID, note: *n}
	q.own = asking{wanted: true, question: b.policy.AskPeer(facts)}
	if n.authorized {
		q.who = asking{wanted: true, question: b.policy.AskPrincipal(facts.ServerName, &q.note.principal)}
	}
	b.questions = append(b.questions, q)
	return q
}

// alone is for one session that no walk is about. What is in memory is answered
// at once. If too many wait already, it waits for a walk.
func (b *batch) alone(now tick.Time) {
	r, q := b.recheck, b.questions[0]
	b.single = true
	if !q.own.wanted || b.policy.instant {
		q.own.remember()
		q.who.remember()
	}
	switch {
	case r.shard.settle(now, q):
	case r.alones < alonesAsked:
		r.alones++
		b.ask()
	default:
		walk, matches := r.same(&q.note)
		walk.add(now, matches...)
	}
}

// ask gives the batch to a worker. There is room, unless the server ends.
func (b *batch) ask() {
	s := b.recheck.shard
	if !s.server.rechecks.submit(b) {
		_ = s.mail.post(b, true)
	}
}

// run is on a worker. That nobody can say of one credential says nothing of the
// others: its record may be damaged.
func (b *batch) run() {
	server, began := b.recheck.shard.server, time.Now()
	for i, q := range b.questions {
		costly := q.own.costly()
		q.own.ask(server)
		q.who.ask(server)
		if costly || i == len(b.questions)-1 {
			server.nudgeSometimes() // as relieve says
			runtime.Gosched()
		}
	}
	b.spent = time.Since(began)
	_ = b.recheck.shard.mail.post(b, true)
}

// deliver is on the event loop.
func (b *batch) deliver(now tick.Time) {
	r := b.recheck
	if b.single {
		r.alones--
		b.deliverSingle(now)
		return
	}
	late := b.late()
	for _, q := range b.questions {
		q.hurried, q.late = r.hurries, late
		if !r.shard.settle(now, q) {
			r.failed = true
			walk, matches := r.same(&q.note)
			walk.again(now, matches...)
		}
	}
	r.answered(now, b)
}

// late reports whether there was a change since the batch was begun.
func (b *batch) late() bool { return b.changes != b.recheck.shard.recheck.changes }

// deliverSingle: walks come one after the other, so that the last one has the last
// word. An answer of no walk that was asked for before a change may come after
// those of the walk that the change has caused, and is worth nothing.
func (b *batch) deliverSingle(now tick.Time) {
	r, q := b.recheck, b.questions[0]
	walk, matches := r.same(&q.note)
	switch {
	case b.late():
		walk.add(now, matches...)
	case !r.shard.settle(now, q):
		walk.again(now, matches...)
	}
}

func (a *asking) costly() bool { return a.wanted && !a.answered && a.question.Costly() }

// remember answers from memory, if that is possible at once.
func (a *asking) remember() {
	if a.wanted && !a.question.Costly() {
		a.answer, a.answered = a.question.Cached(time.Now())
		a.answered = a.answered && !a.answer.Stale
	}
}

// ask may block. What a Directory only remembers may be what has changed, and is
// no answer.
func (a *asking) ask(s *Server) {
	if a.wanted && !a.answered {
		a.answer = s.fetch(&a.question, time.Now().Add(s.lookupTime()))
		a.answered = a.answer.Reason() != dtls.ReasonStoreUnavailable && !a.answer.Stale
	}
}

// verdict is why a session may not go on as whose, "" if it may. Then whose is
// what he is now.
func (a *asking) verdict(whose *security.Principal) (reason string) {
	switch {
	case a.answer.Err != nil:
		return a.answer.Reason().String()
	case !whose.SameCredential(&a.answer.Principal):
		return ReasonCredentialChanged
	}
	*whose = a.answer.Principal
	return ""
}

// apply has a note say what the answers do. It reports why the session may not go
// on, and whether everything about it has been answered.
func (q *questioned) apply(n *sessionNote) (reason string, all bool) {
	if q.own.answered {
		if reason = q.own.verdict(n.proved()); reason != "" {
			return reason, true
		}
	}
	if !n.authorized {
		return "", q.own.answered
	}
	asked := &q.note.principal
	if !q.who.answered || n.principal.Credential != asked.Credential || !n.principal.SameCredential(asked) {
		return "", false // the application may have authorized it meanwhile
	}
	if n.principal.Credential != "" || q.who.answer.Err != nil {
		reason = q.who.verdict(&n.principal) // else the application alone knows
	}
	return reason, q.own.answered
}

// settle acts upon what has become of a session's credentials. It reports false if
// something that was asked has not been answered, or may be out of date, and what
// has been is no reason to end it.
func (s *shard) settle(now tick.Time, q *questioned) (settled bool) {
	at, ok := s.ep.Look(q.id)
	if !ok {
		return true
	}
	asleep := at.Asleep
	n, _ := parseNote(at.Note)
	reason, all := q.apply(&n)
	switch {
	case reason != "":
		s.revoke(now, at, &n, reason)
		return true
	case q.own.wanted && !q.own.answered, q.who.wanted && !q.who.answered:
		return false
	case q.hurried:
		return true
	case q.late && n.forbidden && all:
		return false // it may have been forbidden for what has changed
	}
	n.forbidden = n.forbidden && !all
	s.renew(now, q.id, &n, asleep)
	return true
}

// renew changes the note of a session. One that is awake is to be identified
// anew.
func (s *shard) renew(now tick.Time, id endpoint.PeerID, n *sessionNote, asleep bool) {
	if s.keep(now, id, n) && !asleep {
		s.ep.SetTag(id, nil)
	}
}

// revoke ends a session as OnRevoke says.
func (s *shard) revoke(now tick.Time, at *endpoint.Resident, n *sessionNote, reason string) {
	id, asleep, action := at.ID, at.Asleep, s.server.OnRevoke
	if action == RevokeForbid && n.forbidden {
		return
	}
	s.server.counters.sessionsRevoked.Add(1)
	s.server.log.revoked(&s.known(at).peer, reason, action)
	switch action {
	case RevokeClose:
		s.ep.Disconnect(now, id)
	case RevokeForbid:
		n.forbidden = true
		s.renew(now, id, n, asleep)
	}
}
