// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"path/filepath"
	"testing"

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
