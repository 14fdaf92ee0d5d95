// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/binary"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// ccmSuites are the suites of RFC 6655 and RFC 7251 that are implemented.
func ccmSuites() (list []CipherSuite) {
	for _, s := range suite.All() {
		if bytes.Contains([]byte(s.Name), []byte("_CCM")) {
			list = append(list, s.ID)
		}
	}
	return list
}

// A client offers DTLS 1.2 with these suites and nothing before it, and ends
// a handshake in which a server combines them with another version.
//
// Proves rfc7251 §3: "They MUST NOT be negotiated in older versions of TLS.
// Clients MUST NOT offer these cipher suites if they do not offer TLS 1.2 or
// later."
// Proves rfc7251 §3: "Clients MUST check the TLS version and generate a fatal
// "illegal_parameter" alert if they detect an incorrect version."
// Proves rfc6655 §5: "Consequently, these ciphersuites MUST NOT be negotiated
// in older versions of TLS. Clients MUST NOT offer these cipher suites if they
// do not offer TLS 1.2 or later."
// Proves rfc6655 §5: "Clients MUST check the TLS version and generate a fatal
// "illegal_parameter" alert if they detect an incorrect version."
func TestClientWantsVersion12(t *testing.T) {
	ids := ccmSuites()
	if len(ids) != 6 {
		t.Errorf("%d suites", len(ids))
	}
	for _, id := range ids {
		for _, version := range []Version{wire.VersionDTLS10, 0xfefe, wire.VersionDTLS13, 0x0303, 0x0302} {
			cfg := &Config{CipherSuites: []CipherSuite{id}, Credentials: with(Credentials{PSK: true, AcceptRawKeys: true})}
			p, u := asked(t, cfg, id)
			if u.hello.Version != VersionDTLS12 {
				t.Errorf("%v is offered with %v", id, u.hello.Version)
			}
			hello := u.serverHello()
			hello.Version = version
			u.say(wire.HandshakeServerHello, hello.Append(nil))
			checkAlert(t, id.String()+" in "+version.String(), u, wire.AlertIllegalParameter)
			if p.client.State() != Closed {
				t.Errorf("%v in %v: the client lives on", id, version)
			}
		}
	}
}

// A server selects no earlier version, with whatever suite.
//
// Proves rfc7251 §3: "Servers that select an earlier version of TLS MUST NOT
// select one of these cipher suites."
// Proves rfc6655 §5: "Servers that select an earlier version of TLS MUST NOT
// select one of these cipher suites."
func TestServerSelectsVersion12(t *testing.T) {
	creds := Credentials{PSK: true, RawKey: rawKey(testKeys().p256b)}
	for _, id := range ccmSuites() {
		for version, serves := range map[Version]bool{
			wire.VersionDTLS10: false, 0xfefe: false, VersionDTLS12: true, wire.VersionDTLS13: true, 0xfe00: true,
		} {
			_, u := asking(t, &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds)}, id)
			u.hello.Version = version
			u.greet()
			h, _, ok := heardHello(t, u)
			if ok != serves || ok && (h.Version != VersionDTLS12 || h.CipherSuite != id) {
				t.Errorf("%v offered with %v: %v, %v with %v", id, version, ok, h.CipherSuite, h.Version)
			}
			if !serves && (len(u.alerts) == 0 || u.alerts[0] != wire.AlertProtocolVersion) {
				t.Errorf("%v offered with %v: alerts %v", id, version, u.alerts)
			}
		}
	}
}

// The points of these suites are uncompressed, on both sides; the server's
// key is one for ECDSA.
//
// Proves rfc7251 §2: "The uncompressed point format MUST be supported."
// Proves rfc7251 §2: "The server's certificate MUST contain an ECDSA-capable
// public key"
func TestPointsAndKeysOfTheSuites(t *testing.T) {
	k := testKeys()
	for _, id := range []CipherSuite{wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM, rpkSuite} {
		cfg := func(c Credentials) *Config { return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(c)} }
		w, p := watch(t, cfg(Credentials{AcceptCertificates: true}), cfg(Credentials{Chains: []Chain{k.chain(k.rsa), k.chain(k.p256)}}))
		form := wire.KeyExchangeForm{ECDHE: true, Signed: true}
		var s wire.ServerKeyExchange
		var c wire.ClientKeyExchange
		server, _ := w.find(wire.HandshakeServerKeyExchange)
		client, _ := w.find(wire.HandshakeClientKeyExchange)
		if s.Parse(server.body(), form) != nil || c.Parse(client.body(), wire.KeyExchangeForm{ECDHE: true}) != nil {
			t.Fatal("key exchange does not parse")
		}
		for _, point := range [][]byte{s.Point, c.Point} {
			if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil || len(point) != 65 {
				t.Errorf("%v: point %x, %v", id, point, err)
			}
		}
		if key, ok := p.client.Facts().PeerChain[0].PublicKey.(*ecdsa.PublicKey); !ok || !key.Equal(k.p256.Public()) {
			t.Errorf("%v: server shows %T", id, p.client.Facts().PeerChain[0].PublicKey)
		}
		// With an RSA certificate alone there is no such suite.
		p = newPair(t, cfg(Credentials{AcceptCertificates: true}), cfg(Credentials{Chains: []Chain{k.chain(k.rsa)}}))
		p.run()
		if r := p.serverErr().Reason; r != ReasonNoCommonCipher || p.client.established {
			t.Errorf("%v with an RSA key: %v", id, r)
		}
	}
}

// A witness who computes the nonce from the salt and the record opens every
// record of both sides, and every nonce is another one.
//
// Proves rfc6655 §3: "the "nonce" SHALL be 12 bytes long and is constructed as
// follows:"
// Proves rfc6655 §3: "The salt is the "implicit" part of the nonce and is not
// sent in the packet. Instead, the salt is generated as part of the handshake
// process: it is either the client_write_IV (when the client is sending) or
// the server_write_IV (when the server is sending). The salt length
// (SecurityParameters.fixed_iv_length) is 4 octets."
// Proves rfc6655 §3: "Each value of the nonce_explicit MUST be distinct for
// each distinct invocation of the GCM encrypt function for any fixed key."
// Pitfall P7: the explicit nonce of record k is its epoch and sequence number
func TestNonceOnTheWire(t *testing.T) {
	for _, id := range append(ccmSuites(), wire.TLS_PSK_WITH_AES_128_GCM_SHA256, wire.TLS_PSK_WITH_AES_256_GCM_SHA384) {
		creds := Credentials{PSK: true, RawKey: rawKey(testKeys().p256), AcceptRawKeys: true}
		cfg := func() *Config { return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds)} }
		w, p := watch(t, cfg(), cfg())
		for i := range 20 {
			for _, e := range []*peer{&p.client, &p.server} {
				d, err := e.Seal(nil, []byte{byte(i)})
				if err != nil {
					t.Fatal(err)
				}
				w.see(e == &p.client, d)
			}
		}
		next := map[bool]uint64{}
		for i, r := range w.sealed {
			plain := w.open(r)
			if i >= 2 && !bytes.Equal(plain, []byte{byte((i - 2) / 2)}) {
				t.Errorf("%v: record %d holds %x", id, i, plain)
			}
			if got := binary.BigEndian.Uint64(r.fragment); got != 1<<48|next[r.fromClient] || got != uint64(r.header.Epoch)<<48|r.header.Sequence {
				t.Errorf("%v: explicit nonce %x of record %+v, want number %d", id, got, r.header, next[r.fromClient])
			}
			next[r.fromClient]++
		}
		if next[true] != 21 || next[false] != 21 {
			t.Errorf("%v: %d and %d records", id, next[true], next[false])
		}
	}
}
