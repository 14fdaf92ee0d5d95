// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// pskPair is a pair with pre-shared keys and one suite.
func pskPair(t testing.TB, id CipherSuite, hint []byte) *pair {
	cfg := func(c Credentials) *Config {
		return &Config{
			Credentials: with(c), CipherSuites: []CipherSuite{id},
			Timers: Timers{Initial: 100 * time.Millisecond, Retransmissions: 3, Handshake: 2 * time.Second},
		}
	}
	return newPair(t, cfg(Credentials{PSK: true}), cfg(Credentials{PSK: true, PSKHint: hint}))
}

var pskSuites = []CipherSuite{pskSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256}

// Identities and hints are byte strings.
//
// Proves rfc4279 §5.3: "TLS implementations supporting these ciphersuites MUST
// support arbitrary PSK identities up to 128 octets in length, and arbitrary
// PSKs up to 64 octets in length. Supporting longer identities and keys is
// RECOMMENDED."
// Pitfall G6: identities with NUL, of 0 and of 65,535 bytes, and of invalid UTF-8 arrive as they are
func TestIdentitiesAreBytes(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 65535)
	for _, id := range pskSuites {
		for _, identity := range [][]byte{{}, {0}, []byte("a\x00b"), []byte("a"), {0xff, 0xfe, 0x80}, long[:128], long} {
			for _, key := range [][]byte{{1}, long[:16], long[:64], long[:65], long[:4000]} {
				p := pskPair(t, id, nil)
				p.client.identity, p.client.key, p.server.key = identity, key, key
				p.establish()
				if !bytes.Equal(p.server.Facts().PSKIdentity, identity) || p.server.Facts().PSKIdentity == nil {
					t.Errorf("identity %.20q arrived as %.20q", identity, p.server.Facts().PSKIdentity)
				}
				if len(p.server.asked) != 1 || len(p.client.asked) != 1 || p.server.asked[0].ServerName != "server.example" {
					t.Errorf("asked %d and %d times", len(p.client.asked), len(p.server.asked))
				}
			}
		}
	}
}

// A hint reaches the client as it is; without one there is no ServerKeyExchange
// in a plain PSK handshake.
func TestHints(t *testing.T) {
	for _, id := range pskSuites {
		for _, hint := range [][]byte{nil, {}, []byte("h\x00int"), bytes.Repeat([]byte{0xff}, 65535)} {
			p := pskPair(t, id, hint)
			p.establish()
			got := p.client.asked[0].Hint
			wantNil := hint == nil && id == pskSuite
			if !bytes.Equal(got, hint) || (got == nil) != wantNil {
				t.Errorf("%v: hint %.10q arrived as %.10q", id, hint, got)
			}
			if !bytes.Equal(p.client.Facts().PSKHint, hint) || !bytes.Equal(p.server.Facts().PSKHint, hint) {
				t.Errorf("%v: hints in the facts differ", id)
			}
		}
	}
}

// A server may bound the identities that it looks up.
func TestIdentityLimit(t *testing.T) {
	for _, id := range pskSuites {
		for n, want := range map[int]bool{32: true, 33: false, 1000: false} {
			p := pskPair(t, id, nil)
			p.gate.cfg.MaxPSKIdentity = 32
			p.client.identity = make([]byte, n)
			p.run()
			if p.server.established != want || want == (len(p.server.asked) == 0) {
				t.Errorf("%v: identity of %d bytes: established %v, asked %d", id, n, p.server.established, len(p.server.asked))
			}
			if e := p.server.closed; !want && (e == nil || e.Reason != ReasonLimit) {
				t.Errorf("%v: %v", id, e)
			}
		}
	}
}

// A known identity with a wrong key and an unknown identity look the same to
// the client, datagram by datagram, and it can tell neither from a server
// that has gone; the server's own report tells them apart.
//
// Proves rfc4279 §2: "Alternatively, if the server wishes to hide the fact that
// the PSK identity was not known, it MAY continue the protocol as if the PSK
// identity existed but the key was incorrect"
// Pitfall A6: the same messages of the same length at the same times, and silence in the end
func TestUnknownIdentityLooksLikeWrongKey(t *testing.T) {
	for _, id := range pskSuites {
		seen := map[bool][]string{}
		for _, unknown := range []bool{false, true} {
			p := pskPair(t, id, nil)
			p.server.unknown, p.server.key = unknown, []byte("another key of 16")
			p.sent = func(fromClient bool, d []byte) bool {
				seen[unknown] = append(seen[unknown], fmt.Sprint(p.now, fromClient, len(d), d[0]))
				return true
			}
			p.run()
			want := ReasonBadPSK
			if unknown {
				want = ReasonUnknownIdentity
			}
			if e := p.server.closed; e == nil || e.Reason != want || e.Sent {
				t.Errorf("%v, unknown %v: server's error %+v", id, unknown, e)
			}
			if e := p.client.closed; e == nil || e.Reason != ReasonBadPSKOrUnknownIdentity || e.Received || e.Flight != 5 {
				t.Errorf("%v, unknown %v: client's error %+v", id, unknown, e)
			}
			if p.server.established || p.client.established {
				t.Fatal("established with a wrong key")
			}
		}
		if !slices.Equal(seen[false], seen[true]) {
			t.Errorf("%v: a wrong key looks like\n%q, an unknown identity like\n%q", id, seen[false], seen[true])
		}
	}
}

// The work for an unknown identity is that for a known one.
//
// Pitfall A6: as many random bytes and no other steps
func TestUnknownIdentityDrawsTheSame(t *testing.T) {
	draw := func(unknown bool) (n int) {
		p := pskPair(t, pskSuite, nil)
		counter := &countingReader{Reader: p.gate.cfg.Rand}
		p.gate.cfg.Rand = counter
		p.server.unknown = unknown
		p.client.key = []byte("wrong")
		p.exchange()
		return counter.n
	}
	if a, b := draw(false), draw(true); a != b {
		t.Errorf("a known identity draws %d random bytes, an unknown one %d", a, b)
	}
}

type countingReader struct {
	Reader interface{ Read([]byte) (int, error) }
	n      int
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n += n
	return n, err
}

// What other servers answer to a bad key means one thing to the caller.
func TestAlertsThatMeanBadPSK(t *testing.T) {
	for _, a := range []Alert{wire.AlertDecryptError, wire.AlertBadRecordMAC, wire.AlertUnknownPSKIdentity, wire.AlertHandshakeFailure, wire.AlertAccessDenied} {
		p, u := newClientUnderTest(t, pskSuite)
		u.flight4()
		u.send(u.record(0, wire.ContentAlert, []byte{2, byte(a)}))
		if e := p.client.closed; e == nil || e.Reason != ReasonBadPSKOrUnknownIdentity || e.Alert != a || !e.Received {
			t.Errorf("%v: %+v", a, e)
		}
	}
	// Before the key was used it means what it says.
	p, u := newClientUnderTest(t, pskSuite)
	u.send(u.record(0, wire.ContentAlert, []byte{2, byte(wire.AlertHandshakeFailure)}))
	if e := p.client.closed; e == nil || e.Reason.String() != "alert_handshake_failure" {
		t.Errorf("%+v", e)
	}
}

// A client without a key for this server ends the handshake.
func TestClientWithoutKey(t *testing.T) {
	for _, id := range pskSuites {
		p := pskPair(t, id, nil)
		p.client.key = nil
		p.run()
		if e := p.client.closed; e == nil || e.Reason != ReasonNoCredential || !e.Sent {
			t.Errorf("client: %+v", e)
		}
		if e := p.server.closed; e == nil || !e.Received {
			t.Errorf("server: %+v", e)
		}
	}
	p := pskPair(t, pskSuite, nil)
	p.client.identity = make([]byte, 65536)
	p.run()
	if e := p.client.closed; e == nil || e.Reason != ReasonNoCredential {
		t.Errorf("identity too long: %+v", e)
	}
}

// A server with a raw public key alone falls back to PSK for a client that
// cannot judge raw keys, and refuses one that has no PSK either.
//
// Pitfall S6: no certificate type extension: PSK if there is one, else a named failure
func TestRawKeyServerAndOldClient(t *testing.T) {
	k := testKeys()
	server := func(psk bool) *Config {
		return &Config{Credentials: with(Credentials{PSK: psk, RawKey: rawKey(k.p256b)}), CipherSuites: []CipherSuite{rpkSuite, pskSuite}}
	}
	client := &Config{Credentials: with(Credentials{PSK: true, AcceptCertificates: true}), CipherSuites: []CipherSuite{rpkSuite, pskSuite}}
	p := newPair(t, client, server(true))
	p.establish()
	if got := p.server.Facts().CipherSuite; got != pskSuite {
		t.Errorf("chose %v", got)
	}
	p = newPair(t, client, server(false))
	p.run()
	if e := p.server.closed; e == nil || e.Reason != hs.ReasonNoCommonCertType || e.Alert != wire.AlertUnsupportedCertificate {
		t.Errorf("server: %+v", e)
	}
	if e := p.client.closed; e == nil || e.Reason.String() != "alert_unsupported_certificate" {
		t.Errorf("client: %+v", e)
	}
}
