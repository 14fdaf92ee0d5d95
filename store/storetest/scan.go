// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/coaps-go/coaps/store"
)

func (s *suite) scanOrder() {
	for _, key := range []string{"b", "aa", "a", "c\x00", "c", "B", "b/2", "b/10", "b/1"} {
		s.put(key, key)
	}
	want := []string{"B", "a", "aa", "b", "b/1", "b/10", "b/2", "c", "c\x00"}
	if got := s.scan("", ""); !slices.Equal(got, want) {
		s.Errorf("scanned %q, want %q", got, want)
	}
	for r, err := range s.Scan(s.ctx, "b", "") {
		s.must(err)
		if one, err := s.Get(s.ctx, r.Key); err != nil || string(one.Value) != string(r.Value) || one.Version != r.Version {
			s.Errorf("Scan has %v, Get %v, %v", r, one, err)
		}
	}
}

func (s *suite) scanPrefix() {
	for _, key := range []string{"a", "a*", "a*b", "a/1", "a/2", "a0", "aé", "b", "d\xfe", "d\xfe1", "d\xff", "e\ufffd", "e\xf0", "\xff", "\xff\xff\x01"} {
		s.put(key, key)
	}
	for prefix, want := range map[string][]string{
		"a/":       {"a/1", "a/2"},
		"a*":       {"a*", "a*b"},
		"a0":       {"a0"},
		"a\xc3":    {"aé"},
		"d\xfe":    {"d\xfe", "d\xfe1"},
		"e\ufffd":  {"e\ufffd"},
		"\xff":     {"\xff", "\xff\xff\x01"},
		"\xff\xff": {"\xff\xff\x01"},
		"c":        nil,
		"a/11":     nil,
	} {
		if got := s.scan(prefix, ""); !slices.Equal(got, want) {
			s.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
}

func (s *suite) scanAfter() {
	for _, key := range []string{"a", "p/", "p/1", "p/1\x00", "p/2", "p/3", "q"} {
		s.put(key, key)
	}
	for after, want := range map[string][]string{
		"":        {"p/", "p/1", "p/1\x00", "p/2", "p/3"},
		"a":       {"p/", "p/1", "p/1\x00", "p/2", "p/3"},
		"p/":      {"p/1", "p/1\x00", "p/2", "p/3"},
		"p/1":     {"p/1\x00", "p/2", "p/3"},
		"p/1\xff": {"p/2", "p/3"},
		"p/3":     nil,
		"q":       nil,
		"\xff":    nil,
	} {
		if got := s.scan("p/", after); !slices.Equal(got, want) {
			s.Errorf("after %q: %q, want %q", after, got, want)
		}
	}
}

// Who has seen enough leaves, and the store is as free as before.
func (s *suite) scanStops() {
	s.must(s.Apply(s.ctx, numbered("k", 1000)...))
	for r := range s.Scan(s.ctx, "", "") {
		if r.Key == "k000002" {
			break
		}
	}
	s.put("k000003", "written")
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	n, last := 0, error(nil)
	for _, err := range s.Scan(ctx, "", "") {
		if n++; n == 3 {
			cancel()
		}
		last = err
	}
	if last != nil {
		s.fails(last, context.Canceled)
	}
	if n == 1000 && last == nil {
		s.Log("the whole scan was in memory when the context ended")
	}
}

func (s *suite) scanMany() {
	_, err := store.Load(s.ctx, s, store.Ops(numbered("m", s.Large)...))
	s.must(err)
	s.put("n", "after them")
	i := 0
	for r, err := range s.Scan(s.ctx, "m", "") {
		s.must(err)
		if want := fmt.Sprintf("m%06d", i); r.Key != want || string(r.Value) != fmt.Sprint(i) {
			s.Fatalf("%d: %q: %q, want %q", i, r.Key, r.Value, want)
		}
		i++
	}
	if i != s.Large {
		s.Fatalf("%d records, want %d", i, s.Large)
	}
}

// While others write, what nobody touches comes once, in order; the loop's body
// may write too.
func (s *suite) scanWhileWriting() {
	const n = 600
	s.must(s.Apply(s.ctx, numbered("k", n)...))
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("k%06d+", i*7%n)
			_ = s.Apply(s.ctx, store.Op{Key: key, Value: []byte("x"), Delete: i%2 == 1})
		}
	})
	var seen []string
	for key := range s.scanned(s.ctx, "k", "") {
		if len(seen) > 0 && key <= seen[len(seen)-1] {
			s.Errorf("%q after %q", key, seen[len(seen)-1])
		}
		seen = append(seen, key)
		if len(seen)%200 == 0 {
			s.must(store.Put(s.ctx, s, "body", nil))
		}
	}
	cancel()
	wg.Wait()
	seen = slices.DeleteFunc(seen, func(key string) bool { return key[len(key)-1] == '+' })
	if len(seen) != n {
		s.Errorf("%d of the %d untouched records", len(seen), n)
	}
}
