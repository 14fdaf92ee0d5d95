// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// Notify sends a response without a request, to a peer that observes (RFC 7641
// section 4.2). Its token is the registration's; its options, Observe with the
// sequence number among them, are the caller's.
//
// For a Confirmable notification Notified follows when the peer has acknowledged
// it, or Undelivered with the reason Timeout or Reset, or Canceled after Cancel.
// A Non-confirmable one is over as soon as it is sent and nothing follows, but
// that a Reset message for it is told as Undelivered: of the last ones, for
// NON_LIFETIME. What is kept for that keeps the Table from being Idle, not from
// not being Active.
//
// Both count as outstanding interactions, of which a peer has no more than
// NSTART: a Confirmable one until it is over, a Non-confirmable one for a round
// trip, or 3 seconds if that is not known (section 4.5.1). What waits because of
// that can be replaced: see Supersede.
//
// The errors are ErrCode, ErrType, ErrToken, ErrBusy, those of the message layer
// and *coap.FormatError for options that are none.
func (t *Table) Notify(now tick.Time, token []byte, out Outgoing) (ID, error) {
	id, err := t.wake().notify(now, token, &out)
	t.rest()
	return id, err
}

// Supersede sends out in place of notification id (RFC 7641 section 4.5.2). One
// that was not sent yet is replaced at once, its type too. One that is under way,
// Confirmable then, is replaced with its next retransmission, by a message with
// a new Message ID that keeps the retransmission counter and the timeout; if it
// is acknowledged before, out is sent as a new message. In any case ID stays,
// and is over when out is. A late acknowledgement of what was replaced counts as
// interest: out is then not given up before it was sent anew.
//
// The error is ErrUnknown if notification id is over, as a Non-confirmable one
// is when it was sent, or one of those of Notify; after it nothing has changed.
func (t *Table) Supersede(now tick.Time, id ID, out Outgoing) error {
	if t.conversation == nil {
		return ErrUnknown
	}
	return t.conversation.supersede(now, id, &out)
}

// A Confirmable notification is an exchange until it is over. A Non-confirmable
// one is a message in the Link alone, whose owner is not the number of an exchange
// but the ID.

func (c *conversation) notify(now tick.Time, tok []byte, out *Outgoing) (ID, error) {
	switch {
	case !out.Code.IsResponse():
		return 0, ErrCode
	case out.Type > coap.NonConfirmable:
		return 0, ErrType
	case len(tok) > coap.MaxTokenLength:
		return 0, ErrToken
	}
	return c.post(now, 0, tokenOf(tok), out)
}

// post sends a notification that is to be called id, or gets one if that is 0.
func (c *conversation) post(now tick.Time, id ID, tok token, out *Outgoing) (ID, error) {
	if out.Type == coap.NonConfirmable {
		if id == 0 {
			id = c.newID()
		}
		if _, err := c.link.Post(now, notification(&tok, out), uint32(id)); err != nil {
			return 0, err
		}
		return id, nil
	}
	i, ok := c.begin(&c.deliveries, notifying)
	if !ok {
		return 0, ErrBusy
	}
	x := c.at(i)
	x.token = tok
	if id != 0 {
		x.id = id
	}
	return c.send(now, &c.deliveries, i, notification(&x.token, out))
}

func (c *conversation) supersede(now tick.Time, id ID, out *Outgoing) error {
	switch {
	case !out.Code.IsResponse():
		return ErrCode
	case out.Type > coap.NonConfirmable:
		return ErrType
	}
	i := c.find(&c.deliveries, id)
	if i != 0 {
		return c.supersedeConfirmable(now, i, out)
	}
	ref := c.link.Posted(uint32(id))
	if ref == 0 {
		return ErrUnknown
	}
	tok := tokenOf(c.link.Token(ref))
	if out.Type == coap.NonConfirmable {
		return c.link.Supersede(ref, notification(&tok, out))
	}
	_, err := c.post(now, id, tok, out)
	if err == nil {
		c.link.Unpost(uint32(id))
	}
	return err
}

func (c *conversation) supersedeConfirmable(now tick.Time, i uint32, out *Outgoing) error {
	x := c.at(i)
	switch {
	case x.state != notifying:
		return ErrUnknown
	case out.Type == coap.Confirmable || c.link.Progress(x.ref).Sent:
		return c.link.Supersede(x.ref, notification(&x.token, out))
	}
	_, err := c.post(now, x.id, x.token, out)
	if err == nil {
		c.link.Abandon(x.ref)
		c.end(&c.deliveries, i)
	}
	return err
}

func notification(tok *token, out *Outgoing) *coap.Message {
	return &coap.Message{Type: out.Type, Code: out.Code, Token: tok.slice(), Options: out.Options, Payload: out.Payload}
}

// notified ends the Confirmable notification i, which was acknowledged.
func (c *conversation) notified(i uint32, a *message.Arrival) {
	ev := Event{Kind: Notified, ID: c.at(i).id}
	ev.report(a.Sent)
	c.end(&c.deliveries, i)
	c.tell(ev)
}
