// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Change says what may be different now: one device or group, or all of them,
// or the access rules.
type Change struct {
	Device, Group string // one of them, or neither
	Tenant        string // of the device or group
	All           bool   // any device or group, and the rules
	Rules         bool   // the access rules
}

const (
	// maxChanges is how many are told at a time; more are told as All.
	maxChanges = 1024
	// watchPause is the time between two attempts to watch the store.
	watchPause = time.Second
	// gather is how long a change waits for those that came with it.
	gather = 2 * time.Millisecond
)

// Run watches the store until ctx ends or the store is closed, and returns why.
// It forgets what has changed, and then tells changed, within milliseconds.
// When it begins, and whenever changes may have been missed, it tells All.
// changed is called by this goroutine; while it runs, changes gather.
func (d *Directory) Run(ctx context.Context, changed func([]Change)) error {
	for {
		err := d.watch(ctx, changed)
		d.watching.Store(false)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrClosed):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchPause):
		}
	}
}

// watch is Run for as long as the store lets us watch it.
func (d *Directory) watch(ctx context.Context, changed func([]Change)) error {
	events, err := d.store.Watch(ctx, "")
	if err != nil {
		return err
	}
	d.cache.doubt()
	d.watching.Store(true)
	changed([]Change{{All: true}})
	for event := range events {
		var batch changes
		d.take(&batch, event)
		d.gather(&batch, events)
		if list := batch.list(); len(list) > 0 {
			changed(list)
		}
	}
	return nil
}

// gather takes the events that come within a moment.
func (d *Directory) gather(batch *changes, events <-chan store.Event) {
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return
			}
			d.take(batch, event)
		case <-timer.C:
			return
		}
	}
}

// take forgets what an event is about, and notes it.
func (d *Directory) take(batch *changes, event store.Event) {
	if event.Lost {
		d.cache.doubt()
		batch.all = true
		return
	}
	d.cache.forget(event.Key)
	batch.add(event.Key)
}

// changes are those of one batch, each once.
type changes struct {
	seen map[Change]struct{}
	all  bool
}

func (b *changes) add(key string) {
	var one Change
	if tenant, name, ok := splitOwnerKey(key, devicePrefix); ok {
		one = Change{Device: name, Tenant: tenant}
	} else if tenant, name, ok := splitOwnerKey(key, groupPrefix); ok {
		one = Change{Group: name, Tenant: tenant}
	} else if strings.HasPrefix(key, rulePrefix) {
		one = Change{Rules: true}
	} else {
		return // an index record comes with its owner
	}
	if b.seen == nil {
		b.seen = map[Change]struct{}{}
	}
	b.seen[one] = struct{}{}
}

func (b *changes) list() []Change {
	if b.all || len(b.seen) > maxChanges {
		return []Change{{All: true}}
	}
	list := make([]Change, 0, len(b.seen))
	for one := range b.seen {
		list = append(list, one)
	}
	return list
}
