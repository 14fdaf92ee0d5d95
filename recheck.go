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

// A Match says which sessions a change concerns. It is called on the event
// loops, so it must not wait, and nothing is to be kept of the Principal; one
// without a name is of a session whose credential is in no Directory.
type Match func(*security.Principal, security.Mode) bool

// Recheck has the credentials of all sessions that match looked at again, as if
// they made their handshakes now: in the Directory, by the rules for
// certificates, among the keys of the configuration. A nil match is all of
// them. What has become of each is acted upon as soon as it is known: who is in
// other groups now is so from the next request on; whose credential is not good
// any more, or has another key or owner, ends as OnRevoke says. If the store
// cannot be asked, the sessions stay as they are and it is asked again.
//
// Recheck returns at once. The sessions are looked at in pieces, between
// datagrams.
func (s *Server) Recheck(match Match) {
	if match == nil {
		match = func(*security.Principal, security.Mode) bool { return true }
	}
	for _, one := range s.secureShards() {
		_ = one.mail.post(recheckLetter{one, match}, true) // a loop that has ended has no sessions
	}
}

type recheckLetter struct {
	shard *shard
	match Match
}

func (l recheckLetter) deliver(now tick.Time) {
	l.shard.recheck.last, l.shard.recheck.retry = now, 0
	l.shard.recheck.add(now, l.match)
}

// A recheck is one walk after the other over the sessions of a shard. All changes
// that are told of during a walk are looked at by the next one. It holds few
// questions at a time, however many sessions a change concerns.
type recheck struct {
	shard   *shard
	last    tick.Time // when there was a change; before all time if never
	matches []Match   // of this walk
	waiting []Match   // for the next
	walking bool
	place   int // where to go on
	batch   *batch
	asked   int // batches that are not answered yet

	failed  bool // nobody could say: once more, later
	retry   tick.Time
	backoff time.Duration
}

func (r *recheck) add(now tick.Time, match Match) {
	if len(r.waiting) >= matchesKept {
		r.waiting = append(r.waiting[:0], func(*security.Principal, security.Mode) bool { return true })
	}
	r.waiting = append(r.waiting, match)
	r.begin(now)
}

// begin starts a walk, if there is reason to and none goes on.
func (r *recheck) begin(now tick.Time) {
	if r.walking || len(r.waiting) == 0 || now < r.retry {
		return
	}
	r.matches, r.waiting = r.waiting, nil
	r.walking, r.failed, r.place, r.retry = true, false, 0, 0
	r.step()
}

// step has the walk go on after the datagrams that are waiting.
func (r *recheck) step() { _ = r.shard.mail.post(r, true) }

// deliver is one step.
func (r *recheck) deliver(now tick.Time) {
	if r.batch == nil {
		r.batch = &batch{recheck: r, policy: r.shard.policy}
	}
	r.place = r.shard.ep.Walk(r.place, walkPlaces, r.visit)
	full := len(r.batch.questions) >= batchQuestions
	if full || r.place == 0 && len(r.batch.questions) > 0 {
		r.asked++
		r.batch.ask()
		r.batch = nil
	}
	switch {
	case r.place == 0 || r.failed:
		r.place = 0
		r.end(now)
	case r.asked < batchesAsked:
		r.step()
	}
}

// alone looks at one session, most often in memory, and at once.
func (r *recheck) alone(now tick.Time, id endpoint.PeerID) {
	at, ok := r.shard.ep.Look(id)
	if !ok {
		return
	}
	n, _ := parseNote(at.Note)
	b := &batch{recheck: r, policy: r.shard.policy, alone: true}
	b.add(at, n)
	q := &b.questions[0]
	if !q.question.Costly() && b.policy.instant {
		if q.answer, q.answered = q.question.Cached(time.Now()); q.answered {
			r.shard.settle(now, q)
			return
		}
	}
	b.ask()
}

// visit looks at one session, and reports whether there is room for the next.
func (r *recheck) visit(at *endpoint.Resident) (more bool) {
	n, ok := parseNote(at.Note)
	if ok && r.concerns(&n) {
		r.batch.add(at, n)
	}
	return len(r.batch.questions) < batchQuestions
}

func (r *recheck) concerns(n *sessionNote) bool {
	for _, match := range r.matches {
		if match(&n.principal, n.mode) {
			return true
		}
	}
	return false
}

// answered follows a batch.
func (r *recheck) answered(now tick.Time) {
	r.asked--
	switch {
	case r.place != 0 && r.asked == batchesAsked-1:
		r.step()
	case r.place == 0:
		r.end(now)
	}
}

// end ends a walk when all is answered. What nobody could answer is asked again.
func (r *recheck) end(now tick.Time) {
	if !r.walking || r.place != 0 || r.asked > 0 {
		return
	}
	r.walking, r.batch = false, nil
	matches := r.matches
	r.matches = nil
	if r.failed {
		r.again(now, matches)
		return
	}
	r.backoff = 0
	r.begin(now)
}

// again has all that match looked at once more, after a while.
func (r *recheck) again(now tick.Time, matches []Match) {
	r.backoff = min(max(2*r.backoff, recheckAgain), recheckAtLeast)
	r.retry = now.Add(r.backoff)
	for _, match := range matches {
		r.add(now, match)
	}
	r.shard.wakeAt(r.retry)
}

// A batch is some sessions whose credentials are looked at together, on a worker
// that may block.
type batch struct {
	recheck   *recheck
	policy    *policy
	questions []questioned
	alone     bool // no part of a walk
}

type questioned struct {
	id       endpoint.PeerID
	note     sessionNote
	facts    *dtls.Facts
	question security.Question
	answer   security.Answer
	answered bool
}

func (b *batch) add(at *endpoint.Resident, n sessionNote) {
	q := questioned{id: at.ID, note: n, facts: at.Facts()}
	if n.authorized {
		q.question = b.policy.AskPrincipal(q.facts.ServerName, &q.note.principal)
	} else {
		q.question = b.policy.AskPeer(q.facts)
	}
	b.questions = append(b.questions, q)
}

// ask gives the batch to a worker. If there is none, nobody can say.
func (b *batch) ask() {
	s := b.recheck.shard
	if !s.server.lookups.submit(b) {
		s.server.counters.lookupsRefused.Add(1)
		_ = s.mail.post(b, true)
	}
}

// run is on a worker. When the store is not there it asks no more.
func (b *batch) run() {
	server := b.recheck.shard.server
	for i := range b.questions {
		q := &b.questions[i]
		costly := q.question.Costly()
		q.answer = server.fetch(&q.question, time.Now().Add(server.lookupTime()))
		if costly || i == len(b.questions)-1 {
			server.nudgeSometimes() // as relieve says
			runtime.Gosched()
		}
		if q.answer.Reason() == dtls.ReasonStoreUnavailable {
			break
		}
		q.answered = true
	}
	_ = b.recheck.shard.mail.post(b, true)
}

// deliver is on the event loop.
func (b *batch) deliver(now tick.Time) {
	r := b.recheck
	for i := range b.questions {
		if q := &b.questions[i]; q.answered {
			r.shard.settle(now, q)
		} else {
			b.failed(now, q)
		}
	}
	if !b.alone {
		r.answered(now)
	}
}

// failed has what nobody could answer asked again.
func (b *batch) failed(now tick.Time, q *questioned) {
	if !b.alone {
		b.recheck.failed = true
		return
	}
	whose := q.note.principal
	b.recheck.again(now, []Match{func(p *security.Principal, _ security.Mode) bool { return p.SameCredential(&whose) }})
}

// settle acts upon what has become of a credential.
func (s *shard) settle(now tick.Time, q *questioned) {
	at, ok := s.ep.Look(q.id)
	if !ok {
		return
	}
	n, _ := parseNote(at.Note)
	if n.authorized != q.note.authorized || !n.principal.SameCredential(&q.note.principal) {
		return // the application has authorized it meanwhile
	}
	asleep := at.Asleep
	whose := &q.answer.Principal
	switch {
	case q.answer.Err != nil:
		s.revoke(now, at, &n, q.answer.Reason().String())
		return
	case n.authorized && n.principal.Credential == "":
		whose = &n.principal // the application alone knows
	case !n.principal.SameCredential(whose):
		s.revoke(now, at, &n, ReasonCredentialChanged)
		return
	}
	n.principal, n.forbidden = *whose, false
	s.renew(now, q.id, &n, asleep)
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
