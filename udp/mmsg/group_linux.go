// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

// ListenGroup opens n sockets on one address, among which the kernel spreads the
// peers (SO_REUSEPORT). A peer stays with its socket as long as none is opened
// or closed. To others the address is taken as by one socket: they meet
// EADDRINUSE. With port 0 all have the same port of the system's choice.
func ListenGroup(network, addr string, n int) ([]*Conn, error) { panic("todo") }

// Buffers is how many bytes the system has granted for what waits to be received
// and to be sent. Each datagram counts with what the kernel allocates for it.
func (c *Conn) Buffers() (receive, send int) { panic("todo") }
