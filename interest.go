// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/observe"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// An interest is a client's in one resource: the one registration that all its
// Observations share. Its goroutine registers, again when that is due, and takes
// the client off the list in the end; responses come from the event loop of
// whatever connection the registration was made on.
type interest struct {
	client *Client
	uri    coap.URI
	key    string
	list   coap.OptionList  // of every registration, without Observe
	out    request.Outgoing // the registration

	ctx    context.Context // ends with the last reader or the client
	cancel context.CancelFunc
	renew  chan struct{} // holds one: somebody wants a fresh representation
	sooner chan struct{} // holds one: due is earlier than it was
	done   chan struct{} // the goroutine has ended

	// Of the goroutine.
	failures int           // in a row
	wish     time.Duration // how long the server wants to be left alone

	mu        sync.Mutex
	readers   []*Observation
	over      bool        // no reader can come any more
	call      *call       // whose responses count: the latest
	heardOn   *Connection // that the latest response came on; with it the following make sense
	token     []byte      // likewise
	number    uint32      // of the freshest notification
	numbered  tick.Time   // when that came
	latest    *Response   // it
	stale     time.Time   // when that is older than its Max-Age
	due       time.Time   // when to register again if nothing is heard
	observing bool
	stats     ObservationStats
}

// The times of an observation.
const (
	// renewAfter, and renewSpread at most more, are waited after Max-Age: "the
	// client SHOULD at least wait for a random amount of time between 5 and 15
	// seconds after Max-Age expired to reduce collisions with other clients" (RFC
	// 7641 section 3.3.1).
	renewAfter, renewSpread = 5 * time.Second, 10 * time.Second

	// DefaultObserveProbe is Client.ObserveProbe unless that says otherwise.
	DefaultObserveProbe = time.Hour

	// retryFirst is waited before the first try to reach a lost server again,
	// twice as long before each next one, but retryMost at most; and up to half
	// as much again, by chance, as all its clients have lost it together.
	retryFirst, retryMost = time.Second, time.Minute

	// deregisterTime is how long Close waits for the server, which is long enough
	// to repeat a message that was lost.
	deregisterTime = 5 * time.Second
)

func newInterest(c *Client, key string, uri *coap.URI, out request.Outgoing) *interest {
	i := &interest{
		client: c, uri: *uri, key: key, out: out, list: out.Options.List(),
		renew: make(chan struct{}, 1), sooner: make(chan struct{}, 1), done: make(chan struct{}),
	}
	i.list.Remove(coap.Observe)
	i.out.Options = i.withObserve(observeRegister)
	i.ctx, i.cancel = context.WithCancel(c.ctx)
	return i
}

// withObserve is the options of a request to register or to deregister: "All
// other options MUST be identical" (RFC 7641 sections 3.3.1 and 3.6).
func (i *interest) withObserve(what uint32) coap.Options {
	list := slices.Clone(i.list)
	list.AddUint(coap.Observe, what)
	return list.Encode(nil)
}

// attach gives a reader its source, which is another's if it is the same
// resource: a client "MUST NOT register more than once for the same target
// resource" (RFC 7641 section 3.1).
func (c *Client) attach(o *Observation, uri *coap.URI, out request.Outgoing) error {
	key := interestKey(uri, &out)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.start(); err != nil {
		return err
	}
	if i := c.interests[key]; i != nil && i.add(o) {
		return nil
	}
	if c.interests == nil {
		c.interests = make(map[string]*interest)
	}
	i := newInterest(c, key, uri, out)
	c.interests[key] = i
	i.add(o)
	c.dials.Go(i.keep)
	return nil
}

// interestKey is the same for requests that one response can satisfy: "The target
// resource is identified by all options in the request that are part of the
// cache-key" (RFC 7641 section 3.1). ETag is in it, too, as a 2.03 that is meant
// for one reader says nothing to another.
func interestKey(uri *coap.URI, out *request.Outgoing) string {
	list := slices.DeleteFunc(out.Options.List(), func(o coap.Option) bool {
		return o.Number == coap.Observe || o.Number.NoCacheKey()
	})
	return fmt.Sprintf("%t %q %d %d %d %x %x %x", uri.Secure(), uri.Host, uri.Port, out.Code, out.Type,
		out.Token, []byte(list.Encode(nil)), out.Payload)
}

// add gives the interest another reader, who has the latest state at once if it
// is fresh.
func (i *interest) add(o *Observation) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return false
	}
	o.interest = i
	i.readers = append(i.readers, o)
	switch {
	case i.latest == nil:
	case time.Now().Before(i.stale):
		o.push(Update{Response: i.latest})
	default:
		poke(i.renew)
	}
	return true
}

// remove takes a reader away; without readers there is no interest.
func (i *interest) remove(o *Observation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.readers = slices.DeleteFunc(i.readers, func(r *Observation) bool { return r == o })
	if len(i.readers) == 0 {
		i.over = true
		i.cancel()
	}
}

// abandoned waits for the end of an interest that has no readers any more.
func (i *interest) abandoned() {
	i.mu.Lock()
	over := i.over
	i.mu.Unlock()
	if over {
		<-i.done
	}
}

func (i *interest) isObserving() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.observing
}

func (i *interest) counted() ObservationStats {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stats
}

// keep is the goroutine.
func (i *interest) keep() {
	defer close(i.done)
	defer i.forget()
	for {
		switch err := i.follow(); {
		case i.ctx.Err() != nil:
			i.leave()
			return
		case err == nil:
			// Nothing was heard for too long.
		case i.isLast(err):
			i.finish(err)
			return
		default:
			i.lost(err)
			i.pause()
		}
	}
}

// follow registers and returns nil when that has to be done again, io.EOF after
// the last response, or what went wrong.
func (i *interest) follow() error {
	c := newRegistration(i, i.latestCall())
	r := c.registration
	if _, err := i.client.roundTrip(i.ctx, &i.uri, c); err != nil {
		i.wish = r.wish
		return err
	}
	i.failures, i.wish = 0, 0
	if !r.more {
		return io.EOF
	}
	return i.await(r, i.latestCall().conn.line)
}

func (i *interest) latestCall() *call {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.call
}

// await returns when a registration is over or due again.
func (i *interest) await(r *registration, line *line) error {
	timer := time.NewTimer(time.Until(i.dueAt()))
	defer timer.Stop()
	for {
		select {
		case res := <-r.over:
			return cmp.Or(res.err, io.EOF)
		case <-line.done:
			return errNotSent
		case <-i.ctx.Done():
			return i.ctx.Err()
		case <-i.renew:
			return nil
		case <-i.sooner:
			timer.Reset(time.Until(i.dueAt()))
		case <-timer.C:
			left := time.Until(i.dueAt())
			if left <= 0 {
				return nil
			}
			timer.Reset(left)
		}
	}
}

func (i *interest) dueAt() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.due
}

// isLast reports whether there is no use in another try: the last response was
// delivered, nothing has come of the first try, or the client is closed.
func (i *interest) isLast(err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return err == io.EOF || i.latest == nil || errors.Is(err, ErrClientClosed)
}

// lost tells the readers that the server is not heard any more.
func (i *interest) lost(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.observing = false
	i.stats.Lost++
	i.tell(Update{Kind: UpdateLost, Err: err})
}

func (i *interest) tell(u Update) {
	for _, o := range i.readers {
		o.push(u)
	}
}

// pause waits before the next try.
func (i *interest) pause() {
	timer := time.NewTimer(max(i.wish, retryIn(i.failures, rand.Int64N)))
	defer timer.Stop()
	i.failures++
	select {
	case <-timer.C:
	case <-i.renew: // somebody has reached the server
	case <-i.ctx.Done():
	}
}

// retryIn is how long to wait when n tries in a row have failed
// before. Random is rand.Int64N.
func retryIn(n int, random func(int64) int64) time.Duration {
	wait := retryMost
	if n < 6 {
		wait = min(wait, retryFirst<<n)
	}
	return wait + time.Duration(random(int64(wait/2)))
}

// leave is the end of an interest without readers, or of the client: it closes
// every session, and who closes a session observes nothing in it.
func (i *interest) leave() {
	if i.client.ctx.Err() != nil {
		i.finish(errClientClosed)
		return
	}
	if !i.isObserving() {
		return
	}
	ctx, cancel := context.WithTimeout(i.client.ctx, deregisterTime)
	defer cancel()
	i.latestCall().deregister(ctx, i)
}

// finish tells the readers that nothing comes any more.
func (i *interest) finish(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over, i.observing = true, false
	for _, o := range i.readers {
		o.finish(err)
	}
}

// forget makes the client's next observation another interest.
func (i *interest) forget() {
	i.cancel()
	c := i.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interests[i.key] == i {
		delete(c.interests, i.key)
	}
}

// tokenOn is the token of the registration, if there was one on this connection.
func (i *interest) tokenOn(conn *Connection) (token []byte, same bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.token, i.heardOn == conn
}

// adopt makes c the call whose responses count, when it is sent.
func (i *interest) adopt(c *call) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.call = c
	r := c.registration
	r.again, r.renewed = i.heardOn != nil, UpdateReregistered
	if i.heardOn != c.conn {
		r.renewed = UpdateReconnected
	}
}

// take is a response to call c, on the event loop. One to another call is too
// late: that call, and its session perhaps, are over.
func (i *interest) take(now tick.Time, c *call, response *Response, more bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.call != c || i.over {
		return
	}
	i.stats.Received++
	if more && !i.fresher(now, c, response) {
		i.stats.Stale++
		if due := i.renewal(0); due.After(i.due) {
			i.due = due // somebody is there
		}
		return
	}
	i.accept(now, c, response, more)
	if r := c.registration; r.again && !r.told {
		r.told = true
		i.renewed(r.renewed, response)
	}
	i.tell(Update{Response: response, Last: !more})
}

// fresher reports whether a notification was sent after the freshest so far (RFC
// 7641 section 3.4). There is no order between sessions. What comes in the
// acknowledgement of a request was sent after all that came before the request,
// even by a server that has lost count.
func (i *interest) fresher(now tick.Time, c *call, response *Response) bool {
	if i.heardOn != c.conn || response.Type == coap.Acknowledgement {
		return true
	}
	number, _ := response.Options.GetUint(coap.Observe)
	return observe.Fresher(i.number, number, now.Sub(i.numbered))
}

// accept makes a response the latest.
func (i *interest) accept(now tick.Time, c *call, response *Response, more bool) {
	i.number, _ = response.Options.GetUint(coap.Observe)
	i.numbered, i.heardOn, i.token = now, c.conn, response.Token
	i.latest, i.observing = response, more
	age := time.Duration(response.Options.Encode(nil).MaxAge()) * time.Second
	due := i.renewal(age)
	if due.Before(i.due) {
		poke(i.sooner)
	}
	i.stale, i.due = time.Now().Add(age), due
}

// renewal is when to register again after a response of the given Max-Age.
func (i *interest) renewal(age time.Duration) time.Time {
	return time.Now().Add(renewal(age, i.client.ObserveProbe, rand.Int64N))
}

// renewal is how long to wait for another notification after one of the given
// Max-Age.
func renewal(maxAge, probe time.Duration, random func(int64) int64) time.Duration {
	if probe == 0 {
		probe = DefaultObserveProbe
	}
	if probe > 0 {
		maxAge = min(maxAge, probe)
	}
	return maxAge + renewAfter + time.Duration(random(int64(renewSpread)))
}

// renewed tells of the first answer to another registration.
func (i *interest) renewed(kind UpdateKind, response *Response) {
	if kind == UpdateReconnected {
		i.stats.Reconnected++
	} else {
		i.stats.Reregistered++
	}
	i.tell(Update{Kind: kind, Peer: response.Peer})
}
