// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
)

// Without a fault it keeps all promises.
func TestFaultyHealthy(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewFaulty(memory.New()) }, storetest.Options{Large: 500})
}

func TestFaults(t *testing.T) {
	ctx := context.Background()
	boom := errors.New("boom")
	for _, test := range []struct {
		name    string
		fault   storetest.Fault
		get     error
		put     error
		written bool
		took    time.Duration
	}{
		{"none", storetest.Fault{}, nil, nil, true, 0},
		{"error", storetest.Fault{Err: boom}, boom, boom, false, 0},
		{"half dead", storetest.Fault{On: storetest.Apply, Err: boom}, nil, boom, false, 0},
		{"slow", storetest.Fault{Delay: time.Second}, nil, nil, true, 2 * time.Second},
		{"too slow", storetest.Fault{Delay: time.Hour}, context.DeadlineExceeded, context.DeadlineExceeded, false, 10 * time.Second},
		{"hangs", storetest.Fault{Hang: true}, store.ErrUnavailable, store.ErrUnavailable, false, 10 * time.Second},
		{"lost answer", storetest.Fault{On: storetest.Apply, Lost: true}, nil, store.ErrUnavailable, true, 0},
		{"every other", storetest.Fault{Every: 2, Err: boom}, nil, boom, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := memory.New()
				s := storetest.NewFaulty(inner)
				defer func() { _ = s.Close() }()
				if err := store.Put(ctx, s, "k", []byte("old")); err != nil {
					t.Fatal(err)
				}
				s.Set(test.fault)
				begin := time.Now()
				call := func(do func(ctx context.Context) error) error {
					ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					return do(ctx)
				}
				err := call(func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err })
				if !errors.Is(err, test.get) {
					t.Errorf("Get: %v, want %v", err, test.get)
				}
				err = call(func(ctx context.Context) error { return store.Put(ctx, s, "k", []byte("new")) })
				if !errors.Is(err, test.put) {
					t.Errorf("Put: %v, want %v", err, test.put)
				}
				if took := time.Since(begin); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				r, _ := inner.Get(ctx, "k")
				if written := string(r.Value) == "new"; written != test.written {
					t.Errorf("written: %v, want %v", written, test.written)
				}
				s.Heal()
				if err := store.Put(ctx, s, "k", nil); err != nil || !s.Status().OK {
					t.Errorf("healed: %v, %+v", err, s.Status())
				}
			})
		})
	}
}

// A deaf store does not look at the context; Heal ends it, and Cut and Die end
// the watches.
func TestFaultyDeafAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewFaulty(memory.New())
		defer func() { _ = s.Close() }()
		ctx, cancel := context.WithCancel(context.Background())
		ch, err := s.Watch(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		s.Set(storetest.Fault{Hang: true, Deaf: true})
		done := make(chan error, 1)
		go func() { _, err := s.Get(ctx, "k"); done <- err }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if s.Hanging() != 1 || len(done) != 0 {
			t.Errorf("%d calls hang, want the deaf one", s.Hanging())
		}
		s.Die()
		// The call goes on to the inner store, which looks at the context.
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, open := <-ch; open {
			t.Error("the watch is still open")
		}
		if _, err := s.Get(context.Background(), "k"); !errors.Is(err, store.ErrUnavailable) || s.Status().OK {
			t.Errorf("dead: %v, %+v", err, s.Status())
		}
		if n := s.Count(storetest.Get); n != 2 {
			t.Errorf("%d Gets, want 2", n)
		}
	})
}
