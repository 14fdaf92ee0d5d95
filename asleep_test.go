// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"testing"
	"time"
)

// A peer is who it was before its session slept, in every mode.
func TestIdentityOutlivesSleep(t *testing.T) {
	s := newStage(t, whoami, func(s *Server) { s.Limits.SleepAfter = 10 * time.Millisecond })
	for _, mode := range allModes[1:] { // NoSec has no sessions
		c := s.client(mode)
		var first string
		for i := range 3 {
			r, err := c.Get(timeout(t), s.uri(mode)+"/whoami")
			if err != nil {
				t.Fatalf("%v: %v", mode, err)
			}
			if first == "" {
				first = string(r.Payload)
			}
			if got := string(r.Payload); got != first {
				t.Errorf("request %d: the server sees %s, before it slept %s", i, got, first)
			}
			time.Sleep(300 * time.Millisecond)
		}
	}
	if s.server.Stats().Wakes == 0 {
		t.Error("nobody slept")
	}
}
