// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"time"
)

// Timers is how long a handshake waits, and how often it tries.
type Timers struct {
	// Initial is the time after which a flight that nothing answers is sent
	// again; each further wait is twice as long, up to Cap
	// (RFC 6347 §4.2.4.1). Zero: 1 s and 60 s.
	Initial, Cap time.Duration
	// Retransmissions is how often one flight is sent again before the
	// handshake fails. Zero: 6. Negative: never.
	Retransmissions int
	// Handshake bounds the whole handshake. Zero: 60 s.
	Handshake time.Duration
	// LastFlight is how long the side that sent the last flight keeps it, to
	// send it again for a peer that did not get it: twice the maximum
	// segment lifetime (RFC 6347 §4.2.4). Zero: 240 s.
	LastFlight time.Duration
}
