// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// Apply is store.Store.Apply: one transaction of bbolt.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.Check(ops); err != nil {
		return err
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	if len(ops) == 0 {
		return nil
	}
	return s.apply(ops)
}

// apply does the ops. The turn is ours.
func (s *Store) apply(ops []store.Op) error {
	now, grown := s.now(), 0
	err := s.update(func(b buckets) error {
		for i := range ops {
			if !holds(&ops[i], b.records.Get([]byte(ops[i].Key)), now) {
				return &store.ConflictError{Key: ops[i].Key}
			}
		}
		version, err := b.records.NextSequence()
		if err != nil {
			return err
		}
		for i := range ops {
			n, err := b.do(&ops[i], version, now)
			if err != nil {
				return err
			}
			grown += n
		}
		return b.setCount(max(b.count()+grown, 0))
	})
	if err != nil {
		return err
	}
	s.count.Add(int64(grown))
	s.arm(ops)
	s.watchers.Applied(ops)
	return nil
}

// holds judges the op's IfVersion by what is stored.
func holds(op *store.Op, raw []byte, now time.Time) bool {
	switch {
	case op.IfVersion == store.Any:
		return true
	case raw == nil || expired(raw, now):
		return op.IfVersion == store.Absent
	}
	return op.IfVersion == versionOf(raw)
}

// do does one op and returns by how many records the store has grown.
func (b buckets) do(op *store.Op, version uint64, now time.Time) (int, error) {
	key := []byte(op.Key)
	old := b.records.Get(key)
	grown := 1
	if old != nil {
		grown = 0
		if at := expiresOf(old); at != 0 {
			if err := b.expiry.Delete(expiryKey(at, op.Key)); err != nil {
				return 0, err
			}
		}
	}
	if op.Delete {
		return grown - 1, b.records.Delete(key)
	}
	at := expiresAt(now, op.TTL)
	if at != 0 {
		if err := b.expiry.Put(expiryKey(at, op.Key), nil); err != nil {
			return 0, err
		}
	}
	return grown, b.records.Put(key, encode(op.Key, op.Value, version, at))
}

// update calls fn in a transaction and commits it. The turn is ours.
func (s *Store) update(fn func(b buckets) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return store.ErrClosed
	}
	if err := s.health.unwritable(); err != nil {
		return err
	}
	err := s.whole(s.size.Load())
	if err == nil {
		err = s.replaced()
	}
	if err != nil {
		s.health.bad(s.now(), s.named(err))
		return s.named(err)
	}
	return s.commit(fn)
}

func (s *Store) commit(fn func(b buckets) error) error {
	var before, size int64
	sane, filled := false, false
	err := guard(func() error {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			before = int64(tx.ID()) - 1
			b, err := open(tx)
			if err == nil {
				err = fn(b)
			}
			filled = err == nil
			return err
		})
		if err == nil {
			err = s.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
		}
		sane = true
		return err
	})
	if err == nil {
		s.size.Store(max(s.size.Load(), size))
		s.health.good(s.now())
		return nil
	}
	if sane && !filled {
		return s.named(classify(err))
	}
	return s.failed(s.named(classify(err)), sane, before)
}

// failed judges a transaction that could not be committed. If what was written
// last is in force nevertheless, because the disk failed in confirming it, then
// nobody knows what a crash will leave, and nothing more may be written.
func (s *Store) failed(err error, sane bool, before int64) error {
	if !sane {
		s.health.faulty(s.now(), err)
		return err
	}
	var now int64
	viewErr := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { now = int64(tx.ID()); return nil })
	})
	switch {
	case viewErr != nil:
		s.health.faulty(s.now(), err)
	case now != before:
		err = fmt.Errorf("%w: a change was written and not confirmed by the disk: %w", store.ErrUnavailable, err)
		s.health.unconfirmed(s.now(), err)
	default:
		s.health.bad(s.now(), err)
	}
	return err
}
