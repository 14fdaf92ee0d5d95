// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/udptest"
	"golang.org/x/sys/unix"
)

var (
	_ udp.Conn            = (*Fan)(nil)
	_ udp.OverflowCounter = (*Fan)(nil)
)

// A fan of one socket is a socket.
func TestFanIsAConn(t *testing.T) {
	udptest.RunOneSource(t, func(network, addr string) (udp.Conn, error) {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			at = netip.MustParseAddrPort("127.0.0.1:0")
		}
		return ListenFan(network, []netip.AddrPort{at})
	})
}

// fanOn opens a fan of n sockets.
func fanOn(t testing.TB, n int, addr func(i int) netip.AddrPort) *Fan {
	t.Helper()
	addrs := make([]netip.AddrPort, n)
	for i := range addrs {
		addrs[i] = addr(i)
	}
	f, err := ListenFan("udp", addrs)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func eachItsOwn(i int) netip.AddrPort { return netip.AddrPortFrom(loopback(i), 0) }

// A datagram leaves from the socket that is named and is received under that
// name, whether the name is the socket's address or stands for it.
func TestFanNames(t *testing.T) {
	for _, tt := range []struct {
		name, server string
		addr         func(i int) netip.AddrPort
		names        bool // are addresses
	}{
		{"each its own address", "127.0.0.1:0", eachItsOwn, true},
		{"one address", "127.0.0.1:0", func(int) netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:0") }, false},
		{"no address", "127.0.0.1:0", func(int) netip.AddrPort { return netip.MustParseAddrPort("0.0.0.0:0") }, false},
		{"one address of IPv6", "[::1]:0", func(int) netip.AddrPort { return netip.MustParseAddrPort("[::1]:0") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const sockets = 150
			f, server := fanOn(t, sockets, tt.addr), listen(t, "udp", tt.server)
			for i, name := range f.Names() {
				if own := name == f.Addrs()[i].Addr(); own != tt.names {
					t.Fatalf("socket %d on %v has the name %v", i, f.Addrs()[i], name)
				}
			}
			out := burst(sockets, 60, server.LocalAddr())
			for i := range out {
				out[i].Local = f.Names()[i]
			}
			if n, err := f.Send(out); n != sockets || err != nil {
				t.Fatalf("Send = %d, %v", n, err)
			}
			in := burst(sockets, 60, here)
			server.SetReadDeadline(time.Now().Add(5 * time.Second))
			for got := 0; got < sockets; {
				n, err := server.Recv(in[got:])
				if err != nil {
					t.Fatal(err)
				}
				for i := range in[got : got+n] {
					if at := in[got+i].Remote.Port(); at != f.Addrs()[got+i].Port() {
						t.Fatalf("datagram %d from %d, want %d", got+i, at, f.Addrs()[got+i].Port())
					}
				}
				got += n
			}
			rand.Shuffle(sockets, func(i, j int) { in[i], in[j] = in[j], in[i] })
			server.Send(in)
			seen := make(map[netip.Addr]bool)
			for _, d := range fanReceive(t, f, sockets) {
				if seen[d.Local] || d.Remote != server.LocalAddr() {
					t.Fatalf("answer from %v to %v", d.Remote, d.Local)
				}
				seen[d.Local] = true
			}
			for _, name := range f.Names() {
				if !seen[name] {
					t.Errorf("no answer to %v", name)
				}
			}
		})
	}
}

// fanReceive receives n datagrams.
func fanReceive(t *testing.T, f *Fan, n int) (all []udp.Datagram) {
	t.Helper()
	f.SetReadDeadline(time.Now().Add(5 * time.Second))
	for len(all) < n {
		in := burst(1+rand.IntN(100), 100, here)
		got, err := f.Recv(in)
		if err != nil {
			t.Fatalf("after %d of %d: %v", len(all), n, err)
		}
		all = append(all, in[:got]...)
	}
	return all
}

// However small the batches are, none of the sockets that have something is
// forgotten: more than one call to epoll_wait tells of.
func TestFanOneByOne(t *testing.T) {
	const sockets = 2*maxBatch + 20
	f, other := fanOn(t, sockets, eachItsOwn), listen(t, "udp4", "127.0.0.1:0")
	for _, at := range f.Addrs() {
		other.Send(burst(1, 10, at))
	}
	f.SetReadDeadline(time.Now().Add(5 * time.Second))
	for got := range sockets {
		if _, err := f.Recv(burst(1, 10, here)); err != nil {
			t.Fatalf("after %d of %d: %v", got, sockets, err)
		}
	}
}

// A socket with a full queue leaves room for the others in each batch, and
// nothing stays behind in any.
func TestFanTakesTurns(t *testing.T) {
	const much, sockets = 1000, 20
	f, other := fanOn(t, sockets, eachItsOwn), listen(t, "udp4", "127.0.0.1:0")
	other.Send(burst(much, 60, f.Addrs()[0]))
	for _, at := range f.Addrs()[1:] {
		other.Send(burst(2, 60, at))
	}
	all := fanReceive(t, f, much+2*(sockets-1))
	first := make(map[netip.Addr]int)
	for i, d := range all {
		if _, ok := first[d.Local]; !ok {
			first[d.Local] = i
		}
	}
	for name, at := range first {
		if at > 2*maxBatch {
			t.Errorf("%v waited for %d datagrams of others", name, at)
		}
	}
	if len(first) != sockets {
		t.Errorf("%d of %d sockets", len(first), sockets)
	}
}

// However the arrival of datagrams and the look at the sockets fall together, no
// datagram stays in a socket: it would not be announced again.
func TestFanOverlooksNothing(t *testing.T) {
	const sockets, rounds = 100, 200
	f := fanOn(t, sockets, eachItsOwn)
	var senders sync.WaitGroup
	for range 2 {
		other := listen(t, "udp4", "127.0.0.1:0")
		senders.Go(func() {
			for range rounds * sockets / 10 {
				for range rand.IntN(20) {
					other.Send(burst(1, 10, f.Addrs()[rand.IntN(sockets)]))
				}
				other.Send(burst(rand.IntN(20), 10, f.Addrs()[rand.IntN(sockets)]))
				runtime.Gosched()
			}
			for _, at := range f.Addrs() {
				last := burst(1, 4, at)
				copy(last[0].Buf, "last")
				other.Send(last)
			}
		})
	}
	defer senders.Wait()
	left := make(map[netip.Addr]int)
	for _, name := range f.Names() {
		left[name] = 2
	}
	in := burst(7, 10, here)
	f.SetReadDeadline(time.Now().Add(20 * time.Second))
	for len(left) > 0 {
		n, err := f.Recv(in)
		if err != nil {
			t.Fatalf("%d sockets have not been emptied: %v", len(left), err)
		}
		for i := range in[:n] {
			d := &in[i]
			if string(d.Payload()) != "last" {
				continue
			}
			if left[d.Local]--; left[d.Local] == 0 {
				delete(left, d.Local)
			}
		}
	}
	if lost := f.Overflows(); lost != 0 {
		t.Errorf("%d datagrams were dropped", lost)
	}
}

// An ICMP error has the name of its socket, and those of one socket do not hold
// up another.
func TestFanUnreachable(t *testing.T) {
	const sockets = 50
	f, gone, other := fanOn(t, sockets, eachItsOwn), listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	gone.Close()
	var out []udp.Datagram
	for _, name := range f.Names() {
		d := burst(1, 10, gone.LocalAddr())
		d[0].Local = name
		out = append(out, d[0])
	}
	if n, err := f.Send(out); n != sockets || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	other.Send(burst(1, 10, f.Addrs()[sockets-1]))
	left := make(map[netip.Addr]bool)
	for _, name := range f.Names() {
		left[name] = true
	}
	f.SetReadDeadline(time.Now().Add(5 * time.Second))
	for turn := 0; len(left) > 0; turn++ {
		n, err := f.Recv(burst(1, 10, here))
		if n == 1 {
			if turn > 4 { // its own first, which the kernel reports in its place
				t.Errorf("the datagram waited for %d errors", turn)
			}
			continue
		}
		var u *udp.Unreachable
		if !errors.As(err, &u) || u.Remote != gone.LocalAddr() || !left[u.Local] {
			t.Fatalf("Recv: %v, left are %d", err, len(left))
		}
		delete(left, u.Local)
	}
}

// The datagram that cannot be sent is the one that Send names.
func TestFanUnsendableIsNamed(t *testing.T) {
	f, server := fanOn(t, 3, eachItsOwn), listen(t, "udp4", "127.0.0.1:0")
	for _, tt := range []struct {
		name string
		bad  udp.Datagram
		want error
	}{
		{"no such socket", udp.Datagram{Local: here.Addr(), Remote: server.LocalAddr()}, unix.EADDRNOTAVAIL},
		{"no destination", udp.Datagram{Local: loopback(1)}, unix.EDESTADDRREQ},
		{"the other family", udp.Datagram{Local: loopback(1), Remote: netip.MustParseAddrPort("[::1]:1")}, unix.EAFNOSUPPORT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := burst(6, 10, server.LocalAddr())
			for i := range out {
				out[i].Local = loopback(i / 2)
			}
			out[3] = tt.bad
			if n, err := f.Send(out); n != 3 || !errors.Is(err, tt.want) {
				t.Errorf("Send = %d, %v, want 3, %v", n, err, tt.want)
			}
			if n, err := f.Send(out[4:]); n != 2 || err != nil {
				t.Errorf("Send = %d, %v", n, err)
			}
			server.SetReadDeadline(time.Now().Add(5 * time.Second))
			for range 5 {
				if _, err := server.Recv(burst(1, 10, here)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFanDoesNotAllocate(t *testing.T) {
	const sockets = 100
	f, server := fanOn(t, sockets, eachItsOwn), listen(t, "udp4", "0.0.0.0:0")
	out, in := burst(sockets, 60, netip.AddrPortFrom(loopback(0), server.LocalAddr().Port())), burst(sockets, 60, here)
	for i := range out {
		out[i].Local = f.Names()[i]
	}
	f.SetReadDeadline(time.Now().Add(10 * time.Second))
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n := testing.AllocsPerRun(50, func() {
		f.Send(out)
		for left := sockets; left > 0; {
			n, err := server.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			server.Send(in[:n])
			left -= n
		}
		for left := sockets; left > 0; {
			n, err := f.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			left -= n
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestListenFanRefuses(t *testing.T) {
	four, six := netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[::1]:0")
	taken := listen(t, "udp4", "127.0.0.1:0").LocalAddr()
	files, _ := os.ReadDir("/proc/self/fd")
	for _, tt := range []struct {
		name, network string
		addrs         []netip.AddrPort
	}{
		{"none", "udp", nil},
		{"no address", "udp", []netip.AddrPort{four, {}}},
		{"the other family", "udp4", []netip.AddrPort{four, six}},
		{"the other family", "udp6", []netip.AddrPort{six, four}},
		{"taken", "udp4", []netip.AddrPort{four, taken}},
		{"not ours", "udp4", []netip.AddrPort{four, here}},
	} {
		if f, err := ListenFan(tt.network, tt.addrs); f != nil || err == nil {
			t.Errorf("%s: %v, %v", tt.name, f, err)
		}
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(files) {
		t.Errorf("%d descriptors are left", len(after)-len(files))
	}
}

// The sockets are closed when nobody uses them any more, not before: their
// numbers may be somebody else's at once.
func TestFanCloses(t *testing.T) {
	files, _ := os.ReadDir("/proc/self/fd")
	server := listen(t, "udp4", "127.0.0.1:0")
	for range 20 {
		f := fanOn(t, 20, eachItsOwn)
		var loop sync.WaitGroup
		loop.Go(func() {
			out := burst(20, 10, server.LocalAddr())
			for i := range out {
				out[i].Local = f.Names()[i]
			}
			for {
				if _, err := f.Send(out); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					break
				}
			}
			if _, err := f.Recv(out); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		time.Sleep(time.Millisecond)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		loop.Wait()
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(files)+1 {
		t.Errorf("%d descriptors are left", len(after)-len(files)-1)
	}
}

// Poll never waits, has the errors and the datagrams that Recv has, and goes on
// after the deadline.
func TestFanPolls(t *testing.T) {
	f, other, gone := fanOn(t, 3, eachItsOwn), listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")
	gone.Close()
	poll := func(want int) error {
		t.Helper()
		in := burst(10, 100, here)
		n, err := f.Poll(in)
		for end := time.Now().Add(5 * time.Second); n < want && err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
			var more int // that the kernel has put off
			more, err = f.Poll(in[n:])
			n += more
		}
		if n != want {
			t.Errorf("Poll = %d, %v, want %d", n, err, want)
		}
		return err
	}
	f.SetReadDeadline(time.Unix(1, 0))
	poll(0)
	for _, at := range f.Addrs() {
		other.Send(burst(2, 10, at))
	}
	poll(6)
	if err := poll(0); err != nil {
		t.Error(err)
	}
	f.Send(burst(1, 10, gone.LocalAddr()))
	f.Watch().Await(5 * time.Second)
	other.Send(burst(1, 10, f.Addrs()[0]))
	var u *udp.Unreachable
	if err := poll(0); !errors.As(err, &u) || u.Local != f.Names()[0] {
		t.Error(err)
	}
	poll(1)
	in := burst(1, 10, here)
	if n := testing.AllocsPerRun(100, func() { f.Poll(in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	f.Close()
	if err := poll(0); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
