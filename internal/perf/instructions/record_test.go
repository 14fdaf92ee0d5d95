// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// counts returns the same count for each path.
func counts(n uint64) map[string]uint64 {
	m := map[string]uint64{}
	for _, p := range paths {
		m[p.name] = n
	}
	return m
}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	got, err := parseRecord(newRecord("go9 os/arch aes", counts(4711)))
	if err != nil {
		t.Fatal(err)
	}
	if got.platform != "go9 os/arch aes" {
		t.Errorf("platform %q", got.platform)
	}
	for name, n := range counts(4711) {
		if got.counts[name] != n {
			t.Errorf("%s: %d", name, got.counts[name])
		}
	}
	if _, err := parseRecord("nosec-request many"); err == nil {
		t.Error("a record without a count is taken")
	}
}

// The record in the repository has a count for each path.
func TestRecordIsComplete(t *testing.T) {
	r, err := readRecord("record.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if r.counts[p.name] == 0 {
			t.Errorf("no count for %s", p.name)
		}
	}
	if r.platform == "" {
		t.Error("it does not say what it depends on")
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		what     string
		old, now map[string]uint64
		want     string
	}{
		{"the same", counts(1000), counts(1000), ""},
		{"less", counts(1000), counts(500), ""},
		{"noise", counts(1000), counts(1049), ""},
		{"more", counts(1000), counts(1051), "5.1 % more"},
		{"new", nil, counts(1000), "not on record"},
	} {
		got := ""
		if err := judge(tt.old, tt.now); err != nil {
			got = err.Error()
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

// Each path can be taken, and fails when it does not do its work.
func TestPaths(t *testing.T) {
	for _, p := range paths {
		if err := p.run(20, 10); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if take("nowhere", 1) == nil {
		t.Error("a path that is not there can be taken")
	}
}
