// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/store"
)

// Options of a Directory. The zero value is usable.
type Options struct {
	// Timeout is how long a look-up may take. Zero: 2 s.
	Timeout time.Duration
	// Entries is how many credentials are kept in memory. Zero: 100,000.
	Entries int
	// Negative is how long it is remembered that a credential is nobody's.
	// Zero: 5 s. NegativeEntries is how many of them are. Zero: 4,096.
	Negative        time.Duration
	NegativeEntries int
	// Refresh is the age at which what is in memory is looked up again, in
	// case a change was not told. Zero: 5 minutes.
	Refresh time.Duration
	// Stale is the age up to which what is in memory is good enough while the
	// store is unavailable. Zero: 24 hours; negative: any.
	Stale time.Duration
	// Lookups is how many look-ups the store gets at a time. Zero: 64.
	Lookups int
	// Split, if set, is what separates a tenant from the rest of a PSK
	// identity, as in sensor-7@acme: the last part must then be the tenant of
	// the device. An identity without it is of no tenant.
	Split string
}

// Directory finds in a store whose a credential is. It is a
// security.Directory.
type Directory struct{ store store.Store }

var _ security.Directory = (*Directory)(nil)

// Change says what may be different now. What is not set does not matter.
type Change struct {
	Device, Group string // one of them, or neither
	Tenant        string
	All           bool // any device or group, and Rules
	Rules         bool // the access rules
}

// DirectoryStatus is how a Directory does.
type DirectoryStatus struct {
	OK    bool      // the store answers
	Since time.Time // when OK last changed
	Err   error     // what is wrong, nil if OK

	Watching bool // changes are told
	Breaker  bool // look-ups fail at once, because those before did

	Cached, NegativeCached                  int // entries in memory
	Hits, Misses, Negative, Timeouts, Stale uint64
}

// NewDirectory returns the directory in s.
func NewDirectory(s store.Store, o Options) *Directory { return &Directory{store: s} }

// Cached is security.Directory.Cached.
func (d *Directory) Cached(c *security.Claim, now time.Time) (security.Entry, bool) { panic("todo") }

// Fetch is security.Directory.Fetch.
func (d *Directory) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	panic("todo")
}

// Run watches the store until ctx ends: it forgets what has changed and tells
// changed, within milliseconds. changed is called by one goroutine at a time
// and must not block for long.
func (d *Directory) Run(ctx context.Context, changed func([]Change)) error { panic("todo") }

// Status tells how the directory does. It does not block.
func (d *Directory) Status() DirectoryStatus { panic("todo") }
