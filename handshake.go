// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// A Handshake is what is known of one at its end, whether it has succeeded or
// not.
type Handshake struct {
	Addr    netip.AddrPort
	Flights []Flight
	Took    time.Duration // from the first datagram to the end
	Err     error         // nil, or an *Error without operation and URI

	// Facts is what the server has said. If Err is not nil, nothing in it has
	// been proved. It must not be changed.
	Facts *dtls.Facts
}

// traceHandshake tells the Trace that a handshake has ended.
func (conn *Connection) traceHandshake(now tick.Time, ev *endpoint.Event, err error) {
	t := conn.client.Trace
	if t == nil || t.Handshake == nil || conn.policy == nil {
		return
	}
	t.Handshake(&Handshake{Addr: ev.Remote, Flights: conn.flights, Took: now.Sub(conn.began), Err: err, Facts: ev.Facts})
}
