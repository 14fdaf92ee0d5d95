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
