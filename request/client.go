// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// Outgoing is a request or a response to send. Its slices are copied.
type Outgoing struct {
	// Type of a request: Confirmable or NonConfirmable. Respond ignores it,
	// because the request decides.
	Type coap.Type

	Code    coap.Code
	Options coap.Options
	Payload []byte

	// Token of a request: nil for a fresh one, which is what RFC 9175 asks for.
	// A slice that is not nil is used as it is, the empty one as the empty
	// token; that no other request in progress has it is checked, that none
	// ever had it is the caller's care. Respond ignores it.
	Token []byte
}

// Request sends a request. ResponseReceived or Failed will follow, and perhaps
// Acknowledged before. The errors are ErrCode, ErrType, ErrToken, ErrBusy,
// those of the message layer and *coap.FormatError for options that are none.
func (t *Table) Request(now tick.Time, out Outgoing) (ID, error) {
	if !out.Code.IsRequest() {
		return 0, ErrCode
	}
	if int(t.ours.Len) >= t.mem.cfg.MaxRequests {
		t.mem.drop(DropRequests)
		return 0, ErrBusy
	}
	tok, err := t.newToken(out.Token)
	if err != nil {
		return 0, err
	}
	i, ok := t.begin(&t.ours, asking)
	if !ok {
		return 0, ErrBusy
	}
	x := t.at(i)
	x.token, x.non = tok, out.Type == coap.NonConfirmable
	return t.send(now, i, &coap.Message{
		Type: out.Type, Code: out.Code, Token: x.token.slice(), Options: out.Options, Payload: out.Payload,
	})
}

// Ping asks whether the peer is there: an Empty Confirmable message, which "is
// used only to elicit a Reset message" (section 4.2). Pong or Failed will
// follow.
func (t *Table) Ping(now tick.Time) (ID, error) {
	if int(t.ours.Len) >= t.mem.cfg.MaxRequests {
		t.mem.drop(DropRequests)
		return 0, ErrBusy
	}
	i, ok := t.begin(&t.ours, pinging)
	if !ok {
		return 0, ErrBusy
	}
	return t.send(now, i, &coap.Message{Type: coap.Confirmable, Code: coap.Empty})
}

// send sends the message of exchange i of ours, or ends it.
func (t *Table) send(now tick.Time, i uint32, m *coap.Message) (ID, error) {
	ref, err := t.link.Send(now, m, i)
	if err != nil {
		t.end(&t.ours, i)
		return 0, err
	}
	x := t.at(i)
	x.ref = ref
	return x.id, nil
}

// newToken returns the token for a request: the one that is wanted, or a fresh
// one.
func (t *Table) newToken(wanted []byte) (token, error) {
	if wanted != nil {
		if len(wanted) > coap.MaxTokenLength || t.waitingFor(tokenOf(wanted)) != 0 {
			return token{}, ErrToken
		}
		return tokenOf(wanted), nil
	}
	if t.tokens == nil {
		g, err := newTokens(t.rand)
		if err != nil {
			return token{}, err
		}
		t.tokens = g
	}
	for {
		// A caller's own token may be in the way, once at most each.
		if tok := t.tokens.next(); t.waitingFor(tok) == 0 {
			return tok, nil
		}
	}
}

// waitingFor returns our request with the token that still wants a response, 0
// if there is none: "just the tokens of the response and original request MUST
// match" (section 5.3.2), within this table.
func (t *Table) waitingFor(tok token) uint32 {
	for i := t.ours.First; i != 0; i = t.mem.exchanges.Next(i) {
		if x := t.at(i); x.token == tok && x.state != pinging {
			return i
		}
	}
	return 0
}

// Cancel gives up request or ping id. Failed follows, with the reason Canceled.
// It reports false if no request or ping with the ID is in progress.
func (t *Table) Cancel(id ID) bool {
	i := t.find(&t.ours, id)
	if i != 0 {
		t.giveUp(i, Canceled)
	}
	return i != 0
}

// giveUp ends exchange i of ours without an answer.
func (t *Table) giveUp(i uint32, why Reason) {
	x := t.at(i)
	p := t.progress(x)
	if x.state != promised {
		t.link.Abandon(x.ref)
	}
	t.fail(i, why, p)
}

// progress returns how far the message of exchange x of ours has come.
func (t *Table) progress(x *exchange) message.Progress {
	if x.state == promised {
		return x.sent
	}
	return t.link.Progress(x.ref)
}

// fail ends exchange i, of ours or a delivery, whose message has left the Link.
func (t *Table) fail(i uint32, why Reason, p message.Progress) {
	x := t.at(i)
	x.reason, x.sent = why, p
	if x.state == delivering {
		t.mem.exchanges.Remove(&t.deliveries, i)
		x.state = undelivered
	} else {
		t.mem.exchanges.Remove(&t.ours, i)
		x.state = failed
	}
	t.mem.exchanges.PushBack(&t.over, i)
}

// takeResponse is a separate response, Confirmable or not. One that no request
// waits for is rejected (section 5.3.2).
func (t *Table) takeResponse(a *message.Arrival) {
	i := t.waitingFor(tokenOf(a.Message.Token))
	if i == 0 || !t.progress(t.at(i)).Sent {
		t.refuse(a, DropUnexpectedConfirmable, DropUnexpected)
		return
	}
	if _, err := t.understands(&a.Message); err != nil {
		t.refuse(a, DropBadResponse, DropBadResponse)
		t.giveUp(i, BadResponse)
		return
	}
	t.link.Acknowledge(a.Ref) // for a Confirmable one; section 5.2.2: Empty
	t.complete(i, a)
}

// refuse rejects a response: by a Reset message if it is Confirmable, by silence
// if it is not (sections 4.2 and 4.3).
func (t *Table) refuse(a *message.Arrival, confirmable, non Drop) {
	if a.Message.Type == coap.Confirmable {
		t.link.Reject(a.Ref)
		t.mem.drop(confirmable)
		return
	}
	t.mem.drop(non)
}

// complete ends request i of ours with its response.
func (t *Table) complete(i uint32, a *message.Arrival) {
	x := t.at(i)
	ev := Event{Kind: ResponseReceived, ID: x.id, Message: a.Message}
	ev.report(t.progress(x))
	if x.state == asking {
		t.link.Settle(x.ref)
	}
	t.end(&t.ours, i)
	t.tell(ev)
}

// takeAnswer is an acknowledgement with a response in it. "In a piggybacked
// response, the Message ID of the Confirmable request and the Acknowledgement
// MUST match, and the tokens of the response and original request MUST match"
// (section 5.3.2): the Message ID was matched below.
func (t *Table) takeAnswer(a *message.Arrival) {
	i := a.Owner
	switch x := t.at(i); {
	case x.state == delivering:
		// Section 5.2.2: "The server MUST stop retransmitting its response on any
		// matching Acknowledgement (silently ignoring any Response Code or
		// payload) or Reset message."
		t.link.Settle(a.Ref)
		t.end(&t.deliveries, i)
	case x.state != asking || x.token != tokenOf(a.Message.Token):
		t.mem.drop(DropTokenMismatch)
	default:
		if _, err := t.understands(&a.Message); err != nil {
			// Rejecting an acknowledgement is ignoring it, but there is no point in
			// asking again for what we do not understand.
			t.mem.drop(DropBadResponse)
			t.giveUp(i, BadResponse)
			return
		}
		t.complete(i, a)
	}
}

// takeAcknowledgement is an Empty acknowledgement of something of ours.
func (t *Table) takeAcknowledgement(now tick.Time, a *message.Arrival) {
	i := a.Owner
	switch x := t.at(i); x.state {
	case delivering:
		t.end(&t.deliveries, i)
	case pinging:
		t.pong(i, a) // not what section 4.2 says, but the peer is there
	default:
		x.state, x.ref, x.sent = promised, 0, a.Sent
		x.due = now.Add(t.mem.cfg.ResponseTimeout)
		ev := Event{Kind: Acknowledged, ID: x.id}
		ev.report(a.Sent)
		t.tell(ev)
	}
}

// takeReset is a rejection of something of ours.
func (t *Table) takeReset(a *message.Arrival) {
	if t.at(a.Owner).state == pinging {
		t.pong(a.Owner, a)
		return
	}
	t.fail(a.Owner, Reset, a.Sent)
}

// pong ends ping i.
func (t *Table) pong(i uint32, a *message.Arrival) {
	ev := Event{Kind: Pong, ID: t.at(i).id}
	ev.report(a.Sent)
	t.end(&t.ours, i)
	t.tell(ev)
}
