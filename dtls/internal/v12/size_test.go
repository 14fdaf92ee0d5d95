// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"reflect"
	"testing"
)

// An idle session is small, though awake. What it has beside this are its two
// ciphers and the packed facts, with the peer's identity or its chain.
//
// Pitfall O16: what only the handshake needs hangs from one pointer, which is nil afterwards.
func TestSessionIsSmall(t *testing.T) {
	const limit = 416 // bytes, a size class of the allocator
	if n := reflect.TypeFor[Conn]().Size(); n > limit {
		t.Errorf("a session has %d bytes, the limit is %d", n, limit)
	}
}

// Every field of a session is packed, or known to be empty or made again when
// it sleeps: a new one fails here until somebody has thought of it.
func TestSleepKnowsEveryField(t *testing.T) {
	known := map[string]string{
		"counters": "Wake is given them", "layer": "packed", "exporter": "packed", "packed": "packed", "last": "packed", "mtu": "packed", "refused": "packed",
		"facts": "made of packed", "established": "always", "input": "empty at rest", "hs": "nil at rest", "over": "nil at rest",
		"suspicion": "told at rest", "news": "told at rest", "refuse": "done at rest",
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Conn]()) {
		if known[f.Name] == "" {
			t.Errorf("what becomes of %s in a session that sleeps?", f.Name)
		}
	}
}
