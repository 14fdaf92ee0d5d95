// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5684")
	there = netip.MustParseAddrPort("192.0.2.2:5684")
)

func TestRunLength(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sizes []int
		want  int
	}{
		{"one", []int{60}, 1},
		{"equal", []int{60, 60, 60}, 3},
		{"the last is shorter", []int{60, 60, 10}, 3},
		{"one in the middle is shorter", []int{60, 60, 10, 60}, 3},
		{"the next is longer", []int{60, 60, 61}, 2},
		{"empty ones have no segments", []int{0, 0, 0}, 1},
		{"an empty one ends a run", []int{60, 60, 0, 60}, 2},
		{"as many as the kernel cuts", slices.Repeat([]int{60}, maxSegments+1), maxSegments},
		{"as much as a packet holds", slices.Repeat([]int{16384}, 5), 3},
		{"a packet to the last byte", []int{udp.MaxDatagram - 32000, 32000}, 2},
		{"and one more", []int{udp.MaxDatagram - 32000, 32001}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var batch []udp.Datagram
			for _, n := range tt.sizes {
				batch = append(batch, udp.Datagram{N: n, Remote: there, Local: here.Addr()})
			}
			if got := runLength(batch); got != tt.want {
				t.Errorf("%d of sizes %v, want %d", got, tt.sizes, tt.want)
			}
			if batch[len(batch)-1].Remote = here; len(batch) > 1 && runLength(batch) == len(batch) {
				t.Error("a run to two destinations")
			}
			batch[len(batch)-1].Remote, batch[len(batch)-1].Local = there, netip.Addr{}
			if len(batch) > 1 && runLength(batch) == len(batch) {
				t.Error("a run from two sources")
			}
		})
	}
}

func listen(t testing.TB, network, addr string) *Conn {
	t.Helper()
	c, err := Config{}.Listen(network, addr)
	if err != nil {
		t.Skipf("no %s socket on %s: %v", network, addr, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// burst is n datagrams of one size to one peer.
func burst(n, size int, remote netip.AddrPort) []udp.Datagram {
	batch := make([]udp.Datagram, n)
	for i := range batch {
		batch[i] = udp.Datagram{Buf: []byte(strings.Repeat(string(rune('a'+i%26)), size)), N: size, Remote: remote}
	}
	return batch
}

// arrive sends batch and checks that it arrives.
func arrive(t *testing.T, client, server *Conn, batch []udp.Datagram) {
	t.Helper()
	if n, err := client.Send(batch); n != len(batch) || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	for i := 0; i < len(batch); {
		in := []udp.Datagram{{Buf: make([]byte, 3000)}, {Buf: make([]byte, 3000)}}
		n, err := server.Recv(in)
		if err != nil {
			t.Fatalf("after %d of %d: %v", i, len(batch), err)
		}
		for _, got := range in[:n] {
			if !bytes.Equal(got.Payload(), batch[i].Payload()) {
				t.Fatalf("datagram %d: %d bytes %.10q, want %d bytes %.10q", i, got.N, got.Payload(), batch[i].N, batch[i].Payload())
			}
			i++
		}
	}
}

// A burst to one peer is one message to the kernel, and many datagrams to the
// peer.
func TestBurstIsOneMessage(t *testing.T) {
	for _, network := range []struct{ name, client, server string }{
		{"udp4", "127.0.0.1:0", "127.0.0.1:0"}, {"udp6", "[::1]:0", "[::1]:0"}, {"udp", ":0", "127.0.0.1:0"},
	} {
		t.Run(network.name, func(t *testing.T) {
			client, server := listen(t, network.name, network.client), listen(t, "udp", network.server)
			if !client.out.cutsUp {
				t.Skip("this kernel has no UDP_SEGMENT")
			}
			a, b := burst(40, 1024, server.LocalAddr()), burst(3, 60, server.LocalAddr())
			a[39].N = 100
			arrive(t, client, server, append(a, b...))
			if diff := cmp.Diff([]int{40, 3}, client.out.runs[:client.out.filled]); diff != "" {
				t.Error("messages (-want +got):", diff)
			}
		})
	}
}

// Where the path takes the datagrams, each in fragments, but no run of them,
// they are sent each alone, and other paths still have their runs.
func TestRunTooLargeForThePath(t *testing.T) {
	client, server := listen(t, "udp6", "[::1]:0"), listen(t, "udp6", "[::1]:0")
	if !client.out.cutsUp {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	client.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_MTU, 1280); err != nil {
			t.Skip("IPV6_MTU:", err)
		}
	})
	arrive(t, client, server, append(burst(70, 1400, server.LocalAddr()), burst(3, 60, server.LocalAddr())...))
	if !client.out.cutsUp {
		t.Error("runs are off for good, want them off for this destination")
	}
	if last := client.out.runs[client.out.filled-1]; last != 2 { // one of the three ended the run before
		t.Errorf("the last %d datagrams left as one, want the last 2", last)
	}
	arrive(t, client, server, burst(5, 1000, server.LocalAddr()))
	if client.out.filled != 1 {
		t.Errorf("a run that fits left as %d messages", client.out.filled)
	}
}

// Where nobody on the way out computes checksums (EIO, as UDP-Lite, whose sums
// no device knows) there are no runs, from the first refusal on.
func TestNobodyCutsUp(t *testing.T) {
	client, server := listenLite(t), listenLite(t)
	if !client.out.cutsUp {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	for range 2 {
		arrive(t, client, server, burst(70, 1000, server.LocalAddr()))
		if client.out.cutsUp {
			t.Error("runs are still tried")
		}
	}
}

// listenLite opens a socket of UDP-Lite (RFC 3828).
func listenLite(t *testing.T) *Conn {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDPLITE)
	if err != nil {
		t.Skip("no UDP-Lite:", err)
	}
	file := os.NewFile(uintptr(fd), "")
	t.Cleanup(func() { file.Close() })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(name.(*unix.SockaddrInet4).Port)
	c, err := newConn(file, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Where runs are refused for another reason, and always, the datagrams leave
// all the same.
func TestRunsAlwaysRefused(t *testing.T) {
	client, server := listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	client.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Skip("SO_NO_CHECK:", err)
		}
	})
	arrive(t, client, server, append(burst(70, 1000, server.LocalAddr()), burst(70, 60, server.LocalAddr())...))
}
