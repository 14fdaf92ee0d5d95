// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sealed encrypts the values of another store, so that who gets the
// file, the backup or the Redis server has no keys of devices. For who keeps
// records where others can read them, and has a better place for one small
// file: the age identity that opens them.
//
// One record has the data key, encrypted by age to one or more recipients. Each
// value is sealed under the data key by XChaCha20-Poly1305, together with its
// key in the store: a record put under another key does not open. A look-up
// costs about a microsecond more.
//
// What is not hidden: keys (names of devices, identities), how long values are,
// when they expire. What is not noticed: a record that was deleted, or replaced
// by an older one of the same key, by somebody who may write to the store; and, if
// he knows one of the recipients, a data key of his own with values under it: age
// encrypts to recipients, and does not say who did.
//
// Crashes, full disks and two writers are as the inner store says. A value may
// have 64 octets less than store.MaxValue.
//
//	s, err := sealed.Open(ctx, inner, keys)   // a new store is sealed from its beginning
//	n, err := sealed.Migrate(ctx, inner, keys) // seals what is there
//	s.AddRecipients, s.RemoveRecipients, s.Rotate // other people, another data key
package sealed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coaps-go/coaps/store"
)

// ringKey is the record with the data key.
const ringKey = "\x00coaps/sealed"

var (
	// ErrWrongKey says that none of the identities opens the store.
	ErrWrongKey = errors.New("sealed: none of the age identities opens this store")
	// ErrPlain says that there are values that are not sealed: see Migrate.
	// When it comes from Get or Scan, somebody else has written them.
	ErrPlain = errors.New("sealed: not encrypted")
)

// A Store seals what goes into another store and opens what comes out. Use
// Open.
type Store struct {
	inner store.Store
	keys  Keys
	ring  atomic.Pointer[ring]
	done  chan struct{}
	once  sync.Once
}

var (
	_ store.Store       = (*Store)(nil)
	_ store.Loader      = (*Store)(nil)
	_ store.BatchGetter = (*Store)(nil)
)

// IsSealed says whether inner holds a sealed store: who opens that without its
// keys reads nothing, and must not write there.
func IsSealed(ctx context.Context, inner store.Store) (bool, error) {
	_, err := inner.Get(ctx, ringKey)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Open opens a sealed store by the identities in keys. An empty store becomes
// a sealed one, for the recipients in keys. One with values that are not sealed
// is ErrPlain. Close of the result closes inner; if there is an error, inner
// stays open.
func Open(ctx context.Context, inner store.Store, keys Keys) (*Store, error) {
	s := &Store{inner: inner, keys: keys, done: make(chan struct{})}
	err := s.refresh(ctx)
	if errors.Is(err, errNoRing) {
		if err = empty(ctx, inner); err == nil {
			err = s.create(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// empty returns ErrPlain if there is any record.
func empty(ctx context.Context, inner store.Store) error {
	for r, err := range inner.Scan(ctx, "", "") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: %q, and no data key is there", ErrPlain, r.Key)
	}
	return nil
}

// create makes the first data key. If somebody else was faster, it is theirs.
func (s *Store) create(ctx context.Context) error {
	_, value, err := newRing(s.keys)
	if err != nil {
		return err
	}
	err = store.Create(ctx, s.inner, ringKey, value)
	var conflict *store.ConflictError
	if err != nil && !errors.As(err, &conflict) {
		return err
	}
	return s.refresh(ctx)
}

var errNoRing = errors.New("sealed: no data key")

// refresh takes the data keys as they are in the store now.
func (s *Store) refresh(ctx context.Context) error {
	r, err := s.inner.Get(ctx, ringKey)
	known := s.ring.Load()
	switch {
	case errors.Is(err, store.ErrNotFound) && known == nil:
		return errNoRing
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: the record with the data key is gone", store.ErrCorrupt)
	case err != nil:
		return err
	case known != nil && known.version == r.Version:
		return nil
	}
	fresh, err := openRing(r, s.keys)
	if err == nil {
		s.ring.Store(fresh)
	}
	return err
}

// open opens a record of the inner store.
func (s *Store) open(ctx context.Context, r store.Record) (store.Record, error) {
	value, err := s.ring.Load().open(r.Key, r.Value)
	if errors.Is(err, errOtherKey) {
		// Somebody has made a new data key.
		if err = s.refresh(ctx); err == nil {
			value, err = s.ring.Load().open(r.Key, r.Value)
		}
	}
	if err != nil {
		return store.Record{}, err
	}
	r.Value = value
	return r, nil
}

// Get is store.Store.Get.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.inner.Get(ctx, key)
	if err == nil && key == ringKey {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, err
	}
	return s.open(ctx, r)
}

// GetAll is store.BatchGetter.GetAll, by store.GetAll of the inner store.
func (s *Store) GetAll(ctx context.Context, keys []string) ([]store.Record, error) {
	records, err := store.GetAll(ctx, s.inner, keys)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		switch {
		case r.Version == store.Any:
		case r.Key == ringKey:
			records[i] = store.Record{}
		default:
			if records[i], err = s.open(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	return records, nil
}

// Apply is store.Store.Apply.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	inner := make([]store.Op, len(ops))
	for i, op := range ops {
		var err error
		if inner[i], err = s.ring.Load().sealOp(op); err != nil {
			return err
		}
	}
	return s.inner.Apply(ctx, inner...)
}

// writable takes the newest data key: what is sealed under an old one would
// have to be sealed again.
func (s *Store) writable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.refresh(ctx)
}

// Load is store.Loader.Load, by store.Load of the inner store.
func (s *Store) Load(ctx context.Context, ops iter.Seq2[store.Op, error]) (int, error) {
	if err := s.writable(ctx); err != nil {
		return 0, err
	}
	sealing := s.ring.Load()
	return store.Load(ctx, s.inner, func(yield func(store.Op, error) bool) {
		for op, err := range ops {
			if err == nil {
				op, err = sealing.sealOp(op)
			}
			if !yield(op, err) || err != nil {
				return
			}
		}
	})
}

// Scan is store.Store.Scan.
func (s *Store) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range s.inner.Scan(ctx, prefix, after) {
			if err == nil && r.Key == ringKey {
				continue
			}
			if err == nil {
				r, err = s.open(ctx, r)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Watch is store.Store.Watch.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	in, err := s.inner.Watch(ctx, prefix)
	if err != nil || !strings.HasPrefix(ringKey, prefix) {
		return in, err
	}
	out := make(chan store.Event)
	go s.withoutRing(ctx, in, out)
	return out, nil
}

// withoutRing passes events on. If nobody takes them, the inner store has to
// live with that, and does.
func (s *Store) withoutRing(ctx context.Context, in <-chan store.Event, out chan<- store.Event) {
	defer close(out)
	for e := range in {
		if e.Key == ringKey {
			continue
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return
		case <-s.done:
			return
		}
	}
}

// Status is the inner store's, with "+age" behind its kind.
func (s *Store) Status() store.Status {
	st := s.inner.Status()
	st.Kind += "+age"
	if st.Records > 0 {
		st.Records-- // that with the data key
	}
	return st
}

// Close closes the inner store.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.done) })
	return s.inner.Close()
}
