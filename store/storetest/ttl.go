// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"slices"
	"time"

	"github.com/coaps-go/coaps/store"
)

func (s *suite) gone(key string) func() bool {
	return func() bool {
		_, err := s.Get(s.ctx, key)
		return err != nil
	}
}

func (s *suite) ttl() {
	before := time.Now()
	s.must(s.Apply(s.ctx,
		store.Op{Key: "short", Value: []byte("s"), TTL: s.TTL},
		store.Op{Key: "long", Value: []byte("l"), TTL: time.Hour},
		store.Op{Key: "ever", Value: []byte("e")}))
	long := s.want("long", "l")
	if d := long.Expires.Sub(before.Add(time.Hour)); d < -time.Second || d > s.Late {
		s.Errorf("Expires is %v off", d)
	}
	s.eventually("gone", s.gone("short"))
	if time.Since(before) < s.TTL {
		s.Errorf("gone after %v, before its %v", time.Since(before), s.TTL)
	}
	s.none("short")
	s.want("long", "l")
	s.want("ever", "e")
	// What has expired is absent.
	s.must(store.Create(s.ctx, s, "short", []byte("again")))
	s.want("short", "again")
}

// What is written again has the life of the later op alone.
func (s *suite) ttlReplaced() {
	s.must(s.Apply(s.ctx, store.Op{Key: "a", Value: []byte("1"), TTL: s.TTL}, store.Op{Key: "b", Value: []byte("1"), TTL: time.Hour}))
	a := s.put("a", "2")
	if !a.Expires.IsZero() {
		s.Errorf("Expires is still %v", a.Expires)
	}
	s.must(s.Apply(s.ctx, store.Op{Key: "b", Value: []byte("2"), TTL: s.TTL}))
	s.eventually("b gone", s.gone("b"))
	time.Sleep(2 * s.TTL)
	s.want("a", "2")
}

func (s *suite) ttlScan() {
	s.must(s.Apply(s.ctx,
		store.Op{Key: "a", Value: []byte("1")},
		store.Op{Key: "b", Value: []byte("1"), TTL: s.TTL},
		store.Op{Key: "c", Value: []byte("1"), TTL: time.Hour}))
	s.eventually("gone", s.gone("b"))
	if got := s.scan("", ""); !slices.Equal(got, []string{"a", "c"}) {
		s.Errorf("scanned %q", got)
	}
}
