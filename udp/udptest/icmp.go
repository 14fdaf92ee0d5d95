// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package udptest

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// gone is an address on the loopback that nobody listens on.
func (s suite) gone(t *testing.T) netip.AddrPort {
	t.Helper()
	c := s.local(t)
	c.Close()
	return c.LocalAddr()
}

// An ICMP error is reported with its destination and with the payload it
// quotes, and does not fail a datagram that goes elsewhere.
func (s suite) refusedNamesTheDestination(t *testing.T) {
	onlyLinux(t, "queues ICMP errors for unconnected sockets")
	for _, network := range []string{"udp", "udp4"} {
		t.Run(network, func(t *testing.T) {
			client := s.listen(t, network, ":0")
			closed := s.gone(t)
			other := s.local(t)

			send(t, client, to(closed, "anybody?"))
			send(t, client, to(other.LocalAddr(), "hello"))
			if d := recv(t, other); string(d.Payload()) != "hello" {
				t.Errorf("other got %q", d.Payload())
			}
			u := unreachable(t, client, patience)
			if u == nil {
				t.Fatal("nothing was reported")
			}
			if u.Local != closed.Addr() { // it is 127.0.0.1 on both sides
				t.Errorf("sent from %v", u.Local)
			}
			if u.Remote != closed || string(u.Quoted) != "anybody?" || !errors.Is(u, syscall.ECONNREFUSED) {
				t.Errorf("unreachable: %v quoting %q, want %v", u, u.Quoted, closed)
			}
		})
	}
}

// One datagram is enough: there need not be another for the error to show.
func (s suite) refusedAlone(t *testing.T) {
	onlyLinux(t, "queues ICMP errors for unconnected sockets")
	client, closed := s.listen(t, "udp", ":0"), s.gone(t)
	for range 2 {
		send(t, client, to(closed, "anybody?"))
		if u := unreachable(t, client, patience); u == nil || u.Remote != closed {
			t.Fatalf("unreachable: %v, want %v", u, closed)
		}
	}
}

// unreachable receives an ICMP error, nil when there is none so long.
func unreachable(t *testing.T, c udp.Conn, wait time.Duration) *udp.Unreachable {
	t.Helper()
	deadline(t, c, time.Now().Add(wait))
	n, err := c.Recv(buffers(1, 100))
	var u *udp.Unreachable
	switch {
	case errors.As(err, &u):
	case !errors.Is(err, os.ErrDeadlineExceeded):
		t.Fatalf("Recv = %d, %v, want *udp.Unreachable", n, err)
	}
	return u
}

// Of one batch each datagram fares by itself: those for somebody arrive, each
// of the others is reported, and nothing else is.
func (s suite) refusedAmongOthers(t *testing.T) {
	onlyLinux(t, "queues ICMP errors for unconnected sockets")
	client, other := s.listen(t, "udp", ":0"), s.local(t)
	quoted := map[netip.AddrPort]string{s.gone(t): "first", s.gone(t): "second", s.gone(t): "third"}
	var batch []udp.Datagram
	for closed, payload := range quoted {
		batch = append(batch, to(other.LocalAddr(), "hello"), to(closed, payload), to(other.LocalAddr(), "hello"))
	}
	send(t, client, batch...)
	recvAll(t, other, 2*len(quoted))
	for len(quoted) > 0 {
		u := unreachable(t, client, patience)
		if u == nil {
			t.Fatalf("not reported: %v", quoted)
		}
		if want, ok := quoted[u.Remote]; !ok || string(u.Quoted) != want {
			t.Fatalf("reported %v quoting %q, left were %v", u.Remote, u.Quoted, quoted)
		}
		delete(quoted, u.Remote)
	}
	if u := unreachable(t, client, 200*time.Millisecond); u != nil {
		t.Errorf("reported %v, which was reached", u.Remote)
	}
}

// Reports that nobody waits for take room in the receive buffer. When they are
// fetched the socket is as good as new.
func (s suite) refusedInMasses(t *testing.T) {
	onlyLinux(t, "queues ICMP errors for unconnected sockets")
	client, other := s.listen(t, "udp", ":0"), s.local(t)
	closed := s.gone(t)
	for range 2000 {
		send(t, client, to(closed, "anybody?"))
	}
	reports := 0
	for unreachable(t, client, 200*time.Millisecond) != nil {
		reports++
	}
	if reports == 0 {
		t.Error("nothing was reported")
	}
	send(t, other, to(loopback(client), "hello"))
	if d := recv(t, client); string(d.Payload()) != "hello" {
		t.Errorf("received %q", d.Payload())
	}
}

// However many reports wait, what arrives is received before all are fetched.
func (s suite) refusedDoNotStarveOthers(t *testing.T) {
	onlyLinux(t, "queues ICMP errors for unconnected sockets")
	client, other := s.listen(t, "udp", ":0"), s.local(t)
	closed := s.gone(t)
	for range 2000 {
		send(t, client, to(closed, "anybody?"))
	}
	send(t, other, to(loopback(client), "hello"))
	deadline(t, client, time.Now().Add(patience))
	for range 400 {
		n, err := client.Recv(buffers(1, 100))
		if n == 1 {
			return
		}
		var u *udp.Unreachable
		if !errors.As(err, &u) {
			t.Fatal("Recv:", err)
		}
	}
	t.Error("nothing but errors after 400 calls")
}
