// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// Addresses that may be forged keep nobody out: one that has never acknowledged a
// notification gives way, one that has does not.
//
// Pitfall A18: registrations from forged addresses take all places
func TestPlainObserversGiveWay(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "1", "a")
		s.server.Notify("/v")
		c.acknowledges(c.wantsText("1", "a"))
		for range plainObservers {
			s.onlooker().registers("/v", "t", "a")
		}
		if got := s.wants(plainObservers); got.ObserversDisconnected != 1 || got.ObserversRefused != 0 {
			t.Errorf("%d gave way, %d refused", got.ObserversDisconnected, got.ObserversRefused)
		}
		s.server.Notify("/v")
		c.acknowledges(c.wantsText("1", "a"))
	})
}

// However few observations there may be, those without DTLS leave half of them to
// those with a credential.
//
// Pitfall A18: registrations from forged addresses take all places
func TestPlainObserversLeaveHalf(t *testing.T) {
	for _, c := range []struct {
		observers, loops int
		secure           bool
		plain            int
	}{
		{0, 1, true, plainObservers},
		{0, 4, true, plainObservers / 4},
		{100, 1, true, 50},
		{100, 2, true, 25},
		{100, 1, false, 100},
		{1, 1, true, 1},
		{-1, 1, true, 0},
	} {
		s := &Server{Observers: c.observers}
		if c.secure {
			s.Security = &security.Config{}
		}
		if got := s.observerLimits(false, c.loops).Observers; got != c.plain {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// Who does not acknowledge a notification is off the list with all that it observes.
func TestDeadObserverIsGone(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c, other := s.onlooker(), s.onlooker()
		for i := range 5 {
			c.registers("/v", fmt.Sprint(i), "a")
		}
		other.registers("/v", "x", "a")
		s.server.Notify("/v")
		other.acknowledges(other.wantsText("x", "a"))
		time.Sleep(100 * time.Second)
		if got := s.wants(1); got.ObserversTimedOut != 5 {
			t.Errorf("%d timed out", got.ObserversTimedOut)
		}
	})
}

// Of a change that only somebody else may see, nobody learns.
func TestRefresh(t *testing.T) {
	v := map[string]string{"a": "one", "b": "one"}
	mux := NewMux()
	mux.Handle("/v", Observable(Inline(HandlerFunc(func(w ResponseWriter, r *Request) {
		fmt.Fprint(w, v[r.Query[0]])
	}))))
	observed(t, mux, nil, func(s *subject) {
		who := map[string]*scripted{"a": s.onlooker(), "b": s.onlooker()}
		for name, c := range who {
			c.asks("/v", name, observeRegister, coap.Option{Number: coap.URIQuery, Value: []byte(name)})
			c.wantsText(name, "one")
		}
		shows := func(name, text string) {
			t.Helper()
			who[name].acknowledges(who[name].wantsText(name, text))
		}
		s.onLoop(func(*observers) { v["a"] = "two" })
		s.server.Refresh("/v")
		shows("a", "two")
		who["b"].quiet(time.Minute)
		s.server.Refresh("/v") // of one path, in one turn with a change for everybody
		s.server.Notify("/v")
		shows("a", "two")
		shows("b", "one")
	})
}
