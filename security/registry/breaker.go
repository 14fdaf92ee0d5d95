// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"sync"
	"time"
)

// Bounds of a breaker.
const (
	breakAfter = 3           // failures in a row
	breakFor   = time.Second // until one look-up is let through as a probe
)

// A breaker keeps look-ups from a store that does not answer, so that they do
// not all wait for it. It also knows how the store does.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // no look-up before that; zero: not open
	probing  bool
	since    time.Time // when the first of the failures was, or the last one ended
	err      error     // of the last failure
}

// allow reports whether a look-up may go to the store.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return true
	case b.probing || time.Now().Before(b.until):
		return false
	}
	b.probing = true
	return true
}

// done takes the result of a look-up that was allowed.
func (b *breaker) done(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.probing = false
	if (err == nil) != (b.err == nil) || b.since.IsZero() {
		b.since = now
	}
	b.err = err
	if err == nil {
		b.failures, b.until = 0, time.Time{}
		return
	}
	if b.failures++; b.failures >= breakAfter {
		b.until = now.Add(breakFor)
	}
}

// cancel takes back a look-up that was allowed and has not been made: that says
// nothing of the store.
func (b *breaker) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// state returns whether the breaker is open, since when the store does as it
// does, and what is wrong with it, nil if nothing is.
func (b *breaker) state() (open bool, since time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.until.IsZero(), b.since, b.err
}
