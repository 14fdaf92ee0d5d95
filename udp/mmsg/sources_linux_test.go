// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// loopback is the i-th address of 127.0.0.0/8 but for its first 256.
func loopback(i int) netip.Addr {
	i += 256
	return netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)})
}

// A socket bound to all addresses sends from thousands of them, and keeps
// nothing of any: a load generator has a million clients on the loopback.
func TestThousandsOfSources(t *testing.T) {
	const total, batch = 6400, 64
	for _, network := range []string{"udp4", "udp"} {
		t.Run(network, func(t *testing.T) {
			client, server := listen(t, network, ":0"), listen(t, network, ":0")
			remote := netip.AddrPortFrom(loopback(1<<16), server.LocalAddr().Port())
			out, in := burst(batch, 60, remote), burst(batch, 60, here)
			next := 0
			round := func() {
				for i := range out {
					out[i].Local = loopback((next + i) % total)
				}
				if n, err := client.Send(out); n != batch || err != nil {
					t.Fatalf("Send = %d, %v", n, err)
				}
				echoFrom(t, server, in, remote.Addr(), func(i int) netip.AddrPort {
					return netip.AddrPortFrom(loopback((next+i)%total), client.LocalAddr().Port())
				})
				for got := 0; got < batch; {
					n, err := client.Recv(in)
					if err != nil {
						t.Fatal(err)
					}
					for i := range in[:n] {
						if want := loopback((next + got + i) % total); in[i].Local != want || in[i].Remote != remote {
							t.Fatalf("answer from %v to %v, want %v", in[i].Remote, in[i].Local, want)
						}
					}
					got += n
				}
				next += batch
			}
			client.SetReadDeadline(time.Now().Add(10 * time.Second))
			if n := testing.AllocsPerRun(total/batch, round); n != 0 {
				t.Errorf("%v allocations a round", n)
			}
		})
	}
}

// echoFrom sends a batch back and checks where it is from and came to.
func echoFrom(t *testing.T, server *Conn, in []udp.Datagram, local netip.Addr, remote func(i int) netip.AddrPort) {
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	for got := 0; got < len(in); {
		n, err := server.Recv(in)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in[:n] {
			if in[i].Remote != remote(got+i) || in[i].Local != local {
				t.Fatalf("datagram %d from %v to %v, want %v to %v", got+i, in[i].Remote, in[i].Local, remote(got+i), local)
			}
		}
		if sent, err := server.Send(in[:n]); sent != n || err != nil {
			t.Fatalf("Send = %d, %v", sent, err)
		}
		got += n
	}
}

// An ICMP error tells which of many sources it is about.
func TestUnreachableNamesTheSource(t *testing.T) {
	gone := listen(t, "udp4", "127.0.0.1:0")
	gone.Close()
	for _, network := range []string{"udp4", "udp"} {
		t.Run(network, func(t *testing.T) {
			c := listen(t, network, ":0")
			for i := range 3 {
				d := burst(1, 10, gone.LocalAddr())
				d[0].Local = loopback(i)
				if _, err := c.Send(d); err != nil {
					t.Fatal(err)
				}
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, err := c.Recv(burst(1, 10, here))
				var u *udp.Unreachable
				if !errors.As(err, &u) || u.Local != loopback(i) || u.Remote != gone.LocalAddr() {
					t.Fatalf("Recv: %#v, want one from %v to %v", err, loopback(i), gone.LocalAddr())
				}
			}
		})
	}
}
