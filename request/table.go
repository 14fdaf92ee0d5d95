// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"errors"
	"io"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
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

// state is how far an exchange has come.
type state uint8

const (
	asking      state = iota // our request is under way
	promised                 // our request was acknowledged, the response will come
	pinging                  // our ping is under way
	asked                    // a Confirmable request waits for Respond, unacknowledged
	accepted                 // the same, acknowledged
	askedNon                 // a Non-confirmable request waits for Respond
	delivering               // our separate response is under way
	failed                   // our request or ping is over: to be reported
	undelivered              // our separate response is over: to be reported
)

// exchange is a request, of either side, until its response, or a ping.
type exchange struct {
	id     ID
	state  state
	reason Reason
	non    bool // our request is Non-confirmable
	token  token
	ref    message.Ref      // of the message in the Link that the state speaks of
	due    tick.Time        // promised: the end of waiting; asked: when to acknowledge
	sent   message.Progress // of our request, once it left the Link
}

// Table is all exchanges with one peer in one security context. It must not be
// copied after Init.
type Table struct {
	mem  *Memory
	rand io.Reader
	link message.Link

	ours       slab.List // asking, promised, pinging
	theirs     slab.List // asked, accepted, askedNon
	deliveries slab.List // delivering
	over       slab.List // failed, undelivered

	tokens  *tokens // from the first request on
	lastID  ID
	wrapped bool // all IDs were used once

	news  Event // what the last Receive brought
	fresh bool  // nobody took it yet
}

// New returns an empty Table that takes its randomness from rand: tokens,
// Message IDs and the jitter of timeouts.
func New(mem *Memory, rand io.Reader) *Table {
	t := new(Table)
	t.Init(mem, rand)
	return t
}

// Init makes t an empty Table where it lies.
func (t *Table) Init(mem *Memory, rand io.Reader) {
	*t = Table{mem: mem, rand: rand}
	t.link.Init(mem.messages, rand)
}

// Release forgets everything, without events, and gives the memory back. The
// Table may be used again after Init. What is forgotten is not matched any
// more: a late response is unexpected, a late duplicate new.
func (t *Table) Release() {
	for _, list := range []*slab.List{&t.ours, &t.theirs, &t.deliveries, &t.over} {
		for list.First != 0 {
			t.end(list, list.First)
		}
	}
	t.link.Release()
	*t = Table{}
}

// Active reports whether an exchange is in progress, of either side, or an event
// waits for Next.
func (t *Table) Active() bool {
	return t.fresh || t.ours.Len+t.theirs.Len+t.deliveries.Len+t.over.Len > 0 || t.link.Active()
}

// Idle reports whether Release and Init would lose nothing: the Table is not
// Active, and no duplicate and no Message ID has to be remembered any more.
// Expire at the Deadline makes it so, EXCHANGE_LIFETIME after the last message.
func (t *Table) Idle() bool { return !t.Active() && t.link.Idle() }

// Receive takes one CoAP message that the peer sent. An event that was not taken
// with Next is lost, with the request that it reported.
func (t *Table) Receive(now tick.Time, datagram []byte) {
	t.discardNews()
	switch a := t.link.Receive(now, datagram); a.Verdict {
	case message.Delivered:
		if a.Message.Code.IsRequest() {
			t.takeRequest(now, &a)
		} else {
			t.takeResponse(&a)
		}
	case message.Answered:
		t.takeAnswer(&a)
	case message.Acknowledged:
		t.takeAcknowledgement(now, &a)
	case message.Rejected:
		t.takeReset(&a)
	}
}

// Next takes the next event. It reports false if there is none, and leaves ev as
// it is.
func (t *Table) Next(ev *Event) bool {
	if t.fresh {
		*ev = t.news
		t.news, t.fresh = Event{}, false
		return true
	}
	i := t.over.First
	if i == 0 {
		return false
	}
	x := t.at(i)
	*ev = Event{Kind: Failed, Reason: x.reason, ID: x.id}
	if x.state == undelivered {
		ev.Kind = Undelivered
	}
	ev.report(x.sent)
	t.end(&t.over, i)
	return true
}

// tell makes ev the next event.
func (t *Table) tell(ev Event) { t.news, t.fresh = ev, true }

// discardNews forgets an event that was not taken. A request is forgotten as if
// it had not come, so that a retransmission is reported again.
func (t *Table) discardNews() {
	if !t.fresh {
		return
	}
	t.mem.drop(DropUnread)
	if i := t.find(&t.theirs, t.news.ID); t.news.Kind == RequestReceived && i != 0 {
		t.link.Forget(t.at(i).ref)
		t.end(&t.theirs, i)
	}
	t.news, t.fresh = Event{}, false
}

// Transmit writes the next message for the peer to dst and returns its length, 0
// if there is none. dst should hold Limits.MessageBytes.
func (t *Table) Transmit(now tick.Time, dst []byte) int { return t.link.Transmit(now, dst) }

// Deadline returns when Expire has something to do if nothing else happens,
// tick.Never if nothing is timed. It assumes that Transmit was called until it
// returned 0.
func (t *Table) Deadline() tick.Time {
	d := t.link.Deadline()
	for i := t.ours.First; i != 0; i = t.mem.exchanges.Next(i) {
		d = min(d, t.waitsUntil(t.at(i)))
	}
	for i := t.theirs.First; i != 0; i = t.mem.exchanges.Next(i) {
		d = min(d, t.at(i).due)
	}
	return d
}

// waitsUntil returns when the response to our request x is no longer expected.
// An unacknowledged Confirmable one is the message layer's to give up.
func (t *Table) waitsUntil(x *exchange) tick.Time {
	switch {
	case x.state == promised:
		return x.due
	case x.state == asking && x.non:
		if p := t.link.Progress(x.ref); p.Sent {
			return p.First.Add(t.mem.cfg.ResponseTimeout)
		}
	}
	return tick.Never
}

// Expire tells t that it is now.
func (t *Table) Expire(now tick.Time) {
	t.link.Expire(now)
	for owner, p, ok := t.link.Lost(); ok; owner, p, ok = t.link.Lost() {
		t.fail(owner, Timeout, p)
	}
	for i := t.ours.First; i != 0; {
		x, next := t.at(i), t.mem.exchanges.Next(i)
		if t.waitsUntil(x) <= now {
			t.giveUp(i, Timeout)
		}
		i = next
	}
	for i := t.theirs.First; i != 0; i = t.mem.exchanges.Next(i) {
		if x := t.at(i); x.due <= now {
			t.accept(x)
		}
	}
}

// begin adds an exchange to list.
func (t *Table) begin(list *slab.List, s state) (i uint32, ok bool) {
	i, ok = t.mem.exchanges.Alloc()
	if !ok {
		t.mem.drop(DropExchanges)
		return 0, false
	}
	*t.at(i) = exchange{id: t.newID(), state: s, due: tick.Never}
	t.mem.exchanges.PushBack(list, i)
	return i, true
}

// newID returns an ID that no exchange has.
func (t *Table) newID() ID {
	for {
		t.lastID++
		if t.lastID == 0 {
			t.wrapped = true
			continue
		}
		if !t.wrapped || !t.names(t.lastID) {
			return t.lastID
		}
	}
}

// names reports whether an exchange has the ID.
func (t *Table) names(id ID) bool {
	return t.find(&t.ours, id)|t.find(&t.theirs, id)|t.find(&t.deliveries, id)|t.find(&t.over, id) != 0
}

// end forgets exchange i of list.
func (t *Table) end(list *slab.List, i uint32) {
	t.mem.exchanges.Remove(list, i)
	t.mem.exchanges.Free(i)
}

func (t *Table) at(i uint32) *exchange { return t.mem.exchanges.At(i) }

// find returns the exchange of list with the ID, 0 if there is none.
func (t *Table) find(list *slab.List, id ID) uint32 {
	for i := list.First; i != 0; i = t.mem.exchanges.Next(i) {
		if t.at(i).id == id {
			return i
		}
	}
	return 0
}

// understands returns the first critical option of m that must not be ignored
// (sections 5.4.1, 5.4.3 and 5.4.5), with the reason.
func (t *Table) understands(m *coap.Message) (bad coap.OptionNumber, err error) {
	return m.CheckOptions(t.mem.cfg.Recognized)
}
