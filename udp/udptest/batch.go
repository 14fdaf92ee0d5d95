// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package udptest

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/udp"
)

// What is sent arrives as it was: as many datagrams, each with its own size,
// in order, at the one it was for. Runs of equal sizes, which a socket may send
// as one, come with neighbours that must not be joined to them.
func (s suite) batchKeepsOrderAndBounds(t *testing.T) {
	client, a, b := s.local(t), s.local(t), s.local(t)
	for _, tt := range []struct {
		name  string
		sizes []int // of the datagrams to a; a negative one is for b
	}{
		{"one", []int{60}},
		{"empty", []int{0}},
		{"empty ones between", []int{10, 0, 10, 0, 0, 10}},
		{"equal", []int{1024, 1024, 1024, 1024}},
		{"shorter at the end", []int{100, 100, 100, 1}},
		{"shorter in the middle", []int{100, 100, 1, 100, 100}},
		{"longer", []int{100, 100, 101, 101, 102}},
		{"rising and falling", []int{1, 2, 3, 2, 1, 1}},
		{"two destinations", []int{50, -50, -50, 50, 50, -50}},
		{"more than one call takes", slices.Repeat([]int{20}, 150)},
		{"more than one packet holds", slices.Repeat([]int{1232}, 70)},
		{"large", []int{9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var batch []udp.Datagram
			for i, size := range tt.sizes {
				remote := a.LocalAddr()
				if size < 0 {
					remote, size = b.LocalAddr(), -size
				}
				batch = append(batch, to(remote, strings.Repeat(string(rune('A'+i%50)), size)))
			}
			send(t, client, batch...)
			checkArrived(t, client, batch, a, b)
		})
	}
}

// checkArrived receives what was sent from client at each of the servers.
func checkArrived(t *testing.T, client udp.Conn, sent []udp.Datagram, servers ...udp.Conn) {
	t.Helper()
	for _, server := range servers {
		var want []udp.Datagram
		for _, d := range sent {
			if d.Remote.Port() == server.LocalAddr().Port() {
				want = append(want, d)
			}
		}
		for i, got := range recvAll(t, server, len(want)) {
			if !bytes.Equal(got.Payload(), want[i].Payload()) || got.Remote.Port() != client.LocalAddr().Port() {
				t.Fatalf("datagram %d of %d at %v: %d bytes from %v, want %d from %v",
					i, len(want), server.LocalAddr(), got.N, got.Remote, want[i].N, client.LocalAddr())
			}
		}
	}
}

// Batches of any make-up: several destinations of both families, several
// sources, sizes that often repeat.
func (s suite) randomBatches(t *testing.T) {
	client := s.listen(t, "udp", ":0")
	servers := []udp.Conn{s.local(t), s.listen(t, "udp", ":0"), s.listen(t, "udp6", "[::1]:0")}
	remotes := []netip.AddrPort{servers[0].LocalAddr(), loopback(servers[1]), servers[2].LocalAddr()}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 100 {
		var batch []udp.Datagram
		size, dest := 0, 0
		for range r.IntN(100) + 1 {
			if r.IntN(4) == 0 {
				size = r.IntN(1400)
			}
			if r.IntN(4) == 0 {
				dest = r.IntN(len(remotes))
			}
			d := to(remotes[dest], strings.Repeat(string(rune(r.IntN(128))), size))
			if r.IntN(2) == 0 {
				d.Local = remotes[dest].Addr() // the loopback's own
			}
			batch = append(batch, d)
		}
		send(t, client, batch...)
		checkArrived(t, client, batch, servers...)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
}

// A datagram larger than its buffer is cut off, and does not spill into the
// next.
func (s suite) shortBufferCutsOff(t *testing.T) {
	client, server := s.local(t), s.local(t)
	send(t, client, to(server.LocalAddr(), "too long"), to(server.LocalAddr(), "fits"), to(server.LocalAddr(), "x"))
	storage := []byte("................")
	batch := []udp.Datagram{{Buf: storage[:4:4]}, {Buf: storage[8:12:12]}, {}}
	for got := 0; got < len(batch); {
		n, err := server.Recv(batch[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if batch[0].N != 4 || batch[1].N != 4 || batch[2].N != 0 || string(storage) != "too ....fits...." {
		t.Errorf("%d, %d and %d bytes, %q in storage", batch[0].N, batch[1].N, batch[2].N, storage)
	}
}

// A datagram that cannot be sent is the one that Send names; those before it
// are sent, and those after it can be.
func (s suite) unsendableIsNamed(t *testing.T) {
	server := s.local(t)
	good := to(server.LocalAddr(), "good")
	for _, tt := range []struct {
		name string
		bad  udp.Datagram
	}{
		{"too large", to(server.LocalAddr(), strings.Repeat("x", udp.MaxDatagram+1))},
		{"no destination", udp.Datagram{Buf: []byte("x"), N: 1}},
		{"the other family", to(netip.MustParseAddrPort("[::1]:5683"), "x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := s.local(t)
			batch := []udp.Datagram{good, good, tt.bad, good, tt.bad, tt.bad, good}
			for _, want := range []int{2, 1, 0} {
				n, err := client.Send(batch)
				if n != want || err == nil {
					t.Fatalf("Send = %d, %v, want %d and an error", n, err, want)
				}
				batch = batch[n+1:]
			}
			send(t, client, batch...)
			recvAll(t, server, 4)
		})
	}
	t.Run("largest", func(t *testing.T) {
		send(t, s.local(t), to(server.LocalAddr(), strings.Repeat("x", udp.MaxDatagram)))
		batch := buffers(1, udp.MaxDatagram)
		if _, err := server.Recv(batch); err != nil || batch[0].N != udp.MaxDatagram {
			t.Errorf("%d bytes, %v", batch[0].N, err)
		}
	})
}

func (s suite) nothingToDo(t *testing.T) {
	c := s.local(t)
	if n, err := c.Send(nil); n != 0 || err != nil {
		t.Errorf("Send = %d, %v", n, err)
	}
	if n, err := c.Recv(nil); n != 0 || err != nil {
		t.Errorf("Recv = %d, %v", n, err)
	}
}

func (s suite) noAllocs(t *testing.T) {
	onlyLinux(t, "has control messages that do not allocate")
	for _, tt := range []struct {
		name, network, addr string
		batch               int
	}{
		{"both families", "udp", ":0", 1},
		{"IPv4", "udp4", ":0", 1},
		{"one address", "udp", "127.0.0.1:0", 1},
		{"batch", "udp", ":0", 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, client := s.listen(t, tt.network, tt.addr), s.listen(t, tt.network, tt.addr)
			out, in := buffers(tt.batch, 100), buffers(tt.batch, 100)
			for i := range out {
				out[i].N, out[i].Remote = 60, loopback(server)
			}
			if n := testing.AllocsPerRun(100, func() { roundTrip(client, server, out, in) }); n != 0 {
				t.Errorf("a round trip allocates %v times", n)
			}
		})
	}
	if mine, ok := linkLocal(); ok {
		server, client := s.listen(t, "udp6", "[::]:0"), s.listen(t, "udp6", "[::]:0")
		out, in := buffers(1, 100), buffers(1, 100)
		out[0].N, out[0].Remote = 60, netip.AddrPortFrom(mine, server.LocalAddr().Port())
		if n := testing.AllocsPerRun(100, func() { roundTrip(client, server, out, in) }); n != 0 {
			t.Errorf("a round trip between link-local addresses allocates %v times", n)
		}
	}
}

// roundTrip sends out to the server, which sends it back as it came.
func roundTrip(client, server udp.Conn, out, in []udp.Datagram) {
	client.Send(out)
	for left := len(out); left > 0; {
		n, err := server.Recv(in[:left])
		if err != nil {
			return
		}
		server.Send(in[:n])
		left -= n
	}
	for left := len(out); left > 0; {
		n, err := client.Recv(in[:left])
		if err != nil {
			return
		}
		left -= n
	}
}
