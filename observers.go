// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"math"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/observe"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// observers are the clients of a shard that observe (RFC 7641), and what is on its
// way to them. All its methods but those of changes run on the event loop.
//
// An observer that is not at rest has a turn: while its registration or a
// notification is made by a handler, while that is not acknowledged, and for a
// while after it. At most one notification is under way to each, and while it is,
// one that replaces it may be made.
type observers struct {
	shard *shard
	list  *observe.List
	turns slab.Pool[turn]

	confirming slab.List // turns with a notification to be acknowledged, the one to be looked at next first
	pausing    slab.List // that try again a little later, likewise
	settling   slab.List // of which the last notification was not confirmable, or was a short while ago, likewise
	departing  slab.List // that have a last notification to send, in order

	making      int // notifications in the hands of handlers
	outstanding int // confirmable ones under way
	changes     changes
	trees       []tree
	reviewing   pass      // a new handler
	judging     pass      // new rules
	earliest    tick.Time // when the first credential ends of a session that observes; tick.Never if none
}

// A turn is what becomes of one observer while it is not at rest.
type turn struct {
	observer uint32 // 0: it is gone or was replaced, and what is made is for nobody
	place    *slab.List
	at       tick.Time // when the place has it looked at

	registering bool // it waits for its first response
	renewing    bool // it was an observer before
	making      bool // a handler has it in hand
	confirming  bool // Observer.Exchange is to be acknowledged
	again       bool // it pauses as it could not be sent
	frequent    bool // its handler is NonConfirmable
	recent      bool // the one before was sent a short while ago
	last        coap.Code
}

func newObservers(s *shard) *observers {
	o := &observers{shard: s, turns: slab.New[turn](math.MaxInt32), earliest: tick.Never}
	origin := tick.Time(s.clock.origin.UnixNano())
	limits := s.server.observerLimits(s.policy != nil, s.port.loops)
	o.list = observe.New(limits, origin)
	o.list.Watch = o.changes.watch
	return o
}

// observerLimits are those of a shard.
func (s *Server) observerLimits(secure bool, loops int) observe.Limits {
	l := observe.Limits{
		Observers: chosen(s.Observers, DefaultObservers), PerPeer: chosen(s.ObserversPerPeer, DefaultObserversPerPeer),
		RequestBytes: observerRequest, Bytes: observerBytes / loops,
	}
	if !secure {
		most := plainObservers
		if s.Security != nil { // who has a credential finds the other half free
			most = min(most, l.Observers/2)
		}
		l.Observers = min(l.Observers, max(most/loops, 1))
	}
	return l
}

// chosen is a limit as the application wants it, which is none if less than 0.
func chosen(n, byDefault int) int {
	if n == 0 {
		return byDefault
	}
	return max(n, 0)
}

// asked looks at a request before it is handled: it may ask to observe, or not to
// any more. Who asks is an observer before the handler is called, so that no change
// is missed after the handler has looked.
func (o *observers) asked(w *work) {
	r := &w.request
	action, ok := r.Options.GetUint(coap.Observe)
	if !ok || r.Method != coap.GET && r.Method != coap.FETCH {
		return
	}
	peer := w.exchange.Peer
	i, known := o.list.Find(peer.Number(), r.Token)
	switch {
	case action == observeRegister && w.marks&observable != 0:
		o.register(w, i)
	case action == observeDeregister && known && !o.list.At(i).Leaving():
		o.ended(i, &departure{reason: ReasonCanceled})
		o.remove(w.began, i)
	}
}

// register makes the peer of a request an observer, or has the one that it is by
// this token observe what it asks for now.
func (o *observers) register(w *work, before uint32) {
	s, r, peer := o.shard, &w.request, w.exchange.Peer
	fresh := before == 0 || o.list.At(before).Leaving()
	if fresh && s.server.observing.Add(1) > int64(chosen(s.server.Observers, DefaultObservers)) {
		s.server.observing.Add(-1)
		s.server.counters.observersRefused.Add(1)
		return
	}
	q := observe.Request{Path: r.Path, Method: byte(r.Method), Payload: r.Payload}
	if len(r.Options) != 1 || r.Query != nil || r.Host != "" {
		q.Options = w.octets[:len(w.octets)-len(r.Payload)-len(r.Token)]
	}
	i, err := o.list.Add(peer.Number(), r.Token, &q)
	if err == observe.ErrFull && fresh && s.policy == nil && o.displace(w.began) {
		i, err = o.list.Add(peer.Number(), r.Token, &q)
	}
	if err != nil {
		if fresh {
			s.server.observing.Add(-1)
		}
		if before != 0 {
			if !fresh {
				o.ended(before, &departure{reason: ReasonFailed})
			}
			o.remove(w.began, before) // the client will think so
		}
		s.server.counters.observersRefused.Add(1)
		return
	}
	if s.policy == nil {
		s.ep.Keep(peer, true)
	}
	renewing := !fresh && o.begun(i)
	o.abandon(w.began, i)
	w.turn = o.begin(i)
	t := o.turns.At(w.turn)
	t.registering, t.renewing = true, renewing
}

// displace takes an observer off the list of the plain port who has never
// acknowledged a notification: its address may be forged, and such may keep nobody
// out. It reports false if there is none.
func (o *observers) displace(now tick.Time) (done bool) {
	o.list.Walk(0, math.MaxInt, func(i uint32) { // no more than plainObservers
		if ob := o.list.At(i); !done && !ob.Proved() && o.begun(i) {
			o.lose(now, i, ReasonDisplaced)
			done = true
		}
	})
	return done
}

// begun reports whether an observer has got its first response, now or before it
// has registered anew.
func (o *observers) begun(i uint32) bool {
	turn := o.list.At(i).Turn
	return turn == 0 || !o.turns.At(turn).registering || o.turns.At(turn).renewing
}

// begin gives an observer that is busy a turn.
func (o *observers) begin(i uint32) uint32 {
	t, _ := o.turns.Alloc()
	o.turns.At(t).observer, o.list.At(i).Turn = i, t
	return t
}

// abandon ends what is going on with an observer, and takes back what is on its
// way to it.
func (o *observers) abandon(now tick.Time, i uint32) {
	o.takeBack(now, i)
	o.finish(i)
}

// takeBack has what is under way to an observer not sent again, or not at all.
func (o *observers) takeBack(now tick.Time, i uint32) {
	ob := o.list.At(i)
	if ob.Exchange == 0 {
		return
	}
	o.shard.ep.Cancel(now, o.exchange(ob)) // what comes of it is found no more
	ob.Exchange = 0
	if ob.Turn != 0 {
		o.confirmed(o.turns.At(ob.Turn))
	}
}

// exchange is the notification that was sent last.
func (o *observers) exchange(ob *observe.Observer) endpoint.ExchangeID {
	return endpoint.ExchangeID{Peer: endpoint.PeerIDOf(ob.Peer), ID: request.ID(ob.Exchange)}
}

// finish ends the turn of an observer. While a handler is at work for it, the turn
// stays until that comes back.
func (o *observers) finish(i uint32) {
	ob := o.list.At(i)
	if ob.Turn == 0 {
		return
	}
	t := o.turns.At(ob.Turn)
	o.confirmed(t)
	o.place(ob.Turn, nil, 0)
	t.observer = 0
	if !t.making && !t.registering {
		o.turns.Free(ob.Turn)
	}
	ob.Turn = 0
}

// confirmed notes that nothing is to be acknowledged any more.
func (o *observers) confirmed(t *turn) {
	if t.confirming {
		t.confirming = false
		o.outstanding--
	}
}

// place puts a turn into a list, or into none, to be looked at after a while.
func (o *observers) place(i uint32, l *slab.List, at tick.Time) {
	t := o.turns.At(i)
	if t.place != nil {
		o.turns.Remove(t.place, i)
	}
	t.place, t.at = l, at
	if l == nil {
		return
	}
	o.turns.PushBack(l, i)
	if l != &o.departing {
		o.shard.wakeAt(at)
	}
}

// remove takes an observer off the list.
func (o *observers) remove(now tick.Time, i uint32) {
	ob := o.list.At(i)
	peer := ob.Peer
	if !ob.Leaving() {
		o.shard.server.observing.Add(-1)
	}
	o.abandon(now, i)
	o.list.Remove(i)
	if o.shard.policy == nil && !o.list.Known(peer) {
		o.shard.ep.Keep(endpoint.PeerIDOf(peer), false)
	}
}

// gone follows when a peer is gone, and with it all that it observes.
func (o *observers) gone(now tick.Time, ev *endpoint.Event) {
	for i := range o.list.OfPeer(ev.Peer().Number()) {
		if !o.list.At(i).Leaving() {
			o.ended(i, &departure{reason: ReasonClosed, peer: o.shard.left(ev)})
		}
		o.list.At(i).Exchange = 0 // has gone with its peer
		o.remove(now, i)
	}
	o.hurry() // there may be room for others
}

// left is whose session has ended.
func (s *shard) left(ev *endpoint.Event) *Peer {
	if known, ok := ev.Tag.(*session); ok {
		return &known.peer
	}
	if n, ok := parseNote(ev.Note); ok && ev.Facts != nil && s.policy != nil {
		return &s.policy.session(&Peer{Addr: ev.Remote}, ev.Facts, &n).peer
	}
	return &Peer{Addr: ev.Remote}
}

// find finds the observer to which a notification was sent last.
func (o *observers) find(id endpoint.ExchangeID) (i uint32, ok bool) {
	for i := range o.list.OfPeer(id.Peer.Number()) {
		if o.list.At(i).Exchange == uint32(id.ID) {
			return i, true
		}
	}
	return 0, false
}

// notified follows when a notification was acknowledged, which "signals that the
// client is interested in receiving further notifications" (RFC 7641 section 4.5).
func (o *observers) notified(now tick.Time, id endpoint.ExchangeID) {
	i, ok := o.find(id)
	if !ok {
		return
	}
	o.shard.server.counters.notificationsAcked.Add(1)
	ob := o.list.At(i)
	ob.Exchange, ob.Confirmed, ob.Unconfirmed = 0, seconds(now), 0
	ob.Prove()
	t := o.turns.At(ob.Turn)
	o.confirmed(t)
	if !t.again { // else it pauses before it is made anew
		o.place(ob.Turn, nil, 0)
	}
	switch {
	case ob.Leaving():
		o.remove(now, i)
	case t.making, t.again:
	case t.frequent:
		o.place(ob.Turn, &o.settling, now.Add(settleTime))
		o.list.Done(i)
	default:
		o.finish(i)
		o.list.Done(i)
	}
	o.hurry()
}

// undelivered follows when a notification was rejected, or not acknowledged:
// "then the client is considered no longer interested and the server MUST remove
// the associated entry from the list of observers" (RFC 7641 section 4.5).
func (o *observers) undelivered(now tick.Time, ev *endpoint.Event) {
	i, ok := o.find(ev.Exchange)
	if !ok {
		return // of a response, or of what was taken back
	}
	o.list.At(i).Exchange = 0
	if ev.Reason == request.Reset {
		o.lose(now, i, ReasonReset)
	} else {
		// Who has not acknowledged one for so long is there for none: the others would
		// time out one after the other, and keep a place from who is alive meanwhile.
		for i := range o.list.OfPeer(ev.Peer().Number()) {
			o.lose(now, i, ReasonTimeout)
		}
	}
	o.hurry()
}

// lose takes an observer off the list who is not interested any more.
func (o *observers) lose(now tick.Time, i uint32, reason string) {
	if !o.list.At(i).Leaving() {
		o.ended(i, &departure{reason: reason})
	}
	o.remove(now, i)
}

// seconds is a time as an Observer has it.
func seconds(t tick.Time) uint32 { return uint32(time.Duration(t) / time.Second) }

// hurry has a step made in this turn of the loop, or in the next.
func (o *observers) hurry() {
	if o.busy() {
		o.shard.wakeAt(0)
	}
}

// busy reports whether there is something that a step would do.
func (o *observers) busy() bool {
	return !o.shard.draining && (len(o.trees) > 0 || o.reviewing.wanted() || o.judging.wanted() ||
		o.departing.Len > 0 && o.room() && o.turns.At(o.departing.First).at <= o.shard.clock.now() || o.list.Due() && o.room() && o.hands())
}

// room reports whether one more notification may be under way.
func (o *observers) room() bool { return o.outstanding < notificationsUnderWay/o.shard.port.loops }

// hands reports whether handlers may be given one more. Half of the workers are
// for requests.
func (o *observers) hands() bool {
	p := o.shard.port
	return o.making < max(int(p.workers.max)/2/p.loops, 1)
}

// each looks at the turns of a list whose time has come.
func (o *observers) each(now tick.Time, l *slab.List, f func(now tick.Time, t uint32)) {
	for range notifiedAStep {
		t := l.First
		if t == 0 {
			return
		}
		if at := o.turns.At(t).at; at > now {
			o.shard.wakeAt(at)
			return
		}
		o.place(t, nil, 0)
		f(now, t)
	}
	o.shard.wakeAt(0)
}

// expire tells that time has passed.
func (o *observers) expire(now tick.Time) {
	o.each(now, &o.confirming, o.unanswered)
	o.each(now, &o.pausing, o.rested)
	o.each(now, &o.settling, o.settled)
}

// unanswered follows when a notification was not acknowledged for a while. If its
// resource has changed since, another one takes its place with the next
// retransmission (RFC 7641 section 4.5.2).
func (o *observers) unanswered(now tick.Time, t uint32) {
	at := o.turns.At(t)
	if !at.making && o.hands() && o.list.Renew(at.observer) {
		o.notify(now, at.observer)
		return
	}
	o.place(t, &o.confirming, now.Add(supersedeAfter))
}

// rested follows a pause.
func (o *observers) rested(now tick.Time, t uint32) {
	at := o.turns.At(t)
	i := at.observer
	if at.again {
		at.again = false
		if !at.confirming {
			o.finish(i)
		}
		o.list.Again(i)
		return
	}
	o.place(t, &o.settling, now.Add(settleTime))
	o.list.Done(i)
}

// settled follows when there has been no other notification for a while. One that
// was not confirmable is repeated in one that is, as it may have been lost: "the
// server MUST ensure that a client in the list of observers of a resource
// eventually observes the latest state" (RFC 7641 section 4.5).
func (o *observers) settled(_ tick.Time, t uint32) {
	i := o.turns.At(t).observer
	o.finish(i)
	if o.list.At(i).Unconfirmed > 0 && o.list.Take(i) {
		o.list.Again(i)
	}
}

// ring is a step, and what is due by the clock.
func (o *observers) ring(now tick.Time) {
	if o.shard.draining {
		return
	}
	if o.earliest <= now {
		o.earliest, o.judging.again = tick.Never, true
	} else {
		o.shard.wakeAt(o.earliest)
	}
	o.expire(now)
	o.judgeAll(now)
	o.depart(now)
	o.growTrees()
	o.reviewing.step(func(place int) int { return o.list.Review(place, walkPlaces) })
	for range notifiedAStep {
		if !o.room() || !o.hands() {
			break
		}
		i, ok := o.list.Next()
		if !ok {
			break
		}
		o.notify(now, i)
	}
	o.hurry()
}

// stop is for a server that shuts down, which does not wait for who observes: what
// is under way is taken back.
func (o *observers) stop(now tick.Time) {
	for i := 1; i <= o.turns.Made(); i++ {
		if t := o.turns.At(uint32(i)); t.confirming {
			ob := o.list.At(t.observer)
			o.shard.ep.Cancel(now, o.exchange(ob))
			ob.Exchange = 0
			o.confirmed(t)
			o.place(uint32(i), nil, 0)
		}
	}
}
