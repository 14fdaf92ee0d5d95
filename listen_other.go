// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package coaps

import (
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
)

// ListenPacket opens a socket as a Client and a Server do that have no
// ListenPacket of their own: on Linux with batched system calls, elsewhere with
// one call a datagram. It is for those who put something between; addr is
// "host:port".
func ListenPacket(network, addr string) (udp.Conn, error) { return portable.Listen(network, addr) }

// listenGroup opens the one socket that an address can have here.
func listenGroup(network, addr string, _ int) ([]udp.Conn, error) {
	conn, err := portable.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	return []udp.Conn{conn}, nil
}
