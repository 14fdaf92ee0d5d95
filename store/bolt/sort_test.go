// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/store"
)

// However many runs there are in the file, ops come out by their keys, as they
// went in; a key that comes twice is told, though it is in two runs.
func TestSorter(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.Custom(func(t *rapid.T) store.Op {
			return store.Op{
				Key:       rapid.StringN(1, 8, -1).Draw(t, "key"),
				Value:     rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "value"),
				Delete:    rapid.Bool().Draw(t, "delete"),
				TTL:       time.Duration(rapid.Int64Min(0).Draw(t, "ttl")),
				IfVersion: rapid.Uint64().Draw(t, "version"),
			}
		})
		ops := rapid.SliceOfNDistinct(op, 0, 60, func(op store.Op) string { return op.Key }).Draw(t, "ops")
		twice := len(ops) > 0 && rapid.Bool().Draw(t, "twice")
		if twice {
			ops = append(ops, ops[rapid.IntRange(0, len(ops)-1).Draw(t, "which")])
		}
		s := &sorter{path: filepath.Join(dir, "sorting"), room: rapid.IntRange(1, 2000).Draw(t, "room")}
		defer s.close()
		if err := s.take(context.Background(), store.Ops(ops...)); err != nil {
			t.Fatal(err)
		}
		var got []store.Op
		for op, err := range s.sorted() {
			if err != nil {
				if !twice || !errors.Is(err, store.ErrInvalid) {
					t.Fatal(err)
				}
				return
			}
			op.Value = slices.Clone(op.Value)
			got = append(got, op)
		}
		if twice {
			t.Fatal("a key that comes twice was not told")
		}
		slices.SortFunc(ops, func(a, b store.Op) int { return cmp.Compare(a.Key, b.Key) })
		if diff := gocmp.Diff(slices.Clip(ops), slices.Clip(got)); diff != "" && len(ops)+len(got) > 0 {
			t.Fatal(diff)
		}
	})
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files are left", len(files))
	}
}

// A Load that does not fit into memory: runs in the file, then all of it.
func TestLoadSortsOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	s := opened(t, path)
	n := 0
	got, err := s.Load(context.Background(), func(yield func(store.Op, error) bool) {
		value := make([]byte, 10_000)
		for ; n < 3000; n++ {
			if !yield(store.Op{Key: indexKey(n), Value: value}, nil) {
				return
			}
		}
	})
	if err != nil || got != 3000 {
		t.Fatalf("%d, %v", got, err)
	}
	last := ""
	for r, err := range s.Scan(context.Background(), "", "") {
		if err != nil || len(r.Value) != 10_000 || r.Key <= last {
			t.Fatalf("%q after %q: %d octets, %v", r.Key, last, len(r.Value), err)
		}
		last = r.Key
		n--
	}
	if n != 0 {
		t.Errorf("%d records are missing", n)
	}
}
