// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"path/filepath"
	"testing"
)

// What the server keeps to itself is not served, whichever way leads there.
func TestVisible(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fw/sub", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "fw"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root, path string
		want       bool
	}{
		{"fw", "fw/server.key", true}, {"fw", "fw/sub/server.key", true}, {"fw", "link/server.key", true}, {"link", "fw/server.key", true},
		{".", "etc/coaps.yaml", true}, {"fw", "etc/server.key", false}, {"fw", "fw.key", false}, {"fw", "fw/.keys/server.key", false}, {"fw", ".", false}, {"etc", "fw/../etc/x", true},
	} {
		if got := visible(filepath.Join(dir, test.root), filepath.Join(dir, test.path)); got != test.want {
			t.Errorf("%s below %s: %v", test.path, test.root, got)
		}
	}
}
