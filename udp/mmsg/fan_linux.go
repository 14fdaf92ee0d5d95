// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// A Fan is many sockets that are used as one. It is for load generators, which
// are many clients in one process.
//
// The Local of a datagram says which socket it leaves from or has come to: the
// address of the socket, or, where several have the same address, a name that
// stands for it: [Fan.Names] has them.
type Fan struct{}

// ListenFan opens a socket on each of addrs; a port of 0 leaves it to the
// system.
func ListenFan(network string, addrs []netip.AddrPort) (*Fan, error) { panic("todo") }

// Names tells what Datagram.Local is for each of the sockets, in the order of
// the addresses they were opened with. It is the socket's address if no other
// has the same, and if it is one (not 0.0.0.0); else an address of 100::/64, which no datagram
// can come from (RFC 6666). The caller must not change them.
func (f *Fan) Names() []netip.Addr { panic("todo") }

// Addrs tells what the sockets are bound to, in the order of Names. The
// caller must not change them.
func (f *Fan) Addrs() []netip.AddrPort { panic("todo") }

// Recv waits for at least one datagram and fills as many of batch as are at
// hand. Sockets take turns. Its errors are those of [udp.Conn].
func (f *Fan) Recv(batch []udp.Datagram) (int, error) { panic("todo") }

// Send sends the datagrams in order, each from the socket that its Local names;
// the zero Addr names the first. Consecutive ones of one socket are one system call.
func (f *Fan) Send(batch []udp.Datagram) (int, error) { panic("todo") }

// SetReadDeadline sets when Recv gives up. The zero time means never. It may be
// called on any goroutine.
func (f *Fan) SetReadDeadline(t time.Time) error { panic("todo") }

// LocalAddr is the address of the first socket.
func (f *Fan) LocalAddr() netip.AddrPort { panic("todo") }

// Overflows is how many datagrams the system has dropped for want of room in
// the receive buffers of all sockets.
func (f *Fan) Overflows() uint64 { panic("todo") }

// Close closes all sockets and ends a Recv or Send that waits. It may be called
// on any goroutine.
func (f *Fan) Close() error { panic("todo") }
