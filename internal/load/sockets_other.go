// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package load

import (
	"fmt"
	"net/netip"

	"github.com/coaps-go/coaps/udp/portable"
)

// listen opens a socket.
func listen(network, addr string) (socket, error) {
	conn, err := portable.Listen(network, addr)
	return grained{conn}, err
}

// listenFan opens the one socket that there is without a poller of our own.
func listenFan(network string, addrs []netip.AddrPort, _ netip.AddrPort) (socket, []netip.Addr, error) {
	if len(addrs) > 1 {
		return nil, nil, fmt.Errorf("load: %d clients need as many sockets, which this system cannot wait for at once", len(addrs))
	}
	conn, err := listen(network, addrs[0].String())
	return conn, []netip.Addr{addrs[0].Addr()}, err
}
