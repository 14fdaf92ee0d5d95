// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// A Watch waits as long as it is told and no longer than there is nothing.
func TestWatch(t *testing.T) {
	conn, err := Config{}.Listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fan, err := ListenFan("udp4", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer fan.Close()
	for name, s := range map[string]struct {
		watch *Watch
		poll  udp.Poller
		addr  netip.AddrPort
	}{
		"conn": {conn.Watch(), conn, conn.LocalAddr()},
		"fan":  {fan.Watch(), fan, fan.Addrs()[1]},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if s.watch.Await(300*time.Microsecond) || time.Since(began) < 300*time.Microsecond {
				t.Errorf("awaited nothing for %v", time.Since(began))
			}
			hello := []udp.Datagram{{Buf: []byte("hello"), N: 5, Remote: s.addr}}
			if _, err := conn.Send(hello); err != nil {
				t.Fatal(err)
			}
			if !s.watch.Await(5 * time.Second) {
				t.Error("did not see a datagram")
			}
			in := []udp.Datagram{{Buf: make([]byte, 100)}}
			if n, err := s.poll.Poll(in); n != 1 || err != nil {
				t.Errorf("%d datagrams, %v", n, err)
			}
			if n := testing.AllocsPerRun(100, func() { s.watch.Await(0) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
	conn.Close()
	if !conn.Watch().Await(time.Second) {
		t.Error("a closed socket is not reported")
	}
}
