// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/store"
)

// Options of a Directory. The zero value is usable.
type Options struct {
	// Timeout is how long a look-up may take. Zero: 2 s.
	Timeout time.Duration
	// Entries is how many credentials are kept in memory, some 700 bytes each.
	// Zero: 65,536.
	Entries int
	// Negative is how long it is remembered that a credential is nobody's.
	// Zero: 5 s. NegativeEntries is how many of them are. Zero: 4,096.
	Negative        time.Duration
	NegativeEntries int
	// Refresh is the age at which what is in memory is looked up again, in
	// case a change was not told. Zero: 5 minutes. While nobody calls Run it is
	// one second.
	Refresh time.Duration
	// Stale is the age up to which what is in memory is good enough while the
	// store is unavailable. Zero: 24 hours; negative: none.
	Stale time.Duration
	// Lookups is how many look-ups the store gets at a time. Zero: 64.
	Lookups int
	// Split, if set, is what separates a tenant from the rest of a PSK
	// identity, as in sensor-7@acme: what follows the last one must then be the
	// tenant of the device. An identity without it is of no tenant.
	Split string
}

// unwatched is the age at which what is in memory is looked up again if no
// change is told.
const unwatched = time.Second

func (o Options) resolved() Options {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Second)
	o.Entries = max(cmp.Or(o.Entries, 1<<16), 1)
	o.Negative = cmp.Or(o.Negative, 5*time.Second)
	o.NegativeEntries = max(cmp.Or(o.NegativeEntries, 4096), 1)
	o.Refresh = cmp.Or(o.Refresh, 5*time.Minute)
	o.Stale = cmp.Or(o.Stale, 24*time.Hour)
	o.Lookups = max(cmp.Or(o.Lookups, 64), 1)
	return o
}

// Directory finds in a store whose a credential is. It is a
// security.Directory.
//
// What it has found it keeps in memory, until Run hears of a change, or for
// Options.Refresh. Credentials that are nobody's are remembered for a short
// time, apart from the others and in bounded number, so that whoever invents
// identities costs the store some look-ups and the memory nothing.
//
// A store that is slow or does not answer holds up nobody but those who ask for
// what is not in memory, and those for Options.Timeout at most. After three
// failures in a row look-ups fail at once, and one a second is let through to
// see whether the store is back. What is in memory stays good meanwhile, up to
// Options.Stale: an outage of the store refuses strangers, not those who were
// here today. What is known to have changed is never used again.
//
// Times of devices and credentials are judged whenever somebody asks, by the
// time that is asked for.
type Directory struct {
	store    store.Store
	options  Options
	cache    *cache
	flights  flights
	breaker  breaker
	watching atomic.Bool
	counters struct{ hits, misses, negative, timeouts, stale atomic.Uint64 }
}

var _ security.Directory = (*Directory)(nil)

// NewDirectory returns the directory in s. Whoever opened s closes it, after
// Run has ended.
func NewDirectory(s store.Store, o Options) *Directory {
	o = o.resolved()
	return &Directory{
		store: s, options: o, cache: newCache(o.Entries, o.NegativeEntries),
		flights: flights{all: map[string]*flight{}, slots: make(chan struct{}, o.Lookups)},
	}
}

// Cached is security.Directory.Cached: what is in memory, and new enough.
func (d *Directory) Cached(c *security.Claim, now time.Time) (security.Entry, bool) {
	var buf [512]byte
	e, ok := d.fresh(appendClaim(buf[:0], c), now)
	if ok && e.Reason == nobody.Reason {
		d.counters.negative.Add(1)
	} else if ok {
		d.counters.hits.Add(1)
	}
	return e, ok
}

// fresh returns what is in memory if it is new enough.
func (d *Directory) fresh(claim []byte, now time.Time) (security.Entry, bool) {
	if len(claim) == 0 {
		return nobody, true // nothing was shown
	}
	k, ok := d.cache.get(claim)
	// An age below zero says that the clock was set back. As a hint that
	// something may have been missed it is as good as a great one.
	age := now.Sub(k.at)
	switch {
	case !ok || k.doubt || age < 0:
		return security.Entry{}, false
	case k.nobody:
		return nobody, age < d.options.Negative
	}
	limit := d.options.Refresh
	if !d.watching.Load() {
		limit = min(limit, unwatched)
	}
	if age >= limit {
		return security.Entry{}, false
	}
	return k.found.at(now), true
}

// Fetch is security.Directory.Fetch. If the store does not answer it takes what
// is in memory, if that is not too old.
func (d *Directory) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	key := string(appendClaim(nil, c))
	if e, ok := d.fresh([]byte(key), now); ok {
		return e // somebody else has asked meanwhile
	}
	d.counters.misses.Add(1)
	f, err := d.find(ctx, key, c, now)
	switch {
	case err == nil && f != nil:
		return f.at(now)
	case err == nil:
		return nobody
	}
	k, ok := d.cache.get([]byte(key))
	if ok && !k.nobody && now.Sub(k.at) < d.options.Stale {
		d.counters.stale.Add(1)
		e := k.found.at(now)
		e.Stale = true
		return e
	}
	return unavailable(err)
}

// DirectoryStatus is how a Directory does.
type DirectoryStatus struct {
	OK    bool      // the store answers, by its own account and by that of the look-ups
	Since time.Time // when OK last changed; zero: it has always been so
	Err   error     // what is wrong, nil if OK

	Watching bool // changes are told
	Breaker  bool // look-ups fail at once, because those before did

	Cached, NegativeCached int // entries in memory

	Hits     uint64 // credentials that were in memory
	Misses   uint64 // look-ups in the store
	Negative uint64 // credentials that were known to be nobody's
	Timeouts uint64 // look-ups that took too long
	Stale    uint64 // answers from memory because the store was unavailable
}

// Status tells how the directory does. It does not block.
func (d *Directory) Status() DirectoryStatus {
	s := DirectoryStatus{
		Watching: d.watching.Load(),
		Hits:     d.counters.hits.Load(), Misses: d.counters.misses.Load(), Negative: d.counters.negative.Load(),
		Timeouts: d.counters.timeouts.Load(), Stale: d.counters.stale.Load(),
	}
	s.Cached, s.NegativeCached = d.cache.len()
	s.Breaker, s.Since, s.Err = d.breaker.state()
	if own := d.store.Status(); s.Err == nil && !own.OK {
		s.Err, s.Since = own.Err, own.Since
		if s.Err == nil {
			s.Err = store.ErrUnavailable
		}
	}
	s.OK = s.Err == nil
	return s
}
