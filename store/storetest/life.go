// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coaps-go/coaps/store"
)

// each calls every method that takes a context; Scan gives n times.
func (s *suite) each(ctx context.Context, check func(method string, err error), n int) {
	_, err := s.Get(ctx, "k")
	check("Get", err)
	check("Apply", s.Apply(ctx, store.Op{Key: "k", Value: []byte("never")}))
	_, err = s.Store.Watch(ctx, "")
	check("Watch", err)
	_, err = store.Load(ctx, s, store.Ops(numbered("l", 3)...))
	check("Load", err)
	for _, err := range s.Scan(ctx, "", "") {
		check("Scan", err)
		n--
	}
	if n != 0 {
		s.Errorf("Scan gave %d times less than it should", n)
	}
}

func (s *suite) cancelled() {
	s.put("k", "v")
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	late, cancel := context.WithDeadline(s.ctx, time.Now().Add(-time.Second))
	defer cancel()
	s.each(ended, func(method string, err error) {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v", method, err)
		}
	}, 1)
	s.each(late, func(method string, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("%s: %v", method, err)
		}
	}, 1)
	s.want("k", "v")
	s.none("l000000")
}

func (s *suite) status() {
	st := s.Store.Status()
	if !st.OK || st.Err != nil || st.ReadOnly || st.Kind == "" || st.Since.IsZero() || st.Since.After(time.Now()) {
		s.Errorf("%+v", st)
	}
	s.must(s.Apply(s.ctx, numbered("k", 10)...))
	s.must(s.Apply(s.ctx, store.Op{Key: "k000003", Delete: true}, store.Op{Key: "k000003", Delete: true}, store.Op{Key: "k000004", Value: []byte("x")}))
	if n := s.Store.Status().Records; n != -1 && n != 9 {
		s.Errorf("%d records, want 9 or unknown", n)
	}
	s.must(s.Close())
	if st := s.Store.Status(); st.OK || !errors.Is(st.Err, store.ErrClosed) {
		s.Errorf("closed: %+v", st)
	}
}

func (s *suite) closed() {
	s.put("k", "v")
	s.must(s.Close())
	s.must(s.Close())
	s.each(s.ctx, func(method string, err error) {
		if !errors.Is(err, store.ErrClosed) {
			s.Errorf("%s: %v", method, err)
		}
	}, 1)
}

// Close while all is busy: each call ends well or with ErrClosed.
func (s *suite) closeBusy() {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d/%d", i, n)
				err := store.Put(s.ctx, s, key, []byte("v"))
				for _, scanned := range s.Scan(s.ctx, key, "") {
					err = errors.Join(err, scanned)
				}
				if err != nil && !errors.Is(err, store.ErrClosed) {
					s.Error(err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	time.Sleep(s.TTL)
	s.must(s.Close())
	wg.Wait()
}

// What was confirmed is there after Close and Open, with the same versions.
func (s *suite) reopen() {
	if s.Reopen == nil {
		s.Skip("it keeps nothing")
	}
	for i, key := range oddKeys {
		s.put(key, fmt.Sprint(i))
	}
	s.must(s.Apply(s.ctx,
		store.Op{Key: "a", Delete: true},
		store.Op{Key: "short", Value: nil, TTL: s.TTL},
		store.Op{Key: "long", Value: nil, TTL: time.Hour}))
	long := s.want("long", "")
	s.eventually("gone", s.gone("short"))
	before := s.lines()
	s.Store = s.Options.Reopen(s.T, s.Store)
	if after := s.lines(); after != before {
		s.Fatalf("before:\n%.500q\nafter:\n%.500q", before, after)
	}
	s.none("short", "a")
	if got := s.want("long", ""); !got.Expires.Equal(long.Expires) {
		s.Errorf("Expires was %v, is %v", long.Expires, got.Expires)
	}
	a := s.put("b", "new")
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "b", Value: nil, IfVersion: a.Version + 1}), "b")
	s.must(s.Apply(s.ctx, store.Op{Key: "b", Value: nil, IfVersion: a.Version}))
}
