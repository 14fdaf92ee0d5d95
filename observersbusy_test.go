// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A gate is a resource whose handler waits until the test lets it go on.
type gate struct {
	state
	shut chan struct{}
}

func (g *gate) ServeCOAP(w ResponseWriter, r *Request) {
	<-g.shut
	g.state.ServeCOAP(w, r)
}

// crowd has requests take all workers, and all places before them.
func (s *subject) crowd(path string) {
	for i := range 1 + handlersWaiting {
		s.onlooker().asks(path, fmt.Sprint(i), noObserve)
		time.Sleep(2 * airTime)
	}
	synctest.Wait()
}

// A notification that finds no worker is made a little later, also if the one before
// it, which it was to replace, is acknowledged meanwhile.
func TestNotificationFindsNoWorker(t *testing.T) {
	for name, later := range map[string]bool{"while it pauses": false, "while it is due": true} {
		t.Run(name, func(t *testing.T) { findNoWorker(t, later) })
	}
}

func findNoWorker(t *testing.T, later bool) {
	v, slow := &state{text: "a"}, &gate{state: state{text: "slow"}}
	mux := muxOf(Observable(v))
	mux.Handle("/slow", slow)
	observed(t, mux, func(s *Server) {
		s.Workers = 1
		slow.shut = make(chan struct{}) // of this bubble
	}, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "t", "a")
		s.server.Notify("/v")
		m := c.wantsText("t", "a")
		sent := time.Now()
		v.set("b")
		s.server.Notify("/v")
		s.crowd("/slow")
		time.Sleep(time.Until(sent.Add(supersedeAfter + unconfirmedPause/2)))
		var waiting uint32
		s.onLoop(func(o *observers) { waiting = o.pausing.Len })
		if waiting != 1 {
			t.Errorf("%d are postponed", waiting)
		}
		if later { // and none is left for notifications when it is due
			s.onLoop(func(o *observers) { o.making += 100 })
			time.Sleep(unconfirmedPause)
		}
		c.acknowledges(m)
		time.Sleep(unconfirmedPause / 4)
		if later {
			s.onLoop(func(o *observers) { o.making -= 100; o.hurry() })
		}
		close(slow.shut)
		c.acknowledges(c.wantsText("t", "b"))
		v.set("c")
		s.server.Notify("/v")
		c.acknowledges(c.wantsText("t", "c"))
		c.quiet(time.Hour)
	})
}
