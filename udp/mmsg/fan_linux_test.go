// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net/netip"
	"testing"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/udptest"
)

var (
	_ udp.Conn            = (*Fan)(nil)
	_ udp.OverflowCounter = (*Fan)(nil)
)

// A fan of one socket is a socket.
func TestFanIsAConn(t *testing.T) {
	udptest.RunOneSource(t, func(network, addr string) (udp.Conn, error) {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			at = netip.MustParseAddrPort("127.0.0.1:0")
		}
		return ListenFan(network, []netip.AddrPort{at})
	})
}
