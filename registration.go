// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// A registration is what a call has to do with an interest: a request to add us to
// a list of observers, or to take us off. Its methods run on the event loop of
// the call's connection.
type registration struct {
	interest *interest
	last     *call      // the registration before, which ends when this one is sent
	renewed  UpdateKind // what its first answer means, if it is not the very first
	again    bool       // it is not the very first
	told     bool       // readers know of it

	more bool          // the first response was a notification: others follow
	wish time.Duration // how long the server wants to be left alone
	over chan result   // holds one: how the call has ended after that
}

// newRegistration is the call that follows on last, nil for the first.
func newRegistration(i *interest, last *call) *call {
	c := newCall(i.out)
	c.registration = &registration{interest: i, last: last, over: make(chan result, 1)}
	return c
}

// takeOver comes before c is sent. "To make sure it has a current representation
// and/or to re-register its interest in a resource, a client MAY issue a new GET
// request with the same token as the original at any time" (RFC 7641 section
// 3.3.1). In another session the token would mean nothing.
func (r *registration) takeOver(now tick.Time, c *call) {
	r.interest.adopt(c)
	if token, same := r.interest.tokenOn(c.conn); same {
		c.out.Token = token
	}
	if last := r.last; last != nil && last.conn == c.conn && c.conn.calls[last.id.ID] == last {
		delete(c.conn.calls, last.id.ID)
		c.conn.line.ep.Cancel(now, last.id)
	}
}

// answer is a response to call c, the first or a later one. More says whether
// others will follow.
func (r *registration) answer(now tick.Time, c *call, res result, more bool) {
	if res.err == nil && r.again && !c.answered && res.response.Code == coap.ServiceUnavailable {
		r.wish, res = retryWish(res.response), result{err: errUnavailable}
	}
	if res.err == nil {
		r.interest.take(now, c, res.response, more)
	}
	switch {
	case !c.answered:
		c.answered, r.more = true, more
		c.done <- res
	case !more:
		r.over <- res
	}
}

// errUnavailable is what 5.03 is when a server is asked again. It has restarted
// perhaps, and has everybody ask at once: that is no state of the resource, but a
// wish to be asked later.
var errUnavailable = &Error{Reason: ReasonUnavailable, Err: errors.New("coaps: the server has no time")}

// retryWish is how long not to ask again after 5.03: "The server uses the Max-Age
// Option to indicate the number of seconds after which to retry" (RFC 7252 section
// 5.9.3.4). More than a day is not believed.
func retryWish(response *Response) time.Duration {
	return min(time.Duration(response.Options.Encode(nil).MaxAge())*time.Second, 24*time.Hour)
}

// fail ends call c without another response.
func (r *registration) fail(c *call, err error) {
	if !c.answered {
		c.answered = true
		c.done <- result{err: err}
		return
	}
	r.over <- result{err: err}
}

// deregisterTries bounds how often we ask to be taken off a list because a
// notification has crossed the last request.
const deregisterTries = 3

// deregister asks to be taken off the list of observers, by "a GET request which
// has the Token field set to the token of the observation to be cancelled and
// includes an Observe Option with the value set to 1" (RFC 7641 section 3.6).
func (c *call) deregister(ctx context.Context, i *interest) {
	for last, try := c, 0; try < deregisterTries; try++ {
		next := newRegistration(i, last)
		next.out.Options = i.withObserve(observeDeregister)
		response, err := c.conn.roundTrip(ctx, next)
		// A notification that was under way has the same token as the answer.
		if err != nil || response.Type == coap.Acknowledgement || !response.Options.Has(coap.Observe) {
			return
		}
		last = next
	}
}
