// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"errors"
	"io"

	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// Errors of Request, Ping, Respond, Accept and Reject.
var (
	ErrBusy    = errors.New("request: too many requests in progress")
	ErrToken   = errors.New("request: token in use or longer than 8 bytes")
	ErrCode    = errors.New("request: the code does not fit")
	ErrUnknown = errors.New("request: no such exchange")

	// Those of the message layer.
	ErrQueueFull  = message.ErrQueueFull
	ErrMemoryFull = message.ErrMemoryFull
	ErrTooLarge   = message.ErrTooLarge
	ErrMessageIDs = message.ErrMessageIDs
	ErrRandom     = message.ErrRandom
	ErrType       = message.ErrType
)

// Table is all exchanges with one peer in one security context. It must not be
// copied after Init.
//
// Between exchanges it is small: what it holds while there is something to
// remember lies in the Memory and goes back by itself, EXCHANGE_LIFETIME after
// the last message.
type Table struct {
	mem  *Memory
	rand io.Reader

	conversation *conversation // nil while Idle
	index        uint32        // of the conversation in the Memory
}

// New returns an empty Table that takes its randomness from rand: tokens,
// Message IDs and the jitter of timeouts.
func New(mem *Memory, rand io.Reader) *Table {
	t := new(Table)
	t.Init(mem, rand)
	return t
}

// Init makes t an empty Table where it lies.
func (t *Table) Init(mem *Memory, rand io.Reader) { *t = Table{mem: mem, rand: rand} }

// Release forgets everything, without events, and gives the memory back. The
// Table may be used again after Init. What is forgotten is not matched any
// more: a late response is unexpected, a late duplicate new.
func (t *Table) Release() {
	t.sleep()
	*t = Table{}
}

// wake returns the conversation and begins one if there is none.
func (t *Table) wake() *conversation {
	if t.conversation == nil {
		t.index, _ = t.mem.conversations.Alloc()
		t.conversation = t.mem.conversations.At(t.index)
		t.conversation.table, t.conversation.mem = t, t.mem
		t.conversation.link.Init(t.mem.messages, t.rand)
	}
	return t.conversation
}

// sleep ends the conversation.
func (t *Table) sleep() {
	if t.conversation != nil {
		t.conversation.release()
		t.mem.conversations.Free(t.index)
		t.conversation, t.index = nil, 0
	}
}

// rest ends the conversation if nothing of it has to be remembered.
func (t *Table) rest() {
	if t.Idle() {
		t.sleep()
	}
}

// Active reports whether an exchange is in progress, of either side, or an event
// waits for Next.
func (t *Table) Active() bool { return t.conversation != nil && t.conversation.active() }

// Resting reports whether nothing is in progress but separate responses and
// notifications that wait to be acknowledged: nobody need have the Table at hand
// until something comes for it or its Deadline has.
func (t *Table) Resting() bool { return t.conversation == nil || t.conversation.resting() }

// Idle reports whether there is nothing to remember, so that Release would lose
// nothing: the Table is not Active, no duplicate could come and no Message ID
// rests. Expire at the Deadline makes it so,
// EXCHANGE_LIFETIME after the last message.
func (t *Table) Idle() bool { return t.conversation == nil || t.conversation.idle() }

// Receive takes one CoAP message that the peer sent. An event that was not taken
// with Next is lost, with the request that it reported.
func (t *Table) Receive(now tick.Time, datagram []byte) {
	t.wake().receive(now, datagram)
	t.rest()
}

// Next takes the next event. It reports false if there is none, and leaves ev as
// it is.
func (t *Table) Next(ev *Event) bool {
	if t.conversation != nil && t.conversation.next(ev) {
		return true
	}
	t.rest()
	return false
}

// Transmit writes the next message for the peer to dst and returns its length, 0
// if there is none. dst should hold Limits.MessageBytes.
func (t *Table) Transmit(now tick.Time, dst []byte) int {
	if t.conversation == nil {
		return 0
	}
	n := t.conversation.link.Transmit(now, dst)
	if n == 0 {
		t.rest()
	}
	return n
}

// Deadline returns when Expire has something to do if nothing else happens,
// tick.Never if nothing is timed. It assumes that Transmit was called until it
// returned 0.
func (t *Table) Deadline() tick.Time {
	if t.conversation == nil {
		return tick.Never
	}
	return t.conversation.deadline()
}

// Expire tells t that it is now.
func (t *Table) Expire(now tick.Time) {
	if t.conversation != nil {
		t.conversation.expire(now)
		t.rest()
	}
}

// Request sends a request. ResponseReceived or Failed will follow, and perhaps
// Acknowledged before. The errors are ErrCode, ErrType, ErrToken, ErrBusy,
// those of the message layer and *coap.FormatError for options that are none.
func (t *Table) Request(now tick.Time, out Outgoing) (ID, error) {
	id, err := t.wake().request(now, &out)
	t.rest()
	return id, err
}

// Ping asks whether the peer is there: an Empty Confirmable message, which "is
// used only to elicit a Reset message" (section 4.2). Pong or Failed will
// follow.
func (t *Table) Ping(now tick.Time) (ID, error) {
	id, err := t.wake().ping(now)
	t.rest()
	return id, err
}

// Cancel gives up request or ping id, or an observation: Failed follows, with the
// reason Canceled. The next notification is rejected, as RFC 7641 section 3.6 has
// it. A Confirmable notification of ours is given up likewise, and Undelivered
// follows; a Non-confirmable one that was not sent yet is forgotten. It reports
// false if nothing with the ID is in progress.
func (t *Table) Cancel(id ID) bool { return t.conversation != nil && t.conversation.cancel(id) }

// Respond answers the request id that RequestReceived reported. To a
// Confirmable request the response is piggybacked on the acknowledgement, or,
// if an Empty one went out already, becomes a Confirmable message of its own; to
// a Non-confirmable request it is Non-confirmable.
//
// After ErrCode, ErrTooLarge and *coap.FormatError the request still waits for
// a response. Any other error is lack of memory or Message IDs: the exchange is
// over, and the peer's retransmission, if one comes, is a new request.
func (t *Table) Respond(now tick.Time, id ID, out Outgoing) error {
	c, i := t.pending(id)
	if i == 0 {
		return ErrUnknown
	}
	return c.respond(now, i, &out)
}

// Accept acknowledges request id now, because the response will take its time:
// "A server may also immediately send an acknowledgement if it knows in advance
// that there will be no piggybacked response" (section 5.2.2). Without it that
// happens after Config.AckDelay.
func (t *Table) Accept(id ID) error {
	c, i := t.pending(id)
	if i == 0 {
		return ErrUnknown
	}
	c.accept(c.at(i))
	return nil
}

// Reject refuses to process request id, which is over: by a Reset message if it
// is Confirmable and was not acknowledged, else by silence.
func (t *Table) Reject(id ID) error {
	c, i := t.pending(id)
	if i == 0 {
		return ErrUnknown
	}
	c.link.Reject(c.at(i).ref)
	c.end(&c.theirs, i)
	return nil
}

// pending returns the request of the peer with the ID, 0 if none waits.
func (t *Table) pending(id ID) (*conversation, uint32) {
	if t.conversation == nil {
		return nil, 0
	}
	return t.conversation, t.conversation.find(&t.conversation.theirs, id)
}
