// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
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
