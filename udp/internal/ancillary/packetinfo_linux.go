// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// IsIPv6 reports whether a socket is of the IPv6 family. IPv4 then comes and
// goes in mapped form, unless the socket was opened for IPv6 alone.
func IsIPv6(fd int) (bool, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return domain == unix.AF_INET6, err
}

// EnablePacketInfo asks for the control message IP_PKTINFO or IPV6_PKTINFO (RFC
// 3542 section 6.1) with each datagram.
func EnablePacketInfo(fd int, v6 bool) error {
	if v6 {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
}

// Destination returns the address a datagram was sent to, the zero Addr if the
// control messages do not say. A link-local address has its zone: an answer
// that leaves from it must leave by the same interface.
func Destination(control []byte, zones *Zones) netip.Addr {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return destination6(data, zones)
		case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return destination4(data)
		}
		control = rest
	}
	return netip.Addr{}
}

// destination6 reads struct in6_pktinfo { addr, ifindex }.
func destination6(data []byte, zones *Zones) netip.Addr {
	a := netip.AddrFrom16([16]byte(data[:16])).Unmap()
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(zones.Name(binary.NativeEndian.Uint32(data[16:])))
	}
	return a
}

// destination4 picks from struct in_pktinfo { ifindex, spec_dst, addr }. The
// address in the header (addr) may be a broadcast address, which nothing can be
// sent from; spec_dst is the local address then. A multicast address is
// reported as such. With ICMP errors there is no spec_dst.
func destination4(data []byte) netip.Addr {
	header, local := netip.AddrFrom4([4]byte(data[8:12])), netip.AddrFrom4([4]byte(data[4:8]))
	if header.IsMulticast() || local.IsUnspecified() {
		return header
	}
	return local
}

// A Source writes the control message that makes a datagram leave from an
// address.
type Source struct {
	v6    bool
	blank [infoSize]byte // but for the address
}

// The sizes of control messages in bytes, with what aligns the next. infoSize is
// that of the larger one.
const (
	align     = unix.SizeofPtr
	info4Size = (unix.SizeofCmsghdr + unix.SizeofInet4Pktinfo + align - 1) &^ (align - 1)
	infoSize  = (unix.SizeofCmsghdr + unix.SizeofInet6Pktinfo + align - 1) &^ (align - 1)
)

// NewSource makes the control messages for a socket of the given family.
func NewSource(v6 bool) Source {
	s := Source{v6: v6}
	if v6 {
		copy(s.blank[:], unix.PktInfo6(&unix.Inet6Pktinfo{}))
	} else {
		copy(s.blank[:], unix.PktInfo4(&unix.Inet4Pktinfo{}))
	}
	return s
}

// Put writes the control message for a to the beginning of control, which has
// room for 64 bytes. It returns its length, 0 if no datagram of this family can
// leave from there.
func (s *Source) Put(control []byte, a netip.Addr, zones *Zones) int {
	switch {
	case s.v6:
		*(*[infoSize]byte)(control) = s.blank
		data := control[unix.SizeofCmsghdr:] // addr, ifindex
		PutIPv6(data, a)
		binary.NativeEndian.PutUint32(data[16:], zones.Index(a.Zone()))
		return infoSize
	case a.Is4() || a.Is4In6():
		*(*[info4Size]byte)(control) = [info4Size]byte(s.blank[:])
		data := control[unix.SizeofCmsghdr:] // ifindex, spec_dst, addr
		*(*[4]byte)(data[4:]) = a.Unmap().As4()
		return info4Size
	}
	return 0
}

// PutIPv6 writes the 16 bytes of an address, of an IPv4 one in mapped form (RFC
// 4291 section 2.5.5.2). netip's As16 alone would do, but it writes halves that
// are read as a whole, which the processor has to wait for, twice a datagram.
func PutIPv6(b []byte, a netip.Addr) {
	if !a.Is4() {
		*(*[16]byte)(b) = a.As16()
		return
	}
	binary.BigEndian.PutUint64(b, 0)
	binary.BigEndian.PutUint32(b[8:], 0xffff)
	*(*[4]byte)(b[12:]) = a.As4()
}
