// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package portable is UDP on the net package alone: one datagram a system call,
// on every platform. Answers leave from the address their question came to,
// which a socket bound to all addresses does not do by itself, and on Linux
// ICMP errors are reported with the destination they are about.
package portable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// socketBuffer is asked of the system for each direction, in bytes. A server
// has to keep what arrives while it works: on Linux this is some 10,000
// requests, a tenth of a second of full load. The system may grant less.
const socketBuffer = 4 << 20

type conn struct {
	udp   *net.UDPConn
	local netip.AddrPort
	info  packetInfo
	icmp  bool // Send has met an ICMP error that Recv has to report
}

// Listen opens a UDP socket. The network is "udp", "udp4" or "udp6"; a "udp"
// socket bound to no address takes IPv4 and IPv6. The address is "host:port",
// both may be empty.
func Listen(network, addr string) (udp.Conn, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	sock, ok := pc.(*net.UDPConn)
	if !ok {
		pc.Close()
		return nil, fmt.Errorf("%s is not a UDP network", network)
	}
	c := &conn{udp: sock, local: unmap(sock.LocalAddr().(*net.UDPAddr).AddrPort())}
	c.setup()
	return c, nil
}

// setup asks for what makes the socket better but is no condition for using it:
// a kernel may refuse any of it.
func (c *conn) setup() {
	setBuffers(c.udp)
	if c.local.Addr().IsUnspecified() {
		c.info.enable(c.udp) // a socket bound to one address has only that to answer from
	}
	reportICMP(c.udp)
}

func (c *conn) Recv(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	for {
		if c.icmp {
			if u := c.info.nextICMP(c.udp); u != nil {
				return 0, u
			}
			c.icmp = false
		}
		err := c.receive(&batch[0])
		switch {
		case err == nil:
			return 1, nil
		case errors.Is(err, net.ErrClosed):
			return 0, net.ErrClosed
		case !isPending(err):
			return 0, err
		}
		// The system reports an ICMP error as if receiving had failed; the
		// queue has its destination. If it is none to report, there is the
		// socket still to read.
		c.icmp = true
	}
}

func (c *conn) receive(d *udp.Datagram) error {
	n, oobn, _, remote, err := c.udp.ReadMsgUDPAddrPort(d.Buf, c.info.in[:])
	if err != nil {
		return err
	}
	d.N, d.Remote = n, unmap(remote)
	d.Local = c.local.Addr()
	if c.info.enabled {
		d.Local = c.info.destination(c.info.in[:oobn])
	}
	return nil
}

func (c *conn) Send(batch []udp.Datagram) (int, error) {
	for i := range batch {
		if err := c.send(&batch[i]); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

func (c *conn) send(d *udp.Datagram) error {
	var oob []byte
	if c.info.enabled && d.Local.IsValid() {
		oob = c.info.source(d.Local)
	}
	_, _, err := c.udp.WriteMsgUDPAddrPort(d.Payload(), oob, d.Remote)
	if err != nil && isPending(err) {
		// The error is about a datagram sent before, perhaps to somebody else,
		// and would have woken Recv. This one has not been tried.
		c.icmp = true
		_, _, err = c.udp.WriteMsgUDPAddrPort(d.Payload(), oob, d.Remote)
	}
	if err != nil && isLoss(err) {
		return nil
	}
	return err
}

func (c *conn) SetReadDeadline(t time.Time) error { return c.udp.SetReadDeadline(t) }

func (c *conn) LocalAddr() netip.AddrPort { return c.local }

func (c *conn) Close() error { return c.udp.Close() }

// unmap turns an IPv4-mapped IPv6 address into the IPv4 address it stands for,
// so that a peer has one name on sockets of either family.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
