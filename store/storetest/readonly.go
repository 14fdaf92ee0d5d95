// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/store"
)

// Change makes a read-only store have these records, all and no others, soon.
type Change func(records []store.Record)

// RunReadOnly tests the promises of package store that a back end without
// changes of ours can keep. open returns a store with the records, and what
// changes them from outside; the suite closes it.
func RunReadOnly(t *testing.T, open func(t *testing.T, records []store.Record) (store.Store, Change), options Options) {
	for name, test := range map[string]func(*suite, Change){
		"Reads": (*suite).readOnlyReads, "Writes": (*suite).readOnlyWrites, "Changes": (*suite).readOnlyChanges,
		"Ends": (*suite).readOnlyEnds,
	} {
		t.Run(name, func(t *testing.T) {
			st, change := open(t, fixed)
			test(newSuite(t, st, options), change)
		})
	}
}

var fixed = []store.Record{
	{Key: "b", Value: []byte("2")}, {Key: "a/1", Value: []byte("1")}, {Key: "a/2", Value: nil},
	{Key: "a", Value: []byte("0")}, {Key: "c\x00", Value: []byte{0, 0xff}},
}

func (s *suite) readOnlyReads(Change) {
	for _, r := range fixed {
		got := s.want(r.Key, string(r.Value))
		clear(got.Value)
		s.want(r.Key, string(r.Value))
	}
	s.none("d", "a/", "")
	for _, test := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"a", "a/1", "a/2", "b", "c\x00"}},
		{"a/", "", []string{"a/1", "a/2"}},
		{"a/", "a/1", []string{"a/2"}},
		{"", "a/1x", []string{"a/2", "b", "c\x00"}},
		{"d", "", nil},
	} {
		if got := s.scan(test.prefix, test.after); !slices.Equal(got, test.want) {
			s.Errorf("scan(%q, %q) = %q, want %q", test.prefix, test.after, got, test.want)
		}
	}
	if st := s.Store.Status(); !st.OK || !st.ReadOnly || st.Records != len(fixed) {
		s.Errorf("%+v", st)
	}
}

func (s *suite) readOnlyWrites(Change) {
	s.must(s.Apply(s.ctx))
	s.fails(store.Put(s.ctx, s, "a", nil), store.ErrReadOnly)
	s.fails(store.Delete(s.ctx, s, "a"), store.ErrReadOnly)
	_, err := store.Load(s.ctx, s, store.Ops(store.Op{Key: "a"}))
	s.fails(err, store.ErrReadOnly)
	s.want("a", "0")
	s.each(s.ctx, func(string, error) {}, len(fixed))
}

// A change from outside is told record by record; what did not change keeps its
// version.
func (s *suite) readOnlyChanges(change Change) {
	b, one := s.want("b", "2"), s.want("a/1", "1")
	all, a := s.watching(""), s.watching("a/")
	change([]store.Record{
		{Key: "b", Value: []byte("2")}, {Key: "a/1", Value: []byte("new")}, {Key: "a/3", Value: []byte("3")},
		{Key: "a", Value: []byte("0")}, {Key: "c\x00", Value: []byte{0, 0xff}},
	})
	s.told(all, "a/1", "-a/2", "a/3")
	s.told(a, "a/1", "-a/2", "a/3")
	s.none("a/2")
	s.want("a/3", "3")
	if s.want("b", "2").Version != b.Version || s.want("a/1", "new").Version == one.Version {
		s.Error("the versions do not tell what has changed")
	}
}

func (s *suite) readOnlyEnds(Change) {
	ch := s.watching("")
	s.must(s.Close())
	s.must(s.Close())
	if e, open := s.next(ch); open {
		s.Errorf("unexpected event %+v", e)
	}
	s.each(s.ctx, func(method string, err error) {
		if !errors.Is(err, store.ErrClosed) {
			s.Errorf("%s: %v", method, err)
		}
	}, 1)
}
