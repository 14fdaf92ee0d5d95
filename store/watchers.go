// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"sync"
)

// watchQueue is how many events a watcher may be behind before it gets Lost.
const watchQueue = 256

// Watchers is what a back end needs for Watch: those who watch, and the way to
// tell them. Telling never blocks. The zero value is ready.
type Watchers struct {
	mu     sync.Mutex
	all    map[*watcher]struct{}
	closed bool
}

type watcher struct {
	prefix string
	// ch keeps one place free for Lost: when it is full, Lost is its last.
	ch   chan Event
	stop func() bool
}

// Watch is Store.Watch.
func (w *Watchers) Watch(ctx context.Context, prefix string) (<-chan Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	one := &watcher{prefix: prefix, ch: make(chan Event, watchQueue)}
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[one] = struct{}{}
	one.stop = context.AfterFunc(ctx, func() { w.remove(one) })
	return one.ch, nil
}

func (w *Watchers) remove(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.all[one]; ok {
		delete(w.all, one)
		close(one.ch)
	}
}

// Tell tells those who watch the keys of the events. The events of one change
// should be told in one call, after the change is confirmed.
func (w *Watchers) Tell(events ...Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		for _, e := range events {
			one.tell(e)
		}
	}
}

// Applied tells of the ops of an Apply.
func (w *Watchers) Applied(ops []Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		for i := range ops {
			one.tell(Event{Key: ops[i].Key, Deleted: ops[i].Delete})
		}
	}
}

// Lost tells all that anything may have changed.
func (w *Watchers) Lost() { w.Tell(Event{Lost: true}) }

// tell queues the event. When the queue is full but for one place, Lost takes
// that place; it says all that later events could say, so these are left out
// until the reader has taken something.
func (one *watcher) tell(e Event) {
	switch {
	case !e.Lost && !strings.HasPrefix(e.Key, one.prefix):
	case len(one.ch) == cap(one.ch):
	case e.Lost || len(one.ch) == cap(one.ch)-1:
		one.ch <- Event{Lost: true}
	default:
		one.ch <- e
	}
}

// Close ends all watches; Watch returns ErrClosed from now on.
func (w *Watchers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for one := range w.all {
		one.stop()
		close(one.ch)
	}
	clear(w.all)
}
