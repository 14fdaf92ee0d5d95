// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
)

// A departure is why an observation ends.
type departure struct {
	reason string
	peer   *Peer     // who is gone; nil to find him out
	access *acl.List // that has decided so, nil if none has
	rule   int
	last   request.Outgoing // the last notification; without a code there is none
}

// failure ends an observation as no further notification can be made.
func failure(code coap.Code) *departure {
	return &departure{reason: ReasonFailed, last: request.Outgoing{Code: code}}
}

// end ends an observation, with a last notification if there is one to be sent. It
// is confirmable, is no 2.xx and has no Observe Option (RFC 7641 section 4.2), and
// takes the place of what is under way. From now on nothing else is made or sent for
// the observer.
func (o *observers) end(now tick.Time, i uint32, d *departure) {
	ob := o.list.At(i)
	if ob.Leaving() {
		return
	}
	o.ended(i, d)
	if d.last.Code == 0 || ob.Turn != 0 && o.turns.At(ob.Turn).registering {
		o.remove(now, i) // the response to a registration is as it would be without
		return
	}
	o.list.Leave(i)
	o.shard.server.observing.Add(-1)
	if ob.Turn == 0 {
		o.begin(i)
	}
	t := o.turns.At(ob.Turn)
	t.last = d.last.Code
	o.place(ob.Turn, &o.departing, 0)
	if ob.Exchange != 0 || o.room() {
		o.takeLeave(now, i, d.last)
	}
}

// takeLeave sends a last notification, which nothing follows but its end. If that
// cannot be now it is tried again a little later, and what is under way is taken
// back: it may not be seen any more.
func (o *observers) takeLeave(now tick.Time, i uint32, out request.Outgoing) (sent bool) {
	out.Type = coap.Confirmable
	err := o.send(now, i, out)
	switch {
	case err == nil:
		o.place(o.list.At(i).Turn, nil, 0)
	case passing(err):
		o.takeBack(now, i)
		o.place(o.list.At(i).Turn, &o.departing, now.Add(unconfirmedPause))
		o.shard.wakeAt(now.Add(unconfirmedPause))
		return false
	case errors.Is(err, endpoint.ErrGone) || len(out.Options)+len(out.Payload) == 0 && out.Code == coap.InternalServerError:
		o.remove(now, i)
	default:
		return o.takeLeave(now, i, request.Outgoing{Code: coap.InternalServerError}) // instead of what is no message
	}
	return true
}

// depart sends last notifications.
func (o *observers) depart(now tick.Time) {
	for range notifiedAStep {
		t := o.departing.First
		if t == 0 || !o.room() {
			return
		}
		at := o.turns.At(t)
		if at.at > now {
			o.shard.wakeAt(at.at)
			return
		}
		o.takeLeave(now, at.observer, request.Outgoing{Code: at.last})
	}
}

// ended counts and logs the end of an observation, before it is taken off the list.
func (o *observers) ended(i uint32, d *departure) {
	if !o.begun(i) {
		return
	}
	s := o.shard.server
	counter := &s.counters.observersDenied
	switch d.reason {
	case ReasonCanceled, ReasonReset:
		counter = &s.counters.observersCanceled
	case ReasonTimeout:
		counter = &s.counters.observersTimedOut
	case ReasonClosed, ReasonDisplaced:
		counter = &s.counters.observersDisconnected
	case ReasonFailed, ReasonTooLarge:
		counter = &s.counters.observersFailed
	}
	counter.Add(1)
	s.log.observationEnded(o, i, d)
}

// A pass goes over all observers, some at a time, and once more if that was asked
// for meanwhile.
type pass struct {
	again   bool
	walking bool
	place   int
}

func (p *pass) wanted() bool { return p.again || p.walking }

// step has f go on from a place and return the next, which is 0 at the end.
func (p *pass) step(f func(place int) (next int)) {
	if !p.walking {
		if !p.again {
			return
		}
		p.again, p.walking, p.place = false, true, 0
	}
	p.place = f(p.place)
	p.walking = p.place != 0
}

// judge decides again whether somebody may observe what he does, by what he is and
// the rules are now.
func (o *observers) judge(now tick.Time, i uint32) {
	if o.list.At(i).Leaving() {
		return
	}
	peer := endpoint.PeerIDOf(o.list.At(i).Peer)
	who := o.peer(peer)
	if who == nil {
		return // its end is on its way up
	}
	method, path, _, _ := o.list.Asked(i)
	r := Request{Method: coap.Code(method), Path: path, Peer: who.peer, session: who, subject: &who.subject, access: o.shard.server.access.Load()}
	if d := o.shard.decide(now, peer, &r); d != nil {
		o.end(now, i, d)
		return
	}
	o.noteEnd(who)
}

// judgeAll is a step of looking at everybody.
func (o *observers) judgeAll(now tick.Time) {
	o.judging.step(func(place int) int {
		return o.list.Walk(place, judgedAStep, func(i uint32) { o.judge(now, i) })
	})
}

// reconsider follows when a session is somebody else's, or has other rights: what it
// observes is decided again at once.
func (o *observers) reconsider(now tick.Time, peer endpoint.PeerID) {
	for i := range o.list.OfPeer(peer.Number()) {
		o.judge(now, i)
	}
	o.hurry()
}

// noteEnd notes when a session that observes has its credential end. Those that are
// closed then are looked after by expiry.
func (o *observers) noteEnd(who *session) {
	s := o.shard
	last := who.note.notAfter()
	if last.IsZero() || s.server.OnRevoke != RevokeForbid {
		return
	}
	o.earliest = min(o.earliest, s.clock.now().Add(max(untilAfter(last), expiryRest)))
	s.wakeAt(o.earliest)
}
