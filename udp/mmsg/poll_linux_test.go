// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// Poll never waits, sees what Recv would see, and goes on after the deadline.
func TestPoll(t *testing.T) {
	a, err := Config{}.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var poller udp.Poller = a
	batch := []udp.Datagram{{Buf: make([]byte, 100)}, {Buf: make([]byte, 100)}}
	if n, err := poller.Poll(batch); n != 0 || err != nil {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	a.SetReadDeadline(time.Unix(1, 0))
	out := []udp.Datagram{{Buf: []byte("one"), N: 3, Remote: a.LocalAddr()}, {Buf: []byte("two"), N: 3, Remote: a.LocalAddr()}}
	if _, err := a.Send(out); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the kernel may put off the second
	if n, err := poller.Poll(batch); n != 2 || err != nil || string(batch[1].Payload()) != "two" || batch[0].Remote != a.LocalAddr() {
		t.Errorf("two there: %d, %v, %q", n, err, batch[1].Payload())
	}
	if n, err := poller.Poll(nil); n != 0 || err != nil {
		t.Errorf("no room: %d, %v", n, err)
	}
	pollUnreachable(t, a, batch)
	if n := testing.AllocsPerRun(100, func() { poller.Poll(batch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	a.Close()
	if _, err := poller.Poll(batch); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// pollUnreachable sends to nobody and wants to hear of it.
func pollUnreachable(t *testing.T, a *Conn, batch []udp.Datagram) {
	nobody, err := Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPort(nobody.LocalAddr())
	nobody.Close()
	if _, err := a.Send([]udp.Datagram{{Buf: []byte("hello"), N: 5, Remote: to}}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := a.Poll(batch); err != nil {
			if u, ok := errors.AsType[*udp.Unreachable](err); !ok || u.Remote != to {
				t.Errorf("unreachable: %v", err)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("not told that nobody is there")
}
