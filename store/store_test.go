// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drain takes all that is queued.
func drain(ch <-chan Event) (all []Event) {
	for {
		select {
		case e, open := <-ch:
			if !open {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
}

// A watcher that reads nothing gets what fits and then Lost, once; when it has
// read, it gets what comes then. Telling never blocks.
func TestWatchersSlow(t *testing.T) {
	var w Watchers
	ch, err := w.Watch(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * watchQueue {
		w.Tell(Event{Key: fmt.Sprint("k", i)}, Event{Key: "other"})
	}
	all := drain(ch)
	if len(all) != watchQueue || !all[watchQueue-1].Lost || slices.IndexFunc(all, func(e Event) bool { return e.Lost }) != watchQueue-1 {
		t.Fatalf("%d events, the last %+v", len(all), all[len(all)-1])
	}
	if all[0].Key != "k0" || all[watchQueue-2].Key != fmt.Sprint("k", watchQueue-2) {
		t.Errorf("%+v ... %+v", all[0], all[watchQueue-2])
	}
	w.Applied([]Op{{Key: "k"}, {Key: "x"}, {Key: "k2", Delete: true}})
	w.Lost()
	if got, want := drain(ch), []Event{{Key: "k"}, {Key: "k2", Deleted: true}, {Lost: true}}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Half-read, then flooded again: the Lost that covers the flood comes after all
// that was queued before it.
func TestWatchersLostAgain(t *testing.T) {
	var w Watchers
	ch, _ := w.Watch(t.Context(), "")
	for i := range 2 * watchQueue {
		w.Tell(Event{Key: fmt.Sprint(i)})
	}
	<-ch
	w.Tell(Event{Key: "after"})
	all := drain(ch)
	if !all[len(all)-1].Lost {
		t.Errorf("the last is %+v", all[len(all)-1])
	}
}

func TestWatchersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Watchers
		ctx, cancel := context.WithCancel(context.Background())
		ended, _ := w.Watch(ctx, "")
		stays, _ := w.Watch(context.Background(), "")
		cancel()
		synctest.Wait()
		w.Tell(Event{Key: "k"})
		if _, open := <-ended; open {
			t.Error("told after its end")
		}
		w.Close()
		w.Close()
		w.Tell(Event{Key: "nobody"})
		if got := drain(stays); !slices.Equal(got, []Event{{Key: "k"}}) {
			t.Errorf("%+v", got)
		}
		if _, err := w.Watch(context.Background(), ""); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := w.Watch(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		op   Op
		good bool
	}{
		{Op{Key: "k"}, true},
		{Op{Key: "\x00", Delete: true}, true},
		{Op{Key: strings.Repeat("k", MaxKey), Value: make([]byte, MaxValue), TTL: time.Hour}, true},
		{Op{}, false},
		{Op{Key: strings.Repeat("k", MaxKey+1)}, false},
		{Op{Key: "k", Value: make([]byte, MaxValue+1)}, false},
		{Op{Key: "k", TTL: -1}, false},
	} {
		err := Check([]Op{{Key: "first"}, test.op})
		if (err == nil) != test.good || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q: %v", test.op.Key, err)
		}
	}
}

// applier is a store that has no Loader.
type applier struct {
	Store
	ops []Op
	err error
}

func (a *applier) Apply(_ context.Context, ops ...Op) error {
	a.ops = append(a.ops, ops...)
	return a.err
}

func TestLoadByApply(t *testing.T) {
	ctx := context.Background()
	broken := errors.New("line 3")
	breaks := func(yield func(Op, error) bool) {
		_ = yield(Op{Key: "a"}, nil) && yield(Op{}, broken)
	}
	for name, test := range map[string]struct {
		seq  func(func(Op, error) bool)
		fail error
		n    int
		want error
	}{
		"good":   {Ops(Op{Key: "a"}, Op{Key: "b", Delete: true}), nil, 2, nil},
		"none":   {Ops(), nil, 0, nil},
		"twice":  {Ops(Op{Key: "a"}, Op{Key: "b"}, Op{Key: "a"}), nil, 0, ErrInvalid},
		"wrong":  {Ops(Op{Key: "a"}, Op{}), nil, 0, ErrInvalid},
		"breaks": {breaks, nil, 0, broken},
		"fails":  {Ops(Op{Key: "a"}), ErrFull, 0, ErrFull},
	} {
		a := &applier{err: test.fail}
		n, err := Load(ctx, a, test.seq)
		if n != test.n || !errors.Is(err, test.want) {
			t.Errorf("%s: %d, %v, want %d, %v", name, n, err, test.n, test.want)
		}
		if test.want != nil && test.fail == nil && len(a.ops) > 0 {
			t.Errorf("%s: half-loaded", name)
		}
	}
}
