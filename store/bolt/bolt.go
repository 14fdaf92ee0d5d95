// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bolt keeps records in one file, by bbolt: the usual choice for one
// server, from a few devices to millions.
//
//   - The file is 0600, and what others than its owner and group may do with one
//     that is there is taken from them. One process has it at a time: Open by a
//     second one returns ErrLocked at once, or after Options.Timeout. Who wants
//     to change the records of a running server asks that server.
//   - What Apply confirms is on the disk. A process that is killed, or a
//     machine that loses power, leaves all of an Apply or none of it.
//   - Load writes a new file beside the old one and renames it, so that a
//     million records are loaded as a whole or not at all, in little memory.
//     It needs room for both files. Meanwhile all can be read; an Apply waits.
//   - On a full disk changes fail with ErrFull, and what was there stays.
//     There is no repair to run when there is room again.
//   - A file that is cut off, or that something else has written into, is told
//     as ErrCorrupt. Each record has a checksum. Nothing is guessed or mended:
//     put the last backup in its place. To make one, stop the server or copy
//     the file by a snapshot of the file system.
//   - A disk that does not answer at all is the one thing that a context cannot
//     end. Who must not wait calls from a goroutine of his own.
//   - TTLs go by the wall clock: see package store. The expired are swept
//     within seconds, also while nobody asks for them.
//
// A look-up reads a handful of pages of the file, through the page cache. The
// process itself needs no memory that grows with the number of records.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// Options may all be zero.
type Options struct {
	// Timeout is how long Open waits for another process to give up the file.
	Timeout time.Duration
	// Now is the clock that TTLs go by; nil: time.Now.
	Now func() time.Time
}

// A Store is a store.Store in a file. Use Open.
type Store struct {
	path     string // without symbolic links
	now      func() time.Time
	watchers store.Watchers
	health   health

	// turn is held by who writes, or sweeps, or loads.
	turn chan struct{}
	// done is closed by Close.
	done    chan struct{}
	closing sync.Once

	// mu is held for reading by each use of db, for writing by who replaces
	// it. db is nil after Close.
	mu   sync.RWMutex
	db   *bbolt.DB
	file *os.File // of db, for looking at its size
	// size is how long the file must be: all pages that the last change knows.
	size atomic.Int64
	// looked is when the size was looked at, in nanoseconds.
	looked atomic.Int64
	// count is how many records there are.
	count atomic.Int64

	alarm alarm
}

var (
	_ store.Store       = (*Store)(nil)
	_ store.Loader      = (*Store)(nil)
	_ store.BatchGetter = (*Store)(nil)
)

// openTries is how often Open starts anew when the file it has waited for was
// replaced by a Load of the process that had it.
const openTries = 10

// Open opens the store in the file, which it creates if there is none. The
// folder must be there. Errors are ErrLocked, ErrCorrupt (also for a file that
// is no store of ours: nothing is written into it), ErrFull, ErrReadOnly, or
// what the system says, such as fs.ErrPermission.
func Open(path string, options Options) (*Store, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a Load replaces the file, not a link to it
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, now: options.Now, turn: make(chan struct{}, 1), done: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.open(options.Timeout); err != nil {
		return nil, s.named(err)
	}
	s.health.start(s.now())
	s.alarm.within(0, s.sweep)
	return s, nil
}

// open opens the file that is at the path once the lock is ours.
func (s *Store) open(timeout time.Duration) error {
	for range openTries {
		db, file, err := openFile(s.path, timeout, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		s.db, s.file = db, file
		if s.replaced() == nil {
			if err := s.prepare(); err != nil {
				closeFile(db, file, err)
				return err
			}
			return nil
		}
		closeFile(db, file, nil)
	}
	return fmt.Errorf("%w: the file is replaced all the time", store.ErrUnavailable)
}

// openFile opens and locks a file.
func openFile(path string, timeout time.Duration, flag int) (db *bbolt.DB, file *os.File, err error) {
	o := &bbolt.Options{
		// bbolt takes 0 for ever; the least time is one try.
		Timeout:      max(timeout, 1),
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, _ int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	}
	err = guard(func() error {
		var err error
		db, err = bbolt.Open(path, 0o600, o)
		return err
	})
	if err != nil {
		if file != nil {
			abandon(file) // bbolt has closed it, unless it panicked
		}
		return nil, nil, classify(err)
	}
	return db, file, nil
}

// closeFile closes what openFile has opened. After a panic, bbolt may hold its
// own locks for ever; to close the file frees the lock that others wait for.
func closeFile(db *bbolt.DB, file *os.File, cause error) {
	if errors.Is(cause, store.ErrCorrupt) {
		abandon(file)
		return
	}
	_ = guard(db.Close)
	_ = file.Close()
}

// replaced returns an error if the path leads no more to the file we have:
// what we write would be seen by nobody.
func (s *Store) replaced() error {
	ours, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	there, err := os.Stat(s.path)
	if err != nil || !os.SameFile(ours, there) {
		return errReplaced
	}
	return nil
}

var errReplaced = fmt.Errorf("%w: the file was moved, removed or replaced while in use; start again to use what is there now", store.ErrUnavailable)

// Current returns why the path does not lead to the file that is open, nil if it
// does: somebody has moved, removed or replaced it. It asks the file system, and
// Status says from then on what it has found.
func (s *Store) Current() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return store.ErrClosed
	}
	err := s.named(s.replaced())
	if err != nil {
		s.health.bad(s.now(), err)
	} else {
		s.health.found(s.now())
	}
	return err
}

// prepare makes a new file ours, or checks that an old one is, and removes
// what a Load has left that was killed.
func (s *Store) prepare() error {
	_ = os.Remove(s.path + loadSuffix)
	_ = os.Remove(s.path + sortSuffix)
	if err := closeToOthers(s.file); err != nil {
		return classify(err)
	}
	err := guard(func() error {
		fresh := false
		err := s.db.View(func(tx *bbolt.Tx) error {
			if err := s.whole(tx.Size()); err != nil {
				return err
			}
			if err := circles(s.file, tx); err != nil {
				return err
			}
			key, _ := tx.Cursor().First()
			if fresh = key == nil; fresh {
				return nil
			}
			return s.read(tx)
		})
		if err == nil && fresh {
			err = s.db.Update(func(tx *bbolt.Tx) error { return errors.Join(format(tx), s.read(tx)) })
			err = errors.Join(err, syncDir(s.path))
		}
		return err
	})
	return classify(err)
}

// read takes over what the file says of itself.
func (s *Store) read(tx *bbolt.Tx) error {
	b, err := open(tx)
	if err != nil {
		return err
	}
	s.count.Store(int64(b.count()))
	s.size.Store(tx.Size())
	return nil
}

// whole returns an error if the file is shorter than it must be: to read behind
// its end is a fault of the machine, not an error.
func (s *Store) whole(size int64) error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if info.Size() < size {
		return fmt.Errorf("%w: the file has %d octets and should have %d at least: it was cut off", store.ErrCorrupt, info.Size(), size)
	}
	return nil
}

// syncDir makes the folder's entry for the file survive a crash.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// acquire waits for the turn to write.
func (s *Store) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.done:
		return store.ErrClosed
	default:
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-s.done:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) release() { <-s.turn }

// Watch is store.Store.Watch.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	return s.watchers.Watch(ctx, prefix)
}

// Status is store.Store.Status.
func (s *Store) Status() store.Status {
	st := s.health.status()
	st.Kind, st.Where, st.Records = "bolt", s.path, int(s.count.Load())
	return st
}

// Close is store.Store.Close. It waits for a Load that is under way.
func (s *Store) Close() error {
	s.closing.Do(s.close)
	return nil
}

// closePatience is how long Close waits for calls when the file has turned out
// to be damaged: some may wait for a lock that nobody will give back.
const closePatience = time.Second

func (s *Store) close() {
	close(s.done)
	s.alarm.stop()
	s.watchers.Close()
	defer func() { s.health.bad(s.now(), store.ErrClosed) }()
	alone := make(chan struct{})
	go func() {
		s.turn <- struct{}{}
		s.mu.Lock()
		close(alone)
	}()
	for {
		select {
		case <-alone:
			closeFile(s.db, s.file, s.health.broken())
			s.db, s.file = nil, nil
			s.mu.Unlock()
			s.release()
			return
		case <-time.After(closePatience):
			if s.health.broken() != nil {
				abandon(s.file)
				return
			}
		}
	}
}
