// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/storetest"
)

func opened(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return opened(t, filepath.Join(t.TempDir(), "devices.db"))
	}, storetest.Options{
		Reopen: func(t *testing.T, s store.Store) store.Store {
			path := s.Status().Where
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return opened(t, path)
		},
	})
}

// The file is for its owner alone, also after a Load has made a new one; what
// the owner has given to somebody stays given.
func TestMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "devices.db")
	s := opened(t, path)
	mode := func(want os.FileMode) {
		t.Helper()
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%v, %v, want %v", info.Mode(), err, want)
		}
	}
	mode(0o600)
	if err := s.Rewrite(ctx); err != nil {
		t.Fatal(err)
	}
	mode(0o600)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := s.Rewrite(ctx); err != nil {
		t.Fatal(err)
	}
	mode(0o640)
}

// A copy that anybody can read is not left so.
func TestModeOfCopy(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	path := filepath.Join(t.TempDir(), "devices.db")
	for mode, want := range map[os.FileMode]os.FileMode{0o644: 0o640, 0o666: 0o660, 0o604: 0o600, 0o640: 0o640} {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if err := opened(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("opened with %o: %v, %v, want %o", mode, info.Mode(), err, want)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// A Load replaces the file that a link leads to, not the link.
func TestLink(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.db"), filepath.Join(dir, "devices.db")
	if err := opened(t, real).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	s := opened(t, link)
	if err := errors.Join(s.Rewrite(ctx), store.Put(ctx, s, "k", nil), s.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v, want a link", info.Mode(), err)
	}
	if _, err := opened(t, real).Get(ctx, "k"); err != nil {
		t.Error(err)
	}
}

// What expires is removed from the file, by the clock that the store was given;
// what was deleted does not come back whatever the clock does.
func TestClockJumps(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "devices.db")
	var jump atomic.Int64
	open := func() *Store {
		s, err := Open(path, Options{Now: func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	there := func(s *Store, key string, want bool) {
		t.Helper()
		if _, err := s.Get(ctx, key); errors.Is(err, store.ErrNotFound) == want {
			t.Errorf("%q: %v, want there: %v", key, err, want)
		}
	}
	s := open()
	err := s.Apply(ctx, store.Op{Key: "deleted", TTL: time.Hour}, store.Op{Key: "left", TTL: time.Hour},
		store.Op{Key: "longer", TTL: 3 * time.Hour}, store.Op{Key: "ever"})
	if err := errors.Join(err, store.Delete(ctx, s, "deleted")); err != nil {
		t.Fatal(err)
	}
	jump.Store(int64(-2 * time.Hour))
	there(s, "deleted", false)
	there(s, "left", true)
	jump.Store(int64(2 * time.Hour))
	there(s, "left", false)
	there(s, "longer", true)
	for range 3 {
		s.sweep()
	}
	if n := s.Status().Records; n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	jump.Store(0)
	there(s, "left", false) // swept
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Who starts when the clock is ahead sweeps as well; a rewrite keeps what
	// is to be swept.
	s = open()
	if err := s.Rewrite(ctx); err != nil {
		t.Fatal(err)
	}
	jump.Store(int64(4 * time.Hour))
	s.sweep()
	there(s, "longer", false)
	there(s, "ever", true)
	if n := s.Status().Records; n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Many that expire are swept in pieces, and the events come.
func TestSweepMany(t *testing.T) {
	ctx := context.Background()
	s := opened(t, filepath.Join(t.TempDir(), "devices.db"))
	ch, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*sweepMost + 500
	_, err = s.Load(ctx, func(yield func(store.Op, error) bool) {
		for i := range n {
			if !yield(store.Op{Key: string(rune('a'+i%26)) + time.Duration(i).String(), TTL: time.Millisecond}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); s.Status().Records > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d records are left", s.Status().Records)
		}
	}
	if e := <-ch; !e.Lost {
		t.Errorf("%+v, want Lost for the Load", e)
	}
	if e := <-ch; !e.Deleted {
		t.Errorf("%+v, want what was swept", e)
	}
}
