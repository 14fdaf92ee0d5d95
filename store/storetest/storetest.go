// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package storetest holds the promises of package store as tests, one suite for
// every back end, and a Faulty store for tests of those who use one:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return memory.New() }, storetest.Options{})
//	}
//
// RunReadOnly is for back ends that take no changes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Options say what a back end can do, and how fast.
type Options struct {
	// TTL is a short life of records, long enough for a few calls; 0: 50 ms.
	TTL time.Duration
	// Late is how long events and expiry may take; 0: 10 s.
	Late time.Duration
	// Reopen closes the store and opens again what it has kept. nil: it keeps
	// nothing.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Large is how many ops a large Load has; 0: 5000.
	Large int
}

func (o Options) resolved() Options {
	if o.TTL == 0 {
		o.TTL = 50 * time.Millisecond
	}
	if o.Late == 0 {
		o.Late = 10 * time.Second
	}
	if o.Large == 0 {
		o.Large = 5000
	}
	return o
}

// suite is one test: a new store and what it is tested with.
type suite struct {
	*testing.T
	store.Store
	Options
	ctx context.Context
}

var promises = []struct {
	name string
	test func(*suite)
}{
	{"Get", (*suite).get},
	{"GetAll", (*suite).getAll},
	{"AnyOctets", (*suite).anyOctets},
	{"OwnedValues", (*suite).ownedValues},
	{"Invalid", (*suite).invalid},
	{"IfVersion", (*suite).ifVersion},
	{"IfVersionOfDeleted", (*suite).ifVersionOfDeleted},
	{"AllOrNone", (*suite).allOrNone},
	{"TwiceInOneApply", (*suite).twiceInOneApply},
	{"NoLostUpdate", (*suite).noLostUpdate},
	{"ConcurrentCreate", (*suite).concurrentCreate},
	{"Model", (*suite).model},
	{"TTL", (*suite).ttl},
	{"TTLReplaced", (*suite).ttlReplaced},
	{"TTLScan", (*suite).ttlScan},
	{"ScanOrder", (*suite).scanOrder},
	{"ScanPrefix", (*suite).scanPrefix},
	{"ScanAfter", (*suite).scanAfter},
	{"ScanStops", (*suite).scanStops},
	{"ScanMany", (*suite).scanMany},
	{"ScanWhileWriting", (*suite).scanWhileWriting},
	{"Watch", (*suite).watch},
	{"WatchExpiry", (*suite).watchExpiry},
	{"WatchSlow", (*suite).watchSlow},
	{"WatchEnds", (*suite).watchEnds},
	{"Load", (*suite).load},
	{"LoadLarge", (*suite).loadLarge},
	{"LoadBreaks", (*suite).loadBreaks},
	{"LoadConflict", (*suite).loadConflict},
	{"LoadTwice", (*suite).loadTwice},
	{"Cancelled", (*suite).cancelled},
	{"Status", (*suite).status},
	{"Close", (*suite).closed},
	{"CloseBusy", (*suite).closeBusy},
	{"Reopen", (*suite).reopen},
}

// Run tests all promises of package store. open returns an empty store; the
// suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store, options Options) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			s := newSuite(t, open(t), options)
			p.test(s)
		})
	}
}

func newSuite(t *testing.T, st store.Store, options Options) *suite {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &suite{T: t, Store: st, Options: options.resolved(), ctx: ctx}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// put writes value under key and returns the record as it is then.
func (s *suite) put(key, value string) store.Record {
	s.Helper()
	s.must(store.Put(s.ctx, s, key, []byte(value)))
	return s.want(key, value)
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// fails expects an error that is target.
func (s *suite) fails(err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Fatalf("%v, want %v", err, target)
	}
}

// conflicts expects a *store.ConflictError for the key.
func (s *suite) conflicts(err error, key string) {
	s.Helper()
	var c *store.ConflictError
	if !errors.As(err, &c) || c.Key != key {
		s.Fatalf("%v, want a conflict of %q", err, key)
	}
}

// want expects this value under key.
func (s *suite) want(key, value string) store.Record {
	s.Helper()
	r, err := s.Get(s.ctx, key)
	if err != nil {
		s.Fatalf("Get(%q): %v", key, err)
	}
	if r.Key != key || !bytes.Equal(r.Value, []byte(value)) {
		s.Fatalf("Get(%q) = %q: %q, want %q", key, r.Key, r.Value, value)
	}
	if r.Version == store.Any || r.Version == store.Absent {
		s.Fatalf("Get(%q): version %d means something else", key, r.Version)
	}
	return r
}

// none expects no record under the keys.
func (s *suite) none(keys ...string) {
	s.Helper()
	for _, key := range keys {
		if r, err := s.Get(s.ctx, key); !errors.Is(err, store.ErrNotFound) {
			s.Fatalf("Get(%q) = %q, %v, want none", key, r.Value, err)
		}
	}
}

// scan returns the keys that Scan gives.
func (s *suite) scan(prefix, after string) []string {
	s.Helper()
	return slices.Collect(s.scanned(s.ctx, prefix, after))
}

func (s *suite) scanned(ctx context.Context, prefix, after string) iter.Seq[string] {
	s.Helper()
	return func(yield func(string) bool) {
		for r, err := range s.Scan(ctx, prefix, after) {
			if err != nil {
				s.Fatalf("Scan(%q, %q): %v", prefix, after, err)
			}
			if !yield(r.Key) {
				return
			}
		}
	}
}

// eventually expects that the condition holds before it is too late.
func (s *suite) eventually(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(s.Late); !holds(); time.Sleep(s.TTL / 10) {
		if time.Now().After(end) {
			s.Fatalf("after %v still not: %s", s.Late, what)
		}
	}
}

// numbered returns n ops that put the number i under prefix and the number.
func numbered(prefix string, n int) []store.Op {
	ops := make([]store.Op, n)
	for i := range ops {
		ops[i] = store.Op{Key: fmt.Sprintf("%s%06d", prefix, i), Value: fmt.Append(nil, i)}
	}
	return ops
}
