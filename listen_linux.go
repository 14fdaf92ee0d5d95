// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/mmsg"
	"github.com/coaps-go/coaps/udp/portable"
)

// ListenPacket opens a socket as a Client and a Server do that have no
// ListenPacket of their own: with batched system calls, or with one call a
// datagram in a sandbox that forbids those and on other systems than Linux. It
// is for those who put something between; addr is "host:port".
func ListenPacket(network, addr string) (udp.Conn, error) {
	conn, err := mmsg.Listen(network, addr)
	if errors.Is(err, errors.ErrUnsupported) {
		return portable.Listen(network, addr)
	}
	return conn, err
}

// listenGroup opens n sockets on one address, among which the system divides the
// clients; one socket where it cannot.
func listenGroup(network, addr string, n int) ([]udp.Conn, error) {
	group, err := mmsg.ListenGroup(network, addr, n)
	if errors.Is(err, errors.ErrUnsupported) {
		conn, err := portable.Listen(network, addr)
		if err != nil {
			return nil, err
		}
		return []udp.Conn{conn}, nil
	}
	conns := make([]udp.Conn, len(group))
	for i, conn := range group {
		conns[i] = conn
	}
	return conns, err
}
