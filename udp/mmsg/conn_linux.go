// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// socketBuffer is asked of the system for each direction, in bytes, as in
// package portable. The system grants twice that, by its own measure, or less.
const socketBuffer = 4 << 20

// A Conn is a UDP socket. It is a [udp.Conn], a [udp.Poller] and a
// [udp.OverflowCounter].
//
// The socket is an os.File, as that hands the poller's errors on as they are:
// the net package wraps each in a new net.OpError, one for every time the
// doorbell rings.
type Conn struct {
	file  *os.File
	raw   syscall.RawConn // of file
	local netip.AddrPort
	info  bool // bound to all addresses: control messages tell which one
	zones ancillary.Zones

	in  inbound
	out outbound

	// These are methods, bound once: a method value made for each call would be
	// an allocation.
	receive, transmitted func(fd uintptr) bool
	write                func() error
	look                 func(fd uintptr)

	queue    ancillary.ErrorQueue
	errors   bool // the queue may hold something to report
	reported bool // what Recv has returned last is from there: it is the datagrams' turn
	closed   atomic.Bool
	lost     overflows
	asking   sync.Mutex // holds lost
}

// Config is what a socket can be asked for when it is opened. The zero value is
// what Listen uses.
type Config struct {
	// ReusePort lets several sockets of this user listen on the same address.
	// The kernel spreads the peers over them (SO_REUSEPORT): a peer stays with
	// its socket as long as none is opened or closed.
	ReusePort bool
}

// Listen opens a UDP socket. The network is "udp", "udp4" or "udp6"; a "udp"
// socket bound to no address takes IPv4 and IPv6. The address is "host:port",
// both may be empty. The error is an errors.ErrUnsupported where the system
// calls are not to be had, as some sandboxes do.
func Listen(network, addr string) (udp.Conn, error) {
	c, err := Config{}.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Listen opens a UDP socket as the function Listen does.
func (cfg Config) Listen(network, addr string) (*Conn, error) {
	lc := net.ListenConfig{Control: cfg.control}
	pc, err := lc.ListenPacket(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	defer pc.Close() // the Conn has a descriptor of its own
	sock, ok := pc.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("%s is not a UDP network", network)
	}
	file, err := sock.File()
	if err != nil {
		return nil, err
	}
	c, err := newConn(file, unmap(sock.LocalAddr().(*net.UDPAddr).AddrPort()))
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("listen %s %s: %w", network, addr, err)
	}
	return c, nil
}

// control sets what must be set before the socket is bound.
func (cfg Config) control(_, _ string, raw syscall.RawConn) error {
	if !cfg.ReusePort {
		return nil
	}
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}), err)
}

func newConn(file *os.File, local netip.AddrPort) (*Conn, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	// Only a descriptor that the poller has taken can have a deadline.
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	c := &Conn{file: file, raw: raw, local: local}
	c.receive, c.transmitted, c.write = c.receiveAll, c.transmit, c.writeOut
	c.look = func(fd uintptr) { c.receiveAll(fd) }
	if cerr := raw.Control(func(fd uintptr) { err = c.setup(int(fd)) }); cerr != nil {
		return nil, cerr
	}
	return c, err
}

// setup finds out what the socket can do. What makes it better but is no
// condition for using it, a kernel may refuse.
func (c *Conn) setup(fd int) error {
	v6, err := ancillary.IsIPv6(fd)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if err := probe(fd); err != nil {
		return err
	}
	ancillary.SetBuffers(fd, socketBuffer)
	if c.local.Addr().IsUnspecified() { // a socket bound to one address has only that to answer from
		c.info = ancillary.EnablePacketInfo(fd, v6) == nil
	}
	ancillary.ReportICMP(fd)
	// A kernel that does not know UDP_SEGMENT would take no notice of it in a
	// control message, and send the segments as one datagram.
	_, err = unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	c.out.init(&c.zones, v6, err == nil)
	c.out.info = c.info
	c.in.init()
	return nil
}

// probe calls for no messages, which has no effect where the calls are allowed.
func probe(fd int) error {
	for _, call := range []struct {
		name   string
		number uintptr
	}{{"recvmmsg", unix.SYS_RECVMMSG}, {"sendmmsg", unix.SYS_SENDMMSG}} {
		var none [1]message
		_, _, errno := unix.Syscall6(call.number, uintptr(fd), uintptr(unsafe.Pointer(&none)), 0, 0, 0, 0)
		if errno == unix.ENOSYS || errno == unix.EPERM {
			return fmt.Errorf("%s: %w (%w)", call.name, errors.ErrUnsupported, errno)
		}
	}
	return nil
}

// SetReadDeadline sets when Recv gives up. The zero time means never. It may be
// called on any goroutine.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.waitError(c.file.SetReadDeadline(t)) }

// LocalAddr is the address the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Close closes the socket and ends a Recv or Send that waits. It may be called
// on any goroutine.
func (c *Conn) Close() error {
	c.Overflows() // the count is asked for at the end, too
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	return c.file.Close()
}

// waitError is the poller's error as the net package would have it.
func (c *Conn) waitError(err error) error {
	if err != nil && c.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// nextError takes an ICMP error from the kernel's queue, nil when there is none.
func (c *Conn) nextError() (u *udp.Unreachable) {
	_ = c.raw.Control(func(fd uintptr) { u = c.queue.Next(int(fd), &c.zones) }) // fails only when closed
	c.errors, c.reported = u != nil, u != nil
	if u != nil && !c.info {
		u.Local = c.local.Addr()
	}
	return u
}
