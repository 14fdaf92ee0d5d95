// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/mmsg"
	"github.com/coaps-go/coaps/udp/portable"
)

// openSocket is what opens sockets when the application does not: batched system
// calls, or one a datagram in a sandbox that forbids those.
func openSocket(network, addr string) (udp.Conn, error) {
	conn, err := mmsg.Listen(network, addr)
	if errors.Is(err, errors.ErrUnsupported) {
		return portable.Listen(network, addr)
	}
	return conn, err
}
