// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"net/netip"

	"github.com/coaps-go/coaps/tick"
)

// Gate stands before a server's sessions. It holds two cookie keys and
// nothing about anybody.
type Gate struct{}

// Screening is what a Gate makes of a datagram: a new Session, or an answer
// of Reply bytes to send, or nothing. Drop says why there is no session.
type Screening struct {
	Drop    Drop
	Reply   int
	Session *Session
}

// NewGate makes the gate of a server.
func NewGate(cfg *Config, now tick.Time) (*Gate, error) { panic("todo") }

// Screen judges a datagram from an address that has no session, or that
// IsClientHello. An answer is written to reply, which should hold 128 bytes,
// and is never larger than the datagram.
func (g *Gate) Screen(now tick.Time, remote netip.AddrPort, datagram, reply []byte) Screening {
	panic("todo")
}

// Counters holds what the gate and its sessions dropped.
func (g *Gate) Counters() *Counters { panic("todo") }

// IsClientHello reports whether a datagram begins with a ClientHello in
// plaintext, with which a peer asks for a new session.
func IsClientHello(datagram []byte) bool { panic("todo") }
