// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/netip"
	"sync"
	"time"
)

// How often the same event is written down before the rest is only counted, for
// how long, and how many different ones are told apart. Beyond that the events of
// all addresses for one reason are one. Of who comes, and is let in, more is written,
// and beyond that number everything.
const (
	repeatsWritten  = 5
	arrivalsWritten = 60
	repeatWindow    = time.Minute
	repeatsKept     = 1024
)

// repeats holds back what is always the same: the same event for the same reason
// from the same address.
type repeats struct {
	mu   sync.Mutex
	seen map[repeatKey]*repeated
}

// repeatKey has nothing in it that a peer can choose, but for its address: the
// device is the one that it has proved to be, the rule one of ours. The identity is
// that of who was let in, and has proved it.
type repeatKey struct {
	message, reason string
	peer            netip.Addr
	device, rule    string
	identity        string
}

type repeated struct {
	repeatKey
	since   time.Time
	written int
	held    int
}

// first reports whether this event is to be written down.
func (r *repeats) first(now time.Time, message string, f *facts) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := repeatKey{message: message, reason: f.reason, peer: f.peer, device: f.device, rule: f.rule}
	if r.seen[key] == nil && len(r.seen) >= repeatsKept {
		key.peer, key.device, key.rule = netip.Addr{}, "", ""
	}
	return r.within(repeatsWritten, now, key)
}

// comes is first for who was let in. A device comes as often as it likes, and would
// fill a disk with it. That many come is no repetition, and all of them are written.
func (r *repeats) comes(now time.Time, message string, f *facts) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := repeatKey{message: message, peer: f.peer, device: f.device, identity: f.identity}
	return r.seen[key] == nil && len(r.seen) >= repeatsKept || r.within(arrivalsWritten, now, key)
}

// within reports whether no more than most were written, and counts.
func (r *repeats) within(most int, now time.Time, key repeatKey) bool {
	if r.seen == nil {
		r.seen = map[repeatKey]*repeated{}
	}
	one := r.seen[key]
	if one == nil {
		one = &repeated{repeatKey: key, since: now}
		r.seen[key] = one
	}
	if one.written < most {
		one.written++
		return true
	}
	one.held++
	return false
}

// ended takes out those whose time is over and returns the ones of which
// something was held back. A clock that was set back ends them too.
func (r *repeats) ended(now time.Time) (held []repeated) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, one := range r.seen {
		if age := now.Sub(one.since); age >= 0 && age < repeatWindow {
			continue
		}
		delete(r.seen, key)
		if one.held > 0 {
			held = append(held, *one)
		}
	}
	return held
}
