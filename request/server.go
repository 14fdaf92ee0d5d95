// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// takeRequest is a request of the peer that was not seen before.
func (t *Table) takeRequest(now tick.Time, a *message.Arrival) {
	if a.Message.Code.Name() == "" {
		// Section 5.8: "A request with an unrecognized or unsupported Method Code
		// MUST generate a 4.05 (Method Not Allowed) piggybacked response."
		t.mem.drop(DropMethod)
		t.answer(now, a, coap.MethodNotAllowed, nil)
		return
	}
	if bad, err := t.understands(&a.Message); err != nil {
		t.refuseOption(now, a, bad, err)
		return
	}
	i := uint32(0)
	if int(t.theirs.Len) >= t.mem.cfg.MaxPending {
		t.mem.drop(DropPending)
	} else {
		i, _ = t.begin(&t.theirs, askedNon)
	}
	if i == 0 {
		t.link.Forget(a.Ref)
		return
	}
	x := t.at(i)
	x.token = tokenOf(a.Message.Token)
	if a.Message.Type == coap.Confirmable {
		x.state, x.ref, x.due = asked, a.Ref, now.Add(t.mem.cfg.AckDelay)
	}
	t.tell(Event{Kind: RequestReceived, ID: x.id, Message: a.Message, Sent: tick.Never})
}

// refuseOption is section 5.4.1: an unrecognized critical option in a
// Confirmable request causes a 4.02 with a diagnostic payload that describes it,
// in a Non-confirmable one it causes its rejection.
func (t *Table) refuseOption(now tick.Time, a *message.Arrival, bad coap.OptionNumber, why error) {
	if a.Message.Type == coap.NonConfirmable {
		t.mem.drop(DropBadRequest)
		return
	}
	t.mem.drop(DropBadOption)
	t.mem.text = coap.AppendDiagnostic(t.mem.text[:0], bad, why)
	t.answer(now, a, coap.BadOption, t.mem.text)
}

// answer responds at once to a request that does not become an exchange.
func (t *Table) answer(now tick.Time, a *message.Arrival, code coap.Code, diagnostic []byte) {
	m := coap.Message{Code: code, Token: a.Message.Token, Payload: diagnostic}
	if err := t.reply(now, a.Ref, &m); err != nil {
		t.mem.drop(DropReply)
		t.link.Forget(a.Ref)
	}
}

// reply sends response m to the request that ref names in the Link, or to a
// Non-confirmable request if ref is 0: the response is then Non-confirmable too
// (section 5.2.3).
func (t *Table) reply(now tick.Time, ref message.Ref, m *coap.Message) error {
	if ref != 0 {
		return t.link.Reply(ref, m)
	}
	m.Type = coap.NonConfirmable
	_, err := t.link.Send(now, m, 0)
	return err
}

// Respond answers the request id that RequestReceived reported. To a
// Confirmable request the response is piggybacked on the acknowledgement, or,
// if an Empty one went out already, becomes a Confirmable message of its own; to
// a Non-confirmable request it is Non-confirmable.
//
// After ErrCode, ErrTooLarge and *coap.FormatError the request still waits for
// a response. Any other error is lack of memory or Message IDs: the exchange is
// over, and the peer's retransmission, if one comes, is a new request.
func (t *Table) Respond(now tick.Time, id ID, out Outgoing) error {
	i := t.find(&t.theirs, id)
	if i == 0 {
		return ErrUnknown
	}
	if !out.Code.IsResponse() {
		return ErrCode
	}
	x := t.at(i)
	m := coap.Message{Code: out.Code, Token: x.token.slice(), Options: out.Options, Payload: out.Payload}
	if x.state == accepted {
		return t.deliver(now, i, &m)
	}
	err := t.reply(now, x.ref, &m)
	if err == nil {
		t.end(&t.theirs, i)
		return nil
	}
	return t.unanswered(i, err)
}

// deliver sends m as a separate response: "Once the server sends back an Empty
// Acknowledgement, it MUST NOT send back the response in another
// Acknowledgement, even if the client retransmits another identical request"
// (section 5.2.2).
func (t *Table) deliver(now tick.Time, i uint32, m *coap.Message) error {
	m.Type = coap.Confirmable
	ref, err := t.link.Send(now, m, i)
	if err != nil {
		return t.unanswered(i, err)
	}
	x := t.at(i)
	x.state, x.ref = delivering, ref
	t.mem.exchanges.Remove(&t.theirs, i)
	t.mem.exchanges.PushBack(&t.deliveries, i)
	return nil
}

// unanswered ends request i of the peer if its response failed for want of
// something that the caller cannot change.
func (t *Table) unanswered(i uint32, err error) error {
	switch err {
	case ErrQueueFull, ErrMemoryFull, ErrMessageIDs, ErrRandom:
		t.mem.drop(DropReply)
		t.link.Forget(t.at(i).ref)
		t.end(&t.theirs, i)
	}
	return err
}

// Accept acknowledges request id now, because the response will take its time:
// "A server may also immediately send an acknowledgement if it knows in advance
// that there will be no piggybacked response" (section 5.2.2). Without it that
// happens after Config.AckDelay.
func (t *Table) Accept(id ID) error {
	i := t.find(&t.theirs, id)
	if i == 0 {
		return ErrUnknown
	}
	t.accept(t.at(i))
	return nil
}

func (t *Table) accept(x *exchange) {
	x.due = tick.Never
	if x.state == asked {
		t.link.Acknowledge(x.ref)
		x.state, x.ref = accepted, 0
	}
}

// Reject refuses to process request id, which is over: by a Reset message if it
// is Confirmable and was not acknowledged, else by silence.
func (t *Table) Reject(id ID) error {
	i := t.find(&t.theirs, id)
	if i == 0 {
		return ErrUnknown
	}
	t.link.Reject(t.at(i).ref)
	t.end(&t.theirs, i)
	return nil
}
