// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/store"
)

// A flight is one look-up that is under way, for all who want to know the same.
type flight struct {
	moment    uint64        // before it began, see cache.moment
	done      chan struct{} // closed when found and err are set
	deadline  *time.Timer   // abandons it; nil until the store is asked
	found     *found
	err       error
	landed    bool // under flights.mu, as the rest
	abandoned bool // by those who waited, or at its deadline
}

// flights are the look-ups that are under way. Each has a goroutine of its own,
// so that a store which does not come back holds up nobody; slots bounds them.
type flights struct {
	mu    sync.Mutex
	all   map[string]*flight
	slots chan struct{}
}

var (
	errBroken  = fmt.Errorf("%w: it did not answer lately", store.ErrUnavailable)
	errTimeout = fmt.Errorf("%w: no answer in time", store.ErrUnavailable)
	errBusy    = fmt.Errorf("%w: too many look-ups wait for it", store.ErrUnavailable)
)

// find looks a claim up in the store, or waits for somebody else who does. It
// returns after the timeout at the latest, whatever the store does.
func (d *Directory) find(ctx context.Context, key string, claim *security.Claim, now time.Time) (*found, error) {
	timer := time.NewTimer(d.options.Timeout)
	defer timer.Stop()
	f, leads := d.join(key)
	if leads {
		if err := d.launch(ctx, timer, f, key, claim, now); err != nil {
			return nil, err
		}
	}
	select {
	case <-f.done:
		return f.found, f.err
	case <-timer.C:
		d.abandon(key, f)
		return nil, errTimeout
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}

// join returns the flight for a claim, and whether the caller has to launch it.
// One that began before the last change was told may have read what was before
// it, so whoever asks later has another.
func (d *Directory) join(key string) (f *flight, leads bool) {
	d.flights.mu.Lock()
	defer d.flights.mu.Unlock()
	moment := d.cache.moment()
	if f := d.flights.all[key]; f != nil && f.moment == moment {
		return f, false
	}
	f = &flight{moment: moment, done: make(chan struct{})}
	d.flights.all[key] = f
	return f, true
}

// launch begins the look-up as soon as the store has room for one more. If it
// cannot, all who wait for it are told.
func (d *Directory) launch(ctx context.Context, timer *time.Timer, f *flight, key string, claim *security.Claim, now time.Time) error {
	err := errBroken
	if d.breaker.allow() {
		select {
		case d.flights.slots <- struct{}{}:
			// The goroutine may outlive the caller, to whom the claim belongs.
			own := copyClaim(claim)
			d.flights.begin(f, d.options.Timeout, func() { d.abandon(key, f) })
			go d.fly(f, key, &own, now)
			return nil
		case <-timer.C:
			err = errBusy
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
		d.breaker.cancel()
	}
	d.land(key, f, nil, err, func(error) {})
	return err
}

// begin sets the time of a flight, which runs whether anybody waits or not.
func (l *flights) begin(f *flight, timeout time.Duration, late func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.deadline = time.AfterFunc(timeout, late)
}

func copyClaim(c *security.Claim) security.Claim {
	own := *c
	own.PSKIdentity, own.RawKey, own.Token = bytes.Clone(c.PSKIdentity), bytes.Clone(c.RawKey), bytes.Clone(c.Token)
	own.Chain = slices.Clone(c.Chain)
	if c.Principal != nil {
		whose := *c.Principal
		own.Principal = &whose
	}
	return own
}

// fly is a look-up, on a goroutine of its own.
func (d *Directory) fly(f *flight, key string, claim *security.Claim, now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), d.options.Timeout)
	defer cancel()
	result, err := look(ctx, d.store, claim)
	<-d.flights.slots
	if err == nil && !tenantFits(d.options.Split, claim, result) {
		result = nil
	}
	// What a principal was, nobody invents: there is nothing to protect from.
	if err == nil && (result != nil || claim.Principal == nil) {
		d.cache.put(key, result, now, f.moment)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		d.abandon(key, f)
		err = errTimeout
	}
	d.land(key, f, result, err, d.breaker.done)
}

// land gives the result of a flight to those who wait for it, and tells report
// before them what that says of the store, if it comes in time.
func (d *Directory) land(key string, f *flight, result *found, err error, report func(error)) {
	d.flights.mu.Lock()
	defer d.flights.mu.Unlock()
	if f.deadline != nil {
		f.deadline.Stop()
	}
	if d.flights.all[key] == f {
		delete(d.flights.all, key)
	}
	if !f.abandoned {
		report(outage(err))
	}
	f.found, f.err, f.landed = result, err, true
	close(f.done)
}

// abandon lets a flight be that takes too long, whoever still waits for it. The
// next one who wants to know begins another.
func (d *Directory) abandon(key string, f *flight) {
	d.flights.mu.Lock()
	defer d.flights.mu.Unlock()
	if f.abandoned || f.landed || f.deadline == nil {
		return // nil: the store has not been asked, so it has not failed
	}
	f.abandoned = true
	if d.flights.all[key] == f {
		delete(d.flights.all, key)
	}
	d.counters.timeouts.Add(1)
	d.breaker.done(errTimeout)
}

// outage is what an error says of the store as a whole: one damaged record says
// nothing.
func outage(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return nil
	}
	return err
}
