// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"hash/maphash"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/observe"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// registered completes the response to a request to observe: it is the first
// notification if the handler has answered with success, and if the peer is an
// observer still.
func (o *observers) registered(now tick.Time, w *work) {
	t := o.turns.At(w.turn)
	i, code := t.observer, w.response.codeFor(w.request.Method)
	if i != 0 && !code.IsSuccess() {
		o.ended(i, failure(code))
	}
	t.registering = false
	switch {
	case i == 0:
		o.turns.Free(w.turn)
		w.turn = 0
	case !code.IsSuccess():
		o.remove(now, i)
		w.turn = 0
	default:
		ob := o.list.At(i)
		ob.Format, ob.Confirmed, ob.Unconfirmed = openFormat, seconds(now), 0
		o.anotherFormat(ob, w)
		o.label(now, w, i)
	}
}

// label makes a response a notification: "A 2.xx notification MUST include an
// Observe Option with a sequence number" (RFC 7641 section 4.2), and how old it may
// become "MUST be specified in notifications using the Max-Age Option" (4.3.1).
func (o *observers) label(now tick.Time, w *work, i uint32) {
	r := &w.response
	o.list.At(i).Shown = r.hash()
	if !r.options.Has(coap.MaxAge) {
		r.SetUint(coap.MaxAge, defaultMaxAge)
	}
	r.SetUint(coap.Observe, o.list.Number(i, now))
}

// answered follows when the response to a request to observe was given to be sent,
// or was not.
func (o *observers) answered(now tick.Time, w *work, sent bool) {
	t := o.turns.At(w.turn)
	i, s := t.observer, o.shard.server
	if !sent {
		if t.renewing {
			o.ended(i, &departure{reason: ReasonFailed})
		}
		o.remove(now, i)
		return
	}
	if !t.renewing {
		s.counters.observersAdded.Add(1)
		s.log.observationBegun(&w.request)
	}
	o.finish(i)
	if w.from == s.handler.Load() {
		o.list.Done(i)
	} else {
		o.list.Again(i)
	}
	if w.request.access != s.access.Load() {
		o.judge(now, i)
	}
	o.noteEnd(w.request.session)
	o.hurry()
}

// refused follows when a request to observe finds no worker.
func (o *observers) refused(now tick.Time, w *work) {
	if w.turn == 0 {
		return
	}
	t := o.turns.At(w.turn)
	if t.observer != 0 {
		o.ended(t.observer, &departure{reason: ReasonFailed})
	}
	t.registering = false
	if t.observer == 0 {
		o.turns.Free(w.turn)
		return
	}
	o.remove(now, t.observer)
}

// notify has the notification made for an observer that is busy.
func (o *observers) notify(now tick.Time, i uint32) {
	s, ob := o.shard, o.list.At(i)
	who := o.peer(endpoint.PeerIDOf(ob.Peer))
	if who == nil {
		o.ended(i, &departure{reason: ReasonClosed})
		o.remove(now, i)
		return
	}
	if ob.Turn == 0 {
		o.begin(i)
	}
	t := o.turns.At(ob.Turn)
	t.recent = t.place == &o.settling
	o.place(ob.Turn, nil, 0)
	w := o.newWork(now, i, who)
	if d := s.decide(now, w.exchange.Peer, &w.request); d != nil {
		w.recycle()
		o.end(now, i, d)
		return
	}
	w.handler, w.marks = handlerOf(*w.from, &w.request)
	t.making, t.frequent = true, w.marks&nonConfirmable != 0
	if t.confirming {
		o.place(ob.Turn, &o.confirming, now.Add(supersedeAfter))
	}
	o.making++
	s.inHand++
	if w.marks&inline != 0 {
		w.serve()
		w.deliver(now)
		return
	}
	if !s.port.workers.put(w) {
		o.making--
		s.inHand--
		t.making = false
		w.recycle()
		o.postpone(now, i)
		return
	}
	s.given = true
}

// newWork makes the request of an observer again.
func (o *observers) newWork(now tick.Time, i uint32, who *session) *work {
	s, ob := o.shard, o.list.At(i)
	w := s.freshWork()
	method, path, options, payload := o.list.Asked(i)
	w.octets = append(append(append(w.octets[:0], options...), payload...), ob.Token()...)
	w.exchange.Peer, w.turn, w.notifies, w.began = endpoint.PeerIDOf(ob.Peer), ob.Turn, true, now
	w.from, w.epoch = s.server.handler.Load(), s.epoch
	r, rest := &w.request, w.octets[len(options):]
	r.Method, r.Path, r.Payload, r.Token = coap.Code(method), path, rest[:len(payload)], rest[len(payload):]
	r.Peer, r.ctx = who.peer, s.server.ctx
	r.session, r.subject, r.access = who, &who.subject, s.server.access.Load()
	if options == "" {
		r.Options.Add(coap.Observe, nil)
		return w
	}
	s.takeOptions(r, coap.Options(w.octets[:len(options)]))
	return w
}

// peer is who a peer is now, asleep or awake, nil if it is gone.
func (o *observers) peer(id endpoint.PeerID) *session {
	s := o.shard
	if s.policy != nil {
		if at, ok := s.ep.Look(id); ok {
			return s.known(at)
		}
		return nil
	}
	who := s.stranger
	if who.peer.Addr = s.ep.Remote(id); !who.peer.Addr.IsValid() {
		return nil
	}
	return &who
}

// made follows when a handler has made a notification. Who it is for may have gone
// meanwhile, or be somebody who may not have it any more.
func (o *observers) made(now tick.Time, w *work) {
	o.making--
	t := o.turns.At(w.turn)
	t.making = false
	i := t.observer
	switch {
	case i == 0:
		o.turns.Free(w.turn)
	case t.last != 0 || o.shard.draining:
	case w.from != o.shard.server.handler.Load():
		o.postpone(now, i) // what another handler would show
	default:
		if d := o.changed(now, i, w); d != nil {
			o.end(now, i, d)
		} else {
			o.show(now, i, w)
		}
	}
	w.recycle()
	o.hurry()
}

// changed decides again whether an observer may have what was made for it, if
// anything has changed since that was decided.
func (o *observers) changed(now tick.Time, i uint32, w *work) *departure {
	s, r := o.shard, &w.request
	if w.epoch == s.epoch && r.access == s.server.access.Load() && !r.session.watched {
		return nil
	}
	who := o.peer(w.exchange.Peer)
	if who == nil {
		return &departure{reason: ReasonClosed}
	}
	r.session, r.subject, r.access = who, &who.subject, s.server.access.Load()
	return s.decide(now, w.exchange.Peer, r)
}

// show sends what a handler has made, if it is a notification; all else is the last
// one.
func (o *observers) show(now tick.Time, i uint32, w *work) {
	r, ob := &w.response, o.list.At(i)
	out := request.Outgoing{Code: r.codeFor(w.request.Method)}
	switch {
	case !out.Code.IsSuccess():
		w.encoded = r.options.Encode(w.encoded[:0])
		out.Options, out.Payload = w.encoded, r.payload
		o.end(now, i, &departure{reason: ReasonFailed, last: out})
		return
	case w.marks&observable == 0:
		o.end(now, i, failure(coap.ServiceUnavailable))
		return
	case o.anotherFormat(ob, w):
		// RFC 7641 section 4.2: "unable to continue sending notifications in this
		// format, it SHOULD send a notification with a 4.06".
		o.end(now, i, failure(coap.NotAcceptable))
		return
	case ob.Quiet() && ob.Shown == r.hash():
		o.shown(now, i)
		return
	}
	o.label(now, w, i)
	w.encoded = r.options.Encode(w.encoded[:0])
	out.Type, out.Options, out.Payload = o.typeFor(now, i), w.encoded, r.payload
	switch err := o.send(now, i, out); {
	case err == nil:
		o.sent(now, i, out.Type)
	case errors.Is(err, endpoint.ErrGone):
		o.ended(i, &departure{reason: ReasonClosed})
		o.remove(now, i)
	case errors.Is(err, endpoint.ErrTooLarge):
		o.end(now, i, &departure{reason: ReasonTooLarge, last: tooLarge})
	case passing(err):
		o.postpone(now, i)
	default:
		// What the handler has put together is no message.
		o.end(now, i, failure(coap.InternalServerError))
	}
}

// passing reports whether an error may be no more a little later.
func passing(err error) bool {
	for _, e := range [...]error{request.ErrBusy, request.ErrQueueFull, request.ErrMemoryFull, request.ErrMessageIDs, request.ErrRandom} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// typeFor is whether the next notification is to be acknowledged. If one that is
// under way is, so is what replaces it. Else a handler that is NonConfirmable has
// what follows within a short time after another one sent without, but for every
// fifth, and "at least every 24 hours" one (RFC 7641 section 4.5).
func (o *observers) typeFor(now tick.Time, i uint32) coap.Type {
	ob := o.list.At(i)
	t := o.turns.At(ob.Turn)
	if t.frequent && t.last == 0 && !t.confirming && t.recent && o.shard.policy != nil &&
		ob.Unconfirmed < unconfirmedInARow && seconds(now)-ob.Confirmed < unconfirmedTime {
		return coap.NonConfirmable
	}
	return coap.Confirmable
}

// send sends a notification in place of the one before it, if that is not over: RFC
// 7641 section 4.5.2.
func (o *observers) send(now tick.Time, i uint32, out request.Outgoing) error {
	s, ob := o.shard, o.list.At(i)
	t := o.turns.At(ob.Turn)
	err := request.ErrUnknown
	if ob.Exchange != 0 {
		if err = s.ep.Supersede(now, o.exchange(ob), out); err == nil {
			s.server.counters.notificationsReplaced.Add(1)
		}
	}
	if errors.Is(err, request.ErrUnknown) {
		var id endpoint.ExchangeID
		id, err = s.ep.Notify(now, endpoint.PeerIDOf(ob.Peer), ob.Token(), out)
		if err == nil {
			o.confirmed(t)
			ob.Exchange = uint32(id.ID)
		}
	}
	if err != nil {
		return err
	}
	s.server.counters.notifications.Add(1)
	if out.Type == coap.Confirmable && !t.confirming {
		t.confirming = true
		o.outstanding++
	}
	return nil
}

// sent follows a notification.
func (o *observers) sent(now tick.Time, i uint32, typ coap.Type) {
	ob := o.list.At(i)
	if typ == coap.Confirmable {
		o.place(ob.Turn, &o.confirming, now.Add(supersedeAfter))
		return
	}
	ob.Unconfirmed++
	o.place(ob.Turn, &o.pausing, now.Add(unconfirmedPause))
}

// shown follows when an observer has nothing new to be shown.
func (o *observers) shown(now tick.Time, i uint32) {
	ob := o.list.At(i)
	if o.turns.At(ob.Turn).confirming {
		o.place(ob.Turn, &o.confirming, now.Add(supersedeAfter))
		return
	}
	o.finish(i)
	o.list.Done(i)
}

// postpone has an observer wait a moment before it is tried again.
func (o *observers) postpone(now tick.Time, i uint32) {
	t := o.list.At(i).Turn
	o.turns.At(t).again = true
	o.place(t, &o.pausing, now.Add(unconfirmedPause))
}

// anotherFormat reports whether a representation has another Content-Format than
// those before it. A 2.03 has none in it, whatever the state is in (RFC 7641 section
// 4.3.2).
func (o *observers) anotherFormat(ob *observe.Observer, w *work) bool {
	if w.response.codeFor(w.request.Method) == coap.Valid {
		return false
	}
	if ob.Format == openFormat {
		ob.Format = w.response.format()
	}
	return ob.Format != w.response.format()
}

// format is the Content-Format that a response has, noFormat if none.
func (r *response) format() uint16 {
	if v, ok := r.options.GetUint(coap.ContentFormatOption); ok {
		return uint16(v)
	}
	return noFormat
}

// noFormat and openFormat are no Content-Formats that are likely to be used: a
// response without, and no response with a representation yet.
const noFormat, openFormat = 1<<16 - 1, 1<<16 - 2

// What a request with an Observe Option wants (RFC 7641 section 2).
const (
	observeRegister   = 0
	observeDeregister = 1
)

var seed = maphash.MakeSeed()

// hash is equal for equal responses, and hardly ever for others.
func (r *response) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(r.code))
	for _, option := range r.options {
		h.WriteByte(byte(option.Number))
		h.WriteByte(byte(len(option.Value)))
		h.Write(option.Value)
	}
	h.Write(r.payload)
	return h.Sum64()
}
