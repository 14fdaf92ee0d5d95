// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package memory keeps records in memory: for tests, demonstrations, and
// servers that get their devices from elsewhere at each start. When the process
// ends, all is gone. Until then it keeps every promise of package store; changes
// are atomic for readers in the same process, and nothing can fail but a
// condition (*store.ConflictError), the context, and a closed store.
package memory

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"time"

	"github.com/coaps-go/coaps/store"
)

// scanPage is how many records a Scan copies at a time. Between two pages
// nothing is locked.
const scanPage = 256

// A Store is a store.Store in memory. Use New.
type Store struct {
	now      func() time.Time
	watchers store.Watchers
	since    time.Time

	mu      sync.RWMutex
	records map[string]store.Record
	order   order
	expiry  expiry
	version uint64
	sweeper *time.Timer
	closed  bool
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return newClock(time.Now) }

// newClock returns an empty store whose records expire by the given clock.
func newClock(now func() time.Time) *Store {
	return &Store{now: now, since: now(), records: map[string]store.Record{}}
}

// Get is store.Store.Get.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.Record{}, store.ErrClosed
	}
	r, ok := s.live(key)
	if !ok {
		return store.Record{}, store.ErrNotFound
	}
	return r, nil
}

// live returns a copy of the record if it is there and has not expired.
func (s *Store) live(key string) (store.Record, bool) {
	r, ok := s.records[key]
	if !ok || s.expired(&r) {
		return store.Record{}, false
	}
	r.Value = bytes.Clone(r.Value)
	return r, true
}

func (s *Store) expired(r *store.Record) bool {
	return !r.Expires.IsZero() && !s.now().Before(r.Expires)
}

// Apply is store.Store.Apply.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.Check(ops); err != nil {
		return err
	}
	if err := s.apply(ops); err != nil {
		return err
	}
	s.watchers.Applied(ops)
	return nil
}

func (s *Store) apply(ops []store.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	for i := range ops {
		if !s.holds(&ops[i]) {
			return &store.ConflictError{Key: ops[i].Key}
		}
	}
	s.version++
	for i := range ops {
		s.do(&ops[i])
	}
	s.arm()
	return nil
}

// holds judges the op's IfVersion.
func (s *Store) holds(op *store.Op) bool {
	if op.IfVersion == store.Any {
		return true
	}
	r, ok := s.records[op.Key]
	if !ok || s.expired(&r) {
		return op.IfVersion == store.Absent
	}
	return op.IfVersion == r.Version
}

func (s *Store) do(op *store.Op) {
	if op.Delete {
		s.remove(op.Key)
		return
	}
	r := store.Record{Key: op.Key, Value: bytes.Clone(op.Value), Version: s.version}
	if op.TTL > 0 {
		r.Expires = s.now().Add(op.TTL).Round(0)
		s.expiry.add(r)
	}
	if _, ok := s.records[op.Key]; !ok {
		s.order.insert(op.Key)
	}
	s.records[op.Key] = r
}

func (s *Store) remove(key string) {
	if _, ok := s.records[key]; ok {
		delete(s.records, key)
		s.order.remove(key)
	}
}

// Scan is store.Store.Scan.
func (s *Store) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return store.Pages(after, func(after string) ([]store.Record, string, bool, error) {
		return s.page(ctx, prefix, after)
	})
}

// page returns the next records of a scan, the key to go on after, and whether
// there may be more.
func (s *Store) page(ctx context.Context, prefix, after string) (page []store.Record, last string, more bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, "", false, store.ErrClosed
	}
	keys := s.order.page(prefix, after, scanPage)
	page = make([]store.Record, 0, len(keys))
	for _, key := range keys {
		if r, ok := s.live(key); ok {
			page = append(page, r)
		}
		last = key
	}
	return page, last, len(keys) == scanPage, nil
}

// Watch is store.Store.Watch.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	return s.watchers.Watch(ctx, prefix)
}

// Status is store.Store.Status.
func (s *Store) Status() store.Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := store.Status{Kind: "memory", OK: !s.closed, Since: s.since, Records: len(s.records)}
	if s.closed {
		st.Err = store.ErrClosed
	}
	return st
}

// Close is store.Store.Close. The records are wiped.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed, s.since = true, s.now()
	s.watchers.Close()
	if s.sweeper != nil {
		s.sweeper.Stop()
	}
	for _, r := range s.records {
		clear(r.Value)
	}
	s.records, s.order, s.expiry = nil, order{}, nil
	return nil
}
