// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// maxBatch is how many datagrams one system call moves, whatever the size of
// the caller's batch. Beyond it the call itself, some 0.2 µs, is no longer felt.
const maxBatch = 64

// controlSize is the room for control messages in bytes: what comes is
// IPV6_PKTINFO or the smaller IP_PKTINFO, what goes is one of them and
// UDP_SEGMENT. It is a multiple of 8, as control messages are aligned.
const controlSize = 64

// message is struct mmsghdr of recvmmsg(2): a header, and the number of bytes
// that the call has moved. What a header points to is Go memory, and typed
// pointers, so that the collector sees it.
type message struct {
	header unix.Msghdr
	n      uint32
}

// move calls recvmmsg or sendmmsg for n messages, without waiting.
//
// The runtime is not told, which RawSyscall6 is for. It would take a thread that
// is 20 µs in a system call for one that waits, and a full batch takes ten times
// that: it would give the processor to another thread, for this one to ask for it
// back. That was a seventh of what an answer costs (BenchmarkEcho). The price is
// that a stop of the world has to wait for the end of the call: 64 datagrams are
// all that it moves.
func move(call, fd uintptr, messages *message, n int) (int, unix.Errno) {
	for {
		moved, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(messages)), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(moved), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// sockaddr is struct sockaddr_in { family, port, addr } or sockaddr_in6 {
// family, port, flowinfo, addr, scope_id }: the port and the addresses in
// network byte order, the rest in the machine's.
type sockaddr [unix.SizeofSockaddrInet6]byte

// addrPort reads an address. IPv4-mapped ones become the IPv4 address they
// stand for, so that a peer has one name on sockets of either family.
func (s *sockaddr) addrPort(zones *ancillary.Zones) netip.AddrPort {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case unix.AF_INET6:
		a := netip.AddrFrom16([16]byte(s[8:24])).Unmap()
		if scope := binary.NativeEndian.Uint32(s[24:]); scope != 0 {
			a = a.WithZone(zones.Name(scope))
		}
		return netip.AddrPortFrom(a, port)
	}
	return netip.AddrPort{}
}

// set writes a as a socket of the given family needs it and returns its length,
// 0 if such a socket cannot send there.
func (s *sockaddr) set(a netip.AddrPort, v6 bool, zones *ancillary.Zones) uint32 {
	addr := a.Addr()
	binary.BigEndian.PutUint16(s[2:], a.Port())
	switch {
	case !addr.IsValid():
		return 0
	case v6:
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET6)
		ancillary.PutIPv6(s[8:], addr)
		binary.NativeEndian.PutUint32(s[24:], zones.Index(addr.Zone()))
		return unix.SizeofSockaddrInet6
	case addr.Is4() || addr.Is4In6():
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET)
		*(*[4]byte)(s[4:]) = addr.Unmap().As4()
		return unix.SizeofSockaddrInet4
	}
	return 0
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
