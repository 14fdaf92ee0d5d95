// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"encoding/binary"
	"errors"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// Reasons of failure beside those of packages dtls, endpoint and request. All
// but the last are package coaps' words.
const (
	reasonTimeout     = "timeout"
	reasonRefused     = "refused"
	reasonUnreachable = "unreachable"
	reasonClosed      = "closed"
	reasonTooLarge    = "too_large"
	reasonBusy        = "busy"
	reasonMessageIDs  = "message_ids" // RFC 7252 section 4.4: this client has used all that it may within EXCHANGE_LIFETIME
)

// notHere answers a server that asks.
var notHere = request.Outgoing{Code: coap.NotFound}

// ask makes a request on a flight.
func (l *loop) ask(now tick.Time, at uint32, due tick.Time) {
	i := at / uint32(l.window)
	c := &l.clients[i]
	l.flights[at].queued = false
	if c.state != up {
		return // it will be back with its session
	}
	out := l.mix.pick(l.rng)
	l.sequence++
	binary.BigEndian.PutUint32(l.token[:], l.sequence)
	out.Token = l.token[:]
	x, err := l.ep.Request(now, c.peer, *out)
	if err != nil {
		l.unasked(i, err)
		return
	}
	l.flights[at] = flight{due: due, id: x.ID}
	l.flying++
}

// unasked follows when a request could not even be made.
func (l *loop) unasked(i uint32, err error) {
	l.tally.fail(requestReason(err))
	if l.clients[i].state == up {
		l.retire(i) // it would be the same with the next one
	}
}

// retireTime is how long what a client still has in flight may take when it
// cannot ask any more. What waits for a Message ID would wait for minutes.
const retireTime = 200 * time.Millisecond

// retire takes a client out that cannot ask any more.
func (l *loop) retire(i uint32) {
	l.connected--
	l.leave(i)
}

func requestReason(err error) string {
	switch {
	case errors.Is(err, endpoint.ErrGone):
		return reasonClosed
	case errors.Is(err, request.ErrTooLarge):
		return reasonTooLarge
	case errors.Is(err, request.ErrMessageIDs):
		return reasonMessageIDs
	}
	return reasonBusy
}

// flightOf finds the request that an event is about among the few of its
// client.
func (l *loop) flightOf(x endpoint.ExchangeID) (i, at uint32, ok bool) {
	i, ok = l.clientOf(x.Peer)
	if !ok || x.ID == 0 {
		return 0, 0, false
	}
	first := i * uint32(l.window)
	for at = first; at < first+uint32(l.window); at++ {
		if l.flights[at].id == x.ID {
			return i, at, true
		}
	}
	return 0, 0, false
}

func (l *loop) answered(now tick.Time, ev *endpoint.Event) {
	i, at, ok := l.flightOf(ev.Exchange)
	if !ok {
		return
	}
	l.clients[i].used, l.clients[i].silent = true, false
	l.land(now, at, ev.Message.Code)
}

// land ends a flight that was answered.
func (l *loop) land(now tick.Time, at uint32, code coap.Code) {
	f := l.flights[at]
	l.flights[at] = flight{}
	l.flying--
	switch {
	case l.phase == Touching, l.phase == Draining && l.run.cfg.Kind == Sessions:
		l.touched++
		record(l.touch, now.Sub(f.due))
		l.step.operation(now.Sub(f.due))
	case l.run.cfg.Kind != Sessions: // whose operations are the sessions
		l.succeed(now, f.due)
		if l.counts(f.due) {
			l.tally.code(code)
		}
	}
	l.again(at)
}

// again frees a flight for the next operation.
func (l *loop) again(at uint32) {
	i := at / uint32(l.window)
	if l.doing.ask && !l.doing.once && (l.ep == nil || l.clients[i].state == up) {
		l.release(at)
	}
}

// release makes a flight free to be begun.
func (l *loop) release(at uint32) {
	if f := &l.flights[at]; !f.queued && f.id == 0 {
		f.queued = true
		l.free.Push(at)
	}
}

// freeAll frees all flights of a client that has just come up.
func (l *loop) freeAll(i uint32) {
	for at := i * uint32(l.window); at < (i+1)*uint32(l.window); at++ {
		l.release(at)
	}
}

func (l *loop) failed(now tick.Time, ev *endpoint.Event) {
	i, at, ok := l.flightOf(ev.Exchange)
	if !ok {
		return
	}
	if ev.Sent == tick.Never && l.clients[i].state == out {
		// It has waited for a Message ID that will not come: see retire.
		l.flights[at] = flight{}
		l.flying--
		return
	}
	reason := ev.Reason.String()
	if ev.Reason == request.Canceled {
		reason = reasonTimeout // nobody else cancels
	}
	l.fall(at, reason)
	switch c := &l.clients[i]; {
	case ev.Reason == request.Reset:
		c.used, c.silent = true, false
	case c.silent && c.used && c.state == up:
		l.reconnect(now, i)
	default:
		c.silent = true
	}
}

// reconnect begins a new session in place of one in which two requests in a row
// were not answered: the server may have lost it.
func (l *loop) reconnect(now tick.Time, i uint32) {
	if !l.run.cfg.Secure || !l.doing.connect {
		return
	}
	for range l.dropFlights(i) {
		l.tally.fail(reasonTimeout)
	}
	id := l.clients[i].peer
	l.part(i)
	l.clients[i].state = absent
	l.connected--
	l.ep.Disconnect(now, id)
	l.waiting.Push(i)
}

// fall ends a flight that has failed.
func (l *loop) fall(at uint32, reason string) {
	l.flights[at] = flight{}
	l.flying--
	l.tally.fail(reason)
	if l.phase == Touching || l.phase == Draining && l.run.cfg.Kind == Sessions {
		l.touchFails++
	}
	l.again(at)
}

// dropFlights forgets the requests of a client whose session has ended, and
// says how many.
func (l *loop) dropFlights(i uint32) (n int) {
	for at := i * uint32(l.window); at < (i+1)*uint32(l.window); at++ {
		if l.flights[at].id != 0 {
			l.flights[at] = flight{}
			l.flying--
			n++
		}
	}
	if l.phase == Touching {
		l.touchFails += uint64(n)
	}
	return n
}

// sweepStep is how often some of the flights are looked at, sweepParts in how
// many steps all are.
const (
	sweepStep  = 20 * time.Millisecond
	sweepParts = 16
)

// sweep gives up what has taken too long, looking at a part of all flights at a
// time.
func (l *loop) sweep(now tick.Time) {
	if now < l.sweepAt {
		return
	}
	l.sweepAt = now.Add(sweepStep)
	if l.flying == 0 {
		return
	}
	late, retired := now.Add(-l.run.cfg.Timeout), now.Add(-retireTime)
	for range len(l.flights)/sweepParts + 1 {
		if l.swept++; l.swept >= len(l.flights) {
			l.swept = 0
		}
		f := l.flights[l.swept]
		if f.id != 0 && (f.due <= late || f.due <= retired && l.clients[l.swept/l.window].state == out) {
			l.expire(now, uint32(l.swept), f)
		}
	}
	if l.ep != nil {
		l.events(now)
	}
}

func (l *loop) expire(now tick.Time, at uint32, f flight) {
	if l.ep == nil {
		l.fall(at, cmp.Or(l.refusal, reasonTimeout))
		return
	}
	l.ep.Cancel(now, endpoint.ExchangeID{Peer: l.clients[at/uint32(l.window)].peer, ID: f.id})
}
