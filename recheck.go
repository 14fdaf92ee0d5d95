// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"slices"
	"time"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
)

// A Match says which sessions a change concerns. It is called on the event
// loops, so it must not wait, and nothing is to be kept of the Principal; one
// without a name is of a session whose credential is in no Directory. For a
// session that was authorized (Request.Authorize) it is called with whose its own
// credential is, if it has shown one, and with whom it was authorized as: either
// will do.
type Match func(*security.Principal, security.Mode) bool

// Recheck has the credentials of all sessions that match looked at again, as if
// they made their handshakes now: in the Directory, by the rules for
// certificates, among the keys of the configuration. A nil match is all of
// them. What has become of each is acted upon as soon as it is known: who is in
// other groups now is so from the next request on; whose credential is not good
// any more, or has another key or owner, ends as OnRevoke says. If the store
// cannot be asked, or the Directory answers from what it remembers
// (security.Entry.Stale), the sessions stay as they are and it is asked again.
//
// Recheck returns at once. The sessions are looked at in pieces, between
// datagrams. To look at a certificate again is to verify it, and any device that
// is added may be the owner of one that is nobody's: if these match, but not
// with a nil match, they are looked at by themselves, and with so long a pause
// after it that it takes one part in twenty of the time, however many changes
// there are.
func (s *Server) Recheck(match Match) {
	for _, one := range s.secureShards() {
		_ = one.mail.post(recheckLetter{one, match}, true) // a loop that has ended has no sessions
	}
}

type recheckLetter struct {
	shard *shard
	match Match
}

func (l recheckLetter) deliver(now tick.Time) {
	s := l.shard
	s.recheck.last = now
	s.recheck.changes++
	if l.match != nil && s.recheck.walking {
		s.hurried.add(now, l.match)
	}
	s.recheck.add(now, l.match)
	if l.match != nil {
		s.strays.add(now, l.match)
	}
}

// A recheck is one walk after the other over the sessions of a shard. All changes
// that are told of during a walk are looked at by the next one. It holds few
// questions at a time, however many sessions a change concerns. A nil Match is
// everything.
//
// A walk over everybody can take minutes if there are very many and the store is
// slow. A change that comes meanwhile has another walk begin beside it, which
// hurries to those that it concerns and only ends what is not good any more: all
// else, and the last word, is for the walk whose turn it will be.
type recheck struct {
	shard   *shard
	strays  bool      // of the sessions of which sessionNote.stray is true; else of all others
	hurries bool      // beside another walk
	last    tick.Time // when there was a change; before all time if never
	changes uint64    // how many there were: more than one has the same time
	matches []Match   // of this walk
	waiting []Match   // for the next
	walking bool
	place   int // where to go on
	batch   *batch
	asked   int // batches of the walk that are not answered yet
	alones  int // those that are of no walk

	failed  bool    // this walk has met some of whom nobody could say
	later   []Match // those, to be looked at once more at the time retry
	retry   tick.Time
	backoff time.Duration

	spent time.Duration // on this walk
	rest  tick.Time     // no other before
}

func (r *recheck) add(now tick.Time, matches ...Match) {
	r.waiting = gathered(r.waiting, matches)
	r.begin(now)
}

// gathered adds to a list of matches, which stays short: beyond, it is everybody.
func gathered(list, more []Match) []Match {
	list = append(list, more...)
	switch {
	case slices.ContainsFunc(list, func(m Match) bool { return m == nil }):
		return append(list[:0], nil)
	case len(list) > matchesKept:
		return append(list[:0], func(*security.Principal, security.Mode) bool { return true })
	}
	return list
}

// begin starts a walk, if there is reason to and none goes on.
func (r *recheck) begin(now tick.Time) {
	switch {
	case r.walking:
		return
	case len(r.later) > 0 && r.retry > now:
		r.shard.wakeAt(r.retry)
	case len(r.later) > 0:
		r.waiting, r.later = gathered(r.waiting, r.later), nil
	}
	switch {
	case len(r.waiting) == 0:
		return
	case r.rest > now:
		r.shard.wakeAt(r.rest)
		return
	}
	r.matches, r.waiting = r.waiting, nil
	r.walking, r.failed, r.place, r.spent = true, false, 0, 0
	r.step()
}

// step has the walk go on after the datagrams that are waiting.
func (r *recheck) step() { _ = r.shard.mail.post(r, true) }

// deliver is one step.
func (r *recheck) deliver(now tick.Time) {
	began := r.shard.clock.now()
	if r.batch == nil {
		r.batch = r.newBatch()
	}
	r.place = r.shard.ep.Walk(r.place, walkPlaces, r.visit)
	full := len(r.batch.questions) >= batchQuestions
	if full || r.place == 0 && len(r.batch.questions) > 0 {
		r.asked++
		r.batch.ask()
		r.batch = nil
	}
	r.spent += r.shard.clock.now().Sub(began)
	switch {
	case r.place == 0:
		r.end(now)
	case r.asked < batchesAsked:
		r.step()
	}
}

// visit looks at one session, and reports whether there is room for the next.
func (r *recheck) visit(at *endpoint.Resident) (more bool) {
	if r.strays && (len(at.Note) == 0 || glance(at.Note).mode != security.Certificate) {
		return true
	}
	n, ok := parseNote(at.Note)
	if ok && r.concerns(&n) {
		r.batch.add(at, &n)
	}
	return len(r.batch.questions) < batchQuestions
}

// concerns reports whether this walk has to look at a session, for what it has
// proved itself or for whom it was authorized as.
func (r *recheck) concerns(n *sessionNote) bool {
	proved := n.stray() == r.strays && !(n.anonymous && n.authorized)
	return slices.ContainsFunc(r.matches, func(match Match) bool {
		return match == nil || proved && match(n.proved(), n.mode) || n.authorized && !r.strays && match(&n.principal, n.mode)
	})
}

// answered follows a batch.
func (r *recheck) answered(now tick.Time, b *batch) {
	r.asked--
	r.spent += b.spent
	switch {
	case r.place != 0 && r.asked == batchesAsked-1:
		r.step()
	case r.place == 0:
		r.end(now)
	}
}

// end ends a walk when all has been asked. If somebody could say of everyone, so he
// may of those that have to wait.
func (r *recheck) end(now tick.Time) {
	if !r.walking || r.place != 0 || r.asked > 0 {
		return
	}
	r.walking, r.batch = false, nil
	r.matches = nil
	if !r.failed {
		r.retry, r.backoff = min(r.retry, now), 0
	}
	if r.strays {
		r.rest = now.Add(min(straysShare*r.spent, straysRest))
	}
	r.begin(now)
}

// again has all that match looked at once more, after a while. Those that fail
// until then wait no longer for it.
func (r *recheck) again(now tick.Time, matches ...Match) {
	if r.retry <= now {
		r.backoff = min(max(2*r.backoff, recheckAgain), recheckAtLeast)
		r.retry = now.Add(r.backoff)
	}
	r.later = gathered(r.later, matches)
	r.shard.wakeAt(r.retry)
}

// alone looks at one session, most often in memory, and at once.
func (r *recheck) alone(now tick.Time, id endpoint.PeerID) {
	if at, ok := r.shard.ep.Look(id); ok {
		n, _ := parseNote(at.Note)
		b := r.newBatch()
		b.add(at, &n)
		b.alone(now)
	}
}

// authorized looks at whom a session was authorized as, and at nothing else of
// it.
func (r *recheck) authorized(now tick.Time, id endpoint.PeerID) {
	if at, ok := r.shard.ep.Look(id); ok {
		n, _ := parseNote(at.Note)
		b := r.newBatch()
		b.add(at, &n).own.wanted = false
		b.alone(now)
	}
}

// same has one session, and all that are of the same credential, looked at by the
// next walk that is for it.
func (r *recheck) same(n *sessionNote) (walk *recheck, matches []Match) {
	whose := n.principal
	match := func(p *security.Principal, _ security.Mode) bool { return p.SameCredential(&whose) }
	if n.stray() && !n.authorized {
		return &r.shard.strays, []Match{match}
	}
	return &r.shard.recheck, []Match{match}
}

// RevokeAction is what becomes of a session whose credential is not good any
// more.
type RevokeAction uint8

// What a Server does.
const (
	RevokeClose  RevokeAction = iota // close_notify, and the session is gone
	RevokeForbid                     // every request is answered by 4.03 until the credential is good again
	RevokeKeep                       // nothing, but a line in the log; new handshakes fail
)

var revokeNames = [...]string{"close", "forbid", "keep"}

func (a RevokeAction) String() string {
	if int(a) < len(revokeNames) {
		return revokeNames[a]
	}
	return "unknown"
}

// MarshalText returns the name.
func (a RevokeAction) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (a *RevokeAction) UnmarshalText(text []byte) error {
	for i, name := range revokeNames {
		if name == string(text) {
			*a = RevokeAction(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not close, forbid or keep", text)
}
