// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coaps-go/coaps/store"
)

func (s *suite) get() {
	s.none("a")
	a := s.put("a", "1")
	if !a.Expires.IsZero() {
		s.Errorf("it expires at %v, nobody asked for that", a.Expires)
	}
	again := s.put("a", "1")
	if again.Version == a.Version {
		s.Error("written again, the version is the same")
	}
	s.must(store.Delete(s.ctx, s, "a"))
	s.none("a")
	s.must(store.Delete(s.ctx, s, "a"))
	s.must(s.Apply(s.ctx))
}

// oddKeys are in the order of their octets.
var oddKeys = []string{
	"\x00", "\x00\x00", " ", "%", "*", "/", "[a-z]?*", "a", "a\x00", "a\x00b", "a\nb", "aa", "b",
	"{tag}", "\xc3\x28", "é", "\xff", "\xff\xff", strings.Repeat("\xff", store.MaxKey),
}

func (s *suite) anyOctets() {
	for i, key := range oddKeys {
		s.put(key, strconv.Itoa(i))
	}
	for i, key := range oddKeys {
		s.want(key, strconv.Itoa(i))
	}
	if got := s.scan("", ""); !slices.Equal(got, oddKeys) {
		s.Fatalf("scanned %.600q", got)
	}
	s.put("a", "")
	s.put("a", "\x00")
	s.put("a", string(bytes.Repeat([]byte{0, 0xff, '\n'}, 100_000)))
}

func (s *suite) ownedValues() {
	value := []byte("mine")
	s.must(store.Put(s.ctx, s, "k", value))
	copy(value, "YOUR")
	r := s.want("k", "mine")
	copy(r.Value, "HERS")
	s.want("k", "mine")
	for r := range s.Scan(s.ctx, "", "") {
		copy(r.Value, "THEY")
	}
	s.want("k", "mine")
}

func (s *suite) invalid() {
	s.put("a", "1")
	for _, op := range []store.Op{
		{Value: []byte("v")},
		{Delete: true},
		{Key: strings.Repeat("k", store.MaxKey+1)},
		{Key: "k", Value: make([]byte, store.MaxValue+1)},
		{Key: "k", TTL: -1},
	} {
		err := s.Apply(s.ctx, store.Op{Key: "a", Value: []byte("2")}, op)
		s.fails(err, store.ErrInvalid)
	}
	s.want("a", "1")
	s.none("k", "")
}

func (s *suite) ifVersion() {
	create := func(v string) error { return store.Create(s.ctx, s, "k", []byte(v)) }
	s.must(create("1"))
	first := s.want("k", "1")
	s.conflicts(create("2"), "k")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("2"), IfVersion: first.Version}))
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("3"), IfVersion: first.Version}), "k")
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "k", Delete: true, IfVersion: first.Version}), "k")
	second := s.want("k", "2")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Delete: true, IfVersion: second.Version}))
	s.none("k")
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("4"), IfVersion: second.Version}), "k")
	s.none("k")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Delete: true, IfVersion: store.Absent}))
}

// Who read a record before somebody deleted it and made it anew must not take
// the new one for the old.
func (s *suite) ifVersionOfDeleted() {
	old := s.put("k", "v")
	s.must(store.Delete(s.ctx, s, "k"))
	s.put("k", "v")
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("w"), IfVersion: old.Version}), "k")
	s.want("k", "v")
}

func (s *suite) allOrNone() {
	s.put("b", "old")
	s.put("d", "old")
	err := s.Apply(s.ctx,
		store.Op{Key: "a", Value: []byte("new")},
		store.Op{Key: "b", Value: []byte("new")},
		store.Op{Key: "c", Value: []byte("new"), IfVersion: 12345},
		store.Op{Key: "d", Delete: true})
	s.conflicts(err, "c")
	s.none("a", "c")
	s.want("b", "old")
	s.want("d", "old")
	s.must(s.Apply(s.ctx,
		store.Op{Key: "a", Value: []byte("new")},
		store.Op{Key: "b", Value: []byte("new")},
		store.Op{Key: "c", Value: []byte("new"), IfVersion: store.Absent},
		store.Op{Key: "d", Delete: true}))
	s.want("a", "new")
	s.want("b", "new")
	s.want("c", "new")
	s.none("d")
}

// Conditions are judged by what was there before; the last op for a key counts.
func (s *suite) twiceInOneApply() {
	s.must(s.Apply(s.ctx,
		store.Op{Key: "k", Value: []byte("1"), IfVersion: store.Absent},
		store.Op{Key: "k", Value: []byte("2"), IfVersion: store.Absent}))
	s.want("k", "2")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Delete: true}, store.Op{Key: "k", Value: []byte("3")}))
	s.want("k", "3")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("4")}, store.Op{Key: "k", Delete: true}))
	s.none("k")
	if got := s.scan("", ""); len(got) != 0 {
		s.Fatalf("scanned %q", got)
	}
}

// Writers that read, change and write with the version they have read count to
// the right number, in two records that stay alike.
func (s *suite) noLostUpdate() {
	const writers, times = 4, 15
	s.put("n", "0")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range times {
				if err := s.increment(); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	s.want("n", strconv.Itoa(writers*times))
	s.want("copy", strconv.Itoa(writers*times))
}

func (s *suite) increment() error {
	for {
		r, err := s.Get(s.ctx, "n")
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(r.Value))
		v := []byte(strconv.Itoa(n + 1))
		err = s.Apply(s.ctx, store.Op{Key: "n", Value: v, IfVersion: r.Version}, store.Op{Key: "copy", Value: v})
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
	}
}

// Of several who create the same record, one succeeds.
func (s *suite) concurrentCreate() {
	const writers = 6
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { errs[i] = store.Create(s.ctx, s, "k", []byte(strconv.Itoa(i))) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			s.Fatalf("%d and %d have both created it", winner, i)
		case err == nil:
			winner = i
		default:
			s.conflicts(err, "k")
		}
	}
	s.want("k", strconv.Itoa(winner))
}

// model does random changes here and in a map.
func (s *suite) model() {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := map[string]store.Record{}
	for range 150 {
		ops := make([]store.Op, 1+rnd.IntN(4))
		for i := range ops {
			ops[i] = randomOp(rnd, m)
		}
		want := judged(ops, m)
		switch err := s.Apply(s.ctx, ops...); {
		case want == "" && err != nil:
			s.Fatalf("%v after %v", err, ops)
		case want != "":
			s.conflicts(err, want)
		default:
			s.follow(ops, m)
		}
	}
	s.alike(m)
}

func randomOp(rnd *rand.Rand, m map[string]store.Record) store.Op {
	op := store.Op{Key: strconv.Itoa(rnd.IntN(20)), Value: []byte(strconv.Itoa(rnd.IntN(1000))), Delete: rnd.IntN(3) == 0}
	switch r, ok := m[op.Key]; {
	case ok && rnd.IntN(3) == 0:
		op.IfVersion = r.Version
	case rnd.IntN(8) == 0:
		op.IfVersion = store.Absent
	case rnd.IntN(8) == 0:
		op.IfVersion = 1 + rnd.Uint64N(10)
	}
	return op
}

// judged returns the first key whose condition does not hold, "" if all do.
func judged(ops []store.Op, m map[string]store.Record) string {
	for _, op := range ops {
		r, ok := m[op.Key]
		if op.IfVersion != store.Any && (ok || op.IfVersion != store.Absent) && op.IfVersion != r.Version {
			return op.Key
		}
	}
	return ""
}

// follow does in the map what the store has done.
func (s *suite) follow(ops []store.Op, m map[string]store.Record) {
	s.Helper()
	touched := map[string]bool{}
	for _, op := range ops {
		touched[op.Key] = true
		m[op.Key] = store.Record{Value: op.Value}
		if op.Delete {
			delete(m, op.Key)
		}
	}
	for key := range touched {
		if r, ok := m[key]; ok {
			m[key] = s.want(key, string(r.Value))
			continue
		}
		s.none(key)
	}
}

func (s *suite) alike(m map[string]store.Record) {
	s.Helper()
	n := 0
	for r, err := range s.Scan(s.ctx, "", "") {
		s.must(err)
		if want := m[r.Key]; r.Version != want.Version || !bytes.Equal(r.Value, want.Value) {
			s.Fatalf("scanned %v, want %v", r, want)
		}
		n++
	}
	if n != len(m) {
		s.Fatalf("%d records, want %d", n, len(m))
	}
}
