// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/echo"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A million clients must fit.
func TestClientSize(t *testing.T) {
	if n := unsafe.Sizeof(client{}) + unsafe.Sizeof(flight{}); n > 32 {
		t.Errorf("%d bytes a client beside its session", n)
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		prefixes []string
		total    uint64
		clients  int
		prefix24 int // of these clients
	}{
		{[]string{"127.0.0.0/8"}, 65535 * 254, 100_000, 65535},
		{[]string{"10.1.0.0/16"}, 255 * 254, 1000, 255},
		{[]string{"10.1.2.0/24"}, 254, 254, 1},
		{[]string{"10.1.2.0/30", "10.1.3.7/32"}, 3, 3, 2},
	} {
		var prefixes []netip.Prefix
		for _, p := range tt.prefixes {
			prefixes = append(prefixes, netip.MustParsePrefix(p))
		}
		book, err := newAddressBook(prefixes)
		if err != nil || book.total != tt.total {
			t.Fatalf("%v: %d addresses, %v", tt.prefixes, book.total, err)
		}
		seen, nets := map[netip.Addr]bool{}, map[netip.Prefix]bool{}
		for i := range tt.clients {
			a := book.at(i)
			if !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
				t.Fatalf("%v: %v is outside", tt.prefixes, a)
			}
			seen[a] = true
			p, _ := a.Prefix(24)
			nets[p] = true
		}
		if len(seen) != tt.clients || len(nets) != tt.prefix24 {
			t.Errorf("%v: %d addresses for %d clients, in %d prefixes", tt.prefixes, len(seen), tt.clients, len(nets))
		}
	}
	if _, err := newAddressBook([]netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}); err == nil {
		t.Error("an IPv6 prefix was taken")
	}
}

func TestPacer(t *testing.T) {
	const second = tick.Time(time.Second)
	p := newPacer(10*second, 4)
	for i, want := range []tick.Time{10 * second, 10*second + second/4, 10*second + second/2} {
		if got := p.next(99 * second); got != want {
			t.Errorf("the %d. is due at %d, want %d", i, got, want)
		}
		p.begun++
	}
	if n := p.overdue(12 * second); n != 6 { // 9 have been due, the one of this very moment among them
		t.Errorf("%d overdue", n)
	}
	if n := p.overdue(9 * second); n != 0 {
		t.Errorf("%d overdue before the beginning", n)
	}
	closed := newPacer(0, 0)
	if closed.next(7) != 7 || closed.overdue(7) != 0 {
		t.Error("a closed loop waits")
	}
}

// A distribution in steps keeps every count, in order, and no value is above the
// limit of its step.
func TestBuckets(t *testing.T) {
	h := newHistogram(histogramDigits)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		record(h, time.Duration(rng.ExpFloat64()*float64(time.Millisecond)))
	}
	record(h, time.Hour)
	l := summary(h)
	var sum uint64
	for i, b := range l.Buckets {
		sum += b.Count
		if i > 0 && b.Upto <= l.Buckets[i-1].Upto {
			t.Fatalf("bucket %d out of order", i)
		}
	}
	if sum != 10_001 || len(l.Buckets) > 200 || l.Buckets[len(l.Buckets)-1].Upto < l.Max {
		t.Errorf("%d counted in %d buckets, the last up to %v of %v", sum, len(l.Buckets), l.Buckets[len(l.Buckets)-1].Upto, l.Max)
	}
}

func TestOutgoing(t *testing.T) {
	r := Request{Path: "/a/b%20c?x=1&y", PayloadSize: 3, Method: coap.PUT}
	out, err := r.outgoing(Requests)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Options.Path(); got != "/a/b%20c" {
		t.Errorf("path %q", got)
	}
	if got := out.Options.Query(); !slices.Equal(got, []string{"x=1", "y"}) {
		t.Errorf("query %q", got)
	}
	if out.Code != coap.PUT || len(out.Payload) != 3 || out.Type != coap.Confirmable {
		t.Errorf("%+v", out)
	}
	for _, bad := range []Request{{Path: "/%zz"}, {Path: "/a", Options: out.Options}, {Weight: -1}} {
		if _, err := bad.outgoing(Requests); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// A still is a socket with nothing behind it: what is sent comes back.
type still struct {
	socket
	sent []byte // the first byte of each datagram
}

func (s *still) Send(batch []udp.Datagram) (int, error) {
	for i := range batch {
		s.sent = append(s.sent, batch[i].Buf[0])
	}
	return len(batch), nil
}

func (s *still) Recv(batch []udp.Datagram) (int, error) {
	n := min(len(batch), len(s.sent))
	for i := range n {
		batch[i].Buf[0], batch[i].N = s.sent[i], 1
	}
	s.sent = s.sent[n:]
	if n == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}

// Without loss each datagram arrives once, even if others overtake it; and the
// same seed does the same.
func TestAir(t *testing.T) {
	travel := func(cfg Config) (sent, received []byte) {
		s := &still{}
		a := newAir(s, &cfg, clock{time.Now().Add(-time.Hour)}, 0)
		batch := datagrams(4)
		for i := range byte(50) {
			for k := range batch {
				batch[k].Buf[0], batch[k].N = 4*i+byte(k), 1
			}
			if n, err := a.Send(batch); n != 4 || err != nil {
				t.Fatal(n, err)
			}
		}
		a.up.until = 0
		a.flush()
		sent = slices.Clone(s.sent)
		for {
			n, err := a.Recv(batch)
			for i := range n {
				received = append(received, batch[i].Buf[0])
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				if a.down.held.N == 0 {
					break
				}
				a.down.until = 0
			}
		}
		return sent, received
	}
	sent, received := travel(Config{Reorder: 0.2, Seed: 5})
	for what, got := range map[string][]byte{"sent": sent, "received": received} {
		if slices.IsSorted(got) {
			t.Errorf("%s in order", what)
		}
		got = slices.Clone(got)
		slices.Sort(got)
		if len(got) != 200 || len(slices.Compact(got)) != 200 {
			t.Errorf("%s: %d datagrams", what, len(got))
		}
	}
	again, _ := travel(Config{Reorder: 0.2, Seed: 5})
	if !slices.Equal(sent, again) {
		t.Error("the same seed reorders otherwise")
	}
	sent, received = travel(Config{Loss: 0.3, Seed: 5})
	if len(sent) < 110 || len(sent) > 170 || len(received) < 60 || len(received) >= len(sent) {
		t.Errorf("of 200 %d were sent and %d received", len(sent), len(received))
	}
}

// mallocs is how many allocations a run makes.
func mallocs(t *testing.T, cfg Config) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rep := generate(t, cfg)
	runtime.ReadMemStats(&after)
	if rep.Operations != cfg.Count {
		t.Fatalf("%d operations, failures %v", rep.Operations, rep.Failures)
	}
	return after.Mallocs - before.Mallocs
}

// Nothing is allocated for a request, nor for an echo: a run of many costs what
// one of few does.
func TestAllocations(t *testing.T) {
	conn, err := listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = echo.Serve(conn) }()
	defer conn.Close()
	s := serve(t)
	configs := map[string]Config{"coap": s.open(), "coaps": s.secured(), "echo": {
		Kind: Echo, Server: conn.LocalAddr(), Clients: 8, Mix: []Request{{PayloadSize: 60}},
	}}
	for name, cfg := range configs {
		cfg.Duration, cfg.Count = 0, 2000
		few := mallocs(t, cfg)
		cfg.Count = 22000
		if more := mallocs(t, cfg); float64(more)-float64(few) > 20000*0.02 {
			t.Errorf("%s: %d allocations in 2,000 operations, %d in 22,000", name, few, more)
		}
	}
}

// A duration survives being written and read, though it is written in
// microseconds.
func TestDurationJSON(t *testing.T) {
	for _, d := range []Duration{0, 1, 999, 4_132_864, 4_132_863, 1<<53 + 1<<10} {
		var back Duration
		if text, err := json.Marshal(d); err != nil || json.Unmarshal(text, &back) != nil || back != d {
			t.Errorf("%d: %s, %v, %d", d, text, err, back)
		}
	}
}
