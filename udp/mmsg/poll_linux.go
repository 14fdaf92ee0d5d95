// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net"

	"github.com/coaps-go/coaps/udp"
)

// Poll is Recv that does not wait: when nothing is at hand it returns 0. The
// read deadline means nothing to it. See [udp.Poller].
func (c *Conn) Poll(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	if c.errors && !c.reported {
		if u := c.nextError(); u != nil {
			return 0, u
		}
	}
	c.in.prepare(batch)
	if err := c.raw.Control(c.look); err != nil {
		return 0, net.ErrClosed // Control fails for no other reason
	}
	return c.outcome(batch)
}
