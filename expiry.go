// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// expiry ends the sessions of a shard whose time is over: that of their
// credential, or AnonymousTime. Of all of them only the earliest end is known;
// then the sessions are walked over, by what a glance at their notes tells. How
// often that may be is limited by what it costs.
type expiry struct {
	shard    *shard
	earliest tick.Time // when the next may be due; tick.Never if none
	walking  bool
	place    int
	next     tick.Time     // the earliest that this walk has seen
	spent    time.Duration // on this walk
	rest     tick.Time     // not before
}

// endOf is when a session ends if nothing happens.
func (s *shard) endOf(now tick.Time, n *sessionNote) tick.Time {
	end := tick.Never
	if s.awaitsToken(n) {
		end = n.established.Add(s.server.AnonymousTime)
	}
	if last := n.notAfter(); !last.IsZero() && s.server.OnRevoke == RevokeClose {
		end = min(end, now.Add(untilAfter(last)))
	}
	return end
}

// untilAfter is how long to wait for the end of a credential, which is good in that
// very moment. It ends by the clock on the wall, which may be set: that is looked at
// again after a while.
func untilAfter(end time.Time) time.Duration {
	return min(time.Until(end)+time.Millisecond, clockTrust)
}

// ended is why a session has to end now, "" if it has not.
func (s *shard) ended(now tick.Time, n *sessionNote) (reason string) {
	end := n.notAfter()
	switch {
	case s.awaitsToken(n) && now >= n.established.Add(s.server.AnonymousTime):
		return ReasonNotAuthorized
	case !end.IsZero() && time.Now().After(end):
		return dtls.ReasonCredentialExpired.String()
	}
	return ""
}

// awaitsToken reports whether a session has to be authorized some time.
func (s *shard) awaitsToken(n *sessionNote) bool {
	return n.anonymous && !n.authorized && s.server.AnonymousTime > 0
}

// noteEnd notes when a session has to end.
func (s *shard) noteEnd(n *sessionNote) {
	if end := s.endOf(s.clock.now(), n); end < s.expiry.earliest {
		s.expiry.earliest = end
		s.wakeAt(max(end, s.expiry.rest))
	}
}

// begin starts a walk if one is due.
func (x *expiry) begin(now tick.Time) {
	if !x.walking && x.earliest <= now && x.rest <= now {
		x.walking, x.place, x.next, x.spent = true, 0, tick.Never, 0
		x.earliest = tick.Never // of those that come during the walk
		_ = x.shard.mail.post(x, true)
	}
}

// deliver is one step.
func (x *expiry) deliver(now tick.Time) {
	x.place = x.shard.ep.Walk(x.place, walkPlaces, func(at *endpoint.Resident) bool {
		x.visit(now, at)
		return true
	})
	after := x.shard.clock.now()
	x.spent += after.Sub(now)
	if x.place != 0 {
		_ = x.shard.mail.post(x, true)
		return
	}
	x.walking = false
	x.earliest = min(x.earliest, x.next)
	x.rest = after.Add(max(expiryRest, expiryShare*x.spent))
	x.shard.wakeAt(max(x.earliest, x.rest))
}

func (x *expiry) visit(now tick.Time, at *endpoint.Resident) {
	if len(at.Note) == 0 {
		return
	}
	s := x.shard
	n := glance(at.Note)
	switch reason := s.ended(now, &n); {
	case reason == "":
		x.next = min(x.next, s.endOf(now, &n))
	case s.closesFor(reason):
		s.expire(now, at.ID, s.known(at), reason)
	}
}

// closesFor reports whether sessions whose time is over are closed; else each
// request is judged when it comes. An anonymous one is closed in any case, as
// nobody has ever said that it may stay.
func (s *shard) closesFor(reason string) bool {
	return reason == ReasonNotAuthorized || s.server.OnRevoke == RevokeClose
}

func (s *shard) expire(now tick.Time, id endpoint.PeerID, who *session, reason string) {
	s.server.counters.sessionsRevoked.Add(1)
	s.server.log.revoked(&who.peer, reason, RevokeClose)
	s.ep.Disconnect(now, id)
}

// wakeAt has the loop call ring at a time, if not earlier.
func (s *shard) wakeAt(at tick.Time) { s.alarm = min(s.alarm, at) }

// ring follows when the time that wakeAt has set has come.
func (s *shard) ring(now tick.Time) {
	s.recheck.begin(now)
	s.strays.begin(now)
	s.expiry.begin(now)
	s.observers.ring(now)
	if !s.expiry.walking {
		s.wakeAt(max(s.expiry.earliest, s.expiry.rest))
	}
}
