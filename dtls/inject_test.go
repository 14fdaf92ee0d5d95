// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// plainRecord is a record without protection, whatever its epoch.
func plainRecord(t wire.ContentType, epoch uint16, seq uint64, content []byte) []byte {
	h := wire.RecordHeader{Type: t, Version: VersionDTLS12, Epoch: epoch, Sequence: seq, Length: len(content)}
	return append(h.Append(nil), content...)
}

// established is a pair after its handshake, in the mode with raw public keys.
func established(t testing.TB) *pair {
	k := testKeys()
	p := newPair(t,
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})},
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true})})
	p.establish()
	return p
}

// snapshot is what an unauthenticated record must not change.
func snapshot(e *peer) string {
	return fmt.Sprint(e.State(), e.Err(), e.Deadline(), len(e.data), e.closed, e.MaxPayload(), *e.Facts())
}

// silently delivers a datagram to an end, and fails the test if that is
// anything but a counted drop.
func (p *pair) silently(e *peer, datagram []byte) {
	p.t.Helper()
	before, drops := snapshot(e), e.Counters().Total()
	e.Receive(p.now, bytes.Clone(datagram))
	p.pump(e)
	if n := e.Transmit(p.now, p.buf); n != 0 {
		p.t.Fatalf("record %x is answered with %x", datagram, p.buf[:n])
	}
	if after := snapshot(e); after != before {
		p.t.Fatalf("record %x changes\n%s to\n%s", datagram, before, after)
	}
	if e.Counters().Total() == drops {
		p.t.Fatalf("record %x is not counted", datagram)
	}
}

// After the handshake nothing that is not authentic does anything, whatever
// its type, epoch, number and length; and the session still works.
//
// Proves rfc6347 §4.1.2.7: "Unlike TLS, DTLS is resilient in the face of
// invalid records (e.g., invalid formatting, length, MAC, etc.). In general,
// invalid records SHOULD be silently discarded, thus preserving the
// association; however, an error MAY be logged for diagnostic purposes."
// Pitfall P1, P9, P10, W1, W2, W7, O26: every type and epoch, valid, short and long bodies: silent and counted
// Pitfall T3, O17: epochs 2 to 65535 and sequence number 2^48-1 leave the window where it was
// Pitfall O3, O4: bodies of 0 to nonce plus tag bytes, and any bad record, look alike: nothing
func TestInjectionIsSilent(t *testing.T) {
	p := established(t)
	bodies := [][]byte{nil, {1}, {2, 40}, {1, 0}, make([]byte, 7), make([]byte, 8), make([]byte, 15), make([]byte, 16), make([]byte, 17), make([]byte, 300)}
	for typ := range 25 {
		h := wire.HandshakeType(typ)
		bodies = append(bodies, rawMessage(h, 0, nil), rawMessage(h, 9, make([]byte, 12)))
	}
	for _, e := range []*peer{&p.client, &p.server} {
		for typ := range 256 {
			for _, epoch := range []uint16{0, 1, 2, 3, 255, math.MaxUint16} {
				for _, seq := range []uint64{0, 1, 1000, wire.MaxSequence} {
					body := bodies[(typ+int(seq%7)+int(epoch))%len(bodies)]
					p.silently(e, plainRecord(wire.ContentType(typ), epoch, seq, body))
				}
			}
		}
		for _, body := range bodies {
			for _, typ := range []wire.ContentType{20, 21, 22, 23} {
				for epoch := range uint16(3) {
					p.silently(e, plainRecord(typ, epoch, 77, body))
				}
			}
		}
		p.echo()
	}
}

// A datagram of noise is counted, and a good record among bad ones is taken.
//
// Proves rfc6347 §4.1.1: "Multiple DTLS records may be placed in a single
// datagram. They are simply encoded consecutively."
// Pitfall M6: a good record after a bad one in one datagram counts
func TestGoodRecordAmongBadOnes(t *testing.T) {
	p := established(t)
	good := func(s string) []byte {
		r, err := p.client.Seal(nil, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	bad := good("forged")
	bad[len(bad)-1] ^= 1
	oldVersion := good("version")
	oldVersion[2] = 0xff
	datagram := bytes.Join([][]byte{
		plainRecord(wire.ContentAlert, 0, 1, []byte{2, 10}), good("one"), bad, oldVersion,
		plainRecord(wire.ContentApplicationData, 7, 1, []byte("x")), good("two"), plainRecord(99, 1, 5, []byte("y")), good("three"), {1, 2, 3},
	}, nil)
	p.server.Receive(p.now, datagram)
	p.pump(&p.server)
	if got := fmt.Sprintf("%s", p.server.data); got != "[one two three]" {
		t.Errorf("received %s", got)
	}
	p.silently(&p.server, []byte{22})
	p.silently(&p.server, bytes.Repeat([]byte{0xff}, 1400))
}

// Records come once, in any order within the window, and only to the other
// side.
//
// Proves rfc6347 §4.1.2.6: "For each received record, the receiver MUST verify
// that the record contains a sequence number that does not duplicate the
// sequence number of any other record received during the life of this
// session."
// Pitfall A9: replay and reflection of records are silent
func TestReplayAndReflection(t *testing.T) {
	p := established(t)
	var records [][]byte
	for i := range 100 {
		r, err := p.client.Seal(nil, []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	for i := len(records) - 1; i >= 0; i-- {
		p.server.Receive(p.now, bytes.Clone(records[i]))
		p.pump(&p.server)
	}
	if len(p.server.data) != 100 {
		t.Fatalf("received %d records of 100 in reverse order", len(p.server.data))
	}
	for _, r := range records {
		p.silently(&p.server, r)
		p.silently(&p.client, r)
	}
	p.echo()
}

// Every byte of a record is covered.
func TestTamperedRecords(t *testing.T) {
	p := established(t)
	r, err := p.client.Seal(nil, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r {
		for _, bit := range []byte{1, 0x80} {
			tampered := bytes.Clone(r)
			tampered[i] ^= bit
			p.silently(&p.server, tampered)
		}
	}
	p.server.Receive(p.now, r)
	p.pump(&p.server)
	if len(p.server.data) != 1 {
		t.Error("the genuine record is no longer accepted")
	}
}

// Too many forgeries end a session, without a word to whoever sends them.
//
// Pitfall S9, A8: a bounded number of records may fail to authenticate
func TestForgeryBudget(t *testing.T) {
	psk := with(Credentials{PSK: true})
	p := newPair(t, &Config{Credentials: psk}, &Config{Credentials: psk, MaxRecordFailures: 5})
	p.establish()
	for i := range 5 {
		if p.server.State() != Established {
			t.Fatalf("session is over after %d forgeries", i)
		}
		p.server.Receive(p.now, plainRecord(wire.ContentApplicationData, 1, uint64(i+100), make([]byte, 40)))
		p.pump(&p.server)
	}
	if p.server.closed == nil || p.server.closed.Reason != ReasonForgeryLimit || p.server.closed.Sent {
		t.Fatalf("session ended with %v", p.server.closed)
	}
	if n := p.server.Transmit(p.now, p.buf); n != 0 {
		t.Errorf("forgeries are answered with %x", p.buf[:n])
	}
	if _, err := p.server.Seal(nil, []byte("x")); err != ErrClosed {
		t.Errorf("seal after the end: %v", err)
	}
}

// Data that comes before Finished waits, in bounds, and is delivered after it
// in order of arrival.
//
// Proves rfc6347 §4.1: "Until the handshake has completed, implementations
// MUST accept packets from the old epoch."
// Pitfall O13: application data between ChangeCipherSpec and Finished waits for Finished
// Pitfall O2, O14: what is kept of the next epoch is bounded, repetitions too, and gone afterwards
func TestEarlyData(t *testing.T) {
	_, u := newServerUnderTest(t, pskSuite)
	p := u.p
	u.greet()
	handshake := func(raw []byte) { u.send(u.record(0, wire.ContentHandshake, raw)) }
	data := func(s string) { u.send(u.record(1, wire.ContentApplicationData, []byte(s))) }
	handshake(u.clientKeyExchange())
	data("one")
	u.changeCipherSpec()
	data("two")
	again := u.record(1, wire.ContentApplicationData, []byte("three"))
	u.send(again, again, again)
	if len(p.server.data) != 0 || p.server.established {
		t.Fatal("data is delivered before Finished")
	}
	u.send(u.record(1, wire.ContentHandshake, u.finished()))
	if got := fmt.Sprintf("%s", p.server.data); got != "[one two three]" || !p.server.established {
		t.Fatalf("delivered %s", got)
	}
	if p.server.Counters()[hs.DropReplay] != 2 {
		t.Errorf("repetitions counted: %d", p.server.Counters()[hs.DropReplay])
	}

	// A flood is cut off, and the handshake completes all the same.
	_, u = newServerUnderTest(t, pskSuite)
	u.greet()
	u.derive()
	for i := range 1000 {
		u.p.deliver(true, plainRecord(wire.ContentApplicationData, 1, uint64(1000+i), make([]byte, 1000)))
	}
	if n := u.p.server.Counters()[hs.DropEarlyFull]; n < 990 {
		t.Errorf("%d of 1000 records refused", n)
	}
	u.schedule = nil
	handshake = func(raw []byte) { u.send(u.record(0, wire.ContentHandshake, raw)) }
	handshake(u.clientKeyExchange())
	u.changeCipherSpec()
	u.send(u.record(1, wire.ContentHandshake, u.finished()))
	if !u.p.server.established {
		t.Errorf("handshake failed: %v", u.p.serverErr())
	}
}

// A session that is over takes nothing, sends nothing and keeps no key.
//
// Pitfall P17: after a refused peer no Seal succeeds
func TestNothingAfterTheEnd(t *testing.T) {
	p := established(t)
	late, err := p.client.Seal(nil, []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	p.server.Close(p.now)
	farewell := p.take(&p.server)
	if len(farewell) != 1 {
		t.Fatalf("%d datagrams say goodbye", len(farewell))
	}
	p.server.Receive(p.now, late)
	p.pump(&p.server)
	if len(p.server.data) != 0 || p.server.Transmit(p.now, p.buf) != 0 || p.server.closed != nil {
		t.Error("a closed session still does something")
	}
	if _, err := p.server.Seal(nil, nil); err != ErrClosed {
		t.Errorf("Seal: %v", err)
	}
	if _, err := p.server.Export("EXPORTER-x", nil, 8); err != ErrClosed {
		t.Errorf("Export: %v", err)
	}
	if p.server.Authenticates(late) {
		t.Error("a closed session still has its keys")
	}
	p.client.Receive(p.now, farewell[0])
	p.pump(&p.client)
	if p.client.closed == nil || p.client.closed.Reason != ReasonPeerClosed {
		t.Errorf("client: %v", p.client.closed)
	}
}
