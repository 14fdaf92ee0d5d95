// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/coaps-go/coaps/tick"
)

// changes is what other goroutines have told a shard of resources, until its loop
// takes it. The same path is told once, however often it changes meanwhile.
type changes struct {
	envelope // of the letter that has them taken
	observed filter

	mu    sync.Mutex
	paths map[string]bool // true: for everybody; false: for whom it looks different
	trees map[string]struct{}
	told  bool // the letter is on its way
}

// A change is what has changed, and for whom.
type change struct {
	path      string // or where a tree begins
	tree      bool
	everybody bool // not only those to whom it looks different; always of a tree
}

// tell adds a change, and reports whether the loop is to be told.
func (c *changes) tell(of change) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !of.tree && len(c.paths) >= changesKept || of.tree && len(c.trees) >= changesKept {
		of.path, of.tree = "", true // everything
		clear(c.paths)
		clear(c.trees)
	}
	if c.paths == nil {
		c.paths, c.trees = make(map[string]bool), make(map[string]struct{})
	}
	if of.tree {
		c.trees[of.path] = struct{}{}
	} else {
		c.paths[of.path] = of.everybody || c.paths[of.path]
	}
	told := c.told
	c.told = true
	return !told
}

// take gives f what was told.
func (c *changes) take(f func(change)) {
	c.mu.Lock()
	paths, trees := c.paths, c.trees
	c.paths, c.trees, c.told = nil, nil, false
	c.mu.Unlock()
	for path, everybody := range paths {
		f(change{path: path, everybody: everybody})
	}
	for path := range trees {
		f(change{path: path, tree: true, everybody: true})
	}
}

// watch keeps the filter.
func (c *changes) watch(path string, observed bool) { c.observed.count(path, observed) }

// A filter tells paths that nobody observes, or most of them, from those that
// somebody does, to any goroutine.
type filter struct {
	counts atomic.Pointer[[1 << 12]atomic.Int32]
}

func (f *filter) count(path string, observed bool) {
	if f.counts.Load() == nil {
		f.counts.Store(new([1 << 12]atomic.Int32))
	}
	n := int32(1)
	if !observed {
		n = -1
	}
	f.at(path).Add(n)
}

func (f *filter) at(path string) *atomic.Int32 {
	counts := f.counts.Load()
	return &counts[maphash.String(seed, path)%uint64(len(counts))]
}

// has may be wrong about a path that nobody observes.
func (f *filter) has(path string) bool { return f.counts.Load() != nil && f.at(path).Load() > 0 }

// tell has a shard hear of a change.
func (o *observers) tell(of change) {
	if (of.tree || o.changes.observed.has(of.path)) && o.changes.tell(of) {
		o.changes.letter = o
		if o.shard.mail.put(&o.changes.envelope) == nil {
			_ = o.shard.mail.ring() // fails only when closed
		}
	}
}

// deliver is the letter of changes.
func (o *observers) deliver(tick.Time) {
	o.changes.take(func(of change) {
		switch {
		case of.tree && len(o.trees) < changesKept:
			o.trees = append(o.trees, tree{prefix: of.path})
		case of.tree:
			o.trees = append(o.trees[:0], tree{}) // everything
		case of.everybody:
			o.list.Changed(of.path)
		default:
			o.list.Refresh(of.path)
		}
	})
	o.hurry()
}

// A tree is a part of all paths that is being gone over.
type tree struct {
	prefix string
	place  int
}

// growTrees is a step of going over trees.
func (o *observers) growTrees() {
	if len(o.trees) == 0 {
		return
	}
	first := &o.trees[0]
	if first.place = o.list.ChangedBelow(first.prefix, first.place, walkPlaces); first.place == 0 {
		o.trees = o.trees[1:]
	}
}
