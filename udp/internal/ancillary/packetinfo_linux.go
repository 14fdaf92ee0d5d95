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

// A Source is a control message that makes a datagram leave from an address. It
// is written anew for each datagram without allocating.
type Source struct {
	v6      bool
	message []byte
	address []byte // within message, as the next
	ifindex []byte
}

// NewSource makes the control message for a socket of the given family.
func NewSource(v6 bool) Source {
	header := unix.CmsgLen(0)
	if v6 {
		b := unix.PktInfo6(&unix.Inet6Pktinfo{})
		data := b[header:]
		return Source{true, b, data[:16], data[16:20]}
	}
	b := unix.PktInfo4(&unix.Inet4Pktinfo{})
	data := b[header:]
	return Source{false, b, data[4:8], data[:4]}
}

// From returns the control message for a, nil if no datagram of this family can
// leave from there. It is valid until the next call.
func (s *Source) From(a netip.Addr, zones *Zones) []byte {
	switch {
	case s.v6:
		b := a.As16()
		copy(s.address, b[:])
		binary.NativeEndian.PutUint32(s.ifindex, zones.Index(a.Zone()))
	case a.Is4() || a.Is4In6():
		b := a.Unmap().As4()
		copy(s.address, b[:])
	default:
		return nil
	}
	return s.message
}
