// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// A call is one request or ping on its way.
type call struct {
	conn  *Connection
	out   request.Outgoing
	ping  bool
	id    endpoint.ExchangeID
	cause error       // why the event loop has canceled it
	done  chan result // holds one, so that the loop never waits

	registration *registration // not nil if it is one of an observation
	answered     bool          // done has its result; event loop
}

type result struct {
	response *Response
	err      error
}

func newCall(out request.Outgoing) *call { return &call{out: out, done: make(chan result, 1)} }

func newPing() *call { return &call{ping: true, done: make(chan result, 1)} }

// again is the same call once more.
func (c *call) again() *call {
	return &call{out: c.out, ping: c.ping, registration: c.registration, done: make(chan result, 1)}
}

// deliver hands the call to the endpoint.
func (c *call) deliver(now tick.Time) {
	conn := c.conn
	if conn.ended || conn.retired {
		c.fail(errNotSent)
		return
	}
	if c.registration != nil {
		c.registration.takeOver(now, c)
	}
	var err error
	if c.ping {
		c.id, err = conn.line.ep.Ping(now, conn.id)
	} else {
		c.id, err = conn.line.ep.Request(now, conn.id, c.out)
	}
	if err != nil {
		c.fail(callError(err))
		return
	}
	conn.calls[c.id.ID] = c
}

// settle ends a call.
func (conn *Connection) settle(now tick.Time, ev *endpoint.Event) {
	c := conn.calls[ev.Exchange.ID]
	if c == nil {
		return
	}
	if !ev.More {
		delete(conn.calls, ev.Exchange.ID)
	}
	if ev.Kind != endpoint.EventFailed || ev.Reason == request.Reset {
		conn.hear(now)
	}
	if ev.Kind != endpoint.EventFailed {
		c.answer(now, ev)
		return
	}
	err := c.cause
	if err == nil {
		err = &Error{Reason: ev.Reason.String()}
	}
	if ev.Sent == tick.Never {
		err = errNotSent
	}
	c.fail(err)
	if conn.deaf(now, ev, c.out.Type == coap.NonConfirmable) || conn.moved(ev, c) {
		conn.retire(now)
	}
}

// answer gives a call its response. One that goes on although nobody has asked
// for that, but by an option of his own, is given up.
func (c *call) answer(now tick.Time, ev *endpoint.Event) {
	res, more := c.conn.outcome(now, ev), ev.More
	if more && (c.registration == nil || res.err != nil) {
		delete(c.conn.calls, c.id.ID)
		c.conn.line.ep.Cancel(now, c.id)
		more = false
	}
	if c.registration == nil {
		c.done <- res
		return
	}
	if c.answered && res.response != nil {
		res.response.RTT, res.response.Retransmissions = 0, 0 // nobody has asked for it
	}
	c.registration.answer(now, c, res, more)
}

// fail ends a call.
func (c *call) fail(err error) {
	if c.registration == nil {
		c.done <- result{err: err}
		return
	}
	c.registration.fail(c, err)
}

// A giveUp is the letter of a caller who does not wait any longer.
type giveUp struct{ call *call }

func (g giveUp) deliver(now tick.Time) {
	if c := g.call; c.id.ID != 0 && c.conn.calls[c.id.ID] == c {
		c.conn.line.ep.Cancel(now, c.id)
	}
}

// outcome is what a response or a pong means to the caller.
func (conn *Connection) outcome(now tick.Time, ev *endpoint.Event) result {
	if tooManyOptions(ev.Message.Options) {
		return result{err: &Error{Reason: ReasonBadResponse, Err: errTooManyOptions}}
	}
	return result{response: conn.response(now, ev)}
}

// response copies what an event refers to.
func (conn *Connection) response(now tick.Time, ev *endpoint.Event) *Response {
	m := &ev.Message
	options := append(coap.Options(nil), m.Options...)
	return &Response{
		Code: m.Code, Type: m.Type, MessageID: m.MessageID, Peer: conn.peer, Options: options.List(),
		Payload: append([]byte(nil), m.Payload...), Token: append([]byte(nil), m.Token...),
		RTT: time.Duration(now - ev.Sent), Retransmissions: ev.Retransmissions,
	}
}
