// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"strings"
	"testing"

	"github.com/coaps-go/coaps"
)

// Each name of what is ignored is one of a drop, is counted, and is explained in
// docs/server.md.
func TestIgnoredNames(t *testing.T) {
	page, err := os.ReadFile("../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	var stats coaps.Stats
	for i := range stats.DTLSDrops {
		stats.DTLSDrops[i] = 1
	}
	for i := range stats.Drops {
		stats.Drops[i] = 1
	}
	counts := ignored(&stats)
	for name := range ignoredNames {
		if counts[name] != 1 {
			t.Errorf("%s is counted %d times", name, counts[name])
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not explain %s", name)
		}
	}
	if len(counts) != len(ignoredNames) {
		t.Errorf("%d names in %v", len(counts), counts)
	}
	if none := ignored(&coaps.Stats{}); len(none) != 0 {
		t.Errorf("nothing was dropped, and %v is told", none)
	}
}
