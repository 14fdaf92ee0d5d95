// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coaps-go/coaps/store"
)

// getAll reads many records at once: by BatchGetter if the store is one, else one
// by one, which has to be the same.
func (s *suite) getAll() {
	s.allAre(nil)
	s.allAre([]string{"a", "", strings.Repeat("k", store.MaxKey+1)})
	s.must(s.Apply(s.ctx, numbered("k", s.Large)...))
	for _, key := range oddKeys {
		s.put(key, "odd")
	}
	s.put("large", string(bytes.Repeat([]byte{0, 0xff, '\n'}, 500_000)))
	s.must(s.Apply(s.ctx, store.Op{Key: "gone", Value: []byte("v"), TTL: s.TTL}))
	s.eventually("the end of a record", func() bool { _, err := s.Get(s.ctx, "gone"); return errors.Is(err, store.ErrNotFound) })
	keys := append([]string{"large", "gone", "none", "large", "gone"}, oddKeys...)
	for i := 0; i <= s.Large; i += 3 { // the last is not there
		keys = append(keys, fmt.Sprintf("k%06d", i), fmt.Sprintf("none%06d", i))
	}
	slices.Reverse(keys)
	s.allAre(keys)
	s.ownedInAll()
	s.allWhileWriting()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if all, err := store.GetAll(ctx, s, []string{"a", "b"}); err == nil || all != nil {
		s.Errorf("cancelled: %v, %v", all, err)
	}
	s.must(s.Close())
	if all, err := store.GetAll(s.ctx, s, []string{"a"}); !errors.Is(err, store.ErrClosed) || all != nil {
		s.Errorf("closed: %v, %v", all, err)
	}
}

// allAre expects that GetAll says what Get says of each key.
func (s *suite) allAre(keys []string) {
	s.Helper()
	all, err := store.GetAll(s.ctx, s, keys)
	if err != nil || len(all) != len(keys) {
		s.Fatalf("GetAll of %d keys: %d records, %v", len(keys), len(all), err)
	}
	for i, key := range keys {
		one, err := s.Get(s.ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.Fatal(err)
		}
		got := all[i]
		if got.Key != one.Key || !bytes.Equal(got.Value, one.Value) || got.Version != one.Version || !got.Expires.Equal(one.Expires) {
			s.Fatalf("GetAll: %.50q is %.50q, version %d, %.50q, but Get says version %d, %.50q", key, got.Key, got.Version, got.Value, one.Version, one.Value)
		}
	}
}

// ownedInAll changes what it was given.
func (s *suite) ownedInAll() {
	for range 2 {
		all, err := store.GetAll(s.ctx, s, []string{"a", "a"})
		s.must(err)
		if string(all[0].Value) != "odd" || string(all[1].Value) != "odd" {
			s.Fatalf("got %q and %q", all[0].Value, all[1].Value)
		}
		copy(all[0].Value, "XXX")
	}
}

// allWhileWriting reads while somebody writes: each record is as it was at some
// moment, and none is taken for another.
func (s *suite) allWhileWriting() {
	const n = 20
	s.put("w", "w")
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		for i := range n {
			if err := store.Put(s.ctx, s, "w", fmt.Append(nil, "w", i)); err != nil {
				s.Error(err)
			}
		}
	})
	for range n {
		all, err := store.GetAll(s.ctx, s, []string{"b", "w", "none", "w"})
		s.must(err)
		for i, prefix := range []string{"odd", "w", "", "w"} {
			if !strings.HasPrefix(string(all[i].Value), prefix) || i == 2 && all[i].Version != store.Any {
				s.Fatalf("record %d is %q", i, all[i].Value)
			}
		}
	}
}
