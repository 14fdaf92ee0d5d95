// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
)

// A file that is moved away and comes back: Status says since when it is gone, and
// that it is there, without a change in between.
func TestFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	var clock atomic.Int64 // in seconds; the sweeper looks at it too
	clock.Store(1e9)
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	s, err := Open(path, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Rename(path, path+".backup"); err != nil {
		t.Fatal(err)
	}
	clock.Add(60)
	gone := now()
	if err := store.Put(t.Context(), s, "k", nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change of a file that is gone: %v", err)
	}
	clock.Add(60)
	if err := s.Current(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Current: %v", err)
	}
	if st := s.Status(); st.OK || !st.Since.Equal(gone) || !errors.Is(st.Err, store.ErrUnavailable) {
		t.Errorf("%+v", st)
	}
	if err := os.Rename(path+".backup", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Current(); err != nil {
		t.Errorf("Current: %v", err)
	}
	if st := s.Status(); !st.OK || !st.Since.Equal(now()) || st.Err != nil {
		t.Errorf("%+v", st)
	}
}
