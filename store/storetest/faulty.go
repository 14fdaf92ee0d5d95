// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Calls says which methods of a store a fault hits.
type Calls uint8

// The methods. Load counts as Apply, GetAll as one Get.
const (
	Get Calls = 1 << iota
	Apply
	Scan
	Watch
	All = Get | Apply | Scan | Watch
)

// A Fault is how a store misbehaves. The zero value does not.
type Fault struct {
	// On says which calls it hits; 0: All.
	On Calls
	// Delay comes before the call is done, or before it fails. Who gives up
	// meanwhile gets ErrUnavailable with the context's error.
	Delay time.Duration
	// Err is what the call returns. It is not done.
	Err error
	// Lost says that the call is done, and Err (or ErrUnavailable) returned
	// nevertheless: the answer got lost on the way.
	Lost bool
	// Every makes only each n-th call fail; 0 and 1: each.
	Every int
	// Hang holds the call until its context ends, or until the fault is
	// healed; then it is done.
	Hang bool
	// Deaf, with Hang, does not look at the context: only healing ends it.
	// No store should be so. Who must not block has to cope with it.
	Deaf bool
}

// Faulty is a store that fails as it is told, around one that does not. Close
// and Status are never hit, but Status shows the fault.
type Faulty struct {
	inner store.Store

	mu     sync.Mutex
	fault  Fault
	healed chan struct{} // closed when fault is replaced
	since  time.Time
	nth    int
	calls  map[Calls]int
	// cuts ends the watches that are open.
	cuts    map[*context.CancelFunc]struct{}
	hanging int
}

var (
	_ store.Store       = (*Faulty)(nil)
	_ store.Loader      = (*Faulty)(nil)
	_ store.BatchGetter = (*Faulty)(nil)
)

// NewFaulty returns a store that does what inner does until a fault is set.
func NewFaulty(inner store.Store) *Faulty {
	return &Faulty{
		inner: inner, healed: make(chan struct{}), since: time.Now(),
		calls: map[Calls]int{}, cuts: map[*context.CancelFunc]struct{}{},
	}
}

// Set makes the store misbehave from now on, in place of what was set before.
// Calls that hang by the old fault go on.
func (f *Faulty) Set(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.On == 0 {
		fault.On = All
	}
	close(f.healed)
	f.healed, f.fault, f.nth, f.since = make(chan struct{}), fault, 0, time.Now()
}

// Heal ends the fault.
func (f *Faulty) Heal() { f.Set(Fault{}) }

// Die is Set of a store that cannot be reached: all calls fail at once with
// ErrUnavailable, and all watches end.
func (f *Faulty) Die() {
	f.Set(Fault{Err: fmt.Errorf("%w: connection refused", store.ErrUnavailable)})
	f.Cut()
}

// Cut ends all watches that are open, as a broken connection does to a back end
// that does not mend it.
func (f *Faulty) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for cut := range f.cuts {
		(*cut)()
	}
	clear(f.cuts)
}

// Count returns how many calls of these kinds there were.
func (f *Faulty) Count(kinds Calls) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for kind, c := range f.calls {
		if kind&kinds != 0 {
			n += c
		}
	}
	return n
}

// Hanging returns how many calls are held now.
func (f *Faulty) Hanging() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hanging
}

// hit returns the fault for this call, and the channel that ends it.
func (f *Faulty) hit(kind Calls) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[kind]++
	if f.fault.On&kind == 0 {
		return Fault{}, nil
	}
	if f.nth++; f.fault.Every > 1 && f.nth%f.fault.Every != 0 {
		return Fault{}, nil
	}
	return f.fault, f.healed
}

// call does a call under the fault.
func (f *Faulty) call(ctx context.Context, kind Calls, do func() error) error {
	fault, healed := f.hit(kind)
	if err := f.wait(ctx, fault, healed); err != nil {
		return err
	}
	switch {
	case fault.Lost:
		if err := do(); err != nil {
			return err
		}
		if fault.Err == nil {
			return fmt.Errorf("%w: the answer got lost", store.ErrUnavailable)
		}
		return fault.Err
	case fault.Err != nil:
		return fault.Err
	}
	return do()
}

// wait is the time that a faulty call takes before anything else.
func (f *Faulty) wait(ctx context.Context, fault Fault, healed <-chan struct{}) error {
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-ctx.Done():
			return gaveUp(ctx)
		}
	}
	if !fault.Hang {
		return nil
	}
	f.held(+1)
	defer f.held(-1)
	done := ctx.Done()
	if fault.Deaf {
		done = nil
	}
	select {
	case <-healed:
		return nil
	case <-done:
		return gaveUp(ctx)
	}
}

func (f *Faulty) held(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hanging += n
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
}

// Get is store.Store.Get under the fault.
func (f *Faulty) Get(ctx context.Context, key string) (r store.Record, err error) {
	err = f.call(ctx, Get, func() (err error) {
		r, err = f.inner.Get(ctx, key)
		return err
	})
	if err != nil {
		r = store.Record{}
	}
	return r, err
}

// GetAll is store.BatchGetter.GetAll under the fault.
func (f *Faulty) GetAll(ctx context.Context, keys []string) (all []store.Record, err error) {
	err = f.call(ctx, Get, func() (err error) {
		all, err = store.GetAll(ctx, f.inner, keys)
		return err
	})
	if err != nil {
		all = nil
	}
	return all, err
}

// Apply is store.Store.Apply under the fault.
func (f *Faulty) Apply(ctx context.Context, ops ...store.Op) error {
	return f.call(ctx, Apply, func() error { return f.inner.Apply(ctx, ops...) })
}

// Load is store.Loader.Load under the fault.
func (f *Faulty) Load(ctx context.Context, ops iter.Seq2[store.Op, error]) (n int, err error) {
	err = f.call(ctx, Apply, func() (err error) {
		n, err = store.Load(ctx, f.inner, ops)
		return err
	})
	if err != nil {
		n = 0
	}
	return n, err
}

// Scan is store.Store.Scan under the fault. An answer that gets Lost does so in
// the middle: after half of the records, two at most.
func (f *Faulty) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		n := 0
		fault, healed := f.hit(Scan)
		err := f.wait(ctx, fault, healed)
		if err == nil && !fault.Lost {
			err = fault.Err
		}
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		for r, err := range f.inner.Scan(ctx, prefix, after) {
			if n++; fault.Lost && n > 2 {
				break
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		if fault.Lost {
			yield(store.Record{}, fmt.Errorf("%w: the connection broke", store.ErrUnavailable))
		}
	}
}

// Watch is store.Store.Watch under the fault, which hits only its beginning;
// see Cut for its end.
func (f *Faulty) Watch(ctx context.Context, prefix string) (ch <-chan store.Event, err error) {
	inner, cancel := context.WithCancel(ctx)
	err = f.call(ctx, Watch, func() (err error) {
		ch, err = f.inner.Watch(inner, prefix)
		return err
	})
	if err != nil {
		cancel()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cuts[&cancel] = struct{}{}
	context.AfterFunc(inner, func() { f.forget(&cancel) })
	return ch, nil
}

func (f *Faulty) forget(cancel *context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.cuts, cancel)
}

// Status is the inner one's, or not OK as long as a fault with an Err or Hang
// is set.
func (f *Faulty) Status() store.Status {
	st := f.inner.Status()
	f.mu.Lock()
	defer f.mu.Unlock()
	if st.OK && (f.fault.Err != nil || f.fault.Hang) {
		st.OK, st.Err, st.Since = false, f.fault.Err, f.since
		if st.Err == nil {
			st.Err = fmt.Errorf("%w: no answer", store.ErrUnavailable)
		}
	}
	return st
}

// Close closes the inner store and frees what hangs.
func (f *Faulty) Close() error {
	f.Heal()
	return f.inner.Close()
}
