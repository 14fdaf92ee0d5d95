// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// nap puts one end to sleep and wakes it, in the same Session. It returns the
// length of what slept.
func (p *pair) nap(e *peer) int {
	p.t.Helper()
	counters := e.Counters()
	asleep, ok := e.Sleep(p.now, nil)
	if !ok {
		p.t.Fatalf("does not sleep: %v", e.State())
	}
	e.Wake(p.now, counters, asleep)
	return len(asleep)
}

// What a handshake has established is there after a sleep, in every mode, and
// so is all that a session can do.
func TestWakesAsItWas(t *testing.T) {
	forEachMode(t, func(t *testing.T, m mode, s *suite.Suite) {
		client, server := m.configs(s)
		server.RecordSizeLimit, client.RecordSizeLimit = 700, 600
		p := newPair(t, client, server)
		p.establish()
		export := func(e *peer) []byte {
			key, err := e.Export("EXPORTER-test", nil, 16)
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
		for range 3 {
			for _, e := range []*peer{&p.client, &p.server} {
				facts, key := *e.Facts(), export(e)
				limits := [3]int{e.MaxPayload(), e.Overhead(), facts.PeerMaxFragment}
				t.Logf("%d bytes", p.nap(e))
				if got := e.Facts(); !reflect.DeepEqual(*got, facts) {
					t.Errorf("facts were %+v\nand are %+v", facts, *got)
				}
				if !bytes.Equal(export(e), key) {
					t.Error("exports another key")
				}
				if got := [3]int{e.MaxPayload(), e.Overhead(), e.Facts().PeerMaxFragment}; got != limits {
					t.Errorf("limits were %v and are %v", limits, got)
				}
			}
			p.echo()
		}
	})
}

// What sleeps is gone from the session, and what was woken from the bytes: no
// nonce can come twice.
//
// Pitfall A1: a session that sleeps wakes once
func TestWakesOnce(t *testing.T) {
	p := established(t)
	s := p.server.Session
	before := []byte("before")
	asleep, ok := s.Sleep(p.now, slices.Clone(before))
	if !ok || !bytes.HasPrefix(asleep, before) {
		t.Fatalf("%v, %d bytes", ok, len(asleep))
	}
	if !reflect.DeepEqual(*s, Session{}) {
		t.Error("something is left in the session")
	}
	asleep = append(asleep[len(before):], "whatever follows"...)
	woken := new(Session)
	woken.Wake(p.now, p.gate.Counters(), asleep)
	if !bytes.Equal(asleep, make([]byte, len(asleep))) {
		t.Error("something is left in the bytes")
	}
	for _, b := range [][]byte{asleep, nil, []byte("not a session")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("woken from %.20q", b)
				}
			}()
			new(Session).Wake(p.now, p.gate.Counters(), b)
		}()
	}
	p.server.Session = woken
	p.echo()
}

// A session with something going on does not sleep, and does not suffer from
// the attempt.
func TestOnlyWhatRestsSleeps(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	refuse := func(what string, e *peer) {
		t.Helper()
		dst := []byte("dst")
		if got, ok := e.Sleep(p.now, dst); ok || string(got) != "dst" {
			t.Errorf("%s: sleeps", what)
		}
	}
	refuse("handshake, hello to send", &p.client)
	p.sent = func(fromClient bool, _ []byte) bool { return !fromClient || p.server.Session == nil }
	p.exchange()
	refuse("handshake, waiting", &p.client)
	refuse("handshake, waiting", &p.server)
	p.sent = nil
	for p.server.State() == Handshaking {
		p.now = tick.First(p.client.Deadline(), p.server.Deadline())
		p.client.Expire(p.now)
		p.server.Expire(p.now)
		for _, d := range p.take(&p.client) {
			p.deliver(true, d)
		}
		for _, d := range p.take(&p.server) {
			if p.deliver(false, d); p.server.established {
				break
			}
		}
	}
	p.exchange()
	if !p.client.established {
		t.Fatal("no session")
	}
	p.nap(&p.client)
	p.nap(&p.server)

	record, _ := p.client.Seal(nil, []byte("data"))
	p.server.Receive(p.now, record)
	refuse("a datagram to read", &p.server)
	p.pump(&p.server)
	p.nap(&p.server)

	p.server.Receive(p.now, sealAs(t, p.client.Session, wire.ContentHandshake, rawMessage(wire.HandshakeClientHello, 9, nil)))
	p.pump(&p.server)
	refuse("an alert to send", &p.server)
	if len(p.take(&p.server)) != 1 {
		t.Error("the alert is lost")
	}
	p.nap(&p.server)

	p.client.Close(p.now)
	refuse("closed, close_notify to send", &p.client)
	for _, d := range p.take(&p.client) {
		p.server.Receive(p.now, d)
		refuse("a close_notify to read", &p.server)
		p.pump(&p.server)
		refuse("closed by the peer", &p.server)
	}
	refuse("closed", &p.client)
}

// A new session sleeps only when its news is told and its last flight is sent.
func TestSleepsRightAfterTheHandshake(t *testing.T) {
	cfg := func() *Config {
		return &Config{Credentials: with(Credentials{PSK: true}), CipherSuites: []CipherSuite{pskSuite}}
	}
	p := newPair(t, cfg(), cfg())
	var flight5 [][]byte
	for i := 0; i < 10 && !p.client.established; i++ {
		for _, d := range p.take(&p.client) {
			if p.server.Session == nil {
				p.deliver(true, d)
				continue
			}
			flight5 = append(flight5, d)
			p.server.Receive(p.now, d)
			var ev Event
			for p.server.Next(p.now, &ev) {
				if ev.Kind == EventWantPSK {
					p.server.ProvidePSK(p.now, nil, p.server.key)
				}
				if _, ok := p.server.Sleep(p.now, nil); ok {
					t.Fatal("sleeps before it was asked for all its news")
				}
			}
		}
		for _, d := range p.take(&p.server) {
			p.deliver(false, d)
		}
	}
	if len(flight5) == 0 {
		t.Fatal("no flight 5")
	}
	p.nap(&p.server)
	p.nap(&p.client)
	p.echo()
}

// A session that sleeps while its last flight may still be asked for answers
// as one that does not, as long, and has no timer for it.
//
// Proves rfc6347 §4.2.4: "In addition, for at least twice the default MSL
// defined for [TCP], when in the FINISHED state, the node that transmits the
// last flight (the server in an ordinary handshake or the client in a resumed
// handshake) MUST respond to a retransmit of the peer's last flight with a
// retransmit of the last flight."
// Pitfall O6: the last flight outlives a sleep, and its record numbers go on
func TestLastFlightSleeps(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	var hello, last []byte
	p.sent = func(fromClient bool, d []byte) bool {
		if fromClient && p.server.Session == nil {
			hello = bytes.Clone(d)
		}
		if p.server.established && !fromClient {
			last = bytes.Clone(d)
			return false
		}
		return true
	}
	p.exchange()
	for range 3 {
		p.nap(&p.server)
		if !p.server.RepeatsHello(hello) {
			t.Error("the hello of this session is taken for another's")
		}
		p.now = p.client.Deadline()
		p.client.Expire(p.now)
		for _, d := range p.take(&p.client) {
			p.deliver(true, d)
		}
		again := p.take(&p.server)
		if len(again) == 0 {
			t.Fatal("the last flight is not sent again")
		}
		// Each record has a number that its epoch has not seen.
		for _, r := range cutRecords(t, bytes.Join(again, nil)) {
			h, _ := wire.ParseRecordHeader(r)
			for _, r := range cutRecords(t, last) {
				if old, _ := wire.ParseRecordHeader(r); old.Epoch == h.Epoch && h.Sequence <= old.Sequence {
					t.Errorf("record %+v after %+v", h, old)
				}
			}
		}
		last = bytes.Join(again, nil)
	}
	if p.server.Deadline() == tick.Never {
		t.Error("the flight is forgotten too early")
	}
	counters := p.server.Counters()
	asleep, ok := p.server.Sleep(p.now, nil)
	p.now = p.now.Add(defaultLastFlight)
	if !ok {
		t.Fatal("does not sleep")
	}
	p.server.Wake(p.now, counters, asleep)
	if p.server.Deadline() != tick.Never || p.server.RepeatsHello(hello) {
		t.Error("the flight is kept beyond its time")
	}
}

// Sleep is no way to try more forgeries, to have old records taken, or to use
// a key for longer.
//
// Proves rfc6347 §4.1.2.6: "The receive window is updated only if the MAC
// verification succeeds."
// Pitfall A8, A9: numbers, window and forgeries go on after a sleep
func TestSleepForgetsNoNumber(t *testing.T) {
	psk := with(Credentials{PSK: true})
	p := newPair(t, &Config{Credentials: psk}, &Config{Credentials: psk, MaxRecordFailures: 5, CipherSuites: []CipherSuite{pskSuite}})
	p.establish()
	var old [][]byte
	for range 200 {
		record, err := p.client.Seal(nil, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, record)
		if len(old)%3 == 0 {
			p.nap(&p.client)
		}
	}
	for i := range old {
		if i%2 == 0 {
			p.server.Receive(p.now, bytes.Clone(old[i]))
			p.pump(&p.server)
		}
	}
	p.nap(&p.server)
	got := len(p.server.data)
	for i, d := range old {
		p.server.Receive(p.now, bytes.Clone(d))
		p.pump(&p.server)
		// Those with an odd index are new, if they are in the window of 128.
		if want := got + b2i(i%2 == 1 && 198-i < 128); len(p.server.data) != want {
			t.Fatalf("record %d: %d received, want %d", i, len(p.server.data), want)
		}
		got = len(p.server.data)
	}
	for range 5 {
		forged, _ := p.client.Seal(nil, []byte("x"))
		forged[len(forged)-1] ^= 1
		p.nap(&p.server)
		p.server.Receive(p.now, forged)
		p.pump(&p.server)
	}
	if e := p.server.closed; e == nil || e.Reason != ReasonForgeryLimit {
		t.Errorf("after five forgeries: %v", e)
	}

	setWriteSequence(p.client.Session, 1<<23-1)
	p.nap(&p.client)
	if _, err := p.client.Seal(nil, nil); err != nil {
		t.Fatal(err)
	}
	p.nap(&p.client)
	if _, err := p.client.Seal(nil, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("beyond the key's budget: %v", err)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Clients can share their counters.
func TestClientsShareCounters(t *testing.T) {
	var shared Counters
	cfg := &Config{Credentials: with(Credentials{PSK: true}), Counters: &shared}
	p := newPair(t, cfg, &Config{Credentials: with(Credentials{PSK: true})})
	for n := range uint64(3) {
		p.restart(cfg)
		p.client.Receive(p.now, []byte("junk"))
		p.pump(&p.client)
		if shared[hs.DropMalformedRecord] != n+1 || p.client.Counters() != &shared {
			t.Fatalf("%d counted, want %d", shared[hs.DropMalformedRecord], n+1)
		}
	}
}

// A session that sleeps is small, and leaves nothing for the collector to
// look through.
//
// Pitfall O16: what a sleeping session needs, by mode
func TestSleepingSessionMemory(t *testing.T) {
	k := testKeys()
	limits := map[string]int{"PSK": 300, "RPK mutual": 400}
	forEachMode(t, func(t *testing.T, m mode, s *suite.Suite) {
		limit := limits[m.name]
		if limit == 0 {
			limit = 400 + 3 + len(k.chain(k.rsa).DER[0]) + 3 + len(k.ca.Raw)
		}
		client, server := m.configs(suite.ByID(smallest(s.KeyExchange)))
		p := newPair(t, client, server)
		p.client.identity = []byte("device-00001")
		p.establish()
		fresh := p.nap(&p.server)
		p.echo()
		used := p.nap(&p.server)
		t.Logf("%d bytes after the handshake, %d when its last flight has arrived, %d for the client", fresh, used, p.nap(&p.client))
		if fresh > limit || used > fresh {
			t.Errorf("limit %d", limit)
		}
		if limit > 400 {
			return // the heap is measured with what is most often there
		}
		const sessions = 10_000
		first, _ := p.server.Sleep(p.now, nil)
		kept := make([][]byte, sessions)
		before := liveHeap()
		for i := range kept {
			kept[i] = slices.Clone(first)
		}
		each := int(liveHeap()-before) / sessions
		t.Logf("%d bytes of heap", each)
		if each > limit {
			t.Errorf("%d bytes of heap, limit %d", each, limit)
		}
		runtime.KeepAlive(kept)
	})
}

// smallest is the suite of a kind that devices use most: CCM_8, if there is one.
func smallest(kx suite.KeyExchange) CipherSuite {
	best := suite.All()[0]
	for _, s := range suite.All() {
		if s.KeyExchange == kx && (best.KeyExchange != kx || s.TagLen <= best.TagLen) {
			best = s
		}
	}
	return best.ID
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Sleep allocates nothing if there is room, and Wake no more than facts need:
// one piece.
func TestSleepAllocatesLittle(t *testing.T) {
	p := established(t)
	counters, buf := p.server.Counters(), make([]byte, 0, 1024)
	p.echo()
	p.nap(&p.server)
	if n := testing.AllocsPerRun(100, func() {
		asleep, ok := p.server.Sleep(p.now, buf)
		if !ok {
			t.Fatal("does not sleep")
		}
		p.server.Wake(p.now, counters, asleep)
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// A server's session goes to sleep and wakes.
func BenchmarkSleepWake(b *testing.B) {
	benchmarkSleep(b, func(*pair, []byte) {})
}

// It goes to sleep, wakes, opens a record and seals one, for which it expands
// its keys. The client, awake, does the same.
func BenchmarkSleepWakeEcho(b *testing.B) {
	var ev Event
	pass := func(p *pair, from, to *Session, buf []byte) {
		record, _ := from.Seal(buf, []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
		to.Receive(p.now, record)
		for to.Next(p.now, &ev) {
		}
	}
	benchmarkSleep(b, func(p *pair, buf []byte) {
		pass(p, p.client.Session, p.server.Session, buf)
		pass(p, p.server.Session, p.client.Session, buf)
	})
}

func benchmarkSleep(b *testing.B, use func(p *pair, buf []byte)) {
	for _, m := range modes() {
		if m.name != "PSK" && m.name != "RPK mutual" && m.name != "X.509 mutual" {
			continue
		}
		b.Run(m.name, func(b *testing.B) {
			client, server := m.configs(suite.ByID(smallest(m.suites[0])))
			p := newPair(b, client, server)
			p.establish()
			p.echo()
			counters, buf := p.server.Counters(), make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				asleep, _ := p.server.Sleep(p.now, buf)
				p.server.Wake(p.now, counters, asleep)
				use(p, buf)
			}
		})
	}
}

// summary is what two runs of one story can be compared by.
func summary(f *Facts) string {
	chain := 0
	for _, c := range f.PeerChain {
		chain += len(c.Raw)
	}
	return fmt.Sprintf("%v %v %v %v %v %v %q %q %v %d %d %d", f.Version, f.CipherSuite, f.Group, f.SignatureScheme, f.LocalSignatureScheme,
		f.PeerCertType, f.ServerName, f.PSKIdentity, f.PSKHint == nil, len(f.PeerRawKey), chain, f.PeerMaxFragment)
}
