// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package portable

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

func listen(t testing.TB, network, addr string) udp.Conn {
	t.Helper()
	c, err := Listen(network, addr)
	if err != nil {
		t.Skipf("no %s socket on %s: %v", network, addr, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func recv(t testing.TB, c udp.Conn) udp.Datagram {
	t.Helper()
	batch := []udp.Datagram{{Buf: make([]byte, 2048)}}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := c.Recv(batch)
	if n != 1 || err != nil {
		t.Fatalf("Recv = %d, %v", n, err)
	}
	return batch[0]
}

func send(t testing.TB, c udp.Conn, d udp.Datagram) {
	t.Helper()
	if n, err := c.Send([]udp.Datagram{d}); n != 1 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
}

// A host with several addresses answers from the one it was asked at: a client
// drops an answer from another, and a DTLS session is bound to the pair.
func TestAnswerLeavesFromTheAddressAsked(t *testing.T) {
	for _, tt := range []struct{ name, network, listen, asked, from string }{
		{"IPv4", "udp4", "0.0.0.0:0", "127.0.0.1", "127.0.0.1"},
		{"IPv4, second address", "udp4", "0.0.0.0:0", "127.0.0.2", "127.0.0.1"},
		{"IPv4 on a socket of both families", "udp", ":0", "127.0.0.2", "127.0.0.1"},
		{"IPv6 on a socket of both families", "udp", ":0", "::1", "::1"},
		{"IPv6 alone", "udp6", "[::]:0", "::1", "::1"},
		{"one address", "udp", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && tt.asked == "127.0.0.2" {
				t.Skip("only Linux has all of 127.0.0.0/8 on its loopback")
			}
			server := listen(t, tt.network, tt.listen)
			client := listen(t, "udp", net.JoinHostPort(tt.from, "0"))
			asked := netip.AddrPortFrom(netip.MustParseAddr(tt.asked), server.LocalAddr().Port())
			send(t, client, udp.Datagram{Buf: []byte("question"), N: 8, Remote: asked})

			got := recv(t, server)
			if string(got.Payload()) != "question" || got.Remote != client.LocalAddr() {
				t.Fatalf("server got %q from %v, want %v", got.Payload(), got.Remote, client.LocalAddr())
			}
			if got.Local != asked.Addr() {
				t.Fatalf("asked at %v, reported %v", asked.Addr(), got.Local)
			}
			send(t, server, udp.Datagram{Buf: []byte("answer"), N: 6, Remote: got.Remote, Local: got.Local})
			if answer := recv(t, client); answer.Remote != asked || string(answer.Payload()) != "answer" {
				t.Errorf("answer %q from %v, want it from %v", answer.Payload(), answer.Remote, asked)
			}
		})
	}
}

// An ICMP error is reported with its destination and with the payload it
// quotes, and does not fail a datagram that goes elsewhere.
func TestRefusedNamesTheDestination(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux queues ICMP errors for unconnected sockets")
	}
	for _, network := range []string{"udp", "udp4"} {
		t.Run(network, func(t *testing.T) {
			client := listen(t, network, ":0")
			gone := listen(t, "udp4", "127.0.0.1:0")
			other := listen(t, "udp4", "127.0.0.1:0")
			closed := gone.LocalAddr()
			gone.Close()

			send(t, client, udp.Datagram{Buf: []byte("anybody?"), N: 8, Remote: closed})
			send(t, client, udp.Datagram{Buf: []byte("hello"), N: 5, Remote: other.LocalAddr()})
			if d := recv(t, other); string(d.Payload()) != "hello" {
				t.Errorf("other got %q", d.Payload())
			}
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			start := time.Now()
			_, err := client.Recv([]udp.Datagram{{Buf: make([]byte, 100)}})
			if waited := time.Since(start); waited > 2*time.Second {
				t.Errorf("the error came only with the deadline, after %v", waited)
			}
			var u *udp.Unreachable
			if !errors.As(err, &u) {
				t.Fatalf("Recv = %v, want *udp.Unreachable", err)
			}
			if u.Remote != closed || string(u.Quoted) != "anybody?" || !errors.Is(u, syscall.ECONNREFUSED) {
				t.Errorf("unreachable: %v quoting %q, want %v", u, u.Quoted, closed)
			}
		})
	}
}

func TestDeadlineIsTheDoorbell(t *testing.T) {
	c := listen(t, "udp", "127.0.0.1:0")
	go c.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.Recv([]udp.Datagram{{Buf: make([]byte, 10)}}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Recv = %v, want os.ErrDeadlineExceeded", err)
	}
	c.Close()
	if _, err := c.Recv([]udp.Datagram{{Buf: make([]byte, 10)}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Recv after Close = %v, want net.ErrClosed", err)
	}
}

func TestNoAllocs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("control messages allocate elsewhere")
	}
	server, client := listen(t, "udp", ":0"), listen(t, "udp", ":0")
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), server.LocalAddr().Port())
	out := []udp.Datagram{{Buf: []byte("x"), N: 1, Remote: to}}
	in := []udp.Datagram{{Buf: make([]byte, 100)}}
	if n := testing.AllocsPerRun(100, func() {
		client.Send(out)
		server.Recv(in)
		server.Send(in)
		client.Recv(in)
	}); n != 0 {
		t.Errorf("a round trip allocates %v times", n)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	server, client := listen(b, "udp", "127.0.0.1:0"), listen(b, "udp", "127.0.0.1:0")
	out := []udp.Datagram{{Buf: make([]byte, 60), N: 60, Remote: server.LocalAddr()}}
	in := []udp.Datagram{{Buf: make([]byte, 100)}}
	b.ReportAllocs()
	for b.Loop() {
		client.Send(out)
		server.Recv(in)
		server.Send(in)
		client.Recv(in)
	}
}
