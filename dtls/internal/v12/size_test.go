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
