// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/coaps-go/coaps/store"
)

var errBroken = errors.New("line 17: not a device")

// then is the ops, then what comes at the end of a broken file.
func then(ops []store.Op, err error) iter.Seq2[store.Op, error] {
	return func(yield func(store.Op, error) bool) {
		for _, op := range ops {
			if !yield(op, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Op{}, err)
		}
	}
}

func (s *suite) loads(want int, ops ...store.Op) {
	s.Helper()
	n, err := store.Load(s.ctx, s, store.Ops(ops...))
	if err != nil || n != want {
		s.Fatalf("Load: %d, %v, want %d", n, err, want)
	}
}

func (s *suite) load() {
	s.loads(0)
	old := s.put("old", "1")
	s.put("gone", "1")
	ch := s.watching("")
	s.loads(4,
		store.Op{Key: "z", Value: []byte("z"), IfVersion: store.Absent},
		store.Op{Key: "old", Value: []byte("2"), IfVersion: old.Version},
		store.Op{Key: "a", Value: []byte("a")},
		store.Op{Key: "gone", Delete: true})
	s.told(ch, "z", "old", "a", "-gone")
	s.want("z", "z")
	s.want("a", "a")
	s.none("gone")
	if s.want("old", "2").Version == old.Version {
		s.Error("loaded over, the version is the same")
	}
}

// loadLarge puts a large sequence, in no order, over what is there.
func (s *suite) loadLarge() {
	s.must(s.Apply(s.ctx, numbered("k", 300)...))
	s.put("a", "before")
	s.put("z", "behind")
	kept := s.put("k000100x", "between")
	ch := s.watching("")
	ops := numbered("k", s.Large)
	for i := range ops {
		ops[i].Value = fmt.Append(nil, "new ", i)
		ops[i].Delete = i%10 == 0
	}
	rand.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	s.loads(s.Large, ops...)
	keys := make([]string, 0, len(ops))
	for _, op := range ops {
		if op.Delete {
			s.none(op.Key)
			keys = append(keys, "-"+op.Key)
			continue
		}
		s.want(op.Key, string(op.Value))
		keys = append(keys, op.Key)
	}
	s.told(ch, keys...)
	s.want("a", "before")
	s.want("z", "behind")
	if s.want("k000100x", "between").Version != kept.Version {
		s.Error("a record that was not loaded has another version")
	}
	if got, want := len(s.scan("", "")), s.Large-s.Large/10+3; got != want {
		s.Errorf("%d records, want %d", got, want)
	}
	s.put("k000000", "after")
}

// A sequence that breaks changes nothing, whether short or long.
func (s *suite) loadBreaks() {
	s.put("k000001", "kept")
	before := s.lines()
	for _, n := range []int{1, 3, s.Large} {
		_, err := store.Load(s.ctx, s, then(numbered("k", n), errBroken))
		s.fails(err, errBroken)
		_, err = store.Load(s.ctx, s, then(append(numbered("k", n), store.Op{}), nil))
		s.fails(err, store.ErrInvalid)
		if after := s.lines(); after != before {
			s.Fatalf("%d ops: half-loaded: %.100q", n, after)
		}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	_, err := store.Load(ctx, s, func(yield func(store.Op, error) bool) {
		for i, op := range numbered("k", s.Large) {
			if i == s.Large/2 {
				cancel()
			}
			if !yield(op, nil) {
				return
			}
		}
	})
	s.fails(err, context.Canceled)
	if after := s.lines(); after != before {
		s.Fatalf("cancelled: half-loaded: %.100q", after)
	}
	s.put("k000001", "written")
}

func (s *suite) loadConflict() {
	s.put("k000002", "kept")
	before := s.lines()
	for _, n := range []int{3, s.Large} {
		ops := numbered("k", n)
		ops[2].IfVersion = store.Absent
		_, err := store.Load(s.ctx, s, store.Ops(ops...))
		s.conflicts(err, "k000002")
		ops[2].IfVersion, ops[1].IfVersion = store.Any, 4711
		_, err = store.Load(s.ctx, s, store.Ops(ops...))
		s.conflicts(err, "k000001")
		if after := s.lines(); after != before {
			s.Fatalf("%d ops: half-loaded: %.100q", n, after)
		}
	}
}

func (s *suite) loadTwice() {
	for _, n := range []int{1, s.Large} {
		ops := append(numbered("k", n), store.Op{Key: "k000000", Value: []byte("again")})
		_, err := store.Load(s.ctx, s, store.Ops(ops...))
		s.fails(err, store.ErrInvalid)
		s.none("k000000")
	}
}
