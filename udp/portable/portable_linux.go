// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package portable

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/sys/unix"
)

// packetInfo reads and writes the control message IP_PKTINFO or IPV6_PKTINFO
// (RFC 3542 section 6) that tells the local address of a datagram. It works in
// buffers of its own, so that no datagram costs an allocation.
type packetInfo struct {
	enabled bool
	v6      bool      // the socket is of the IPv6 family; IPv4 then comes in mapped form
	in      [128]byte // control messages of the datagram received last
	out     []byte    // one control message, whose address is written for each datagram
	outAddr []byte    // the address inside out
}

func (p *packetInfo) enable(c *net.UDPConn) {
	withFD(c, func(fd int) {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err != nil {
			return
		}
		if p.v6 = domain == unix.AF_INET6; p.v6 {
			err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
		}
		p.enabled = err == nil
	})
	header := unix.CmsgLen(0)
	if p.v6 {
		p.out = unix.PktInfo6(&unix.Inet6Pktinfo{})
		p.outAddr = p.out[header : header+16] // struct in6_pktinfo { addr, ifindex }
		return
	}
	p.out = unix.PktInfo4(&unix.Inet4Pktinfo{})
	p.outAddr = p.out[header+4 : header+8] // struct in_pktinfo { ifindex, spec_dst, addr }
}

// destination returns the address a datagram was sent to, the zero Addr if the
// control messages do not say.
func (p *packetInfo) destination(oob []byte) netip.Addr {
	for len(oob) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 16:
			return netip.AddrFrom16([16]byte(data[:16])).Unmap()
		case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			return destination4(data)
		}
		oob = rest
	}
	return netip.Addr{}
}

// destination4 picks from struct in_pktinfo. The address in the header (addr)
// may be a broadcast address, which nothing can be sent from; spec_dst is the
// local address then. A multicast address is reported as such.
func destination4(data []byte) netip.Addr {
	if header := netip.AddrFrom4([4]byte(data[8:12])); header.IsMulticast() {
		return header
	}
	return netip.AddrFrom4([4]byte(data[4:8]))
}

// source returns the control message that makes a datagram leave from a. It is
// valid until the next call.
func (p *packetInfo) source(a netip.Addr) []byte {
	switch {
	case p.v6:
		b := a.As16()
		copy(p.outAddr, b[:])
	case a.Is4():
		b := a.As4()
		copy(p.outAddr, b[:])
	default:
		return nil
	}
	return p.out
}

// reportICMP makes the kernel queue ICMP errors with the destination they are
// about. Without it an unconnected socket never hears of them.
func reportICMP(c *net.UDPConn) {
	withFD(c, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1)
		_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	})
}

// nextICMP takes one error from the queue, nil when there is none. The kernel
// has checked that the port numbers quoted in the ICMP message are this
// socket's; whether the quoted payload is one we sent is for the caller.
func nextICMP(c *net.UDPConn) (u *udp.Unreachable) {
	withFD(c, func(fd int) {
		quoted, oob := make([]byte, 256), make([]byte, 256)
		n, oobn, _, from, err := unix.Recvmsg(fd, quoted, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		errno, ok := icmpError(oob[:oobn])
		if remote := addrPort(from); ok && remote.IsValid() {
			u = &udp.Unreachable{Remote: unmap(remote), Quoted: quoted[:n], Err: errno}
		}
	})
	return u
}

// icmpError reads struct sock_extended_err, whose first field is the error
// number. Errors of local origin were reported by send already.
func icmpError(oob []byte) (unix.Errno, bool) {
	const originOffset = 4 // { u32 errno; u8 origin; ... }
	for len(oob) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return 0, false
		}
		isError := h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR
		if isError && len(data) >= 16 {
			origin := data[originOffset]
			fromICMP := origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6
			return unix.Errno(binary.NativeEndian.Uint32(data)), fromICMP
		}
		oob = rest
	}
	return 0, false
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr)
		if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); sa.ZoneId != 0 && err == nil {
			a = a.WithZone(ifi.Name)
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// isPending tells errors that the kernel keeps for a socket after an ICMP
// message, and reports on the next call whatever it is about.
func isPending(err error) bool {
	for _, e := range []unix.Errno{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EPROTO, unix.ENOPROTOOPT, unix.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func withFD(c *net.UDPConn, f func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
