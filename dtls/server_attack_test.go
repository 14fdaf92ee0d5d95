// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// permutations calls f with every order of 0 to n-1.
func permutations(n int, f func(order []int)) {
	var extend func(order []int)
	extend = func(order []int) {
		if len(order) == n {
			f(slices.Clone(order))
			return
		}
		for i := range n {
			if !slices.Contains(order, i) {
				extend(append(order, i))
			}
		}
	}
	extend(nil)
}

// The parts of a client's flight 5.
const (
	partCertificate = iota
	partKeyExchange
	partVerify
	partCCS
	partFinished
	numParts
)

// part sends one part of flight 5 with the next message_seq.
func (u *puppet) part(i int) {
	handshake := func(raw []byte) { u.send(u.record(0, wire.ContentHandshake, raw)) }
	switch i {
	case partCertificate:
		handshake(u.certificate(u.key.SPKI))
	case partKeyExchange:
		handshake(u.clientKeyExchange())
	case partVerify:
		handshake(u.certificateVerify())
	case partCCS:
		u.changeCipherSpec()
	case partFinished:
		u.send(u.record(1, wire.ContentHandshake, u.finished()))
	}
}

// Every subset of the client's second flight fails, but the whole.
//
// Pitfall P4, E1: a client that leaves out Certificate, CertificateVerify or anything else is not let in
func TestEverySubsetOfFlight5(t *testing.T) {
	for set := range 1 << numParts {
		p, u := newServerUnderTest(t, rpkSuite)
		p.oneSession = true
		u.greet()
		for i := range numParts {
			if set>>i&1 == 1 {
				u.part(i)
			}
		}
		if whole := set == 1<<numParts-1; p.server.established != whole {
			t.Errorf("parts %05b: established %v, want %v", set, p.server.established, whole)
		}
	}
}

// Messages in another order with numbers that hide it fail; where
// ChangeCipherSpec stands, which has no number, the network decides.
//
// Pitfall W12: permutations of flight 5 with altered message_seq fail
// Pitfall E1: reordered Certificate and CertificateVerify are not accepted
func TestEveryRenumberedOrderOfFlight5(t *testing.T) {
	permutations(numParts, func(order []int) {
		p, u := newServerUnderTest(t, rpkSuite)
		p.oneSession = true
		u.greet()
		for _, i := range order {
			u.part(i)
		}
		messages := slices.DeleteFunc(slices.Clone(order), func(i int) bool { return i == partCCS })
		want := slices.IsSorted(messages)
		if want && slices.Index(order, partFinished) < slices.Index(order, partKeyExchange) {
			t.Fatal("sorted and not sorted")
		}
		if p.server.established != want {
			t.Errorf("order %v: established %v, want %v (%v)", order, p.server.established, want, p.serverErr())
		}
	})
}

// The records of the true flight 5 in every order complete the handshake.
//
// Proves rfc6347 §4.2.2: "If the sequence number is greater than
// next_receive_seq, the implementation SHOULD queue the message but MAY
// discard it."
// Pitfall S7: all orders of flight 5 complete
func TestEveryTrueOrderOfFlight5(t *testing.T) {
	permutations(numParts, func(order []int) {
		p, records := flight5Records(t)
		for _, i := range order {
			p.deliver(true, records[i])
		}
		if !p.server.established {
			t.Errorf("order %v: %v", order, p.serverErr())
		}
	})
}

// flight5Records is a pair in the middle of a handshake, and the client's
// flight 5 in five records.
func flight5Records(t *testing.T) (*pair, [][]byte) {
	k := testKeys()
	p := newPair(t,
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})},
		&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true})})
	// Small enough that Certificate, ClientKeyExchange and CertificateVerify
	// do not share records.
	var records [][]byte
	p.sent = func(fromClient bool, d []byte) bool {
		h, _ := wire.ParseRecordHeader(d)
		m := wire.HandshakeType(d[wire.RecordHeaderLen])
		if !fromClient || h.Type == wire.ContentHandshake && m == wire.HandshakeClientHello {
			return true
		}
		records = append(records, cutRecords(t, d)...)
		return false
	}
	p.exchange()
	p.sent = nil
	if len(records) == numParts {
		return p, records
	}
	// One record with three messages, ChangeCipherSpec and Finished: cut the
	// first at its messages, as another sender might have sent them.
	var cut [][]byte
	h, _ := wire.ParseRecordHeader(records[0])
	for rest := records[0][wire.RecordHeaderLen:]; len(rest) > 0; h.Sequence++ {
		m, _ := wire.ParseHandshakeHeader(rest)
		n := wire.HandshakeHeaderLen + int(m.FragmentLength)
		cut = append(cut, plainRecord(wire.ContentHandshake, 0, h.Sequence+100, rest[:n]))
		rest = rest[n:]
	}
	cut = append(cut, records[1:]...)
	if len(cut) != numParts {
		t.Fatalf("flight 5 has %d records", len(cut))
	}
	return p, cut
}

// cutRecords cuts a datagram into its records.
func cutRecords(t *testing.T, d []byte) (records [][]byte) {
	for len(d) > 0 {
		h, ok := wire.ParseRecordHeader(d)
		if !ok {
			t.Fatal("half a record")
		}
		records = append(records, bytes.Clone(d[:wire.RecordHeaderLen+h.Length]))
		d = d[wire.RecordHeaderLen+h.Length:]
	}
	return records
}

// A signature that is not the client's over this handshake is not accepted,
// and the handshake fails with the alert for it.
//
// Pitfall P4: CertificateVerify stripped, cut, replayed, or made with another key
// Pitfall W10, W22: an algorithm that was not offered, or is not the key's
func TestBadCertificateVerify(t *testing.T) {
	k := testKeys()
	good := func(u *puppet) wire.CertificateVerify {
		signature, err := hs.Sign(rand.Reader, u.key.Signer, wire.SchemeECDSAP256SHA256, u.transcript)
		if err != nil {
			t.Fatal(err)
		}
		return wire.CertificateVerify{Scheme: wire.SchemeECDSAP256SHA256, Signature: signature}
	}
	var replayed wire.CertificateVerify
	for _, test := range []struct {
		name string
		body func(u *puppet) []byte
		want Alert
	}{
		{"empty", func(u *puppet) []byte { return nil }, wire.AlertDecodeError},
		{"no signature", func(u *puppet) []byte {
			v := wire.CertificateVerify{Scheme: wire.SchemeECDSAP256SHA256}
			return v.Append(nil)
		}, wire.AlertDecryptError},
		{"cut signature", func(u *puppet) []byte {
			v := good(u)
			replayed = v
			v.Signature = v.Signature[:len(v.Signature)-1]
			return v.Append(nil)
		}, wire.AlertDecryptError},
		{"replayed", func(u *puppet) []byte { return replayed.Append(nil) }, wire.AlertDecryptError},
		{"trailing byte", func(u *puppet) []byte { v := good(u); return append(v.Append(nil), 0) }, wire.AlertDecodeError},
		{"other key", func(u *puppet) []byte {
			u.key = rawKey(k.p256b)
			v := good(u)
			return v.Append(nil)
		}, wire.AlertDecryptError},
		{"SHA-1", func(u *puppet) []byte {
			v := good(u)
			v.Scheme = 0x0203
			return v.Append(nil)
		}, wire.AlertIllegalParameter},
		{"Ed25519 with a P-256 key", func(u *puppet) []byte {
			v := good(u)
			v.Scheme = wire.SchemeEd25519
			return v.Append(nil)
		}, wire.AlertIllegalParameter},
		{"RSA with a P-256 key", func(u *puppet) []byte {
			v := good(u)
			v.Scheme = wire.SchemeRSAPSSSHA256
			return v.Append(nil)
		}, wire.AlertIllegalParameter},
		{"SHA-384 signature said to be SHA-256", func(u *puppet) []byte {
			signature, _ := hs.Sign(rand.Reader, u.key.Signer, wire.SchemeECDSAP384SHA384, u.transcript)
			v := wire.CertificateVerify{Scheme: wire.SchemeECDSAP256SHA256, Signature: signature}
			return v.Append(nil)
		}, wire.AlertDecryptError},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, u := newServerUnderTest(t, rpkSuite)
			p.oneSession = true
			u.greet()
			u.part(partCertificate)
			u.part(partKeyExchange)
			u.say(wire.HandshakeCertificateVerify, test.body(u))
			u.part(partCCS)
			u.part(partFinished)
			if p.server.established || len(p.server.asked) > 0 {
				t.Fatal("the client is let in, or judged")
			}
			if fmt.Sprint(u.alerts) != fmt.Sprint([]Alert{test.want}) {
				t.Errorf("alerts %v, want %v (%v)", u.alerts, test.want, p.serverErr())
			}
			if p.server.Facts().PeerRawKey != nil {
				t.Error("facts name a key that is not proven")
			}
		})
	}
}

// Messages in which something is missing, too long or not what it should be.
//
// Pitfall W5: ClientKeyExchange and Finished in one record of epoch 0 do not complete
// Pitfall S1: after each failure the next handshake succeeds
func TestBadClientMessages(t *testing.T) {
	x := func(u *puppet, point []byte) []byte {
		return (&wire.ClientKeyExchange{Point: point}).Append(nil, u.form())
	}
	for _, test := range []struct {
		name string
		play func(u *puppet)
		want string
	}{
		{"Certificate: not a key", func(u *puppet) {
			u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, []byte{0x30, 0}))
		}, "bad_certificate"},
		{"Certificate: X.509 where a raw key was agreed on", func(u *puppet) {
			u.say(wire.HandshakeCertificate, wire.AppendCertificates(nil, [][]byte{testKeys().ca.Raw}))
		}, "bad_certificate"},
		{"Certificate: none", func(u *puppet) { u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, nil)) }, "handshake_failure"},
		{"Certificate: short", func(u *puppet) { u.say(wire.HandshakeCertificate, []byte{0, 0}) }, "decode_error"},
		{"Certificate: trailing byte", func(u *puppet) {
			u.say(wire.HandshakeCertificate, append(wire.AppendRawPublicKey(nil, u.key.SPKI), 0))
		}, "decode_error"},
		{"ClientKeyExchange: no point", func(u *puppet) {
			u.part(partCertificate)
			u.say(wire.HandshakeClientKeyExchange, x(u, nil))
		}, "decode_error"},
		{"ClientKeyExchange: compressed point", func(u *puppet) {
			u.part(partCertificate)
			point := u.private.PublicKey().Bytes()
			u.say(wire.HandshakeClientKeyExchange, x(u, append([]byte{2}, point[1:33]...)))
		}, "illegal_parameter"},
		{"ClientKeyExchange: not on the curve", func(u *puppet) {
			u.part(partCertificate)
			point := u.private.PublicKey().Bytes()
			point[64] ^= 1
			u.say(wire.HandshakeClientKeyExchange, x(u, point))
		}, "illegal_parameter"},
		{"ClientKeyExchange: infinity", func(u *puppet) {
			u.part(partCertificate)
			u.say(wire.HandshakeClientKeyExchange, x(u, []byte{0}))
		}, "illegal_parameter"},
		{"Finished: wrong", func(u *puppet) {
			u.part(partCertificate)
			u.part(partKeyExchange)
			u.part(partVerify)
			u.part(partCCS)
			u.send(u.record(1, wire.ContentHandshake, u.message(wire.HandshakeFinished, make([]byte, 12))))
		}, "decrypt_error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, u := newServerUnderTest(t, rpkSuite)
			u.greet()
			test.play(u)
			if fmt.Sprint(u.alerts) != "["+test.want+"]" || p.server.established {
				t.Errorf("alerts %v, want %v (%v)", u.alerts, test.want, p.serverErr())
			}
			if e := p.serverErr(); e == nil || !e.Sent || e.Received || e.Alert.String() != test.want || p.server.closed != e {
				t.Errorf("error %+v", e)
			}
			// The same gate serves the next client.
			next := newPuppet(p, true, rpkSuite)
			p.server = peer{}
			next.greet()
			next.flight5()
			if !p.server.established {
				t.Errorf("next handshake failed: %v", p.serverErr())
			}
		})
	}
	// ClientKeyExchange and a Finished in one plaintext record.
	p, u := newServerUnderTest(t, pskSuite)
	u.greet()
	cke := u.clientKeyExchange()
	u.changeCipherSpec()
	u.send(u.record(0, wire.ContentHandshake, append(cke, u.finished()...)))
	if p.server.established || p.server.Counters()[hs.DropPlaintext] != 1 {
		t.Error("a Finished in plaintext counts")
	}
}

// Hellos that cannot be served fail with the alert for it.
func TestBadHellos(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(h *wire.ClientHello, e *wire.ClientExtensions)
		want string
	}{
		{"no common suite", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			h.CipherSuites = wire.ListOf([]CipherSuite{0xc023, 0x00ff})
		}, "handshake_failure"},
		{"no null compression", func(h *wire.ClientHello, e *wire.ClientExtensions) { h.Compression = []byte{1} }, "illegal_parameter"},
		{"no uncompressed points", func(h *wire.ClientHello, e *wire.ClientExtensions) { e.PointFormats = []byte{1} }, "illegal_parameter"},
		{"no extended master secret", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present &^= wire.ExtExtendedMasterSecret.Bit()
		}, "handshake_failure"},
		{"renegotiation of nothing", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present |= wire.ExtRenegotiationInfo.Bit()
			e.RenegotiationInfo = make([]byte, 12)
		}, "handshake_failure"},
		{"no common group", func(h *wire.ClientHello, e *wire.ClientExtensions) { e.Groups = wire.ListOf([]Group{25}) }, "handshake_failure"},
		{"no common signature", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Schemes = wire.ListOf([]SignatureScheme{0x0203})
		}, "handshake_failure"},
		{"raw keys not judged", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present &^= wire.ExtServerCertType.Bit()
		}, "unsupported_certificate"},
		{"raw keys not shown", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present &^= wire.ExtClientCertType.Bit()
		}, "unsupported_certificate"},
		{"no such fragment length", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present |= wire.ExtMaxFragmentLength.Bit()
			e.MaxFragmentLength = 5
		}, "illegal_parameter"},
		{"record size limit too small", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present |= wire.ExtRecordSizeLimit.Bit()
			e.RecordSizeLimit = 63
		}, "illegal_parameter"},
		{"server name with a blank", func(h *wire.ClientHello, e *wire.ClientExtensions) {
			e.Present |= wire.ExtServerName.Bit()
			e.ServerName = []byte("a b")
		}, "illegal_parameter"},
	} {
		p, u := newServerUnderTest(t, rpkSuite)
		var e wire.ClientExtensions
		if err := e.Parse(u.hello.Extensions); err != nil {
			t.Fatal(err)
		}
		test.edit(&u.hello, &e)
		u.hello.Extensions = e.Append(nil)
		u.greet()
		if fmt.Sprint(u.alerts) != "["+test.want+"]" {
			t.Errorf("%s: alerts %v, want %s (%v)", test.name, u.alerts, test.want, p.serverErr())
		}
	}
	// An extension twice.
	_, u := newServerUnderTest(t, rpkSuite)
	u.hello.Extensions = append(u.hello.Extensions, 0, byte(wire.ExtExtendedMasterSecret), 0, 0)
	u.greet()
	if fmt.Sprint(u.alerts) != "[decode_error]" {
		t.Errorf("extension twice: alerts %v", u.alerts)
	}
}

// A thousand failed handshakes leave nothing in the gate.
//
// Pitfall S4, P18: handshakes that fail, with a wrong key or half way, leave memory flat and the next one works
// Pitfall O11: bad extensions leak nothing
func TestFailuresLeaveNothing(t *testing.T) {
	p, u := newServerUnderTest(t, pskSuite)
	fail := func(i int) {
		u = newPuppet(p, true, pskSuite)
		p.server = peer{key: []byte("fedcba9876543210"), unknown: i%2 == 0}
		u.greet()
		u.flight5()
		if p.server.established {
			t.Fatal("a wrong key is accepted")
		}
	}
	heap := func() uint64 {
		p.server, u = peer{}, nil
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for i := range 50 {
		fail(i)
	}
	before := heap()
	for i := range 500 {
		fail(i)
	}
	if after := heap(); after > before+64<<10 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
	}
	u = newPuppet(p, true, pskSuite)
	p.server = peer{key: u.psk}
	u.greet()
	u.flight5()
	if !p.server.established {
		t.Errorf("after the failures: %v", p.serverErr())
	}
}
