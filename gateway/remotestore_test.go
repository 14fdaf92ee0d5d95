// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
)

// fakeServer is a commander with a store and nothing else.
type fakeServer struct {
	store    store.Store
	reloaded error
}

func (f *fakeServer) reload(context.Context, string) error { return f.reloaded }
func (f *fakeServer) status(context.Context) *Status       { return &Status{V: 1} }
func (f *fakeServer) sessions(_ context.Context, _ SessionFilter, yield func(*Session) error) error {
	return yield(&Session{V: 1, ID: "1"})
}
func (f *fakeServer) drop(context.Context, SessionFilter) (int, error) { return 1, nil }
func (f *fakeServer) registryStore() store.Store                       { return f.store }
func (f *fakeServer) readRules(context.Context) error                  { return nil }

var quietLog = slog.New(slog.DiscardHandler)

// serveAdmin opens an admin socket for c and returns its path.
func serveAdmin(t *testing.T, c commander) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "admin.sock")
	socket, err := listenAdmin(path)
	if err != nil {
		t.Fatal(err)
	}
	a := newAdminServer(socket, c, quietLog)
	go a.serve()
	t.Cleanup(a.close)
	return path
}

// The store of a running server keeps all promises of a store through its socket.
func TestAdminStoreIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		inner := memory.New()
		t.Cleanup(func() { inner.Close() })
		return AdminStore("test", serveAdmin(t, &fakeServer{store: inner}))
	}, storetest.Options{Large: 2000})
}

func TestAdminStoreWithoutServer(t *testing.T) {
	s := AdminStore("test", filepath.Join(t.TempDir(), "none"))
	defer s.Close()
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Apply(t.Context(), store.Op{Key: "a"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Apply: %v", err)
	}
	if s.Status().OK {
		t.Error("status is OK")
	}
}

// Any number of keys is asked for in as many bodies as it takes, and an answer that
// is cut off, or too short, is no answer.
func TestAdminStoreGetAll(t *testing.T) {
	inner := memory.New()
	defer inner.Close()
	faulty := storetest.NewFaulty(inner)
	s := AdminStore("test", serveAdmin(t, &fakeServer{store: faulty}))
	defer s.Close()
	var keys []string
	for i := range 1000 { // 12 MB when they are percent-encoded
		key := strings.Repeat("\xff", store.MaxKey-4) + fmt.Sprintf("%04d", i)
		keys = append(keys, key)
		if i%2 == 0 {
			if err := store.Put(t.Context(), inner, key, []byte(key[store.MaxKey-4:])); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := store.GetAll(t.Context(), s, keys)
	if err != nil || len(all) != len(keys) {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for i, r := range all {
		if there := i%2 == 0; (r.Version != store.Any) != there || there && (r.Key != keys[i] || string(r.Value) != fmt.Sprintf("%04d", i)) {
			t.Fatalf("record %d is %q", i, r.Value)
		}
	}
	faulty.Set(storetest.Fault{On: storetest.Get, Every: 2, Err: fmt.Errorf("%w: gone", store.ErrUnavailable)})
	if all, err := store.GetAll(t.Context(), s, keys); !errors.Is(err, store.ErrUnavailable) || all != nil {
		t.Errorf("a store that fails in the middle: %d records, %v", len(all), err)
	}
	none := AdminStore("test", serveAdmin(t, &fakeServer{}))
	defer none.Close()
	if _, err := store.GetAll(t.Context(), none, keys[:1]); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a store: %v", err)
	}
}
