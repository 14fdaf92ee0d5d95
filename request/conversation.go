// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
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
	notifying                // our Confirmable notification is under way
	observing                // our request was answered, and more will come
	failed                   // our request or ping is over: to be reported
	undelivered              // our separate response or notification is over: to be reported
)

// exchange is a request, of either side, until its response, or a ping.
type exchange struct {
	id     ID
	state  state
	reason Reason
	non    bool // our request is Non-confirmable
	watch  bool // our request asks for an observation
	token  token
	ref    message.Ref      // of the message in the Link that the state speaks of
	due    tick.Time        // promised: the end of waiting; asked: when to acknowledge
	sent   message.Progress // of our request, once it left the Link
}

// conversation is what a Table holds while an exchange is in progress, something
// of the last ones has to be remembered, or we observe.
type conversation struct {
	table *Table
	mem   *Memory
	link  message.Link

	ours       slab.List // asking, promised, pinging
	theirs     slab.List // asked, accepted, askedNon
	deliveries slab.List // delivering, notifying
	over       slab.List // failed, undelivered
	observed   slab.List // observing

	news uint32 // in the Memory, what the last Receive brought; 0 when somebody took it
}

// release gives everything back to the Memory.
func (c *conversation) release() {
	for _, list := range []*slab.List{&c.ours, &c.theirs, &c.deliveries, &c.over, &c.observed} {
		for list.First != 0 {
			c.end(list, list.First)
		}
	}
	c.forgetNews()
	c.link.Release()
}

func (c *conversation) active() bool {
	return c.news != 0 || c.ours.Len+c.theirs.Len+c.deliveries.Len+c.over.Len > 0 || c.link.Active()
}

func (c *conversation) resting() bool {
	return c.news == 0 && c.ours.Len+c.theirs.Len+c.over.Len == 0 && c.link.Resting()
}

func (c *conversation) idle() bool { return c.link.Idle() && !c.active() && c.observed.Len == 0 }

func (c *conversation) receive(now tick.Time, datagram []byte) {
	c.discardNews()
	switch a := c.link.Receive(now, datagram); a.Verdict {
	case message.Delivered:
		if a.Message.Code.IsRequest() {
			c.takeRequest(now, &a)
		} else {
			c.takeResponse(&a)
		}
	case message.Answered:
		c.takeAnswer(&a)
	case message.Acknowledged:
		c.takeAcknowledgement(now, &a)
	case message.Rejected:
		c.takeReset(&a)
	case message.Unwanted:
		ev := Event{Kind: Undelivered, Reason: Reset, ID: ID(a.Owner)}
		ev.report(a.Sent)
		c.tell(ev)
	}
}

func (c *conversation) next(ev *Event) bool {
	if c.news != 0 {
		*ev = *c.mem.news.At(c.news)
		c.forgetNews()
		return true
	}
	i := c.over.First
	if i == 0 {
		return false
	}
	x := c.at(i)
	*ev = Event{Kind: Failed, Reason: x.reason, ID: x.id}
	if x.state == undelivered {
		ev.Kind = Undelivered
	}
	ev.report(x.sent)
	c.end(&c.over, i)
	return true
}

// tell makes ev the next event.
func (c *conversation) tell(ev Event) {
	if c.news == 0 {
		c.news, _ = c.mem.news.Alloc()
	}
	*c.mem.news.At(c.news) = ev
}

func (c *conversation) forgetNews() {
	if c.news != 0 {
		c.mem.news.Free(c.news)
		c.news = 0
	}
}

// discardNews forgets an event that was not taken. A request is forgotten as if
// it had not come, so that a retransmission is reported again.
func (c *conversation) discardNews() {
	if c.news == 0 {
		return
	}
	c.mem.drop(DropUnread)
	news := c.mem.news.At(c.news)
	if i := c.find(&c.theirs, news.ID); news.Kind == RequestReceived && i != 0 {
		c.link.Forget(c.at(i).ref)
		c.end(&c.theirs, i)
	}
	c.forgetNews()
}

func (c *conversation) deadline() tick.Time {
	d := c.link.Deadline()
	for i := c.ours.First; i != 0; i = c.mem.exchanges.Next(i) {
		d = min(d, c.waitsUntil(c.at(i)))
	}
	for i := c.theirs.First; i != 0; i = c.mem.exchanges.Next(i) {
		d = min(d, c.at(i).due)
	}
	return d
}

// waitsUntil returns when the response to our request x is no longer expected.
// An unacknowledged Confirmable one is the message layer's to give up.
func (c *conversation) waitsUntil(x *exchange) tick.Time {
	switch {
	case x.state == promised:
		return x.due
	case x.state == asking && x.non:
		if p := c.link.Progress(x.ref); p.Sent {
			return p.First.Add(c.mem.cfg.ResponseTimeout)
		}
	}
	return tick.Never
}

func (c *conversation) expire(now tick.Time) {
	c.link.Expire(now)
	for owner, p, ok := c.link.Lost(); ok; owner, p, ok = c.link.Lost() {
		c.fail(owner, Timeout, p)
	}
	for i := c.ours.First; i != 0; {
		x, next := c.at(i), c.mem.exchanges.Next(i)
		if c.waitsUntil(x) <= now {
			c.giveUp(i, Timeout)
		}
		i = next
	}
	for i := c.theirs.First; i != 0; i = c.mem.exchanges.Next(i) {
		if x := c.at(i); x.due <= now {
			c.accept(x)
		}
	}
}

// begin adds an exchange to list.
func (c *conversation) begin(list *slab.List, s state) (i uint32, ok bool) {
	i, ok = c.mem.exchanges.Alloc()
	if !ok {
		c.mem.drop(DropExchanges)
		return 0, false
	}
	*c.at(i) = exchange{id: c.newID(), state: s, due: tick.Never}
	c.mem.exchanges.PushBack(list, i)
	return i, true
}

// newID returns an ID that no exchange of the Table has, and that none had for
// as long as possible.
func (c *conversation) newID() ID {
	m := c.mem
	for {
		m.lastID++
		if m.lastID == 0 {
			m.wrapped = true
			continue
		}
		if !m.wrapped || !c.names(m.lastID) {
			return m.lastID
		}
	}
}

// names reports whether an exchange has the ID.
func (c *conversation) names(id ID) bool {
	return c.find(&c.ours, id)|c.find(&c.theirs, id)|c.find(&c.deliveries, id)|c.find(&c.over, id)|c.find(&c.observed, id) != 0
}

// end forgets exchange i of list.
func (c *conversation) end(list *slab.List, i uint32) {
	c.mem.exchanges.Remove(list, i)
	c.mem.exchanges.Free(i)
}

func (c *conversation) at(i uint32) *exchange { return c.mem.exchanges.At(i) }

// find returns the exchange of list with the ID, 0 if there is none.
func (c *conversation) find(list *slab.List, id ID) uint32 {
	for i := list.First; i != 0; i = c.mem.exchanges.Next(i) {
		if c.at(i).id == id {
			return i
		}
	}
	return 0
}

// understands returns the first critical option of m that must not be ignored
// (sections 5.4.1, 5.4.3 and 5.4.5), with the reason.
func (c *conversation) understands(m *coap.Message) (bad coap.OptionNumber, err error) {
	return m.CheckOptions(c.mem.cfg.Recognized)
}
