// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

func group(t testing.TB, network, addr string, n int) []*Conn {
	t.Helper()
	all, err := ListenGroup(network, addr, n)
	if err != nil {
		t.Skipf("no %d sockets on %s %s: %v", n, network, addr, err)
	}
	for _, c := range all {
		t.Cleanup(func() { c.Close() })
	}
	return all
}

// The sockets of a group have one address, and to everybody else it is taken.
func TestGroupHoldsItsAddress(t *testing.T) {
	for _, tt := range []struct{ network, addr string }{
		{"udp4", "127.0.0.1:0"}, {"udp4", ":0"}, {"udp6", "[::1]:0"}, {"udp6", ":0"}, {"udp", ":0"}, {"udp", "localhost:0"}, {"udp", ""}, {"udp", "0.0.0.0:0"},
	} {
		t.Run(tt.network+" "+tt.addr, func(t *testing.T) {
			for _, n := range []int{1, 4} {
				all := group(t, tt.network, tt.addr, n)
				at := all[0].LocalAddr()
				for _, c := range all {
					if c.LocalAddr() != at || c.info != all[0].info || c.out.v6 != all[0].out.v6 {
						t.Errorf("%v, the first has %v", c.LocalAddr(), at)
					}
				}
				host, _, _ := net.SplitHostPort(tt.addr)
				again := net.JoinHostPort(host, strconv.Itoa(int(at.Port())))
				if c, err := ListenGroup(tt.network, again, 2); c != nil || !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("a second group: %v, %v", c, err)
				}
				if c, err := Listen(tt.network, again); c != nil || !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("a socket beside: %v, %v", c, err)
				}
				for _, c := range all {
					c.Close()
				}
				group(t, tt.network, again, 2)[1].Close()
			}
		})
	}
}

func TestGroupRefuses(t *testing.T) {
	for _, n := range []int{-1, 0} {
		if c, err := ListenGroup("udp", ":0", n); c != nil || err == nil {
			t.Errorf("%d sockets: %v, %v", n, c, err)
		}
	}
	if c, err := ListenGroup("udp", "nonsense", 2); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
}

// Each socket gets about its share of the peers, and keeps them.
func TestGroupSpreadsPeers(t *testing.T) {
	const sockets, peers, rounds = 4, 1000, 3
	for _, tt := range []struct{ network, addr string }{{"udp4", "127.0.0.1:0"}, {"udp4", ":0"}, {"udp", ":0"}} {
		t.Run(tt.network+" "+tt.addr, func(t *testing.T) {
			all, client := group(t, tt.network, tt.addr, sockets), listen(t, "udp4", ":0")
			remote := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), all[0].LocalAddr().Port())
			home := make(map[netip.AddrPort]int)
			for range rounds {
				for i := range peers {
					d := burst(1, 60, remote)
					d[0].Local = loopback(i)
					if _, err := client.Send(d); err != nil {
						t.Fatal(err)
					}
				}
				got := 0
				for end := time.Now().Add(5 * time.Second); got < peers && time.Now().Before(end); {
					for s, c := range all {
						got += len(settle(t, home, s, c))
					}
				}
				if got != peers {
					t.Fatalf("%d of %d arrived", got, peers)
				}
			}
			shares := make([]int, sockets)
			for _, s := range home {
				shares[s]++
			}
			for _, n := range shares {
				if n < peers/sockets/2 {
					t.Errorf("shares of %v", shares)
				}
			}
		})
	}
}

// settle receives all that has come to a socket, and checks that the peers are
// those it has had before.
func settle(t *testing.T, home map[netip.AddrPort]int, s int, c *Conn) (all []udp.Datagram) {
	for {
		in := burst(maxBatch, 100, here)
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := c.Recv(in)
		if err != nil {
			return all
		}
		for _, d := range in[:n] {
			if was, ok := home[d.Remote]; ok && was != s {
				t.Fatalf("%v has moved from socket %d to %d", d.Remote, was, s)
			}
			home[d.Remote] = s
			all = append(all, d)
		}
	}
}

// The room that is granted holds what performance relies on, and is what the
// kernel keeps to.
func TestBuffers(t *testing.T) {
	client, server := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	receive, send := server.Buffers()
	if receive < 2*212992 || send < 2*212992 { // the least rmem_max of a Linux since 2008, doubled
		t.Errorf("%d and %d bytes", receive, send)
	}
	const much, size = 100_000, 60
	for range much / 1000 {
		client.out.cutsUp = false // what arrives in one piece is stored in fewer bytes
		if _, err := client.Send(burst(1000, size, server.LocalAddr())); err != nil {
			t.Fatal(err)
		}
	}
	held := much - int(server.Overflows())
	t.Logf("%d bytes hold %d datagrams of 60 bytes, %d bytes each", receive, held, receive/held)
	if held == much {
		t.Error("nothing was dropped")
	}
	server.Close()
	if r, s := server.Buffers(); r != 0 || s != 0 {
		t.Error("a closed socket has buffers")
	}
}
