// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// takeRequest is a request of the peer that was not seen before.
func (c *conversation) takeRequest(now tick.Time, a *message.Arrival) {
	if a.Message.Code.Name() == "" {
		// Section 5.8: "A request with an unrecognized or unsupported Method Code
		// MUST generate a 4.05 (Method Not Allowed) piggybacked response."
		c.mem.drop(DropMethod)
		c.answer(now, a, coap.MethodNotAllowed, nil)
		return
	}
	if bad, err := c.understands(&a.Message); err != nil {
		c.refuseOption(now, a, bad, err)
		return
	}
	i := uint32(0)
	if int(c.theirs.Len) >= c.mem.cfg.MaxPending {
		c.mem.drop(DropPending)
	} else {
		i, _ = c.begin(&c.theirs, askedNon)
	}
	if i == 0 {
		c.link.Forget(a.Ref)
		return
	}
	x := c.at(i)
	x.token = tokenOf(a.Message.Token)
	if a.Message.Type == coap.Confirmable {
		x.state, x.ref, x.due = asked, a.Ref, now.Add(c.mem.cfg.AckDelay)
	}
	c.tell(Event{Kind: RequestReceived, ID: x.id, Message: a.Message, Sent: tick.Never})
}

// refuseOption is section 5.4.1: an unrecognized critical option in a
// Confirmable request causes a 4.02 with a diagnostic payload that describes it,
// in a Non-confirmable one it causes its rejection.
func (c *conversation) refuseOption(now tick.Time, a *message.Arrival, bad coap.OptionNumber, why error) {
	if a.Message.Type == coap.NonConfirmable {
		c.mem.drop(DropBadRequest)
		return
	}
	c.mem.drop(DropBadOption)
	c.mem.text = coap.AppendDiagnostic(c.mem.text[:0], bad, why)
	c.answer(now, a, coap.BadOption, c.mem.text)
}

// answer responds at once to a request that does not become an exchange.
func (c *conversation) answer(now tick.Time, a *message.Arrival, code coap.Code, diagnostic []byte) {
	m := coap.Message{Code: code, Token: a.Message.Token, Payload: diagnostic}
	if err := c.reply(now, a.Ref, &m); err != nil {
		c.mem.drop(DropReply)
		c.link.Forget(a.Ref)
	}
}

// reply sends response m to the request that ref names in the Link, or to a
// Non-confirmable request if ref is 0: the response is then Non-confirmable too
// (section 5.2.3).
func (c *conversation) reply(now tick.Time, ref message.Ref, m *coap.Message) error {
	if ref != 0 {
		return c.link.Reply(ref, m)
	}
	m.Type = coap.NonConfirmable
	_, err := c.link.Send(now, m, 0)
	return err
}

// respond answers request i of the peer.
func (c *conversation) respond(now tick.Time, i uint32, out *Outgoing) error {
	if !out.Code.IsResponse() {
		return ErrCode
	}
	x := c.at(i)
	m := coap.Message{Code: out.Code, Token: x.token.slice(), Options: out.Options, Payload: out.Payload}
	if x.state == accepted {
		return c.deliver(now, i, &m)
	}
	err := c.reply(now, x.ref, &m)
	if err == nil {
		c.end(&c.theirs, i)
		return nil
	}
	return c.unanswered(i, err)
}

// deliver sends m as a separate response: "Once the server sends back an Empty
// Acknowledgement, it MUST NOT send back the response in another
// Acknowledgement, even if the client retransmits another identical request"
// (section 5.2.2).
func (c *conversation) deliver(now tick.Time, i uint32, m *coap.Message) error {
	m.Type = coap.Confirmable
	ref, err := c.link.Send(now, m, i)
	if err != nil {
		return c.unanswered(i, err)
	}
	x := c.at(i)
	x.state, x.ref = delivering, ref
	c.mem.exchanges.Remove(&c.theirs, i)
	c.mem.exchanges.PushBack(&c.deliveries, i)
	return nil
}

// unanswered ends request i of the peer if its response failed for want of
// something that the caller cannot change.
func (c *conversation) unanswered(i uint32, err error) error {
	switch err {
	case ErrQueueFull, ErrMemoryFull, ErrMessageIDs, ErrRandom:
		c.mem.drop(DropReply)
		c.link.Forget(c.at(i).ref)
		c.end(&c.theirs, i)
	}
	return err
}

func (c *conversation) accept(x *exchange) {
	x.due = tick.Never
	if x.state == asked {
		c.link.Acknowledge(x.ref)
		x.state, x.ref = accepted, 0
	}
}
