// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// helloOf is the first hello of a client with some credentials.
func helloOf(t *testing.T, cfg *Config, name string) (wire.ClientHello, wire.ClientExtensions) {
	t.Helper()
	cfg.Rand = rand.Reader
	s, err := NewClient(cfg, 0, name)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	h, drop := parseHello(buf[:s.Transmit(0, buf)])
	var e wire.ClientExtensions
	if drop != 0 || e.Parse(h.hello.Extensions) != nil {
		t.Fatalf("hello does not parse: %v", drop)
	}
	return h.hello, e
}

// A hello offers what the credentials can do and nothing else.
//
// Proves rfc7252 §9.1.3.2: "Implementations MUST use the Supported Elliptic
// Curves and Supported Point Formats Extensions [RFC4492]; the uncompressed
// point format MUST be supported"
// Proves rfc7252 §9.1.3.2: "The curve secp256r1 MUST be supported [RFC4492];
// this curve is equivalent to the NIST P-256 curve."
// Proves rfc7250 §4.1: "If the client has no remaining certificate types to
// send in the client hello, other than the default X.509 type, it MUST omit
// the client_certificate_type extension in the client hello."
// Proves rfc7250 §4.1: "If the client has no remaining certificate types to
// send in the client hello, other than the default X.509 certificate type, it
// MUST omit the entire server_certificate_type extension from the client
// hello."
// Proves rfc7250 §4.1: "The TLS client MUST omit certificate types from the
// client_certificate_type extension in the client hello if it does not possess
// the corresponding raw public key or certificate that it can provide to the
// server when requested using a certificate_request message, or if it is not
// configured to use one with the given TLS server."
// Proves rfc7250 §4.1: "The TLS client MUST omit certificate types from the
// server_certificate_type extension in the client hello if it is unable to
// process the corresponding raw public key or other certificate type."
// Proves rfc7627 §5.2: "In all handshakes, a client implementing this document
// MUST send the "extended_master_secret" extension in its ClientHello."
// Proves rfc5746 §3.4: "The client MUST include either an empty
// "renegotiation_info" extension, or the TLS_EMPTY_RENEGOTIATION_INFO_SCSV
// signaling cipher suite value in the ClientHello."
func TestHelloOffersWhatThereIs(t *testing.T) {
	k := testKeys()
	raw, chain := rawKey(k.p256), []Chain{k.chain(k.p256)}
	for _, test := range []struct {
		name           string
		c              Credentials
		client, server []byte // certificate types
		curves, certs  bool
	}{
		{"PSK", Credentials{PSK: true}, nil, nil, true, false},
		{"raw keys", Credentials{RawKey: raw, AcceptRawKeys: true}, []byte{2}, []byte{2}, true, true},
		{"raw key judged alone", Credentials{AcceptRawKeys: true}, nil, []byte{2}, true, true},
		{"certificates", Credentials{Chains: chain, AcceptCertificates: true}, nil, nil, true, true},
		{"certificate shown, raw key judged", Credentials{Chains: chain, AcceptRawKeys: true}, nil, []byte{2}, true, true},
		{"all", Credentials{PSK: true, RawKey: raw, Chains: chain, AcceptRawKeys: true, AcceptCertificates: true}, []byte{2, 0}, []byte{2, 0}, true, true},
	} {
		hello, e := helloOf(t, &Config{Credentials: with(test.c)}, "server.example")
		if !bytes.Equal(e.ClientCertTypes, test.client) || !bytes.Equal(e.ServerCertTypes, test.server) ||
			e.Present.Has(wire.ExtClientCertType) != (test.client != nil) || e.Present.Has(wire.ExtServerCertType) != (test.server != nil) {
			t.Errorf("%s: offers types %v and %v", test.name, e.ClientCertTypes, e.ServerCertTypes)
		}
		if e.Groups.Contains(GroupSecp256r1) != test.curves || test.curves && !bytes.Equal(e.PointFormats, []byte{0}) {
			t.Errorf("%s: offers groups %x and formats %x", test.name, e.Groups, e.PointFormats)
		}
		if e.Schemes.Contains(wire.SchemeECDSAP256SHA256) != test.certs || hello.CipherSuites.Contains(rpkSuite) != test.certs {
			t.Errorf("%s: offers schemes %x and suites %x", test.name, e.Schemes, hello.CipherSuites)
		}
		if hello.CipherSuites.Contains(pskSuite) != test.c.PSK {
			t.Errorf("%s: offers suites %x", test.name, hello.CipherSuites)
		}
		if !e.ExtendedMasterSecret || !hello.CipherSuites.Contains(wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV) || string(e.ServerName) != "server.example" {
			t.Errorf("%s: extensions %+v", test.name, e)
		}
		for s := range e.Schemes.All() {
			if s>>8 < 4 {
				t.Errorf("%s: offers scheme %v", test.name, s)
			}
		}
	}
	// A PSK suite without ephemeral keys needs no curves.
	_, e := helloOf(t, &Config{Credentials: with(Credentials{PSK: true}), CipherSuites: []CipherSuite{pskSuite}}, "192.0.2.1")
	if e.Present != wire.ExtExtendedMasterSecret.Bit() {
		t.Errorf("plain PSK offers %+v", e)
	}
}

// The sizes that the two ends agree on hold for what they send and take.
//
// Proves rfc6066 §4: "Similarly, if a client receives a maximum fragment length
// negotiation response that differs from the length it requested, it MUST also
// abort the handshake with an "illegal_parameter" alert."
func TestRecordSizes(t *testing.T) {
	psk := with(Credentials{PSK: true})
	for _, test := range []struct {
		client, server Config
		fromClient     int // the largest payload it may send
		fromServer     int
	}{
		{Config{}, Config{}, 1 << 14, 1 << 14},
		{Config{MaxFragmentLength: 512}, Config{}, 512, 512},
		{Config{MaxFragmentLength: 4096}, Config{}, 4096, 4096},
		{Config{RecordSizeLimit: 100}, Config{}, 1 << 14, 100},
		{Config{RecordSizeLimit: 1000}, Config{RecordSizeLimit: 64}, 64, 1000},
		{Config{}, Config{RecordSizeLimit: 64}, 1 << 14, 1 << 14},
		// RFC 8449 §5: the server ignores the older extension.
		{Config{RecordSizeLimit: 1000, MaxFragmentLength: 512}, Config{}, 1 << 14, 1000},
	} {
		client, server := test.client, test.server
		for _, c := range []*Config{&client, &server} {
			c.Credentials, c.MTU = psk, 1<<16-1
		}
		p := newPair(t, &client, &server)
		p.establish()
		if c, s := p.client.MaxPayload(), p.server.MaxPayload(); c != test.fromClient || s != test.fromServer {
			t.Errorf("%+v %+v: payloads %d and %d", test.client, test.server, c, s)
		}
		if got := p.client.Facts().PeerMaxFragment; got != test.fromClient {
			t.Errorf("PeerMaxFragment %d", got)
		}
		for _, e := range []*peer{&p.client, &p.server} {
			full, err := e.Seal(nil, make([]byte, e.MaxPayload()))
			if err != nil {
				t.Fatal(err)
			}
			to := &p.server
			if e == to {
				to = &p.client
			}
			to.Receive(p.now, full)
			p.pump(to)
			if len(to.data) != 1 {
				t.Errorf("a record of %d bytes is not taken", e.MaxPayload())
			}
			if _, err := e.Seal(nil, make([]byte, e.MaxPayload()+1)); !errors.Is(err, ErrTooLarge) {
				t.Errorf("a larger one: %v", err)
			}
		}
	}
	// A server that changes or doubles the answer is refused.
	for name, edit := range map[string]func(e *wire.ServerExtensions){
		"other length": func(e *wire.ServerExtensions) {
			e.Present |= wire.ExtMaxFragmentLength.Bit()
			e.MaxFragmentLength = 2
		},
		"both": func(e *wire.ServerExtensions) {
			e.Present |= wire.ExtMaxFragmentLength.Bit() | wire.ExtRecordSizeLimit.Bit()
			e.MaxFragmentLength, e.RecordSizeLimit = 1, 512
		},
		"limit too small": func(e *wire.ServerExtensions) {
			e.Present |= wire.ExtRecordSizeLimit.Bit()
			e.RecordSizeLimit = 63
		},
	} {
		p, _ := newClientUnderTest(t, pskSuite)
		p.restart(&Config{Credentials: psk, CipherSuites: []CipherSuite{pskSuite}, Rand: rand.Reader, RecordSizeLimit: 512, MaxFragmentLength: 512})
		u := newPuppet(p, false, pskSuite)
		u.listen()
		hello, e := u.serverHello(), u.serverExtensions()
		edit(e)
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		checkRefused(t, name, p, u, "illegal_parameter")
	}
}

// Peers without extended master secret are served only if that is allowed,
// and then nothing can be exported.
//
// Proves rfc7627 §5.2: "If the client and server choose to continue a full
// handshake without the extension, they MUST use the standard master secret
// derivation for the new session."
// Proves rfc7627 §5.4: "Hence, the client or server MUST NOT export any key
// material based on the new master secret for any subsequent application-level
// authentication. In particular, it MUST disable [RFC5705]"
// Pitfall A1: extended master secret is required unless the application says otherwise
func TestWithoutExtendedMasterSecret(t *testing.T) {
	run := func(allow bool) (*pair, *puppet) {
		p, u := newServerUnderTest(t, pskSuite)
		p.gate.cfg.RequireEMS = !allow
		u.hello.Extensions = nil
		u.greet()
		if u.said(wire.HandshakeServerHello) {
			raw := u.message(wire.HandshakeClientKeyExchange, (&wire.ClientKeyExchange{Identity: []byte("dev1")}).Append(nil, u.form()))
			premaster := append([]byte{0, 16}, make([]byte, 16)...)
			premaster = append(append(premaster, 0, 16), u.psk...)
			u.schedule = u.suite.MasterSecret(premaster, u.clientRandom, u.serverRandom)
			u.writeKeys, u.readKeys = u.schedule.KeyBlock(u.clientRandom, u.serverRandom)
			u.send(u.record(0, wire.ContentHandshake, raw))
			u.changeCipherSpec()
			u.send(u.record(1, wire.ContentHandshake, u.finished()))
		}
		return p, u
	}
	p, u := run(false)
	if p.server.established || len(u.alerts) != 1 || u.alerts[0] != wire.AlertHandshakeFailure {
		t.Errorf("refused with %v", u.alerts)
	}
	p, _ = run(true)
	if !p.server.established || p.server.Facts().ExtendedMasterSecret {
		t.Fatalf("allowed: %v", p.serverErr())
	}
	if _, err := p.server.Export("EXPORTER-test", nil, 16); !errors.Is(err, ErrNoExport) {
		t.Errorf("export: %v", err)
	}
}

// Extensions and suites that nobody knows are skipped by a server.
//
// Proves rfc5746 §3.6: "If the secure_renegotiation flag is set to TRUE, the
// server MUST include an empty "renegotiation_info" extension in the
// ServerHello message."
// Proves rfc7627 §5.2: "If a server implementing this document receives the
// "extended_master_secret" extension, it MUST include the extension in its
// ServerHello message."
func TestServerAnswersWhatItKnows(t *testing.T) {
	for name, asked := range map[string]bool{"nothing": false, "suite": true, "extension": true} {
		p, u := newServerUnderTest(t, pskSuite)
		e := wire.ClientExtensions{Present: wire.ExtExtendedMasterSecret.Bit()}
		switch name {
		case "suite":
			u.hello.CipherSuites = append(u.hello.CipherSuites, 0, 0xff, 0x0a, 0x0a)
		case "extension":
			e.Present |= wire.ExtRenegotiationInfo.Bit()
		}
		u.hello.Extensions = append(e.Append(nil), 0x0a, 0x0a, 0, 3, 1, 2, 3)
		u.greet()
		var hello wire.ServerHello
		var se wire.ServerExtensions
		if hello.Parse(u.heard[0].Body()) != nil || se.Parse(hello.Extensions) != nil {
			t.Fatal("ServerHello does not parse")
		}
		want := wire.ExtExtendedMasterSecret.Bit()
		if asked {
			want |= wire.ExtRenegotiationInfo.Bit()
		}
		if se.Present != want || len(se.RenegotiationInfo) != 0 || len(hello.SessionID) != 0 {
			t.Errorf("%s: ServerHello %+v %+v", name, hello, se)
		}
		u.flight5()
		if !p.server.established {
			t.Errorf("%s: %v", name, p.serverErr())
		}
	}
}
