// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// What Finished and CertificateVerify cover, a witness computes from the
// messages: whole, in order, with the headers of unfragmented messages and
// without the cookie exchange, however small the datagrams were.
//
// Proves rfc6347 §4.2.6: "Hash calculations include entire handshake messages,
// including DTLS-specific fields: message_seq, fragment_offset, and
// fragment_length. However, in order to remove sensitivity to handshake message
// fragmentation, the Finished MAC MUST be computed as if each handshake message
// had been sent as a single fragment. Note that in cases where the cookie
// exchange is used, the initial ClientHello and HelloVerifyRequest MUST NOT be
// included in the CertificateVerify or Finished MAC computations."
// Proves rfc6347 §4.2.1: "If HelloVerifyRequest is used, the initial
// ClientHello and HelloVerifyRequest are not included in the calculation of
// the handshake_messages (for the CertificateVerify message) and verify_data
// (for the Finished message)."
func TestFinishedCoversWholeMessages(t *testing.T) {
	for _, m := range modes() {
		for _, mtu := range []int{1232, 200} {
			var s *suite.Suite
			for _, other := range suite.All() {
				if m.serves(other) && other.FixedIVLen == 4 {
					s = other
				}
			}
			client, server := m.configs(s)
			client.MTU, server.MTU = mtu, mtu
			w, p := watch(t, client, server)
			if mtu == 200 && m.clientKey != nil && w.count.fragments <= len(w.said) {
				t.Errorf("%s: %d messages in %d fragments", m.name, len(w.said), w.count.fragments)
			}
			var before []byte
			for _, s := range w.said {
				before = append(before, s.raw...)
			}
			for i, label := range []string{"client finished", "server finished"} {
				finished := w.open(w.sealed[i])
				if want := w.prf(12, label, w.hash(before)); len(w.sealed) != 2 || !bytes.Equal(finished[12:], want) {
					t.Errorf("%s: %s is %x, want %x", m.name, label, finished[12:], want)
				}
				before = append(before, finished...)
			}
			if m.clientKey != nil {
				checkCertificateVerify(t, w, p)
			}
		}
	}
}

func checkCertificateVerify(t *testing.T, w *witness, p *pair) {
	t.Helper()
	var v wire.CertificateVerify
	verify, before := w.find(wire.HandshakeCertificateVerify)
	if v.Parse(verify.body()) != nil {
		t.Fatal("CertificateVerify does not parse")
	}
	certificate := &statement{}
	for i := range w.said {
		if w.said[i].fromClient && w.said[i].typ == wire.HandshakeCertificate {
			certificate = &w.said[i]
		}
	}
	key, r := hs.ParsePeerKey(certificate.body(), p.server.Facts().PeerCertType)
	if r != ReasonNone || !hs.Verify(key.Public, v.Scheme, before, v.Signature) {
		t.Errorf("CertificateVerify does not cover the messages before it: %v", r)
	}
}

// In the whole life of an association no record number is used twice in an
// epoch, and no epoch comes twice: through losses, retransmissions, refused
// renegotiation, data and the alert at the end.
//
// Proves rfc6347 §4.1: "In order to ensure that any given sequence/epoch pair
// is unique, implementations MUST NOT allow the same epoch value to be reused
// within two times the TCP maximum segment lifetime."
// Proves rfc6347 §4.2.1: "Subsequent ServerHellos will only be sent after the
// server has created state and MUST increment normally."
// Proves rfc6347 §4.2.2: "Note, however, that from the perspective of the DTLS
// record layer, the retransmission is a new record. This record will have a
// new DTLSPlaintext.sequence_number value."
// Pitfall W14, T14: numbers only grow
func TestRecordNumbersAreUnique(t *testing.T) {
	forEachMode(t, func(t *testing.T, m mode, s *suite.Suite) {
		type number struct {
			fromClient bool
			epoch      uint16
			sequence   uint64
		}
		seen := map[number]bool{}
		epoch := map[bool]uint16{}
		note := func(fromClient bool, d []byte) {
			for _, r := range cutRecords(t, d) {
				h, _ := wire.ParseRecordHeader(r)
				n := number{fromClient, h.Epoch, h.Sequence}
				if seen[n] || h.Epoch > 1 {
					t.Errorf("%+v is used twice, or too far", n)
				}
				seen[n] = true
				if h.Epoch > epoch[fromClient] {
					epoch[fromClient] = h.Epoch
				}
			}
		}
		client, server := m.configs(s)
		p := newPair(t, client, server)
		lost := map[bool]int{}
		gate := true // its answers have the number of the hello that they answer
		p.sent = func(fromClient bool, d []byte) bool {
			if gate && !fromClient {
				gate = false
				return true
			}
			note(fromClient, d)
			lost[fromClient]++
			return lost[fromClient]%3 != 2
		}
		p.establish()
		for range 5 {
			p.exchange()
			p.now = p.now.Add(30 * time.Second)
			p.client.Expire(p.now)
			p.server.Expire(p.now)
			for _, e := range []*peer{&p.client, &p.server} {
				d, err := e.Seal(nil, []byte("data"))
				if err != nil {
					t.Fatal(err)
				}
				note(e == &p.client, d)
			}
		}
		p.client.Close(p.now)
		p.server.Abort(p.now, ReasonInternal)
		for _, e := range []*peer{&p.client, &p.server} {
			for _, d := range p.take(e) {
				note(e == &p.client, d)
			}
		}
		if len(seen) < 20 || epoch[true] != 1 || epoch[false] != 1 {
			t.Errorf("%d records, epochs %v", len(seen), epoch)
		}
	})
}

// Data under the new keys waits for Finished, whatever the session was before.
//
// Proves rfc6347 §4.1: "In any other case, the implementation MUST wait for
// the receipt of the Finished message to prevent downgrade attack."
// Proves rfc6347 §4.1: "In particular, it is still impermissible to send data
// prior to completion of the first handshake."
func TestDataWaitsForFinished(t *testing.T) {
	for _, id := range []CipherSuite{pskSuite, rpkSuite} {
		p, u := newServerUnderTest(t, id)
		u.greet()
		if _, err := p.server.Seal(nil, []byte("early")); !errors.Is(err, ErrNotEstablished) {
			t.Errorf("%v: data before the handshake is complete: %v", id, err)
		}
		handshake := func(raw []byte) { u.send(u.record(0, wire.ContentHandshake, raw)) }
		if id == rpkSuite {
			handshake(u.certificate(u.key.SPKI))
		}
		handshake(u.clientKeyExchange())
		if id == rpkSuite {
			handshake(u.certificateVerify())
		}
		finished := u.finished()
		early := u.record(1, wire.ContentApplicationData, []byte("early"))
		last := u.record(1, wire.ContentHandshake, finished)
		u.changeCipherSpec()
		u.send(early)
		if len(p.server.data) != 0 {
			t.Errorf("%v: %q is delivered before Finished", id, p.server.data)
		}
		u.send(last)
		if !p.server.established || len(p.server.data) != 1 || string(p.server.data[0]) != "early" {
			t.Errorf("%v: after Finished %q, %v", id, p.server.data, p.serverErr())
		}
	}
}

// No record is larger than 2^14 bytes, whatever the network would take.
//
// Proves rfc6347 §4.1.1.1: "However, the upper layer protocol MUST NOT write
// any record that exceeds the maximum record size of 2^14 bytes."
// Proves rfc6347 §4.1.1.1: "The DTLS record layer SHOULD allow the upper layer
// protocol to discover the amount of record expansion expected by the DTLS
// processing."
func TestLargestRecord(t *testing.T) {
	for _, s := range suite.All() {
		if s.KeyExchange != suite.PSK {
			continue
		}
		cfg := func() *Config {
			return &Config{CipherSuites: []CipherSuite{s.ID}, Credentials: with(Credentials{PSK: true}), MTU: maxMTU}
		}
		p := newPair(t, cfg(), cfg())
		p.establish()
		if got := p.client.MaxPayload(); got != 1<<14 {
			t.Errorf("%s: payloads of %d", s.Name, got)
		}
		if _, err := p.client.Seal(nil, make([]byte, 1<<14+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: 2^14+1 bytes: %v", s.Name, err)
		}
		record, err := p.client.Seal(nil, make([]byte, 1<<14))
		if err != nil || len(record) != 1<<14+p.client.Overhead() {
			t.Errorf("%s: 2^14 bytes become %d, %v", s.Name, len(record), err)
		}
		p.deliver(true, record)
		if len(p.server.data) != 1 || len(p.server.data[0]) != 1<<14 {
			t.Errorf("%s: %d records arrive", s.Name, len(p.server.data))
		}
		p.client.SetMTU(1000)
		if got := p.client.MaxPayload(); got != 1000-p.client.Overhead() {
			t.Errorf("%s: payloads of %d in 1000 bytes with %d", s.Name, got, p.client.Overhead())
		}
	}
}

// There is no RC4, and no other cipher without authentication: not by
// configuration, and not by a server's choice.
//
// Proves rfc6347 §4.1.2.2: "RC4 MUST NOT be used with DTLS."
// Pitfall O10: suites without authentication or encryption do not exist here
func TestNoOtherCiphers(t *testing.T) {
	for _, id := range []CipherSuite{
		0x0004, 0x0005, 0x0018, 0x008a, 0xc002, 0xc007, 0xc00c, 0xc011, 0xc016, // RC4
		0x0000, 0x0002, 0x002c, 0xc006, 0xc010, // NULL
		0x0034, 0x006c, 0xc018, 0x00a6, // anonymous
		0x002f, 0xc009, 0xc013, 0xc035, 0x00ae, // CBC
	} {
		if _, err := NewClient(&Config{CipherSuites: []CipherSuite{id}, Credentials: with(Credentials{PSK: true, AcceptRawKeys: true}), Rand: testRand{}}, 0, ""); err == nil {
			t.Errorf("suite %#04x can be configured", uint16(id))
		}
		_, u := newClientUnderTest(t, pskSuite)
		hello := u.serverHello()
		hello.CipherSuite = id
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		checkAlert(t, id.String(), u, wire.AlertIllegalParameter)
	}
	for _, s := range suite.All() {
		if s.TagLen < 8 {
			t.Errorf("%s has a tag of %d bytes", s.Name, s.TagLen)
		}
	}
}

// testRand is no randomness.
type testRand struct{}

func (testRand) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Each session counts from zero: numbers that the session before had used up
// are new to the next.
//
// Proves rfc6347 §4.1.2.6: "The receiver packet counter for this session MUST
// be initialized to zero when the session is established."
// Proves rfc6347 §4.1: "Sequence numbers are maintained separately for each
// epoch, with each sequence_number initially being 0 for each epoch."
// Pitfall W21: nothing of a session is left in the next
func TestCountersBeginAtZero(t *testing.T) {
	psk := func() *Config { return &Config{Credentials: with(Credentials{PSK: true}), Rand: rand.Reader} }
	p := newPair(t, psk(), psk())
	p.establish()
	for range 200 {
		p.echo()
	}
	p.server = peer{key: []byte("0123456789abcdef")}
	p.restart(psk())
	p.establish()
	for i := range uint64(5) {
		record, err := p.client.Seal(nil, []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		// Finished was number 0.
		if h, _ := wire.ParseRecordHeader(record); h.Sequence != i+1 || h.Epoch != 1 {
			t.Errorf("record %d has number %d of epoch %d", i, h.Sequence, h.Epoch)
		}
		p.deliver(true, record)
		if len(p.server.data) != int(i)+1 {
			t.Errorf("record %d is not delivered", i)
		}
	}
}

// The version in a HelloVerifyRequest says nothing about the server's.
//
// Proves rfc6347 §4.2.1: "In particular, DTLS 1.2 clients MUST NOT assume that
// because the server uses version 1.0 in the HelloVerifyRequest that the
// server is not DTLS 1.2 or that it will eventually negotiate DTLS 1.0 rather
// than DTLS 1.2."
// Proves rfc6347 §5: "Clients MUST be prepared to do a cookie exchange with
// every handshake."
// Pitfall M9: the hello with the cookie is the first one in all but the cookie
func TestVersionOfHelloVerifyRequest(t *testing.T) {
	for _, version := range []Version{wire.VersionDTLS10, VersionDTLS12, wire.VersionDTLS13} {
		for range 3 {
			p, u := newClientUnderTest(t, pskSuite)
			first := heardBody(u, wire.HandshakeClientHello)
			cookie := wire.HelloVerifyRequest{Version: version, Cookie: []byte("cookie")}
			u.heard, u.transcript = nil, nil
			u.send(u.record(0, wire.ContentHandshake, rawMessage(wire.HandshakeHelloVerifyRequest, 0, cookie.Append(nil))))
			u.seq = 1
			second := heardBody(u, wire.HandshakeClientHello)
			var h wire.ClientHello
			if h.Parse(second) != nil || string(h.Cookie) != "cookie" || h.Version != VersionDTLS12 {
				t.Fatalf("%v: the client answers with %x", version, second)
			}
			if h.Cookie = nil; !bytes.Equal(h.Append(nil), first) {
				t.Errorf("%v: the hello has changed: %x and %x", version, first, second)
			}
			u.flight4()
			if u.flight6(); !p.client.established {
				t.Errorf("%v: %v, alerts %v", version, p.client.Err(), u.alerts)
			}
		}
	}
}

// At every size of datagram, each record and each fragment lies in one.
//
// Proves rfc6347 §4.2.3: "As noted in Section 4.1.1, each DTLS message MUST
// fit within a single transport layer datagram."
// Proves rfc6347 §4.1.1: "In order to avoid IP fragmentation, clients of the
// DTLS record layer SHOULD attempt to size records so that they fit within any
// PMTU estimates obtained from the record layer."
func TestFragmentsFitDatagrams(t *testing.T) {
	for mtu := minMTU; mtu < 1000; mtu += 61 {
		m := modes()[5] // two chains of certificates
		client, server := m.configs(nil)
		client.MTU, server.MTU = mtu, mtu
		p := newPair(t, client, server)
		p.sent = func(_ bool, d []byte) bool {
			if len(d) > mtu {
				t.Errorf("%d bytes where %d are allowed", len(d), mtu)
			}
			for _, r := range cutRecords(t, d) {
				h, _ := wire.ParseRecordHeader(r)
				for rest := r[wire.RecordHeaderLen:]; h.Epoch == 0 && h.Type == wire.ContentHandshake && len(rest) > 0; {
					f, ok := wire.ParseHandshakeHeader(rest)
					if !ok {
						t.Fatalf("MTU %d: half a fragment", mtu)
					}
					rest = rest[wire.HandshakeHeaderLen+int(f.FragmentLength):]
				}
			}
			return true
		}
		p.run()
		// A hello in pieces cannot be joined without state, and is dropped.
		pieces := p.gate.Counters()[hs.DropFragmentedHello] > 0
		if p.client.established == pieces || pieces && mtu > 300 {
			t.Errorf("MTU %d: hello in pieces %v, established %v", mtu, pieces, p.client.established)
		}
	}
}
