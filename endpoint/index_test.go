// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coaps-go/coaps/internal/slab"
	"pgregory.net/rapid"
)

func testKey(i int) key {
	var z zones
	k, _ := z.key(netip.AddrPortFrom(address(i).Addr(), uint16(i%7)), crowdServer, true)
	return k
}

// An index is compared with a map.
func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, s := newIndex(), slab.New[slot](math.MaxInt32)
		want := map[key]uint32{}
		for range rapid.IntRange(1, 500).Draw(t, "steps") {
			k := testKey(rapid.IntRange(0, 300).Draw(t, "key"))
			i := x.find(&s, &k)
			if i != want[k] {
				t.Fatalf("found %d, want %d", i, want[k])
			}
			if i != 0 {
				x.remove(&s, i)
				s.Free(i)
				delete(want, k)
				continue
			}
			i, _ = s.Alloc()
			s.At(i).key = k
			x.insert(&s, i)
			want[k] = i
		}
		if int(x.Len()) != len(want) {
			t.Fatalf("%d entries, want %d", x.Len(), len(want))
		}
		for k, i := range want {
			if got := x.find(&s, &k); got != i {
				t.Fatalf("found %d, want %d", got, i)
			}
		}
	})
}

// A million come, in a million steps of which each is short, and go.
func TestIndexOfAMillion(t *testing.T) {
	const entries = 1_000_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	x, s := newIndex(), slab.New[slot](math.MaxInt32)
	longest := time.Duration(0)
	timed := func(f func()) {
		began := threadTime()
		f()
		longest = max(longest, threadTime()-began)
	}
	for n := range entries {
		i, _ := s.Alloc()
		s.At(i).key = testKey(n)
		timed(func() { x.insert(&s, i) })
	}
	chain, most := 0, 0
	for b := range x.Chains() {
		chain = 0
		for i := *x.Head(b); i != 0; i = s.At(i).chain {
			chain++
		}
		most = max(most, chain)
	}
	t.Logf("the longest insertion took %v, the longest chain has %d entries, %d buckets", longest, most, x.Chains())
	if most > 20 || x.Chains() != entries || longest > 20*time.Millisecond {
		t.Error("that is too much")
	}
	random := rand.New(rand.NewPCG(1, 2))
	order := random.Perm(entries)
	for _, n := range order {
		k := testKey(n)
		i := x.find(&s, &k)
		if i == 0 || s.At(i).key != k {
			t.Fatalf("entry %d is not found", n)
		}
		x.remove(&s, i)
		s.Free(i)
		if x.find(&s, &k) != 0 {
			t.Fatalf("entry %d is still found", n)
		}
	}
	if x.Len() != 0 || s.Used() != 0 {
		t.Errorf("%d entries are left", x.Len())
	}
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{100, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, s := newIndex(), slab.New[slot](math.MaxInt32)
			for j := range n {
				i, _ := s.Alloc()
				s.At(i).key = testKey(j)
				x.insert(&s, i)
			}
			k := testKey(n / 2)
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				x.find(&s, &k)
			}
		})
	}
}

// A key gives back the addresses it was made of.
func TestKeys(t *testing.T) {
	var z zones
	seen := map[key]string{}
	for _, remote := range []string{"192.0.2.1:5684", "192.0.2.1:5683", "[2001:db8::1]:5684", "[fe80::1%eth0]:5684", "[fe80::1%eth1]:5684", "[fe80::1]:5684"} {
		for _, local := range []string{"", "198.51.100.7", "2001:db8::2", "fe80::2%eth1", "fe80::2%lo"} {
			r, l := netip.MustParseAddrPort(remote), netip.Addr{}
			if local != "" {
				l = netip.MustParseAddr(local)
			}
			k, ok := z.key(r, l, true)
			if !ok || z.remote(&k) != r || z.local(&k) != l || k.anyLocal() != (local == "") {
				t.Errorf("%s, %s: %v, %v", remote, local, z.remote(&k), z.local(&k))
			}
			if other, taken := seen[k]; taken {
				t.Errorf("%s, %s has the key of %s", remote, local, other)
			}
			seen[k] = remote + local
		}
	}
	mapped, _ := z.key(netip.MustParseAddrPort("[::ffff:192.0.2.1]:5684"), netip.MustParseAddr("::"), true)
	if plain, _ := z.key(netip.MustParseAddrPort("192.0.2.1:5684"), netip.MustParseAddr("0.0.0.0"), true); mapped != plain || !plain.anyLocal() {
		t.Errorf("%x and %x", mapped, plain)
	}
}

// Zones are bounded; those told apart go on.
func TestZonesAreBounded(t *testing.T) {
	n := newNetwork(t)
	server := n.server("[fe80::5%eth0]:5683", nil, Limits{})
	for i := range 400 {
		n.inject(netip.MustParseAddrPort(fmt.Sprintf("[fe80::1%%if%d]:1", i)), server, []byte{0x50, 1, 0, 1})
	}
	got := server.Stats()
	if got.PlainPeers != maxZones-1 || got.Drops[DropZone] != 400-maxZones+1 || got.Requests != maxZones-1 {
		t.Errorf("%d peers, %d dropped", got.PlainPeers, got.Drops[DropZone])
	}
	n.inject(netip.MustParseAddrPort("[fe80::1%if0]:2"), server, []byte{0x50, 1, 0, 1})
	if got := server.Stats().Requests; got != maxZones {
		t.Errorf("%d requests", got)
	}
	if _, err := server.Connect(n.now, netip.MustParseAddrPort("[fe80::1%other]:1"), netip.Addr{}, nil, ""); err == nil {
		t.Error("Connect to one zone more")
	}
}

// One remote address has a peer for each local one; one that was connected
// without a local address is found by any.
func TestPairsOfAddresses(t *testing.T) {
	n := newNetwork(t)
	client := n.client("198.51.100.2:40000")
	server := address(9)
	local := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, byte(i)}) }
	for i := range 3 {
		l := netip.Addr{}
		if i > 0 {
			l = local(i)
		}
		id, err := client.Connect(n.now, server, l, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Connect(n.now, server, l, nil, ""); err != ErrInUse {
			t.Errorf("the pair again: %v", err)
		}
		if _, err := client.Ping(n.now, id); err != nil {
			t.Fatal(err)
		}
		if !client.Transmit(n.now, &n.buf) || n.buf.Remote != server || n.buf.Local != l {
			t.Errorf("sent from %v to %v", n.buf.Local, n.buf.Remote)
		}
		for _, from := range []netip.Addr{local(i), local(3 - i), local(77), {}} {
			n.buf.Local = from
			want := id
			if i > 0 && from != local(i) {
				continue
			}
			if at := client.find(server, from); at != want.index {
				t.Errorf("%v, %v finds %d, want %d", server, from, at, want.index)
			}
		}
		if i == 0 {
			continue
		}
		n.buf.Local = l
		client.SendFailed(n.now, &n.buf, true)
		client.drain()
		client.want(t, "disconnected refused")
		if client.Remote(id).IsValid() {
			t.Error("the peer of another local address has gone")
		}
	}
	if got := client.Stats().PlainPeers; got != 1 {
		t.Errorf("%d peers", got)
	}
}
