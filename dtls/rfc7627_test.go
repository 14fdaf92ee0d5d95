// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// pskPremasterOf is the premaster secret of the pair's default key.
var pskPremasterOf = append(append([]byte{0, 16}, make([]byte, 16)...), append([]byte{0, 16}, "0123456789abcdef"...)...)

// Both ends derive the master secret from the hash of the handshake, which a
// witness computes from the messages, and from nothing else.
//
// Proves rfc7627 §5.1: "If the client and server agree on this extension and a
// full handshake takes place, both client and server MUST use the extended
// master secret derivation algorithm, as defined in Section 4."
// Proves rfc7627 §5.2: "If both the ClientHello and ServerHello contain the
// extension, the new session uses the extended master secret computation."
// Proves rfc7627 §6.3: "This document sets the "session_hash" to cover all
// handshake messages up to and including the ClientKeyExchange."
// Pitfall A1: the same randoms and the same key do not make the same master secret
func TestExtendedMasterSecretIsUsed(t *testing.T) {
	for _, id := range []CipherSuite{pskSuite, wire.TLS_PSK_WITH_AES_256_GCM_SHA384} {
		for _, allow := range []bool{false, true} {
			cfg := func() *Config {
				return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(Credentials{PSK: true}), AllowNoExtendedMasterSecret: allow}
			}
			w, p := watch(t, cfg(), cfg())
			m, before := w.find(wire.HandshakeClientKeyExchange)
			extended, standard := make([]byte, 48), make([]byte, 48)
			suite.PRF(w.suite.Hash, extended, pskPremasterOf, "extended master secret", w.hash(append(before, m.raw...)))
			suite.PRF(w.suite.Hash, standard, pskPremasterOf, "master secret", w.clientRandom, w.serverRandom)
			for i, got := range w.masters {
				if !bytes.Equal(got, extended) || bytes.Equal(got, standard) {
					t.Errorf("%v, end %d: another master secret", id, i)
				}
			}
			if !p.client.Facts().ExtendedMasterSecret || !p.server.Facts().ExtendedMasterSecret {
				t.Errorf("%v: facts do not say so", id)
			}
		}
	}
}

// A server answers the extension with the extension, and its absence with its
// absence, or not at all.
//
// Proves rfc7627 §5.2: "If a server implementing this document receives the
// "extended_master_secret" extension, it MUST include the extension in its
// ServerHello message."
// Proves rfc7627 §5.2: "If the server receives a ClientHello without the
// extension, it SHOULD abort the handshake if it does not wish to interoperate
// with legacy clients. If it chooses to continue the handshake, then it MUST
// NOT include the extension in the ServerHello."
func TestExtendedMasterSecretAnswered(t *testing.T) {
	for _, id := range []CipherSuite{pskSuite, rpkSuite} {
		for _, offered := range []bool{true, false} {
			for _, allow := range []bool{false, true} {
				creds := Credentials{PSK: true, RawKey: rawKey(testKeys().p256b)}
				_, u := asking(t, &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds), AllowNoExtendedMasterSecret: allow}, id)
				if !offered {
					editOffer(t, u, leaveOut(wire.ExtExtendedMasterSecret))
				}
				u.greet()
				if !offered && !allow {
					checkAlert(t, id.String(), u, wire.AlertHandshakeFailure)
					continue
				}
				if _, e, ok := heardHello(t, u); !ok || e.ExtendedMasterSecret != offered || e.Present.Has(wire.ExtExtendedMasterSecret) != offered {
					t.Errorf("%v, offered %v, allowed %v: answered %v, %v", id, offered, allow, ok, e.ExtendedMasterSecret)
				}
			}
		}
	}
}

// A client ends a handshake without the extension, unless it was told to
// bear old servers.
//
// Proves rfc7627 §5.2: "If a client receives a ServerHello without the
// extension, it SHOULD abort the handshake if it does not wish to interoperate
// with legacy servers."
func TestClientDemandsExtendedMasterSecret(t *testing.T) {
	for _, allow := range []bool{false, true} {
		cfg := &Config{CipherSuites: []CipherSuite{pskSuite}, Credentials: with(Credentials{PSK: true}), AllowNoExtendedMasterSecret: allow}
		p, u := asked(t, cfg, pskSuite)
		hello := u.serverHello()
		hello.Extensions = nil
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		if !allow {
			checkAlert(t, "client", u, wire.AlertHandshakeFailure)
			if r := p.client.Err().Reason; r != ReasonNoExtendedMasterSecret {
				t.Errorf("reason %v", r)
			}
			continue
		}
		u.say(wire.HandshakeServerHelloDone, nil)
		if len(u.alerts) > 0 || !u.said(wire.HandshakeClientKeyExchange) || p.client.Facts().ExtendedMasterSecret {
			t.Errorf("alerts %v, error %v", u.alerts, p.client.Err())
		}
	}
}

// There are no abbreviated handshakes: what a client offers to resume gets a
// full one, with the session identifier of none, and a server that pretends
// to resume what was never offered gets no further than its ServerHello.
//
// Proves rfc7627 §5.3: "Instead, it SHOULD offer a full handshake."
func TestNothingIsResumed(t *testing.T) {
	_, u := newServerUnderTest(t, pskSuite)
	u.hello.SessionID = bytes.Repeat([]byte{7}, 32)
	u.greet()
	if h, _, ok := heardHello(t, u); !ok || len(h.SessionID) != 0 || !u.said(wire.HandshakeServerHelloDone) {
		t.Errorf("server answers with session %x, full handshake %v", h.SessionID, u.said(wire.HandshakeServerHelloDone))
	}
	for range 2 {
		p, u := newClientUnderTest(t, pskSuite)
		if len(u.hello.SessionID) != 0 {
			t.Errorf("client offers session %x", u.hello.SessionID)
		}
		hello := u.serverHello()
		hello.SessionID = bytes.Repeat([]byte{7}, 32)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.changeCipherSpec()
		u.send(u.record(1, wire.ContentHandshake, u.finished()))
		if p.client.established || u.said(wire.HandshakeFinished) {
			t.Error("client resumes what it never had")
		}
	}
}
