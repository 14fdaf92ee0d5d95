// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store"
)

// SetRecipients makes the store one of these recipients, and of nobody else.
// The data key stays: who had it, and has a copy of the store, can read that
// copy, and what is written later. See Rotate.
//
// This Store goes on with the data key that it has; who opens the store next
// needs an identity of one of the recipients.
func (s *Store) SetRecipients(ctx context.Context, to ...age.Recipient) error {
	return s.rewrap(ctx, only(to), func(*ring) {})
}

// A chooser says whom a ring is to be sealed for.
type chooser func(*ring) ([]age.Recipient, error)

// only chooses these whatever was there before.
func only(to []age.Recipient) chooser {
	return func(*ring) ([]age.Recipient, error) { return to, nil }
}

// rewrap changes the ring and writes it for those whom choose chooses.
func (s *Store) rewrap(ctx context.Context, choose chooser, change func(*ring)) error {
	if err := s.writable(ctx); err != nil {
		return err
	}
	old := s.ring.Load()
	fresh := &ring{version: old.version, keys: append([]dataKey(nil), old.keys...)}
	change(fresh)
	to, err := choose(old)
	if err != nil {
		return err
	}
	value, err := fresh.sealed(to)
	if err != nil {
		return err
	}
	if err := s.inner.Apply(ctx, store.Op{Key: ringKey, Value: value, IfVersion: old.version}); err != nil {
		return err
	}
	// The identities at hand may not open what was just written.
	r, err := s.inner.Get(ctx, ringKey)
	if err != nil {
		return err
	}
	if !bytes.Equal(r.Value, value) {
		return s.refresh(ctx) // somebody else was here again
	}
	fresh.version = r.Version
	s.ring.Store(fresh)
	return nil
}

// Rotate makes a new data key for these recipients, or without any for those
// that there are, and seals all values again: for when somebody must not read
// any more who has had the data key. It returns
// how many values were sealed again. At each moment all values can be read, by
// this and other processes, and written; what is interrupted is finished by
// calling Rotate again. Copies of the store from before can be read by whom they
// could.
func (s *Store) Rotate(ctx context.Context, to ...age.Recipient) (int, error) {
	if len(to) == 0 {
		return s.rotate(ctx, same)
	}
	return s.rotate(ctx, only(to))
}

func (s *Store) rotate(ctx context.Context, choose chooser) (int, error) {
	if err := s.rewrap(ctx, choose, func(r *ring) { r.keys = append(r.keys, newDataKey()) }); err != nil {
		return 0, err
	}
	n, err := s.resealAll(ctx)
	if err == nil {
		// Nothing is left under the older keys, but for what somebody has
		// just written who did not know yet of the newest.
		err = s.rewrap(ctx, same, func(r *ring) { r.keys = r.keys[max(0, len(r.keys)-2):] })
	}
	if err == nil {
		err = rewrite(ctx, s.inner)
	}
	return n, err
}

// resealBatch is how many values are sealed again in one Apply.
const resealBatch = 500

func (s *Store) resealAll(ctx context.Context) (int, error) {
	var batch []store.Op
	n := 0
	flush := func() error {
		done, err := s.reseal(ctx, batch)
		n, batch = n+done, batch[:0]
		return err
	}
	for r, err := range s.Scan(ctx, "", "") {
		if err != nil {
			return n, err
		}
		if batch = append(batch, opOf(r)); len(batch) == resealBatch {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, flush()
}

// opOf writes a record as it is, if it is still so.
func opOf(r store.Record) store.Op {
	op := store.Op{Key: r.Key, Value: r.Value, IfVersion: r.Version}
	if !r.Expires.IsZero() {
		op.TTL = max(time.Until(r.Expires), time.Millisecond)
	}
	return op
}

// reseal writes the ops at once or, if somebody has changed one of the records
// meanwhile, one by one: who has changed it has sealed it.
func (s *Store) reseal(ctx context.Context, ops []store.Op) (int, error) {
	var conflict *store.ConflictError
	err := s.Apply(ctx, ops...)
	if !errors.As(err, &conflict) {
		return len(ops), err
	}
	n := 0
	for _, op := range ops {
		switch err := s.Apply(ctx, op); {
		case err == nil:
			n++
		case !errors.As(err, &conflict):
			return n, err
		}
	}
	return n, nil
}

// Migrate seals the values of a store that are not sealed, all or none, and
// returns how many. A store without data key gets one, for the recipients in
// keys. Nobody may have the store open as it was, unsealed: values that are
// written meanwhile are a *store.ConflictError at best.
//
// Afterwards the inner store is asked to forget what it has no more use for
// (package bolt can). What its disk, its backups and its logs remember is not in
// its hands.
func Migrate(ctx context.Context, inner store.Store, keys Keys) (int, error) {
	s := &Store{inner: inner, keys: keys, done: make(chan struct{})}
	err := s.refresh(ctx)
	var first []store.Op
	if errors.Is(err, errNoRing) {
		var value []byte
		var fresh *ring
		if fresh, value, err = newRing(keys); err == nil {
			s.ring.Store(fresh)
			first = []store.Op{{Key: ringKey, Value: value, IfVersion: store.Absent}}
		}
	}
	if err != nil {
		return 0, err
	}
	n, err := store.Load(ctx, inner, s.migration(ctx, first))
	if err != nil {
		return 0, err
	}
	return n - len(first), rewrite(ctx, inner)
}

// migration is the first ops, then one for each value that is not sealed.
func (s *Store) migration(ctx context.Context, first []store.Op) iter.Seq2[store.Op, error] {
	return func(yield func(store.Op, error) bool) {
		for _, op := range first {
			if !yield(op, nil) {
				return
			}
		}
		for r, err := range s.inner.Scan(ctx, "", "") {
			if err == nil && (r.Key == ringKey || isSealed(r.Value)) {
				continue
			}
			op := store.Op{}
			if err == nil {
				op, err = s.ring.Load().sealOp(opOf(r))
			}
			if !yield(op, err) || err != nil {
				return
			}
		}
	}
}

// rewrite has the inner store forget old values, if it can.
func rewrite(ctx context.Context, inner store.Store) error {
	r, ok := inner.(interface {
		Rewrite(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	if err := r.Rewrite(ctx); err != nil {
		return fmt.Errorf("all is sealed; what was there before could not be wiped: %w", err)
	}
	return nil
}
