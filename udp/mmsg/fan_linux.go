// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coaps-go/coaps/internal/ring"
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// A Fan is many sockets that are used as one. It is for load generators, which
// are many clients in one process. It is a [udp.Conn], a [udp.Poller] and a
// [udp.OverflowCounter].
//
// The Local of a datagram says which socket it leaves from or has come to: see
// [Fan.Names].
//
// The sockets are in an epoll(7) set of their own, edge-triggered, and the set
// is what waits in the runtime's poller. So a turn costs one call to learn which
// sockets have something, and one for each of these, however many there are.
type Fan struct {
	file  *os.File        // the epoll set; Recv and Send hold it, and Close waits for them before it closes the sockets
	raw   syscall.RawConn // of file
	names []netip.Addr
	addrs []netip.AddrPort
	index map[netip.Addr]int32 // of names
	zones ancillary.Zones

	sockets []fanSocket
	ready   ring.Queue[int32] // those that may have something to receive, each at most once
	events  [maxBatch]unix.EpollEvent
	in      inbound
	from    [maxBatch]int32  // the socket of each message of in
	report  *udp.Unreachable // what the last look at the sockets has found out
	turn    bool             // it is the datagrams' turn: what Recv has returned last is an ICMP error

	out     outbound
	batch   []udp.Datagram // what Send has been called with
	current *fanSocket     // the one that sends
	sent    int            // of batch
	failed  error          // why no more were

	// The methods of these names, bound once, as in Conn.
	receive, send func(epoll uintptr) bool
	look          func(epoll uintptr)
	write         func() error

	closed atomic.Bool
	lost   []overflows // of each socket
	asking sync.Mutex  // holds lost
}

// A fanSocket is one of a Fan's.
type fanSocket struct {
	fd     int
	v6     bool
	queued bool // in the ready queue
	errors bool // its error queue may hold something to report
	queue  ancillary.ErrorQueue
}

// ListenFan opens a socket on each of addrs; a port of 0 leaves it to the
// system. The network is "udp", "udp4" or "udp6". The limit to the number is
// that of open files (RLIMIT_NOFILE).
func ListenFan(network string, addrs []netip.AddrPort) (*Fan, error) {
	if len(addrs) == 0 {
		return nil, errors.New("a fan needs an address")
	}
	f := &Fan{index: make(map[netip.Addr]int32, len(addrs))}
	f.receive, f.send, f.write = f.receiveReady, f.sendBatch, f.writeCurrent
	f.look = func(epoll uintptr) { f.receiveReady(epoll) }
	if err := f.open(network, addrs); err != nil {
		f.closeSockets()
		if f.file != nil {
			f.file.Close()
		}
		return nil, err
	}
	f.nameSockets(addrs)
	f.ready = ring.New[int32](len(addrs))
	f.lost = make([]overflows, len(addrs))
	f.in.init()
	return f, nil
}

func (f *Fan) open(network string, addrs []netip.AddrPort) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(epoll, true) // an os.File that may block is not given to the poller
	f.file = os.NewFile(uintptr(epoll), "fan")
	if f.raw, err = f.file.SyscallConn(); err != nil {
		return err
	}
	// Only a descriptor that the poller has taken can have a deadline.
	if err := f.file.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for i, addr := range addrs {
		if err := f.add(epoll, network, addr); err != nil {
			return fmt.Errorf("listen %s %s (%d of %d): %w", network, addr, i+1, len(addrs), err)
		}
	}
	first := f.sockets[0].fd
	_, err = unix.GetsockoptInt(first, unix.SOL_UDP, unix.UDP_SEGMENT)
	f.out.init(&f.zones, false, err == nil)
	return probe(first)
}

// add opens a socket and puts it into the set.
func (f *Fan) add(epoll int, network string, addr netip.AddrPort) error {
	v6 := addr.Addr().Is6()
	if !addr.IsValid() || network == "udp4" && v6 || network == "udp6" && !v6 {
		return unix.EAFNOSUPPORT
	}
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	f.sockets = append(f.sockets, fanSocket{fd: fd, v6: v6})
	if err := bind(fd, addr, &f.zones); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := boundTo(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	f.addrs = append(f.addrs, netip.AddrPortFrom(addr.Addr(), bound))
	ancillary.SetBuffers(fd, socketBuffer)
	ancillary.ReportICMP(fd)
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(len(f.sockets) - 1)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

func bind(fd int, addr netip.AddrPort, zones *ancillary.Zones) error {
	if addr.Addr().Is4() {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	}
	zone := zones.Index(addr.Addr().Zone())
	return unix.Bind(fd, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: zone})
}

// boundTo is a socket's port.
func boundTo(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(name.Port), nil
	case *unix.SockaddrInet6:
		return uint16(name.Port), nil
	}
	return 0, err
}

// nameSockets finds a name for each socket: one address may be that of many.
func (f *Fan) nameSockets(addrs []netip.AddrPort) {
	uses := make(map[netip.Addr]int, len(addrs))
	for _, a := range addrs {
		uses[a.Addr()]++
	}
	for i, a := range addrs {
		name := a.Addr()
		if uses[name] > 1 || name.IsUnspecified() {
			name = discard(uint64(i))
		}
		f.names = append(f.names, name)
		f.index[name] = int32(i)
	}
}

// discard is an address of 100::/64, which is nobody's (RFC 6666).
func discard(i uint64) netip.Addr {
	a := [16]byte{0: 1}
	binary.BigEndian.PutUint64(a[8:], i)
	return netip.AddrFrom16(a)
}

// Names tells what Datagram.Local is for each of the sockets, in the order of
// the addresses they were opened with: the address of the socket. Where several
// have the same, or it is unspecified (0.0.0.0), it is a name that stands for
// the socket, an address of 100::/64 (RFC 6666). The caller must not change the
// slice.
func (f *Fan) Names() []netip.Addr { return f.names }

// Addrs tells what the sockets are bound to, in the order of Names. The caller
// must not change the slice.
func (f *Fan) Addrs() []netip.AddrPort { return f.addrs }

// LocalAddr is the address of the first socket.
func (f *Fan) LocalAddr() netip.AddrPort { return f.addrs[0] }

// SetReadDeadline sets when Recv gives up. The zero time means never. It may be
// called on any goroutine.
func (f *Fan) SetReadDeadline(t time.Time) error { return f.waitError(f.file.SetReadDeadline(t)) }

// Close closes all sockets and ends a Recv or Send that waits. It may be called
// on any goroutine.
func (f *Fan) Close() error {
	f.Overflows() // the count is asked for at the end, too
	if f.closed.Swap(true) {
		return net.ErrClosed
	}
	err := f.file.Close() // nobody uses the sockets after this
	f.closeSockets()
	return err
}

func (f *Fan) closeSockets() {
	for i := range f.sockets {
		unix.Close(f.sockets[i].fd)
	}
}

// waitError is the poller's error as the net package would have it.
func (f *Fan) waitError(err error) error {
	if err != nil && f.closed.Load() {
		return net.ErrClosed
	}
	return err
}
