// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/storetest"
)

// One after the other, three wait for a store that hangs, and the fourth does
// not.
func TestBreaker(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		w.faulty.Set(storetest.Fault{On: storetest.Get, Hang: true, Deaf: true})
		for _, want := range []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 0, 0} {
			began := time.Now()
			w.expect(t, "look-up", w.fetch("a"), "store_unavailable")
			if took := time.Since(began); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
		if s := w.directory.Status(); s.Timeouts != breakAfter || !s.Breaker {
			t.Errorf("got %+v", s)
		}
	})
}

// After changes that were missed all is looked up again; while that is not
// possible it is the best there is.
func TestLost(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		w.fetch("a")
		w.fetch("x")
		var batch changes
		w.directory.take(&batch, store.Event{Lost: true})
		w.expect(t, "found", w.cached("a"), "?")
		w.expect(t, "nobody's", w.cached("x"), "?")
		w.faulty.Set(storetest.Fault{On: storetest.Get, Err: store.ErrUnavailable})
		w.expect(t, "while the store is away", w.fetch("a"), "a")
		w.expect(t, "nobody's, while the store is away", w.fetch("x"), "store_unavailable")
		w.faulty.Heal()
		w.expect(t, "when it is back", w.fetch("a"), "a")
		w.expect(t, "from then on", w.cached("a"), "a")
	})
}

// A clock that is set back or ahead makes nothing last longer.
func TestClockIsSet(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("a", pskOf("a", "sixteen byte key"))))
	d := NewDirectory(r.store, Options{})
	d.watching.Store(true)
	for _, jump := range []time.Duration{-365 * 24 * time.Hour, -time.Second, 365 * 24 * time.Hour} {
		for _, identity := range []string{"a", "x"} {
			d.Fetch(ctx, claimPSK(identity), noon)
			if e, ok := d.Cached(claimPSK(identity), noon); !ok {
				t.Errorf("%s: %+v", identity, e)
			}
			if e, ok := d.Cached(claimPSK(identity), noon.Add(jump)); ok {
				t.Errorf("%s, %v: %+v", identity, jump, e)
			}
			want := map[string]string{"a": "a", "x": "unknown_identity"}[identity]
			if e := d.Fetch(ctx, claimPSK(identity), noon.Add(jump)); told(e) != want {
				t.Errorf("%s, %v: %s", identity, jump, told(e))
			}
			if _, ok := d.Cached(claimPSK(identity), noon.Add(jump)); !ok {
				t.Errorf("%s, %v: not in memory after a look-up", identity, jump)
			}
		}
	}
}
