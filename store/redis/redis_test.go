// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/redis/redistest"
	"github.com/coaps-go/coaps/store/storetest"
)

func open(t testing.TB, server *redistest.Server) *Store {
	t.Helper()
	options, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestStore: the promises of package store, each case under a prefix of its own.
func TestStore(t *testing.T) {
	server := redistest.Start(t)
	cases := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		cases++
		return openPrefix(t, server, fmt.Sprintf("{case%d}:", cases))
	}, storetest.Options{TTL: 200 * time.Millisecond, Reopen: func(t *testing.T, s store.Store) store.Store {
		prefix := s.(*Store).options.Prefix
		s.Close()
		return openPrefix(t, server, prefix)
	}})
}

func openPrefix(t *testing.T, server *redistest.Server, prefix string) *Store {
	s, err := Open(t.Context(), Options{Addr: []string{server.Addr}, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next waits for an event that fits.
func next(t *testing.T, events <-chan store.Event, fits func(store.Event) bool) {
	t.Helper()
	for limit := time.After(10 * time.Second); ; {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the watch has ended")
			}
			if fits(e) {
				return
			}
		case <-limit:
			t.Fatal("no such event within 10 s")
		}
	}
}

// TestOneChangesOtherHears: two servers with one store, as a fleet has.
func TestOneChangesOtherHears(t *testing.T) {
	server := redistest.Start(t)
	ours, theirs := open(t, server), open(t, server)
	events, err := ours.Watch(t.Context(), "device/")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := theirs.Apply(t.Context(), store.Op{Key: "device/a", Value: []byte("1")}, store.Op{Key: "other", Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	next(t, events, func(e store.Event) bool { return e.Key == "device/a" && !e.Deleted })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the change was heard of after %v", took)
	}
	if err := store.Delete(t.Context(), theirs, "device/a"); err != nil {
		t.Fatal(err)
	}
	next(t, events, func(e store.Event) bool {
		if strings.HasPrefix(e.Key, "other") {
			t.Error("an event of another prefix")
		}
		return e.Key == "device/a" && e.Deleted
	})
}

// TestServerVanishes: calls fail within their time with a named error, the
// status says since when, and when the server is back so is the store, and
// those who watch are told that they may have missed something.
func TestServerVanishes(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server)
	if err := store.Put(t.Context(), s, "k", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	events, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Get from a server that is gone: %v", err)
	}
	if status := s.Status(); status.OK || status.Err == nil || status.Since.IsZero() {
		t.Errorf("status %+v", status)
	}
	server.Run()
	next(t, events, func(e store.Event) bool { return e.Lost })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := s.Get(t.Context(), "k")
		if err == nil && string(r.Value) == "kept" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the store has not come back: %q, %v", r.Value, err)
		}
	}
	if status := s.Status(); !status.OK {
		t.Errorf("status after the return %+v", status)
	}
	if err := store.Put(t.Context(), s, "k", []byte("2")); err != nil {
		t.Fatal(err)
	}
	next(t, events, func(e store.Event) bool { return e.Key == "k" || e.Lost })
}

// TestServerHangs: a machine that hangs keeps its connections. Nobody waits
// longer than asked to.
func TestServerHangs(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	events, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	defer server.Thaw()
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err },
		func(ctx context.Context) error { return store.Put(ctx, s, "k", nil) },
		func(ctx context.Context) error {
			for _, err := range s.Scan(ctx, "", "") {
				return err
			}
			return nil
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a server that hangs: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("a call took %v", took)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Options{Addr: s.options.Addr}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Open of a server that hangs: %v", err)
	}
	began := time.Now()
	if s.Status(); time.Since(began) > time.Second {
		t.Error("Status waited for the server")
	}
	for deadline := time.Now().Add(10 * time.Second); s.Status().OK; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the status does not say that the server hangs")
		}
	}
	server.Thaw()
	if err := store.Put(t.Context(), s, "k", nil); err != nil {
		t.Fatal(err)
	}
	next(t, events, func(e store.Event) bool { return e.Lost || e.Key == "k" })
}

// TestFull: what does not fit is refused as a whole, and what was there stays.
func TestFull(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
	s := open(t, server)
	if err := store.Put(t.Context(), s, "first", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		err = s.Apply(t.Context(), store.Op{Key: fmt.Sprintf("a%d", i), Value: make([]byte, 200_000)},
			store.Op{Key: fmt.Sprintf("b%d", i), Value: make([]byte, 10)})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("a full server: %v", err)
	}
	if r, err := s.Get(t.Context(), "first"); err != nil || string(r.Value) != "kept" {
		t.Errorf("what was there: %q, %v", r.Value, err)
	}
	as, bs := 0, 0
	for r, err := range s.Scan(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		switch r.Key[0] {
		case 'a':
			as++
		case 'b':
			bs++
		}
	}
	if as != bs || as == 0 {
		t.Errorf("%d of one half of the changes, %d of the other", as, bs)
	}
}

// TestForeignData: a value that is not ours is an error with a name, and no
// record.
func TestForeignData(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	for name, value := range map[string]string{"x": "no version", "y": ":", "z": "0:zero", "w": "12345678901234567890123:x"} {
		if err := s.client.Do(t.Context(), s.client.B().Set().Key(DefaultPrefix+"r:"+name).Value(value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), name); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if err := s.client.Do(t.Context(), s.client.B().Sadd().Key(DefaultPrefix+"r:set").Member("m").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "set"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a set: %v", err)
	}
}

func TestNotThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := Open(ctx, Options{Addr: []string{"127.0.0.1:1"}, Password: "open sesame"})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Open of nothing: %v", err)
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("the password is in %q", err)
	}
}

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "open-sesame")
	options, err := Parse("redis://:open-sesame@" + server.Addr + "/3?prefix=fleet%3A")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if where := s.Status().Where; where != server.Addr+"/3" {
		t.Errorf("where: %q", where)
	}
	if options.Prefix != "fleet:" {
		t.Errorf("prefix %q", options.Prefix)
	}
	options.Password = "wrong-sesame"
	denied := func(what string, o Options) {
		t.Helper()
		if _, err := Open(t.Context(), o); !errors.Is(err, store.ErrDenied) || !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", what, err)
		}
	}
	denied("a wrong password", options)
	options.Password = ""
	denied("no password", options)
	options.Password, options.DB = "open-sesame", 4711
	denied("no such database", options)
	options.Password, options.DB = "open-sesame", 0
	options.Username = "nobody"
	denied("no such user", options)
	options.Username, options.TLS = "", &tls.Config{MinVersion: tls.VersionTLS12}
	if _, err := Open(t.Context(), options); err == nil {
		t.Error("TLS with a server that has none")
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "http://x", "redis://h/x", "redis://:sesame@h:\x01", "redis://:sesame@h/1/2"} {
		_, err := Parse(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
			continue
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("the password is in %q", err)
		}
	}
	o, err := Parse("unix:///run/redis.sock?db=2")
	if err != nil || o.DB != 2 || len(o.Addr) != 1 || o.Addr[0] != "unix:/run/redis.sock" {
		t.Errorf("%+v, %v", o, err)
	}
}

// BenchmarkGet is one look-up over loopback, with the server's own work.
func BenchmarkGet(b *testing.B) {
	s := open(b, redistest.Start(b))
	if err := store.Put(b.Context(), s, "device//sensor-7", make([]byte, 250)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "device//sensor-7"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad is how long a server is busy with many records at once.
func BenchmarkLoad(b *testing.B) {
	s := open(b, redistest.Start(b))
	const records = 100_000
	value := make([]byte, 250)
	for b.Loop() {
		n, err := s.Load(b.Context(), func(yield func(store.Op, error) bool) {
			for i := range records {
				if !yield(store.Op{Key: fmt.Sprintf("device//sensor-%d", i), Value: value}, nil) {
					return
				}
			}
		})
		if err != nil || n != records {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
}
