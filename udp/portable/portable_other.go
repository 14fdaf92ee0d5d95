// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package portable

import (
	"net"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// packetInfo uses golang.org/x/net for the control messages, which knows the
// platforms' differences at the price of allocations.
type packetInfo struct {
	enabled bool
	v6      bool
	in      [256]byte
}

func (p *packetInfo) enable(c *net.UDPConn) {
	p.v6 = c.LocalAddr().(*net.UDPAddr).IP.To4() == nil
	if p.v6 {
		p.enabled = ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst, true) == nil
		return
	}
	p.enabled = ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst, true) == nil
}

func (p *packetInfo) destination(oob []byte) netip.Addr {
	var ip net.IP
	if p.v6 {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) == nil {
			ip = cm.Dst
		}
	} else {
		var cm ipv4.ControlMessage
		if cm.Parse(oob) == nil {
			ip = cm.Dst
		}
	}
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func (p *packetInfo) source(a netip.Addr) []byte {
	switch {
	case p.v6 && a.Is6():
		return (&ipv6.ControlMessage{Src: a.AsSlice()}).Marshal()
	case !p.v6 && a.Is4():
		return (&ipv4.ControlMessage{Src: a.AsSlice()}).Marshal()
	}
	return nil // IPv4 on an IPv6 socket: only Linux takes a mapped source
}

func setBuffers(c *net.UDPConn) {
	_ = c.SetReadBuffer(socketBuffer)
	_ = c.SetWriteBuffer(socketBuffer)
}

// ICMP errors reach only connected sockets here; a silent peer is found by its
// timeout.
func reportICMP(*net.UDPConn) {}

func (*packetInfo) nextICMP(*net.UDPConn) *udp.Unreachable { return nil }

func isPending(error) bool { return false }

func isLoss(error) bool { return false }
