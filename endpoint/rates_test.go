// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A rate lets through what it says, and a second's worth at once.
func TestRate(t *testing.T) {
	for _, perSecond := range []int{1, 3, 1000, 1_000_000} {
		r := newRate(perSecond)
		now := tick.Time(0)
		take := func() (n int) {
			for n < 2_000_000 && r.take(now) {
				n++
			}
			return n
		}
		if got := take(); got != perSecond {
			t.Errorf("%d a second: a burst of %d", perSecond, got)
		}
		total := 0
		for range 100 {
			now = now.Add(100 * time.Millisecond)
			total += take()
		}
		if want := 10 * perSecond; total < want-1 || total > want+want/1000+1 {
			t.Errorf("%d a second: %d in ten", perSecond, total)
		}
		now = now.Add(time.Hour)
		if got := take(); got != perSecond {
			t.Errorf("%d a second: a burst of %d after an hour", perSecond, got)
		}
	}
	none := newRate(-1)
	for range 1_000_000 {
		if !none.take(0) {
			t.Fatal("no limit refuses")
		}
	}
}

// Prefixes have rates of their own, IPv4-mapped addresses those of IPv4.
func TestPrefixRates(t *testing.T) {
	drops := new([NumDrops]uint64)
	r := newRates(&Limits{PrefixHandshakeRate: 10, HandshakeRate: -1, AnswerRate: -1}, drops)
	begin := func(addr string) (n int) {
		for range 30 {
			if r.Begin(0, netip.MustParseAddr(addr)) {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct {
		addr string
		want int
	}{
		{"192.0.2.1", 10}, {"192.0.2.200", 0}, {"::ffff:192.0.2.7", 0}, {"192.0.3.1", 10},
		{"2001:db8::1", 10}, {"2001:db8::ffff:1:2:3", 0}, {"2001:db8:0:ff::1", 0}, {"2001:db8:0:100::1", 10},
		{"fe80::1%eth0", 10}, {"fe80::2%eth1", 0},
	} {
		if got := begin(tt.addr); got != tt.want {
			t.Errorf("%s: %d begun, want %d", tt.addr, got, tt.want)
		}
	}
	if drops[DropPrefixHandshakeRate] != 10*30-50 || drops[DropHandshakeRate] != 0 {
		t.Errorf("%d refused", drops[DropPrefixHandshakeRate])
	}
}

// Few of the prefixes that are in use at once meet in both rows: what a flood
// from a thousand of them does to others is small.
func TestPrefixesRarelyMeet(t *testing.T) {
	r := newRates(&Limits{PrefixHandshakeRate: 1, HandshakeRate: -1, AnswerRate: -1}, new([NumDrops]uint64))
	refused := 0
	for i := range 1000 {
		for !r.Begin(0, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})) {
			refused++
			break
		}
	}
	if refused > 40 { // (1000/8192)² of 1000 are 15
		t.Errorf("%d of 1000 prefixes are refused for others", refused)
	}
}

// flood makes as many ClientHellos with a good cookie as are asked for, each
// from its own address.
func (n *network) flood(server *party, from, count int) {
	for i := from; i < from+count; i++ {
		s, err := dtls.NewClient(pskConfig(byte(i)), n.now, "")
		if err != nil {
			n.t.Fatal(err)
		}
		var ev dtls.Event
		buf := make([]byte, 2048)
		for range 2 {
			n.inject(address(i), server, buf[:s.Transmit(n.now, buf)])
			for server.Transmit(n.now, &n.buf) {
				if n.buf.Remote == address(i) {
					s.Receive(n.now, n.buf.Payload())
					for s.Next(n.now, &ev) {
					}
				}
			}
		}
	}
}

// Pitfall L1: handshakes from addresses that are proved are bounded per second,
// in all and for each prefix, before they cost memory
func TestHandshakeRates(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		drop   Drop
	}{
		{Limits{HandshakeRate: 20}, DropHandshakeRate},
		{Limits{PrefixHandshakeRate: 20}, DropPrefixHandshakeRate},
	} {
		n := newNetwork(t)
		server := n.server("192.0.2.1:5684", pskConfig(1), tt.limits)
		server.keys["device"] = key1
		server.hold = true
		n.flood(server, 0, 100)
		got := server.Stats()
		if got.HalfOpen != 20 || got.Drops[tt.drop] != 80 || server.slots.Used() != 20 {
			t.Errorf("%v: %d half-open, %d refused, %d slots", tt.drop, got.HalfOpen, got.Drops[tt.drop], server.slots.Used())
		}
		// Who is refused tries again, and is let in as soon as there is room.
		server.hold = false
		good := n.client(address(200).String())
		good.keys["device"] = key1
		good.connect(server, pskConfig(3))
		good.want(t)
		n.sleep(10 * time.Second)
		good.want(t, "connected")
		other := n.client("172.16.0.1:1")
		other.keys["device"] = key1
		other.connect(server, pskConfig(4))
		other.want(t, "connected")
		n.sleep(2 * time.Minute)
		server.clear(t, 2)
	}
}

// Pitfall P11: answers to strangers are bounded per second, those to hellos with
// a good cookie are not among them
func TestAnswerRate(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{AnswerRate: 50})
	server.keys["device"] = key1
	client := n.client("203.0.113.66:1")
	if _, err := client.Connect(n.now, server.addr, netip.Addr{}, pskConfig(2), ""); err != nil {
		t.Fatal(err)
	}
	hello := client.tapAll()[0]
	answers := 0
	in := udp.Datagram{Buf: make([]byte, 2048), Local: server.addr.Addr()}
	for i := range 1000 {
		in.N, in.Remote = copy(in.Buf, hello), address(i)
		server.Receive(n.now, &in)
		answers += len(server.tapAll())
	}
	if got := server.Stats(); answers != 50 || got.Drops[DropAnswerRate] != 950 {
		t.Errorf("%d answers, %d refused", answers, got.Drops[DropAnswerRate])
	}
	n.now = n.now.Add(time.Second)
	good := n.client("198.51.100.2:40000")
	good.keys["device"] = key1
	good.connect(server, pskConfig(3))
	good.want(t, "connected")

	plain := n.server("192.0.2.1:5683", nil, Limits{AnswerRate: 5})
	for i := range 20 {
		n.inject(address(i), plain, []byte{0x40, 0, 0, 1})
	}
	if got := plain.tapAll(); len(got) != 5 || plain.Stats().Drops[DropAnswerRate] != 15 {
		t.Errorf("%d resets", len(got))
	}
}

// BenchmarkStranger is what a datagram costs that changes nothing: of a flood of
// hellos within AnswerRate and beyond it, with a forged cookie, of junk.
func BenchmarkStranger(b *testing.B) {
	client := newCrowd(b, pskConfig(1), pskConfig(2), Limits{})
	s, err := dtls.NewClient(client.client, client.now, "")
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 2048)
	hello := buf[:s.Transmit(client.now, buf)]
	for _, bm := range []struct {
		name     string
		rate     int
		datagram []byte
	}{
		{"hello/answered", -1, hello}, {"hello/refused", 1, hello}, {"junk", -1, make([]byte, 60)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := newCrowd(b, pskConfig(1), pskConfig(2), Limits{})
			c.server.rates.answers = newRate(bm.rate)
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				c.in.N, c.in.Remote = copy(c.in.Buf, bm.datagram), address(i)
				c.server.Receive(c.now, &c.in)
				c.server.Transmit(c.now, &c.out)
			}
		})
	}
}
