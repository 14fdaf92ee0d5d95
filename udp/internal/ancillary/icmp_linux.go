// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/sys/unix"
)

// ReportICMP makes the kernel queue ICMP errors with the destination they are
// about. Without it an unconnected socket never hears of them.
func ReportICMP(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
}

// quotedBytes is how much is kept of the payload that an ICMP error quotes. It
// holds the headers of a record and of a CoAP message, which tell whose it was.
const quotedBytes = 256

// maxErrors is how many errors are reported in a row. Who can send them faster
// than they are fetched must not get the receive buffer, in which they lie, nor
// the time of the event loop.
const maxErrors = 256

// An ErrorQueue fetches what the kernel has queued for a socket. It is not for
// concurrent use; the zero value is ready.
type ErrorQueue struct{ row int } // errors since the queue was empty

// Next takes the next error from the queue, nil when there is none, or when
// there have been so many that the rest was dropped.
func (q *ErrorQueue) Next(fd int, zones *Zones) *udp.Unreachable {
	if q.row == maxErrors {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 0) // empties the queue of either family
		ReportICMP(fd)
		q.row = 0
		return nil
	}
	u := nextICMP(fd, zones)
	if q.row++; u == nil {
		q.row = 0
	}
	return u
}

// nextICMP takes the queued errors up to the next one that says a datagram has
// not arrived, nil when there is none: the queue is empty then. The kernel has
// checked that the port numbers quoted in the ICMP message are this socket's;
// whether the quoted payload is one we sent is for the caller.
func nextICMP(fd int, zones *Zones) *udp.Unreachable {
	quoted, control := make([]byte, quotedBytes), make([]byte, 256)
	for {
		n, controln, _, from, err := unix.Recvmsg(fd, quoted, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil
		}
		errno, ok := icmpError(control[:controln])
		if remote := remoteOf(from, zones); ok && remote.IsValid() {
			// Packet info is that of the ICMP message: it came to the address
			// that the datagram was sent from.
			local := Destination(control[:controln], zones)
			return &udp.Unreachable{Remote: remote, Local: local, Quoted: quoted[:n], Err: errno}
		}
	}
}

// icmpError reads struct sock_extended_err { u32 errno; u8 origin; ... }. Errors
// of local origin were reported by the send already. EMSGSIZE tells that a
// router wants smaller packets (RFC 1191, RFC 8201): the kernel knows now, and
// the next ones arrive.
func icmpError(control []byte) (unix.Errno, bool) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0, false
		}
		isError := h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR
		if isError && len(data) >= 16 {
			errno, origin := unix.Errno(binary.NativeEndian.Uint32(data)), data[4]
			fromICMP := origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6
			return errno, fromICMP && errno != unix.EMSGSIZE
		}
		control = rest
	}
	return 0, false
}

// remoteOf is the destination of the datagram an error is about.
func remoteOf(sa unix.Sockaddr, zones *Zones) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		return netip.AddrPortFrom(a.WithZone(zones.Name(sa.ZoneId)), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// IsLoss tells the error of a device whose queue is full. A socket that has not
// asked for ICMP errors is not told: the datagram is lost here as it might be on
// any router.
func IsLoss(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// MayBeOld tells the errors that ICMP messages become (icmp_err_convert and
// icmpv6_err_convert of the kernel). It keeps them for the socket and returns
// them from the next call, whatever that is about.
func MayBeOld(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET,
		unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EACCES, unix.EMSGSIZE:
		return true
	}
	return false
}
