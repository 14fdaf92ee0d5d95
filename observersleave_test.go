// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/security"
)

// One that waits for a worker behind another one under way is in hand all the time:
// when that is acknowledged it is not taken for two.
func TestNotificationFindsNoWorkerTwice(t *testing.T) {
	v := &state{text: "a"}
	slow, other := &gate{state: state{text: "slow"}}, &gate{state: state{text: "other"}}
	mux := muxOf(Observable(v))
	mux.Handle("/slow", slow)
	mux.Handle("/other", Observable(other))
	observed(t, mux, func(s *Server) {
		s.Workers = 1
		slow.shut, other.shut = make(chan struct{}), make(chan struct{}, 1)
	}, func(s *subject) {
		c, d := s.onlooker(), s.onlooker()
		c.registers("/v", "t", "a")
		other.shut <- struct{}{}
		d.registers("/other", "o", "other")
		s.server.Notify("/v")
		m := c.wantsText("t", "a")
		sent := time.Now()
		v.set("b")
		s.server.Notify("/v")
		s.crowd("/slow")
		time.Sleep(time.Until(sent.Add(supersedeAfter + unconfirmedPause/4))) // it is postponed
		slow.shut <- struct{}{}
		synctest.Wait()
		s.server.Notify("/other") // takes the place that is free
		time.Sleep(time.Until(sent.Add(supersedeAfter + 3*unconfirmedPause/2)))
		c.acknowledges(m)
		synctest.Wait()
		time.Sleep(airTime * 2)
		close(slow.shut)
		close(other.shut)
		c.acknowledges(c.wantsText("t", "b"))
		d.acknowledges(d.wantsText("o", "other"))
		c.quiet(time.Hour)
		s.wants(2)
		s.onLoop(func(o *observers) {
			if o.outstanding != 0 || o.making != 0 || o.turns.Used() != 0 || o.list.Due() {
				t.Errorf("%d outstanding, %d making, %d turns", o.outstanding, o.making, o.turns.Used())
			}
		})
	})
}

// A peer that leaves what it observes and does not confirm that cannot pile up
// what it leaves.
func TestObserversWhoLeaveAreBounded(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		for i := range 10 * DefaultObserversPerPeer {
			v.set("a")
			c.asks("/v", fmt.Sprint("t", i), observeRegister)
			time.Sleep(10 * airTime)
			v.set("4.04")
			s.server.Notify("/v")
			time.Sleep(10 * airTime)
		}
		s.onLoop(func(o *observers) {
			if n := len(slices.Collect(o.list.OfPeer(1<<32 | 1))); n == 0 || n > 2*DefaultObserversPerPeer {
				t.Errorf("%d are kept of one peer", n)
			}
		})
	})
}

// What was made by a handler that is not in force any more is not shown.
func TestHandlerReplacedOnTheWay(t *testing.T) {
	slow := &gate{state: state{text: "old"}}
	mux := muxOf(Observable(slow))
	observed(t, mux, func(*Server) { slow.shut = make(chan struct{}, 1) }, func(s *subject) {
		c := s.onlooker()
		slow.shut <- struct{}{}
		c.registers("/v", "t", "old")
		s.server.Notify("/v")
		synctest.Wait()
		s.server.SetHandler(muxOf(Observable(&state{text: "new"})))
		close(slow.shut)
		c.acknowledges(c.wantsText("t", "new"))
		c.quiet(time.Hour)
		s.wants(1)
	})
}

// Those who have begun to observe are those who do and those who have ended,
// however often they register anew.
func TestObserversAreCountedOnce(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		for range 5 {
			c.registers("/v", "t", "a")
		}
		c.registers("/w/1", "u", "a")
		if got := s.wants(2); got.ObserversAdded != 2 {
			t.Errorf("%d have begun", got.ObserversAdded)
		}
		v.set("4.04")
		c.asks("/v", "t", observeRegister)
		c.next(time.Minute)
		c.asks("/v", "x", observeRegister) // never begins
		c.next(time.Minute)
		if got := s.wants(1); got.ObserversAdded != 2 || got.ObserversFailed != 1 {
			t.Errorf("%d have begun, %d failed", got.ObserversAdded, got.ObserversFailed)
		}
	})
}

// The handler of a notification has been asked by nobody: it makes nobody somebody
// else.
func TestNotificationAuthorizesNobody(t *testing.T) {
	var made atomic.Int32
	mux := muxOf(Observable(HandlerFunc(func(w ResponseWriter, r *Request) {
		if made.Add(1) > 1 {
			if err := r.Authorize(security.Principal{Device: "other"}); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, "state")
	})))
	observed(t, mux, nil, func(s *subject) {
		c := s.with(s.directory.add("sensor"))
		o := s.follows(c, "/v")
		s.server.Notify("/v")
		if r := s.news(o); r == nil || string(r.Payload) != "state" {
			t.Fatalf("%v", r)
		}
		if got := get(t, c, "coaps://"+subjectSecure+"/plain"); !strings.Contains(got, "device=sensor") {
			t.Errorf("it is %q now", got)
		}
	})
}

// Trees that change faster than they are gone over become one: everything.
func TestManyTrees(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), nil, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "1", "a")
		v.set("b")
		s.onLoop(func(o *observers) {
			for i := range 3 * changesKept {
				o.changes.tell(change{path: fmt.Sprintf("/%d/", i), tree: true, everybody: true})
				o.deliver(0)
			}
			if len(o.trees) > changesKept {
				t.Errorf("%d trees are to be gone over", len(o.trees))
			}
		})
		c.acknowledges(c.wantsText("1", "b"))
	})
}
