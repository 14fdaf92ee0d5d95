// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package udptest

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/coaps-go/coaps/udp"
)

// A host with several addresses answers from the one it was asked at: a client
// drops an answer from another, and a DTLS session is bound to the pair.
func (s suite) answerLeavesFromTheAddressAsked(t *testing.T) {
	for _, tt := range []struct{ name, network, listen, asked, from string }{
		{"IPv4", "udp4", "0.0.0.0:0", "127.0.0.1", "127.0.0.1"},
		{"IPv4, second address", "udp4", "0.0.0.0:0", "127.0.0.2", "127.0.0.1"},
		{"IPv4 on a socket of both families", "udp", ":0", "127.0.0.2", "127.0.0.1"},
		{"IPv6 on a socket of both families", "udp", ":0", "::1", "::1"},
		{"IPv6 alone", "udp6", "[::]:0", "::1", "::1"},
		{"one address", "udp", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
		{"one address of IPv6", "udp", "[::1]:0", "::1", "::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && tt.asked == "127.0.0.2" {
				t.Skip("only Linux has all of 127.0.0.0/8 on its loopback")
			}
			server := s.listen(t, tt.network, tt.listen)
			client := s.listen(t, "udp", net.JoinHostPort(tt.from, "0"))
			asked := netip.AddrPortFrom(netip.MustParseAddr(tt.asked), server.LocalAddr().Port())
			askAndAnswer(t, client, server, asked)
		})
	}
}

// askAndAnswer sends a datagram there and one back, the way the event loop does.
func askAndAnswer(t *testing.T, client, server udp.Conn, asked netip.AddrPort) {
	t.Helper()
	send(t, client, to(asked, "question"))
	got := recv(t, server)
	if string(got.Payload()) != "question" || got.Remote != client.LocalAddr() {
		t.Fatalf("server got %q from %v, want %v", got.Payload(), got.Remote, client.LocalAddr())
	}
	if got.Local != asked.Addr() {
		t.Fatalf("asked at %v, reported %v", asked.Addr(), got.Local)
	}
	answer := to(got.Remote, "answer")
	answer.Local = got.Local
	send(t, server, answer)
	if got := recv(t, client); got.Remote != asked || string(got.Payload()) != "answer" {
		t.Errorf("answer %q from %v, want it from %v", got.Payload(), got.Remote, asked)
	}
}

// A link-local address means nothing without its interface (RFC 4007 section 6),
// in whichever direction.
func (s suite) linkLocalAddressesHaveZones(t *testing.T) {
	onlyLinux(t, "is asked for the interface of a datagram")
	mine, ok := linkLocal()
	if !ok {
		t.Skip("no interface has a link-local address")
	}
	server := s.listen(t, "udp", ":0")
	client := s.listen(t, "udp", net.JoinHostPort(mine.String(), "0"))
	askAndAnswer(t, client, server, netip.AddrPortFrom(mine, server.LocalAddr().Port()))

	alone := s.listen(t, "udp6", net.JoinHostPort(mine.String(), "0"))
	askAndAnswer(t, client, alone, alone.LocalAddr())
}

// linkLocal is such an address of this machine, with its zone.
func linkLocal() (netip.Addr, bool) {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if up := i.Flags&net.FlagUp != 0; err == nil && up && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() {
				return prefix.Addr().WithZone(i.Name), true
			}
		}
	}
	return netip.Addr{}, false
}

// A socket with one address has no other to send from, whatever is asked.
func (s suite) boundToOneAddress(t *testing.T) {
	client, server := s.local(t), s.local(t)
	d := to(server.LocalAddr(), "x")
	d.Local = netip.MustParseAddr("192.0.2.1") // documentation's, and nobody's
	send(t, client, d)
	if got := recv(t, server); got.Remote != client.LocalAddr() || got.Local != server.LocalAddr().Addr() {
		t.Errorf("from %v to %v, want from %v to %v", got.Remote, got.Local, client.LocalAddr(), server.LocalAddr())
	}
}
