// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

// late is a store that reads a device at once and gives it back when told.
type late struct {
	store.Store
	once atomic.Bool
	read chan struct{} // closed when it has read
	back chan struct{}
}

func (s *late) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.Store.Get(ctx, key)
	if strings.HasPrefix(key, devicePrefix) && s.once.CompareAndSwap(true, false) {
		close(s.read)
		<-s.back
	}
	return r, err
}

// Who asks after a change was told gets no answer that was read before it, as
// whoever looks at a session again would let a revoked credential pass.
func TestAskedAfterTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &late{Store: memory.New(), read: make(chan struct{}), back: make(chan struct{})}
		r := New(s)
		must(r.AddDevice(ctx, device("a", pskOf("a", "sixteen byte key"))))
		d := NewDirectory(s, Options{})
		go d.Run(ctx, func([]Change) {})
		synctest.Wait()
		s.once.Store(true)
		before := make(chan security.Entry, 1)
		go func() { before <- d.Fetch(ctx, claimPSK("a"), time.Now()) }()
		<-s.read
		must(r.UpdateDevice(ctx, "", "a", func(d *Device) error { d.Disabled = true; return nil }))
		synctest.Wait() // the change is told
		if got := d.Fetch(ctx, claimPSK("a"), time.Now()); got.Reason != dtls.ReasonDeviceDisabled {
			t.Errorf("asked after the change: %v", got.Reason)
		}
		close(s.back)
		if got := <-before; got.Reason != dtls.ReasonNone {
			t.Errorf("asked before the change: %v", got.Reason)
		}
		if got, ok := d.Cached(claimPSK("a"), time.Now()); !ok || got.Reason != dtls.ReasonDeviceDisabled {
			t.Errorf("from then on: %v, %t", got.Reason, ok)
		}
		cancel()
		synctest.Wait()
		s.Store.Close()
	})
}

// stuck is a store that fails, then does not come back from one Get, whatever
// its context says, and then is fine.
type stuck struct {
	store.Store
	fails, sticks atomic.Bool
	release       chan struct{}
}

func (s *stuck) Get(ctx context.Context, key string) (store.Record, error) {
	switch {
	case s.fails.Load():
		return store.Record{}, store.ErrUnavailable
	case s.sticks.CompareAndSwap(true, false):
		<-s.release
	}
	return s.Store.Get(ctx, key)
}

// A look-up has an end even if all who asked have left before it, and a store
// that is back is asked again even if the one look-up that was to find out never
// ends.
func TestProbeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{Store: memory.New(), release: make(chan struct{})}
		must(New(s).AddDevice(t.Context(), device("a", pskOf("a", "sixteen byte key"))))
		d := NewDirectory(s, Options{})
		ask := func(identity string) dtls.Reason {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than the directory's own
			defer cancel()
			return d.Fetch(ctx, claimPSK(identity), time.Now()).Reason
		}
		s.fails.Store(true)
		for i := range breakAfter {
			ask(fmt.Sprint(i))
		}
		s.fails.Store(false)
		s.sticks.Store(true)
		time.Sleep(breakFor + time.Millisecond)
		if got := ask("a"); got != dtls.ReasonStoreUnavailable {
			t.Fatalf("the probe: %v", got)
		}
		if got := ask("a"); got != dtls.ReasonStoreUnavailable {
			t.Errorf("while the probe is under way: %v", got)
		}
		time.Sleep(d.options.Timeout + breakFor)
		if got := ask("a"); got != dtls.ReasonNone {
			t.Errorf("afterwards: %v", got)
		}
		close(s.release)
		synctest.Wait()
	})
}

// An answer from memory because the store is away says so.
func TestStaleSaysSo(t *testing.T) {
	s := &stuck{Store: memory.New()}
	must(New(s).AddDevice(t.Context(), device("a", pskOf("a", "sixteen byte key"))))
	d := NewDirectory(s, Options{})
	if got := d.Fetch(t.Context(), claimPSK("a"), time.Now()); got.Reason != dtls.ReasonNone || got.Stale {
		t.Fatalf("from the store: %v, stale %t", got.Reason, got.Stale)
	}
	d.cache.doubt()
	s.fails.Store(true)
	if got := d.Fetch(t.Context(), claimPSK("a"), time.Now()); got.Reason != dtls.ReasonNone || !got.Stale {
		t.Errorf("from memory: %v, stale %t", got.Reason, got.Stale)
	}
}

// Whatever a device may be called, its principal fits into a session's note.
func TestLongestPrincipal(t *testing.T) {
	d := device("dev")
	for i := range 6 {
		d.Groups = append(d.Groups, strings.Repeat(fmt.Sprint(i), 112))
	}
	c := pskOf("x", "sixteen byte key")
	c.ID, c.Host = strings.Repeat("i", MaxName), strings.Repeat(strings.Repeat("h", 60)+".", 4)+"de"
	d.Credentials = []Credential{c}
	for {
		added, err := newRegistry(t).AddDevice(t.Context(), d)
		if err != nil {
			d.Groups[0] = d.Groups[0][1:] // the longest that is taken
			if d.Groups[0] == "" {
				d.Groups = d.Groups[1:]
			}
			continue
		}
		if n := len(newFound(&added, &added.Credentials[0]).entry.Principal.AppendBinary(nil)); n > security.MaxPrincipalLen {
			t.Errorf("%d octets", n)
		}
		return
	}
}
