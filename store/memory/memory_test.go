// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return New() }, storetest.Options{})
}

// A clock that goes back shows again what had expired but was not yet swept,
// never what was deleted; a clock that jumps ahead makes records expire.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		s := newClock(func() time.Time { return time.Now().Add(time.Duration(jump.Load())) })
		defer func() { _ = s.Close() }()
		ctx := context.Background()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.Apply(ctx, store.Op{Key: "deleted", TTL: time.Hour}, store.Op{Key: "left", TTL: time.Hour}))
		must(store.Delete(ctx, s, "deleted"))
		jump.Store(int64(2 * time.Hour))
		if _, err := s.Get(ctx, "left"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the clock is past its end: %v", err)
		}
		jump.Store(int64(-2 * time.Hour))
		if _, err := s.Get(ctx, "deleted"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the clock went back, the deleted record came back: %v", err)
		}
		if _, err := s.Get(ctx, "left"); err != nil {
			t.Error(err)
		}
		// The sweeper sees a jump within sweepEvery.
		jump.Store(int64(2 * time.Hour))
		time.Sleep(sweepEvery + time.Millisecond)
		synctest.Wait()
		if n := s.Status().Records; n != 0 {
			t.Errorf("%d records left", n)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := New()
	ctx := context.Background()
	const n = 100_000
	keys := make([]string, n)
	for i := range n {
		keys[i] = fmt.Sprintf("device/%07d", i)
		if err := store.Put(ctx, s, keys[i], make([]byte, 250)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Get(ctx, keys[i*7919%n]); err != nil {
			b.Fatal(err)
		}
	}
}
