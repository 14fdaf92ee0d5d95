// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// Outgoing is a request, a response or a notification to send. Its slices are
// copied.
type Outgoing struct {
	// Type of a request or a notification: Confirmable or NonConfirmable. Respond
	// ignores it, because the request decides.
	Type coap.Type

	Code    coap.Code
	Options coap.Options
	Payload []byte

	// Token of a request: nil for a fresh one, which is what RFC 9175 asks for.
	// A slice that is not nil is used as it is, the empty one as the empty
	// token; that no other request in progress has it is checked, that none
	// ever had it is the caller's care. Respond, Notify and Supersede ignore it.
	Token []byte
}

func (c *conversation) request(now tick.Time, out *Outgoing) (ID, error) {
	if !out.Code.IsRequest() {
		return 0, ErrCode
	}
	if int(c.ours.Len) >= c.mem.cfg.MaxRequests {
		c.mem.drop(DropRequests)
		return 0, ErrBusy
	}
	watch := out.registers()
	if watch && c.fullOfObservations() {
		c.mem.drop(DropObservations)
		return 0, ErrBusy
	}
	tok, err := c.newToken(out.Token)
	if err != nil {
		return 0, err
	}
	i, ok := c.begin(&c.ours, asking)
	if !ok {
		return 0, ErrBusy
	}
	x := c.at(i)
	x.token, x.non, x.watch = tok, out.Type == coap.NonConfirmable, watch
	return c.send(now, &c.ours, i, &coap.Message{
		Type: out.Type, Code: out.Code, Token: x.token.slice(), Options: out.Options, Payload: out.Payload,
	})
}

func (c *conversation) ping(now tick.Time) (ID, error) {
	if int(c.ours.Len) >= c.mem.cfg.MaxRequests {
		c.mem.drop(DropRequests)
		return 0, ErrBusy
	}
	i, ok := c.begin(&c.ours, pinging)
	if !ok {
		return 0, ErrBusy
	}
	return c.send(now, &c.ours, i, &coap.Message{Type: coap.Confirmable, Code: coap.Empty})
}

// send sends the message of exchange i of list, or ends it.
func (c *conversation) send(now tick.Time, list *slab.List, i uint32, m *coap.Message) (ID, error) {
	ref, err := c.link.Send(now, m, i)
	if err != nil {
		c.end(list, i)
		return 0, err
	}
	x := c.at(i)
	x.ref = ref
	return x.id, nil
}

// newToken returns the token for a request: the one that is wanted, or a fresh
// one.
func (c *conversation) newToken(wanted []byte) (token, error) {
	if wanted != nil {
		if len(wanted) > coap.MaxTokenLength || c.waitingFor(tokenOf(wanted)) != 0 {
			return token{}, ErrToken
		}
		return tokenOf(wanted), nil
	}
	if c.mem.tokens == nil {
		g, err := newTokens(c.table.rand)
		if err != nil {
			return token{}, err
		}
		c.mem.tokens = g
	}
	for {
		// A caller's own token may be in the way, once at most each.
		if tok := c.mem.tokens.next(); c.waitingFor(tok) == 0 {
			return tok, nil
		}
	}
}

// waitingFor returns our request with the token that still wants a response, 0
// if there is none: "just the tokens of the response and original request MUST
// match" (section 5.3.2), within this table.
func (c *conversation) waitingFor(tok token) uint32 {
	for i := c.ours.First; i != 0; i = c.mem.exchanges.Next(i) {
		if x := c.at(i); x.token == tok && x.state != pinging {
			return i
		}
	}
	for i := c.observed.First; i != 0; i = c.mem.exchanges.Next(i) {
		if c.at(i).token == tok {
			return i
		}
	}
	return 0
}

func (c *conversation) cancel(id ID) bool {
	for _, list := range [...]*slab.List{&c.ours, &c.observed, &c.deliveries} {
		if i := c.find(list, id); i != 0 && c.at(i).state != delivering {
			c.giveUp(i, Canceled)
			return true
		}
	}
	return c.link.Unpost(uint32(id))
}

// giveUp ends exchange i of ours, or a notification, without an answer.
func (c *conversation) giveUp(i uint32, why Reason) {
	x := c.at(i)
	p := c.progress(x)
	c.link.Abandon(x.ref) // which is 0 if the message has left the Link
	c.fail(i, why, p)
}

// progress returns how far the message of exchange x of ours has come.
func (c *conversation) progress(x *exchange) message.Progress {
	if x.state == promised || x.state == observing {
		return x.sent
	}
	return c.link.Progress(x.ref)
}

// fail ends exchange i, of ours or a delivery, whose message has left the Link.
func (c *conversation) fail(i uint32, why Reason, p message.Progress) {
	x := c.at(i)
	c.mem.exchanges.Remove(c.listOf(x.state), i)
	x.reason, x.sent = why, p
	if x.state == delivering || x.state == notifying {
		x.state = undelivered
	} else {
		x.state = failed
	}
	c.mem.exchanges.PushBack(&c.over, i)
}

// listOf is the list of an exchange in progress that is no request of the peer's.
func (c *conversation) listOf(s state) *slab.List {
	switch s {
	case delivering, notifying:
		return &c.deliveries
	case observing:
		return &c.observed
	}
	return &c.ours
}

// takeResponse is a separate response, Confirmable or not. One that no request
// waits for is rejected (section 5.3.2).
func (c *conversation) takeResponse(a *message.Arrival) {
	i := c.waitingFor(tokenOf(a.Message.Token))
	if i == 0 || !c.progress(c.at(i)).Sent {
		c.refuse(a, DropUnexpectedConfirmable, DropUnexpected)
		return
	}
	if _, err := c.understands(&a.Message); err != nil {
		c.refuse(a, DropBadResponse, DropBadResponse)
		c.giveUp(i, BadResponse)
		return
	}
	c.link.Acknowledge(a.Ref) // for a Confirmable one; section 5.2.2: Empty
	c.complete(i, a)
}

// refuse rejects a response: by a Reset message if it is Confirmable, by silence
// if it is not (sections 4.2 and 4.3). A notification always gets a Reset message,
// because the peer goes on with them until it gets one.
func (c *conversation) refuse(a *message.Arrival, confirmable, non Drop) {
	if a.Message.Type == coap.Confirmable {
		c.link.Reject(a.Ref)
		c.mem.drop(confirmable)
		return
	}
	if isNotification(&a.Message) {
		c.link.RejectNon(a.Message.MessageID)
	}
	c.mem.drop(non)
}

// complete ends request i of ours with its response, unless more follow.
func (c *conversation) complete(i uint32, a *message.Arrival) {
	x := c.at(i)
	ev := Event{Kind: ResponseReceived, ID: x.id, Message: a.Message}
	p := c.progress(x)
	ev.report(p)
	if x.state == asking {
		c.link.Settle(x.ref)
	}
	if x.watch && isNotification(&a.Message) && (x.state == observing || !c.fullOfObservations()) {
		ev.More = true
		c.observe(i, p)
	} else {
		c.end(c.listOf(x.state), i)
	}
	c.tell(ev)
}

// takeAnswer is an acknowledgement with a response in it. "In a piggybacked
// response, the Message ID of the Confirmable request and the Acknowledgement
// MUST match, and the tokens of the response and original request MUST match"
// (section 5.3.2): the Message ID was matched below.
func (c *conversation) takeAnswer(a *message.Arrival) {
	i := a.Owner
	switch x := c.at(i); {
	case x.state == delivering:
		// Section 5.2.2: "The server MUST stop retransmitting its response on any
		// matching Acknowledgement (silently ignoring any Response Code or
		// payload) or Reset message."
		c.link.Settle(a.Ref)
		c.end(&c.deliveries, i)
	case x.state == notifying:
		c.link.Settle(a.Ref)
		c.notified(i, a)
	case x.state != asking || x.token != tokenOf(a.Message.Token):
		c.mem.drop(DropTokenMismatch)
	default:
		if _, err := c.understands(&a.Message); err != nil {
			// Rejecting an acknowledgement is ignoring it, but there is no point in
			// asking again for what we do not understand.
			c.mem.drop(DropBadResponse)
			c.giveUp(i, BadResponse)
			return
		}
		c.complete(i, a)
	}
}

// takeAcknowledgement is an Empty acknowledgement of something of ours.
func (c *conversation) takeAcknowledgement(now tick.Time, a *message.Arrival) {
	i := a.Owner
	switch x := c.at(i); x.state {
	case delivering:
		c.end(&c.deliveries, i)
	case notifying:
		c.notified(i, a)
	case pinging:
		c.pong(i, a) // not what section 4.2 says, but the peer is there
	default:
		x.state, x.ref, x.sent = promised, 0, a.Sent
		x.due = now.Add(c.mem.cfg.ResponseTimeout)
		ev := Event{Kind: Acknowledged, ID: x.id}
		ev.report(a.Sent)
		c.tell(ev)
	}
}

// takeReset is a rejection of something of ours.
func (c *conversation) takeReset(a *message.Arrival) {
	if c.at(a.Owner).state == pinging {
		c.pong(a.Owner, a)
		return
	}
	c.fail(a.Owner, Reset, a.Sent)
}

// pong ends ping i.
func (c *conversation) pong(i uint32, a *message.Arrival) {
	ev := Event{Kind: Pong, ID: c.at(i).id}
	ev.report(a.Sent)
	c.end(&c.ours, i)
	c.tell(ev)
}
