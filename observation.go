// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/request"
)

// Observe asks for a resource and for every state it changes to (RFC 7641). It
// returns with the first response, which is there to be read by Next, or with an
// *Error if there is none. The response of a server that does not observe the
// resource, or that refuses, is the first and the last; Update says so.
//
// The method is GET, or FETCH (RFC 8132). Other options, such as Accept and ETag,
// are those of every registration. The context is that of the whole
// observation: when it ends, so does the observation.
//
// An observation goes on, with a new session where it needs one, however often
// the server is restarted or out of reach. It is over with a response that is an
// error, or without the Observe option, when the context ends, by Close, and with
// the Client.
//
// Observations of the same resource, by the same client and with the same
// options, share one registration, as RFC 7641 section 3.1 demands. Responses
// may be shared then and must not be changed.
func (c *Client) Observe(ctx context.Context, r *Request) (*Observation, error) {
	uri, err := parseURI(r.URI)
	if err != nil {
		return nil, failed(opObserve, r.URI, err)
	}
	out := outgoing(&uri, r)
	if out.Code != coap.GET && out.Code != coap.FETCH {
		return nil, failed(opObserve, r.URI, &Error{Reason: ReasonSetup, Err: errNotObservable})
	}
	for {
		o, err := c.beginObservation(ctx, &uri, out)
		if err == nil {
			return o, nil
		}
		if err != io.EOF {
			return nil, failed(opObserve, r.URI, err)
		}
	}
}

// beginObservation returns with the first response. It returns io.EOF if it has
// joined others a moment before these had their last one.
func (c *Client) beginObservation(ctx context.Context, uri *coap.URI, out request.Outgoing) (*Observation, error) {
	if err := c.reach(ctx, uri); err != nil {
		return nil, err
	}
	o := &Observation{uri: uri.String(), signal: make(chan struct{}, 1)}
	if err := c.attach(o, uri, out); err != nil {
		return nil, err
	}
	o.stop = context.AfterFunc(ctx, func() { o.leave(contextError(ctx)) })
	if err := o.begun(); err != nil {
		o.stop()
		return nil, err
	}
	return o, nil
}

const opObserve = "observe"

var errNotObservable = errors.New("coaps: only GET and FETCH can be observed")

// An Observation is a resource and its states, as they come. Its methods may be
// called on any goroutine. It must be closed, or its context must end.
type Observation struct {
	uri      string
	interest *interest
	stop     func() bool // forgets the context

	mu      sync.Mutex
	updates []Update // what the reader has not taken yet, at most updatesKept
	skipped uint64   // representations it was too slow for
	unsaid  int      // those of them that Update has not told of
	end     error    // what comes after updates; nil while the observation goes on
	signal  chan struct{}
}

// updatesKept is how many updates wait for a slow reader. Beyond that the oldest
// is skipped: what matters is the newest state (RFC 7641 section 1.3).
const updatesKept = 16

// UpdateKind says what an Update tells.
type UpdateKind uint8

const (
	// UpdateNotified: Response is the state of the resource now.
	UpdateNotified UpdateKind = iota

	// UpdateLost: the server is not heard any more, or a try to reach it again
	// has failed; Err says why. The last state is perhaps not that of the resource
	// any more. Another try follows after a second, and then after ever longer
	// times, up to a minute.
	UpdateLost

	// UpdateReregistered: the server has answered a new registration, in the same
	// session, after it was not heard for longer than Max-Age.
	UpdateReregistered

	// UpdateReconnected: likewise, in a new session or from another address.
	UpdateReconnected
)

var updateNames = [...]string{"notified", "lost", "reregistered", "reconnected"}

// String returns the kind as one lower-case word.
func (k UpdateKind) String() string {
	if int(k) < len(updateNames) {
		return updateNames[k]
	}
	return "unknown"
}

// An Update is one piece of news from an observation.
type Update struct {
	Kind     UpdateKind
	Response *Response // of UpdateNotified
	Last     bool      // nothing follows: Response is an error, or the server does not observe (any more)
	Err      error     // of UpdateLost: an *Error
	Peer     Peer      // of UpdateReregistered and UpdateReconnected: who has answered
	Skipped  int       // how many responses before this one the reader was too slow for
}

// ObservationStats counts what an observation has met. Of observations that
// share a registration all but Skipped are the same.
type ObservationStats struct {
	Received     uint64 // responses, the first included
	Stale        uint64 // those that came after a newer one, or twice
	Skipped      uint64 // those that the reader was too slow for
	Reregistered uint64 // answers to a new registration in the same session
	Reconnected  uint64 // answers to one in a new session
	Lost         uint64 // times the server was not heard any more, tries to reach it again included
}

// Next returns the next state of the resource and waits for it. After the last
// one, or Close, the error is io.EOF; otherwise it is an *Error.
func (o *Observation) Next(ctx context.Context) (*Response, error) {
	for {
		u, err := o.Update(ctx)
		if err != nil {
			return nil, err
		}
		if u.Response != nil {
			return u.Response, nil
		}
	}
}

// All returns what Next returns until that is an error, which comes last unless
// it is io.EOF.
func (o *Observation) All(ctx context.Context) iter.Seq2[*Response, error] {
	return func(yield func(*Response, error) bool) {
		for {
			r, err := o.Next(ctx)
			if err != nil {
				if err != io.EOF {
					yield(nil, err)
				}
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Update is Next for those who want to know what becomes of the connection, too.
func (o *Observation) Update(ctx context.Context) (Update, error) {
	for {
		u, ok, err := o.take()
		if ok || err != nil {
			return u, err
		}
		select {
		case <-o.signal:
		case <-ctx.Done():
			return Update{}, failed(opObserve, o.uri, contextError(ctx))
		}
	}
}

// Observing reports whether the server has us on its list of observers, as far
// as we know.
func (o *Observation) Observing() bool {
	o.mu.Lock()
	over := o.end != nil
	o.mu.Unlock()
	return !over && o.interest.isObserving()
}

// Stats may be called at any time.
func (o *Observation) Stats() ObservationStats {
	stats := o.interest.counted()
	o.mu.Lock()
	defer o.mu.Unlock()
	stats.Skipped = o.skipped
	return stats
}

// Close ends the observation, and lets the server know (RFC 7641 section 3.6)
// unless others share it. It waits for the answer, for 5 s at most.
func (o *Observation) Close() error {
	o.stop()
	o.leave(io.EOF)
	o.interest.abandoned()
	return nil
}

// leave takes the reader away from its source.
func (o *Observation) leave(end error) {
	o.mu.Lock()
	o.updates = nil
	o.mu.Unlock()
	o.finish(end)
	o.interest.remove(o)
}

// begun returns when there is something to read, or why there never will be.
func (o *Observation) begun() error {
	<-o.signal
	poke(o.signal)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.updates) > 0 {
		return nil
	}
	return o.end
}

// push adds an update. It never waits.
func (o *Observation) push(u Update) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	if u.Err != nil {
		u.Err = failed(opObserve, o.uri, u.Err)
	}
	if len(o.updates) == updatesKept {
		if o.updates[0].Response != nil {
			o.skipped++
			o.unsaid++
		}
		o.updates = append(o.updates[:0], o.updates[1:]...)
	}
	o.updates = append(o.updates, u)
	poke(o.signal)
}

// finish says what comes after the last update.
func (o *Observation) finish(end error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if end != io.EOF {
		end = failed(opObserve, o.uri, end)
	}
	if o.end == nil {
		o.end = end
	}
	poke(o.signal)
}

// poke leaves word in a channel that holds one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns the oldest update, or the end if there is none.
func (o *Observation) take() (u Update, ok bool, end error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.updates) == 0 {
		if o.end != nil {
			poke(o.signal) // others may read, too
		}
		return Update{}, false, o.end
	}
	u = o.updates[0]
	o.updates[0] = Update{}
	o.updates = o.updates[1:]
	u.Skipped, o.unsaid = o.unsaid, 0
	if len(o.updates) > 0 || o.end != nil {
		poke(o.signal)
	}
	return u, true, nil
}
