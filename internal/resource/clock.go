// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// A Clock is the resource /time. While somebody observes it, it changes with every
// second; otherwise it does nothing by itself.
type Clock struct {
	now      func() time.Time
	audience Audience
	ticks    While
}

// timePath is where the clock is.
const timePath = "/time"

// NewClock makes one that shows the time that now returns. Close ends it.
func NewClock(now func() time.Time, audience Audience) *Clock {
	c := &Clock{now: now, audience: audience}
	c.ticks.Pause = func() time.Duration { return time.Second - time.Duration(now().Nanosecond()) }
	c.ticks.Beat = c.tick
	return c
}

// Handle registers /time.
func (c *Clock) Handle(mux *coaps.Mux) {
	mux.Handle("GET "+timePath, coaps.Observable(coaps.Inline(fixed(c.tell))))
	mux.Describe("GET "+timePath, attr("title", "The server's clock"), attr("ct", "0"))
}

// Close ends what Handle has registered.
func (c *Clock) Close() { c.ticks.Close() }

// tell answers with RFC 3339. The answer is stale after a second.
func (c *Clock) tell(w coaps.ResponseWriter, r *coaps.Request) {
	if !acceptable(w, r, coap.TextPlain) {
		return
	}
	if Registers(r) {
		c.ticks.Wake()
	}
	w.SetContentFormat(coap.TextPlain)
	w.SetUint(coap.MaxAge, 1)
	w.Write(c.now().AppendFormat(nil, time.RFC3339))
}

func (c *Clock) tick() (some bool) {
	if len(c.audience.ObservedPaths(timePath)) == 0 {
		return false
	}
	c.audience.Notify(timePath)
	return true
}
