// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

const (
	// loadSmall is up to how many ops a Load is an Apply.
	loadSmall = 2000
	// loadRecords is how many records of the new file are in memory at a time.
	loadRecords = 8_000
	// loadFill leaves a little room on each page for records that grow.
	loadFill = 0.95

	// What a Load has beside the file while it runs. Open removes them.
	loadSuffix = ".loading"
	sortSuffix = ".sorting"
)

// Load is store.Loader.Load. The sequence is read, checked and sorted while
// others write. Then a new file is made of the old one and the ops, both in the
// order of their keys, flushed to the disk and renamed: all or nothing.
func (s *Store) Load(ctx context.Context, ops iter.Seq2[store.Op, error]) (int, error) {
	if err := s.acquire(ctx); err != nil {
		return 0, err
	}
	s.release()
	sorted := &sorter{path: s.path + sortSuffix, room: sortArena}
	defer sorted.close()
	if err := sorted.take(ctx, ops); err != nil {
		var theirs *takenError
		if errors.As(err, &theirs) {
			return 0, theirs.err
		}
		return 0, s.named(classify(err))
	}
	if err := s.acquire(ctx); err != nil {
		return 0, err
	}
	defer s.release()
	if n, small := sorted.small(); small && n <= loadSmall {
		return n, s.loadApply(sorted)
	}
	if err := s.rewrite(ctx, sorted.sorted()); err != nil {
		return 0, s.named(err)
	}
	s.watchers.Lost()
	s.alarm.within(0, s.sweep)
	return sorted.n, nil
}

// take reads the whole sequence. An error of the sequence comes back as it is.
func (s *sorter) take(ctx context.Context, ops iter.Seq2[store.Op, error]) error {
	for op, err := range ops {
		if err == nil {
			err = op.Check()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return &takenError{err}
		}
		if err := s.add(&op); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// loadApply does a Load in one transaction.
func (s *Store) loadApply(sorted *sorter) error {
	var ops []store.Op
	for op, err := range sorted.sorted() {
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return nil
	}
	return s.apply(ops)
}

// Rewrite writes the file anew, without the room and without the remains of what
// was deleted or replaced, and renames it as Load does.
func (s *Store) Rewrite(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.named(s.rewrite(ctx, store.Ops()))
}

// rewrite replaces the file by one with the ops done. The turn is ours.
func (s *Store) rewrite(ctx context.Context, ops iter.Seq2[store.Op, error]) error {
	if err := s.health.unwritable(); err != nil {
		return err
	}
	if err := s.replaced(); err != nil {
		return err
	}
	path := s.path + loadSuffix
	_ = os.Remove(path)
	db, file, err := openFile(path, 0, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	w := &writer{db: db}
	err = s.fill(ctx, w, ops)
	if err == nil {
		err = s.replace(db, file, path)
	}
	if err != nil {
		closeFile(db, file, err)
		_ = os.Remove(path)
		return classify(err)
	}
	s.count.Store(int64(w.count))
	return nil
}

// fill writes the new file and has it on the disk.
func (s *Store) fill(ctx context.Context, w *writer, ops iter.Seq2[store.Op, error]) error {
	return guard(func() error {
		w.db.NoSync, w.db.NoGrowSync = true, true
		defer w.rollback()
		if err := w.db.Update(format); err != nil {
			return err
		}
		var version uint64
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			old, err := open(tx)
			if err != nil {
				return err
			}
			version = old.records.Sequence() + 1
			return w.merge(ctx, old.records.Cursor(), ops, version, s.now())
		})
		if err == nil {
			err = w.finish(version)
		}
		if err == nil {
			err = w.db.Sync()
		}
		w.db.NoSync, w.db.NoGrowSync = false, false
		return err
	})
}

// replace puts the new file in the place of the old. The lock on the new one is
// ours since it was made, so there is no moment at which another process could
// take it.
func (s *Store) replace(db *bbolt.DB, file *os.File, path string) error {
	if err := likeOwner(file, s.file); err != nil {
		return fmt.Errorf("%w: the new file cannot be given to the owner of the old: %w", store.ErrReadOnly, err)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(path, s.path); err != nil {
		return err
	}
	old, oldFile := s.db, s.file
	s.db, s.file = db, file
	closeFile(old, oldFile, s.health.broken())
	s.health.good(s.now())
	info, err := file.Stat()
	if err == nil {
		s.size.Store(info.Size())
		err = syncDir(s.path)
	}
	if err != nil {
		s.health.bad(s.now(), err) // it is done; a crash may undo all of it
	}
	return nil
}

// createTemp creates a file that nobody else can read and that was not there.
func createTemp(path string) (*os.File, error) {
	_ = os.Remove(path)
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// takenError is an error of the sequence that a Load was given: it is not the
// store's and is not to be taken for one.
type takenError struct{ err error }

func (e *takenError) Error() string { return e.err.Error() }
func (e *takenError) Unwrap() error { return e.err }

// A writer fills a new file in the order of the keys.
type writer struct {
	db    *bbolt.DB
	tx    *bbolt.Tx
	to    buckets
	n     int // records in tx
	bytes int
	count int
}

// merge writes the old records and the ops over them.
func (w *writer) merge(ctx context.Context, old *bbolt.Cursor, ops iter.Seq2[store.Op, error], version uint64, now time.Time) error {
	key, raw := old.First()
	for op, err := range ops {
		if err != nil {
			return err
		}
		for ; key != nil && string(key) < op.Key; key, raw = old.Next() {
			if err := w.put(ctx, key, raw); err != nil {
				return err
			}
		}
		var was []byte
		if key != nil && string(key) == op.Key {
			was = raw
			key, raw = old.Next()
		}
		if !holds(&op, was, now) {
			return &store.ConflictError{Key: op.Key}
		}
		if op.Delete {
			continue
		}
		if err := w.put(ctx, []byte(op.Key), encode(op.Key, op.Value, version, expiresAt(now, op.TTL))); err != nil {
			return err
		}
	}
	for ; key != nil; key, raw = old.Next() {
		if err := w.put(ctx, key, raw); err != nil {
			return err
		}
	}
	return nil
}

// put appends one stored record.
func (w *writer) put(ctx context.Context, key, raw []byte) error {
	if w.n == loadRecords || w.bytes > sortArena {
		if err := errors.Join(ctx.Err(), w.flush()); err != nil {
			return err
		}
	}
	if w.tx == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if at := expiresOf(raw); at != 0 {
		if err := w.to.expiry.Put(expiryKey(at, string(key)), nil); err != nil {
			return err
		}
	}
	w.n, w.bytes, w.count = w.n+1, w.bytes+len(raw), w.count+1
	return w.to.records.Put(key, raw)
}

func (w *writer) begin() (err error) {
	if w.tx, err = w.db.Begin(true); err != nil {
		return err
	}
	if w.to, err = open(w.tx); err != nil {
		return err
	}
	w.to.records.FillPercent = loadFill
	return nil
}

func (w *writer) flush() error {
	tx := w.tx
	w.tx, w.n, w.bytes = nil, 0, 0
	return tx.Commit()
}

// finish writes what the file says of itself.
func (w *writer) finish(version uint64) error {
	if w.tx == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if err := errors.Join(w.to.records.SetSequence(version), w.to.setCount(w.count)); err != nil {
		return err
	}
	return w.flush()
}

// rollback ends a transaction that an error has left open: to close the file
// would wait for it.
func (w *writer) rollback() {
	if w.tx != nil {
		_ = w.tx.Rollback()
	}
}
