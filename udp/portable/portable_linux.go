// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package portable

import (
	"net"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
)

// packetInfo reads and writes the control messages that tell the local address
// of a datagram. It works in buffers of its own, so that no datagram costs an
// allocation.
type packetInfo struct {
	in      [128]byte // control messages of the datagram received last; first for their alignment
	out     [64]byte  // that of the one sent last
	enabled bool
	from    ancillary.Source
	zones   ancillary.Zones
	errors  ancillary.ErrorQueue
}

func (p *packetInfo) enable(c *net.UDPConn) {
	withFD(c, func(fd int) {
		v6, err := ancillary.IsIPv6(fd)
		p.enabled = err == nil && ancillary.EnablePacketInfo(fd, v6) == nil
		p.from = ancillary.NewSource(v6)
	})
}

func (p *packetInfo) destination(oob []byte) netip.Addr { return ancillary.Destination(oob, &p.zones) }

// source returns the control message that makes a datagram leave from a. It is
// valid until the next call.
func (p *packetInfo) source(a netip.Addr) []byte {
	return p.out[:p.from.Put(p.out[:], a, &p.zones)]
}

func setBuffers(c *net.UDPConn) { withFD(c, func(fd int) { ancillary.SetBuffers(fd, socketBuffer) }) }

// reportICMP makes the kernel queue ICMP errors.
func reportICMP(c *net.UDPConn) { withFD(c, ancillary.ReportICMP) }

// nextICMP takes one error from the queue, nil when there is none.
func (p *packetInfo) nextICMP(c *net.UDPConn) (u *udp.Unreachable) {
	withFD(c, func(fd int) { u = p.errors.Next(fd, &p.zones) })
	if u != nil && !p.enabled {
		u.Local = unmap(c.LocalAddr().(*net.UDPAddr).AddrPort()).Addr()
	}
	return u
}

func isPending(err error) bool { return ancillary.MayBeOld(err) }

func isLoss(err error) bool { return ancillary.IsLoss(err) }

func withFD(c *net.UDPConn, f func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
