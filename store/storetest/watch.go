// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coaps-go/coaps/store"
)

// next returns the next event; ok is false when the channel is closed.
func (s *suite) next(ch <-chan store.Event) (e store.Event, ok bool) {
	s.Helper()
	select {
	case e, ok = <-ch:
		return e, ok
	case <-time.After(s.Late):
		s.Fatalf("no event within %v", s.Late)
		return
	}
}

// told expects that the changes of these keys are told, each alone or all by
// Lost; a key with "-" before it is to be Deleted.
func (s *suite) told(ch <-chan store.Event, keys ...string) {
	s.Helper()
	missing := map[string]bool{}
	for _, key := range keys {
		missing[key] = true
	}
	for len(missing) > 0 {
		e, ok := s.next(ch)
		switch {
		case !ok:
			s.Fatalf("the channel is closed; missing: %v", missing)
		case e.Lost && e.Key == "":
			clear(missing)
		case e.Deleted && missing["-"+e.Key]:
			delete(missing, "-"+e.Key)
		case missing[e.Key]:
			delete(missing, e.Key)
		default:
			s.Fatalf("unexpected event %+v", e)
		}
	}
}

func (s *suite) watching(prefix string) <-chan store.Event {
	s.Helper()
	ch, err := s.Store.Watch(s.ctx, prefix)
	s.must(err)
	return ch
}

func (s *suite) watch() {
	s.put("a/0", "before")
	a, all := s.watching("a/"), s.watching("")
	s.put("a/1", "x")
	s.told(a, "a/1")
	s.told(all, "a/1")
	s.put("b/1", "x")
	s.must(s.Apply(s.ctx, store.Op{Key: "a/2", Value: nil}, store.Op{Key: "a/0", Delete: true}, store.Op{Key: "c", Value: nil}))
	s.told(a, "a/2", "-a/0")
	s.told(all, "b/1", "a/2", "-a/0", "c")
	// What was refused is not told: the next event is the next change.
	s.conflicts(s.Apply(s.ctx, store.Op{Key: "a/9", Value: nil}, store.Op{Key: "a/3", IfVersion: 99}), "a/3")
	s.put("a/4", "x")
	s.told(a, "a/4")
	// When an event comes, Get has the change.
	s.must(store.Put(s.ctx, s, "a/5", []byte("seen")))
	s.told(a, "a/5")
	s.want("a/5", "seen")
}

func (s *suite) watchExpiry() {
	ch := s.watching("k")
	s.must(s.Apply(s.ctx, store.Op{Key: "k", Value: []byte("v"), TTL: s.TTL}))
	s.told(ch, "k", "-k")
	s.none("k")
}

// Nobody waits for a slow watcher; it learns that it has lost something.
func (s *suite) watchSlow() {
	slow := s.watching("s/")
	ops := numbered("s/", 3000)
	for len(ops) > 0 {
		n := min(len(ops), 100)
		s.must(s.Apply(s.ctx, ops[:n]...))
		ops = ops[n:]
	}
	s.put("s/last", "x")
	got, lost := map[string]bool{}, false
	s.eventually("told of all, or Lost", func() bool {
		for {
			select {
			case e := <-slow:
				lost = lost || e.Lost
				got[e.Key] = true
			default:
				return lost || len(got) == 3001
			}
		}
	})
	// The first Lost may have been taken while more was on its way.
	time.Sleep(s.TTL)
	for len(slow) > 0 {
		<-slow
	}
	s.put("s/later", "x")
	for {
		if e, _ := s.next(slow); e.Key == "s/later" || e.Lost {
			break
		}
	}
}

func (s *suite) watchEnds() {
	ctx, cancel := context.WithCancel(s.ctx)
	ended, err := s.Store.Watch(ctx, "")
	s.must(err)
	stays := s.watching("")
	cancel()
	for {
		if _, ok := s.next(ended); !ok {
			break
		}
	}
	s.put("k", "v")
	s.told(stays, "k")
	s.must(s.Close())
	for {
		if _, ok := s.next(stays); !ok {
			break
		}
	}
}

// lines returns the keys of a scan in one string, for comparing.
func (s *suite) lines() string {
	s.Helper()
	var b strings.Builder
	for r, err := range s.Scan(s.ctx, "", "") {
		s.must(err)
		fmt.Fprintf(&b, "%s=%s %d\n", r.Key, r.Value, r.Version)
	}
	return b.String()
}
