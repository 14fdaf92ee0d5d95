// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// gateTest is a gate and a hello for it.
type gateTest struct {
	*Gate
	t     testing.TB
	now   tick.Time
	hello wire.ClientHello
	reply [128]byte
}

func newGateTest(t testing.TB) *gateTest {
	g, err := NewGate(&Config{Credentials: with(Credentials{PSK: true}), Rand: rand.Reader}, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := wire.ClientExtensions{ExtendedMasterSecret: true, Present: wire.ExtExtendedMasterSecret.Bit()}
	return &gateTest{Gate: g, t: t, hello: wire.ClientHello{
		Version: VersionDTLS12, Random: bytes.Repeat([]byte{7}, 32), Compression: []byte{0},
		CipherSuites: wire.ListOf([]CipherSuite{pskSuite}), Extensions: e.Append(nil),
	}}
}

// datagram is the hello in a record.
func (g *gateTest) datagram(recordSeq uint64, messageSeq uint16) []byte {
	return plainRecord(wire.ContentHandshake, 0, recordSeq, rawMessage(wire.HandshakeClientHello, messageSeq, g.hello.Append(nil)))
}

// screen shows the gate a datagram from an address.
func (g *gateTest) screen(remote netip.AddrPort, datagram []byte) Screening {
	return g.Screen(g.now, remote, datagram, g.reply[:])
}

// cookie asks for a cookie from an address.
func (g *gateTest) cookie(remote netip.AddrPort) []byte {
	g.t.Helper()
	g.hello.Cookie = nil
	s := g.screen(remote, g.datagram(0, 0))
	if s.Reply == 0 || s.Session != nil || s.Drop != hs.DropNoCookie {
		g.t.Fatalf("screening %+v, want a HelloVerifyRequest", s)
	}
	_, m, request := g.parseReply(s.Reply)
	if m.Type != wire.HandshakeHelloVerifyRequest || len(request.Cookie) != cookieLen {
		g.t.Fatalf("answer %v with a cookie of %d bytes", m.Type, len(request.Cookie))
	}
	return bytes.Clone(request.Cookie)
}

func (g *gateTest) parseReply(n int) (r wire.RecordHeader, m wire.HandshakeHeader, v wire.HelloVerifyRequest) {
	g.t.Helper()
	r, ok := wire.ParseRecordHeader(g.reply[:n])
	m, ok2 := wire.ParseHandshakeHeader(g.reply[wire.RecordHeaderLen:n])
	if !ok || !ok2 || v.Parse(g.reply[wire.RecordHeaderLen+wire.HandshakeHeaderLen:n]) != nil {
		g.t.Fatalf("answer %x cannot be read", g.reply[:n])
	}
	return r, m, v
}

var otherAddr = netip.MustParseAddrPort("192.0.2.2:5684")

// A cookie lets in who returns it, with the same hello from the same address.
//
// Proves rfc6347 §4.2.1: "When responding to a HelloVerifyRequest, the client
// MUST use the same parameter values (version, random, session_id,
// cipher_suites, compression_method) as it did in the original ClientHello."
// Pitfall O20, T11, A12: the cookie changes with the address, the port and every parameter of the hello
// Pitfall O27: a wrong cookie is answered like none
// Pitfall W3: no path leads to a session without the proof of the address
// Pitfall M9: a second hello with another version, session or anything else is a first one
func TestCookieIsBound(t *testing.T) {
	g := newGateTest(t)
	cookie := g.cookie(testAddr)
	g.hello.Cookie = cookie
	if s := g.screen(testAddr, g.datagram(1, 1)); s.Session == nil || s.Reply != 0 {
		t.Fatalf("screening %+v, want a session", s)
	}
	changes := map[string]func(h *wire.ClientHello){
		"cookie":      func(h *wire.ClientHello) { h.Cookie = bytes.Clone(h.Cookie); h.Cookie[15] ^= 1 },
		"random":      func(h *wire.ClientHello) { h.Random = bytes.Repeat([]byte{8}, 32) },
		"session ID":  func(h *wire.ClientHello) { h.SessionID = []byte{1} },
		"suites":      func(h *wire.ClientHello) { h.CipherSuites = append(bytes.Clone(h.CipherSuites), 0, 0xff) },
		"compression": func(h *wire.ClientHello) { h.Compression = []byte{0, 1} },
		"extensions":  func(h *wire.ClientHello) { h.Extensions = append(bytes.Clone(h.Extensions), 0x12, 0x34, 0, 0) },
		"version":     func(h *wire.ClientHello) { h.Version = wire.VersionDTLS13 },
	}
	original := g.hello
	for name, change := range changes {
		g.hello = original
		change(&g.hello)
		if s := g.screen(testAddr, g.datagram(1, 1)); s.Session != nil || s.Reply == 0 || s.Drop != hs.DropBadCookie {
			t.Errorf("other %s: screening %+v, want a new HelloVerifyRequest", name, s)
		}
	}
	g.hello = original
	for _, remote := range []netip.AddrPort{otherAddr, netip.AddrPortFrom(testAddr.Addr(), 1)} {
		if s := g.screen(remote, g.datagram(1, 1)); s.Session != nil || s.Drop != hs.DropBadCookie {
			t.Errorf("from %v: screening %+v, want a new HelloVerifyRequest", remote, s)
		}
	}
}

// Every cookie of a wrong length or content is as good as none.
//
// Proves rfc6347 §4.2.1: "If a server receives a ClientHello with an invalid
// cookie, it SHOULD treat it the same as a ClientHello with no cookie."
// Pitfall T7, M3: cookies of 0 to 255 bytes that are not ours
// Pitfall T8: no error path lets a hello in
func TestWrongCookies(t *testing.T) {
	g := newGateTest(t)
	cookie := g.cookie(testAddr)
	for n := range 256 {
		g.hello.Cookie = append(bytes.Clone(cookie), make([]byte, 256)...)[:n]
		s := g.screen(testAddr, g.datagram(1, 1))
		if (s.Session != nil) != (n == cookieLen) || s.Reply == 0 && s.Session == nil {
			t.Errorf("cookie of %d bytes: screening %+v", n, s)
		}
	}
}

// Cookies age: one is good for at least one period and for at most two.
//
// Pitfall A12, T11: a cookie collected earlier is worth nothing later
func TestCookieExpires(t *testing.T) {
	for _, test := range []struct {
		asked, shown time.Duration
		want         bool
	}{
		{0, 0, true},
		{0, 29 * time.Second, true},
		{0, 31 * time.Second, true}, // made with the key before
		{29 * time.Second, 31 * time.Second, true},
		{29 * time.Second, 58 * time.Second, true},
		{0, 61 * time.Second, false},
		{0, 200 * time.Second, false},
		{0, 48 * time.Hour, false},
	} {
		g := newGateTest(t)
		g.now = g.now.Add(test.asked)
		g.hello.Cookie = g.cookie(testAddr)
		hello := g.hello
		// Others come and go meanwhile.
		for at := test.asked; at < test.shown; at += 10 * time.Second {
			g.now = tick.Time(at)
			g.cookie(otherAddr)
		}
		g.hello, g.now = hello, tick.Time(test.shown)
		if s := g.screen(testAddr, g.datagram(1, 1)); (s.Session != nil) != test.want {
			t.Errorf("asked at %v, shown at %v: session %v, want %v", test.asked, test.shown, s.Session != nil, test.want)
		}
	}
	// A gate that nobody visits for a long time does not keep an old key.
	g := newGateTest(t)
	g.hello.Cookie = g.cookie(testAddr)
	g.now = g.now.Add(70 * time.Second)
	if s := g.screen(testAddr, g.datagram(1, 1)); s.Session != nil {
		t.Error("a cookie of 70 s ago is accepted by a gate that slept")
	}
	// Two gates, as before and after a restart, have different keys.
	if bytes.Equal(newGateTest(t).cookie(testAddr), newGateTest(t).cookie(testAddr)) {
		t.Error("two gates make the same cookie")
	}
}

// The HelloVerifyRequest repeats the numbers of the hello, so that no two of
// them are the same record and none needs memory.
//
// Proves rfc6347 §4.2.1: "In order to avoid sequence number duplication in
// case of multiple HelloVerifyRequests, the server MUST use the record
// sequence number in the ClientHello as the record sequence number in the
// HelloVerifyRequest."
// Pitfall T13: the number of a first hello is not remembered
// Pitfall P14: message_seq continues through any number of cookies
func TestVerifyRequestRepeatsNumbers(t *testing.T) {
	g := newGateTest(t)
	for _, n := range []struct {
		record  uint64
		message uint16
	}{{0, 0}, {5, 0}, {5, 0}, {3, 1}, {1<<48 - 1, 7}} {
		s := g.screen(testAddr, g.datagram(n.record, n.message))
		r, m, v := g.parseReply(s.Reply)
		if r.Sequence != n.record || r.Epoch != 0 || m.MessageSeq != n.message || v.Version != wire.VersionDTLS10 {
			t.Errorf("hello %+v answered with %+v %+v", n, r, m)
		}
	}
}

// The session's first record has the number of the hello with the cookie, its
// first message too, and both go on from there.
//
// Proves rfc6347 §4.2.1: "In order to avoid sequence number duplication in
// case of multiple cookie exchanges, the server MUST use the record sequence
// number in the ClientHello as the record sequence number in its initial
// ServerHello."
// Proves rfc6347 §4.2.1: "Subsequent ServerHellos will only be sent after the
// server has created state and MUST increment normally."
// Pitfall O22: the ServerHello has the record sequence number of the hello with the cookie
func TestServerHelloContinues(t *testing.T) {
	g := newGateTest(t)
	g.hello.Cookie = g.cookie(testAddr)
	s := g.screen(testAddr, g.datagram(9, 3)).Session
	var ev Event
	buf := make([]byte, 2000)
	// Each of the flight's messages, ServerHello and ServerHelloDone, has a record.
	for _, want := range []uint64{9, 11} {
		for s.Next(g.now, &ev) {
			t.Fatalf("event %v", ev.Kind)
		}
		n := s.Transmit(g.now, buf)
		r, _ := wire.ParseRecordHeader(buf[:n])
		m, _ := wire.ParseHandshakeHeader(buf[wire.RecordHeaderLen:n])
		if r.Sequence != want || m.Type != wire.HandshakeServerHello || m.MessageSeq != 3 {
			t.Errorf("record %+v, message %+v, want record sequence %d, ServerHello 3", r, m, want)
		}
		for s.Transmit(g.now, buf) > 0 {
		}
		g.now = s.Deadline()
		s.Expire(g.now)
	}
}

// Whatever comes from an unproven address, the answer is not larger.
//
// Pitfall E3, L8: bytes out never exceed bytes in before the address is proven
func FuzzGate(f *testing.F) {
	g := newGateTest(f)
	f.Add(g.datagram(0, 0))
	old := g.hello
	g.hello.Version = wire.VersionDTLS10
	f.Add(g.datagram(0, 0))
	g.hello = old
	g.hello.Cookie = make([]byte, 16)
	f.Add(g.datagram(1, 1))
	f.Add(plainRecord(wire.ContentChangeCipherSpec, 0, 0, ccsContent))
	f.Add(plainRecord(wire.ContentAlert, 1, 0, []byte{2, 40}))
	f.Add(plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeClientHello, 0, nil)))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		s := g.screen(testAddr, datagram)
		if s.Session != nil {
			t.Fatal("a session without a cookie of the gate")
		}
		if s.Reply > len(datagram) {
			t.Fatalf("%d bytes answered with %d", len(datagram), s.Reply)
		}
		if s.Drop == hs.DropNone || s.Reply > 0 && !IsClientHello(datagram) {
			t.Fatalf("screening %+v", s)
		}
	})
}

// What is no hello is not answered, and a hello that is cut short anywhere,
// padded or in pieces is none.
//
// Pitfall T1: ChangeCipherSpec from an unknown peer is silent
// Pitfall T2, W18: a hello in another epoch than 0 is none
// Pitfall T4: a cookie is computed over a hello that was read in full, and over nothing else
// Pitfall T15: the checks are in the parser
func TestGateIgnoresTheRest(t *testing.T) {
	g := newGateTest(t)
	hello := g.datagram(0, 0)
	check := func(name string, datagram []byte, want Drop) {
		t.Helper()
		if s := g.screen(testAddr, datagram); s.Reply != 0 || s.Session != nil || s.Drop != want {
			t.Errorf("%s: screening %+v, want drop %v", name, s, want)
		}
		if IsClientHello(datagram) {
			t.Errorf("%s is taken for a hello", name)
		}
	}
	for n := range hello {
		check("prefix", hello[:n], hs.DropNotHello)
		// With the lengths mended, so that the record is whole.
		if n > wire.RecordHeaderLen {
			short := bytes.Clone(hello[:n])
			binary.BigEndian.PutUint16(short[11:], uint16(n-wire.RecordHeaderLen))
			check("short record", short, hs.DropMalformedHello)
		}
	}
	check("ChangeCipherSpec", plainRecord(wire.ContentChangeCipherSpec, 0, 0, ccsContent), hs.DropNotHello)
	check("alert", plainRecord(wire.ContentAlert, 0, 0, []byte{2, 40}), hs.DropNotHello)
	check("ServerHello", plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeServerHello, 0, make([]byte, 38))), hs.DropNotHello)
	check("epoch 1", plainRecord(wire.ContentHandshake, 1, 0, hello[wire.RecordHeaderLen:]), hs.DropNotHello)
	check("length 0", plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeClientHello, 0, nil)), hs.DropMalformedHello)
	check("two messages", plainRecord(wire.ContentHandshake, 0, 0, append(hello[wire.RecordHeaderLen:], hello[wire.RecordHeaderLen:]...)), hs.DropMalformedHello)
	tls := bytes.Clone(hello)
	tls[1], tls[2] = 3, 3
	check("TLS record", tls, hs.DropNotHello)
	tls = bytes.Clone(hello)
	tls[wire.RecordHeaderLen+wire.HandshakeHeaderLen] = 3
	check("TLS hello", tls, hs.DropMalformedHello)
	half := wire.HandshakeHeader{Type: wire.HandshakeClientHello, Length: 100, FragmentLength: 50}
	check("fragment", plainRecord(wire.ContentHandshake, 0, 0, append(half.Append(nil), make([]byte, 50)...)), hs.DropFragmentedHello)
}

// A client that speaks nothing later than DTLS 1.0 is told so, once per
// hello, without state.
func TestDTLS10IsRefused(t *testing.T) {
	g := newGateTest(t)
	g.hello.Version = wire.VersionDTLS10
	s := g.screen(testAddr, g.datagram(4, 0))
	want := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 4, 0, 2, 2, 70}
	if s.Session != nil || s.Drop != hs.DropVersion || !bytes.Equal(g.reply[:s.Reply], want) {
		t.Errorf("screening %+v, answer %x, want protocol_version", s, g.reply[:s.Reply])
	}
	// Later versions than ours are served with ours.
	g.hello.Version = wire.VersionDTLS13
	g.cookie(testAddr)
}

// A hundred thousand hellos from as many addresses leave nothing behind.
//
// Pitfall P11, L8: 100,000 spoofed hellos, and the heap and the goroutines are as before
// Pitfall P12: nothing runs for a peer without a cookie, so nothing is sent again
// Pitfall L9: a burst of hellos, identical ones too
func TestGateKeepsNothing(t *testing.T) {
	g := newGateTest(t)
	datagram := g.datagram(0, 0)
	addr := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(i)|1)
	}
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		if s := g.screen(addr(i), datagram); s.Session != nil || s.Reply == 0 {
			t.Fatalf("screening %+v", s)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > 1000 {
		t.Errorf("%d allocations for 100,000 hellos", n)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, before there were %d", n, goroutines)
	}
	if got := g.Counters()[hs.DropNoCookie]; got != 100_000 {
		t.Errorf("counted %d", got)
	}
}

func TestGateAllocatesNothing(t *testing.T) {
	g := newGateTest(t)
	cookieless := g.datagram(0, 0)
	g.hello.Cookie = make([]byte, cookieLen)
	wrong := g.datagram(1, 1)
	noise := plainRecord(wire.ContentApplicationData, 1, 1, make([]byte, 40))
	for name, datagram := range map[string][]byte{"no cookie": cookieless, "wrong cookie": wrong, "noise": noise} {
		if n := testing.AllocsPerRun(200, func() { g.screen(testAddr, datagram) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// An answer is not sent if the caller gave no room for it.
func TestGateWithoutRoom(t *testing.T) {
	g := newGateTest(t)
	if s := g.Screen(0, testAddr, g.datagram(0, 0), nil); s.Reply != 0 {
		t.Errorf("answer of %d bytes in no buffer", s.Reply)
	}
	if g.Counters()[hs.DropAnswerTooLarge] != 1 {
		t.Error("not counted")
	}
}

func BenchmarkGateHelloWithoutCookie(b *testing.B) {
	g := newGateTest(b)
	datagram := g.datagram(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		g.screen(testAddr, datagram)
	}
}

// Ten thousand copies of the hello from which a session began bring one more
// flight at most, and the address can begin anew when the session is over.
//
// Pitfall L9: copies of a hello in a burst, with the end of the session in the middle
func TestBurstOfHellos(t *testing.T) {
	g := newGateTest(t)
	g.hello.Cookie = g.cookie(testAddr)
	datagram := g.datagram(1, 1)
	s := g.screen(testAddr, datagram).Session
	buf := make([]byte, 2000)
	sent := 0
	burst := func(n int) {
		var ev Event
		for range n {
			if !IsClientHello(datagram) || s.State() == Handshaking && !s.RepeatsHello(datagram) {
				t.Fatal("a copy is not recognised")
			}
			s.Receive(g.now, bytes.Clone(datagram))
			for s.Next(g.now, &ev) {
			}
			for n := s.Transmit(g.now, buf); n > 0; n = s.Transmit(g.now, buf) {
				sent++
			}
		}
	}
	var ev Event
	for s.Next(g.now, &ev) {
	}
	burst(5000)
	if sent != 1 {
		t.Errorf("%d datagrams for copies at one time, want the first flight alone", sent)
	}
	g.now = g.now.Add(time.Second / 2)
	burst(5000)
	if sent != 2 {
		t.Errorf("%d datagrams, want one more", sent)
	}
	s.Close(g.now)
	burst(5000)
	if sent != 3 {
		t.Errorf("%d datagrams, want close_notify and no more", sent)
	}
	if g.screen(testAddr, datagram).Session == nil {
		t.Error("the address cannot begin anew")
	}
}
