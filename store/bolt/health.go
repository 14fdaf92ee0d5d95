// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/coaps-go/coaps/store"
)

// guard calls fn and makes an error of what bbolt does to files it cannot
// understand: it panics, or reads behind the end of the file, which the machine
// tells as a fault.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", store.ErrCorrupt, p)
		}
	}()
	return fn()
}

// reasons tell what an error of bbolt or the system is for us. bbolt puts some
// errors of the system into words: those are found by their text.
var reasons = []struct{ err, is error }{
	{berrors.ErrTimeout, store.ErrLocked},
	{syscall.ENOSPC, store.ErrFull},
	{syscall.EDQUOT, store.ErrFull},
	{syscall.EFBIG, store.ErrFull},
	{syscall.EROFS, store.ErrReadOnly},
	{berrors.ErrInvalid, store.ErrCorrupt},
	{berrors.ErrVersionMismatch, store.ErrCorrupt},
	{berrors.ErrChecksum, store.ErrCorrupt},
	{berrors.ErrInvalidMapping, store.ErrUnavailable},
	{berrors.ErrDatabaseNotOpen, store.ErrClosed},
}

// classify adds the store's own error to one of bbolt or the system.
func classify(err error) error {
	var conflict *store.ConflictError
	if err == nil || errors.As(err, &conflict) {
		return err
	}
	for _, known := range []error{store.ErrCorrupt, store.ErrFull, store.ErrClosed, store.ErrInvalid,
		store.ErrUnavailable, store.ErrReadOnly, store.ErrLocked, store.ErrNotFound, fs.ErrPermission, fs.ErrNotExist,
		context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) || strings.HasSuffix(err.Error(), r.err.Error()) {
			return fmt.Errorf("%w: %w", r.is, err)
		}
	}
	if strings.Contains(err.Error(), "file size too small") {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// named adds the file's name to an error that a person will read.
func (s *Store) named(err error) error {
	var conflict *store.ConflictError
	if err == nil || err == store.ErrNotFound || err == store.ErrClosed || errors.As(err, &conflict) ||
		errors.Is(err, store.ErrInvalid) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// health is how the store does.
type health struct {
	mu    sync.Mutex
	since time.Time
	err   error
	// fault ends all use of the file: bbolt has panicked and may hold its
	// locks, or the file is no more what it was.
	fault error
	// stuck ends all writing: the disk has not confirmed a change.
	stuck error
}

func (h *health) start(now time.Time) { h.since = now }

func (h *health) status() store.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return store.Status{OK: h.err == nil, Since: h.since, Err: h.err}
}

// broken returns why the file is not to be used any more.
func (h *health) broken() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// unwritable returns why nothing can be written any more.
func (h *health) unwritable() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault != nil {
		return h.fault
	}
	return h.stuck
}

func (h *health) bad(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.since = now
	}
	h.err = err
}

// good says that a change was written: a full disk has room again.
func (h *health) good(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil && h.fault == nil && h.stuck == nil {
		h.since, h.err = now, nil
	}
}

// found says that the path leads to the file again.
func (h *health) found(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(h.err, errReplaced) {
		h.since, h.err = now, nil
	}
}

// faulty says that the file is not to be used any more.
func (h *health) faulty(now time.Time, err error) {
	h.bad(now, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = err
}

// unconfirmed says that nothing can be written any more.
func (h *health) unconfirmed(now time.Time, err error) {
	h.bad(now, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stuck = err
}

// view calls fn with what is in the file now.
func (s *Store) view(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil || s.ended() {
		return store.ErrClosed
	}
	if err := s.health.broken(); err != nil {
		return err
	}
	if err := s.stillWhole(); err != nil {
		s.health.faulty(s.now(), s.named(err))
		return s.named(err)
	}
	sane := false
	err := guard(func() error {
		err := s.db.View(fn)
		sane = true
		return err
	})
	if err == nil || err == store.ErrNotFound {
		return err
	}
	err = s.named(classify(err))
	switch {
	case !sane:
		s.health.faulty(s.now(), err)
	case errors.Is(err, store.ErrCorrupt):
		s.health.bad(s.now(), err)
	}
	return err
}

// ended says that Close was called.
func (s *Store) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// lookEvery is how often the size of the file is looked at.
const lookEvery = 20 * time.Millisecond

// stillWhole looks now and then whether somebody has cut the file off. If a
// transaction finds that, its fault leaves bbolt's locks held, and others wait
// for ever.
func (s *Store) stillWhole() error {
	now, last := time.Now().UnixNano(), s.looked.Load()
	if last <= now && now-last < int64(lookEvery) || !s.looked.CompareAndSwap(last, now) {
		return nil
	}
	return s.whole(s.size.Load())
}
