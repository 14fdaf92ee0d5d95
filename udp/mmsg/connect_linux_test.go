// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/sys/unix"
)

// Connected sockets send and receive as others do, but with one remote only,
// and hear when nobody is there.
func TestFanConnects(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		server, stranger := listen(t, "udp", addr), listen(t, "udp", addr)
		f := fanOn(t, 3, func(int) netip.AddrPort { return netip.MustParseAddrPort(addr) })
		if err := f.Connect(server.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		out := burst(3, 60, server.LocalAddr())
		for i := range out {
			out[i].Local = f.Names()[i]
		}
		if n, err := f.Send(out); n != 3 || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		in := burst(8, 100, netip.AddrPort{})
		for got := 0; got < 3; {
			n, err := server.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range in[:n] {
				in[i].Local = netip.Addr{}
			}
			// The answer of somebody else does not arrive.
			stranger.Send(in[:n])
			server.Send(in[:n])
			got += n
		}
		names := map[netip.Addr]int{}
		f.SetReadDeadline(time.Now().Add(5 * time.Second))
		for got := 0; got < 3; {
			n, err := f.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range in[:n] {
				if names[in[i].Local]++; in[i].Remote != server.LocalAddr() {
					t.Errorf("from %v", in[i].Remote)
				}
			}
			got += n
		}
		if n, err := f.Poll(in); n != 0 || err != nil || len(names) != 3 {
			t.Errorf("%d more, %v; for %v", n, err, names)
		}
		server.Close()
		refusedFan(t, f, out)
	}
}

// refusedFan sends to nobody and wants to hear of it.
func refusedFan(t *testing.T, f *Fan, out []udp.Datagram) {
	t.Helper()
	in := burst(8, 100, netip.AddrPort{})
	for range 5000 {
		if _, err := f.Send(out); errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		if _, err := f.Poll(in); errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("sent to nobody, and no error")
}
