// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// ListenGroup opens n sockets on one address, among which the kernel spreads the
// peers (SO_REUSEPORT) by a hash of both addresses and ports. A peer stays with
// its socket as long as none is opened or closed. The network and the address
// are those of Listen; with port 0 all have the same port of the system's
// choice.
//
// For others the address is as taken as by one socket: who opens it then without
// SO_REUSEPORT, such as another group, meets EADDRINUSE.
func ListenGroup(network, addr string, n int) (group []*Conn, err error) {
	defer func() {
		if err != nil {
			for _, c := range group {
				c.Close()
			}
			group = nil
		}
	}()
	if n < 1 {
		return nil, fmt.Errorf("a group of %d sockets", n)
	}
	first, err := Config{}.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	group = []*Conn{first}
	if n == 1 {
		return group, nil
	}
	// The option is set when the address has been taken: a socket that is bound
	// with it would join whoever is there already.
	if err := first.share(); err != nil {
		return group, err
	}
	for range n - 1 {
		c, err := Config{ReusePort: true}.Listen(network, first.addr())
		if err != nil {
			return group, err
		}
		group = append(group, c)
	}
	return group, nil
}

// share lets others be bound to the same address.
func (c *Conn) share() (err error) {
	return errors.Join(c.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}), err)
}

// addr is the address for Listen to open another socket as this one.
func (c *Conn) addr() string {
	if c.local.Addr().IsUnspecified() { // of both families, or of the network's
		return net.JoinHostPort("", strconv.Itoa(int(c.local.Port())))
	}
	return c.local.String()
}

// Buffers is how many bytes the system allows to wait to be received and to be
// sent, in its own measure: a datagram counts with all the memory that holds it.
// On the loopback that is 832 bytes for a payload of 60, 1,280 for 600 and 2,304
// for 1,232; a network card's driver often takes a half or a whole page. It is
// 0, 0 after Close.
//
// A process that may (CAP_NET_ADMIN) gets 8 MiB each way, 10,000 small requests.
// For others net.core.rmem_max, doubled, is the limit: with its common value of
// 212,992 there is room for 512 requests, 5 ms of a core's full load.
func (c *Conn) Buffers() (receive, send int) {
	_ = c.raw.Control(func(fd uintptr) { receive, send = ancillary.Buffers(int(fd)) }) // fails only when closed
	return receive, send
}
