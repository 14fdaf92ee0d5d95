// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The client's type is answered, and its key asked for, together or not at
// all: when the server takes a type that the client can show.
//
// Proves rfc7250 §4.2: "If the TLS server wants to request a certificate from
// the client (via the certificate_request message), it MUST include the
// client_certificate_type extension in the server hello. This
// client_certificate_type extension in the server hello then indicates the
// type of certificates the client is requested to provide in a subsequent
// certificate payload. The value conveyed in the client_certificate_type
// extension MUST be selected from one of the values provided in the
// client_certificate_type extension sent in the client hello. The server MUST
// also include a certificate_request payload in the server hello message."
// Proves rfc7250 §4.2: "If the server does not send a certificate_request
// payload (for example, because client authentication happens at the
// application layer or no client authentication is required) or none of the
// certificates supported by the client (as indicated in the
// client_certificate_type extension in the client hello) match the
// server-supported certificate types, then the client_certificate_type payload
// in the server hello MUST be omitted."
func TestClientCertificateTypeAnswered(t *testing.T) {
	const raw, x509 = byte(CertRawPublicKey), byte(CertX509)
	for _, test := range []struct {
		name           string
		rawKeys, certs bool   // taken by the server
		offered        []byte // by the client; nil: no extension
		request        bool   // for a key
		answer         []byte // nil: no extension
	}{
		{"raw key", true, false, []byte{raw}, true, []byte{raw}},
		{"both, raw key first", true, true, []byte{raw, x509}, true, []byte{raw}},
		{"both, certificate first", true, true, []byte{x509, raw}, true, []byte{x509}},
		{"certificate, second choice", false, true, []byte{raw, x509}, true, []byte{x509}},
		{"nothing wanted", false, false, []byte{raw, x509}, false, nil},
		{"nothing in common", false, true, []byte{raw}, false, nil},
		{"types that do not exist", true, true, []byte{1, 3, 224}, false, nil},
		{"no extension, certificate", true, true, nil, true, nil},
		{"no extension, raw keys taken", true, false, nil, false, nil},
	} {
		creds := Credentials{RawKey: rawKey(testKeys().p256b), AcceptRawKeys: test.rawKeys, AcceptCertificates: test.certs}
		_, u := asking(t, &Config{Credentials: with(creds)}, rpkSuite)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.ClientCertTypes = test.offered
			if test.offered == nil {
				leaveOut(wire.ExtClientCertType)(e)
			}
		})
		u.greet()
		_, e, ok := heardHello(t, u)
		if !ok {
			t.Errorf("%s: alerts %v", test.name, u.alerts)
			continue
		}
		if got := u.said(wire.HandshakeCertificateRequest); got != test.request {
			t.Errorf("%s: CertificateRequest %v", test.name, got)
		}
		if got := e.Present.Has(wire.ExtClientCertType); got != (test.answer != nil) || got && byte(e.ClientCertType) != test.answer[0] {
			t.Errorf("%s: client_certificate_type %v, %v", test.name, got, e.ClientCertType)
		}
	}
}

// The Certificate holds what the ServerHello says: the key and nothing around
// it, or a list.
//
// Proves rfc7250 §4.2: "If the client hello indicates support of raw public
// keys in the server_certificate_type extension and the server chooses to use
// raw public keys, then the TLS server MUST place the SubjectPublicKeyInfo
// structure into the Certificate payload. With the server_certificate_type
// extension in the server hello, the TLS server indicates the certificate type
// carried in the Certificate payload."
func TestServerCertificatePayload(t *testing.T) {
	k := testKeys()
	spki := rawKey(k.p256b).SPKI
	chain := k.chain(k.p256b)
	raw := append([]byte{0, 0, byte(len(spki))}, spki...)
	list := wire.AppendCertificates(nil, chain.DER)
	for _, test := range []struct {
		name    string
		offered []byte
		want    []byte
		typ     CertType
	}{
		{"raw key", []byte{2}, raw, CertRawPublicKey},
		{"raw key first", []byte{2, 0}, raw, CertRawPublicKey},
		{"certificate first", []byte{0, 2}, list, CertX509},
		{"no extension", nil, list, CertX509},
	} {
		creds := Credentials{RawKey: rawKey(k.p256b), Chains: []Chain{chain}}
		_, u := asking(t, &Config{Credentials: with(creds)}, rpkSuite)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.ServerCertTypes = test.offered
			e.Present |= wire.ExtClientCertType.Bit()
			e.ClientCertTypes = []byte{2, 0} // a client that shows raw keys alone is in that mode
			if test.offered == nil {
				leaveOut(wire.ExtServerCertType)(e)
			}
		})
		u.greet()
		_, e, _ := heardHello(t, u)
		if got := heardBody(u, wire.HandshakeCertificate); !bytes.Equal(got, test.want) {
			t.Errorf("%s: Certificate %x", test.name, got)
		}
		if got := e.Present.Has(wire.ExtServerCertType); got != (test.offered != nil) || e.ServerCertType != test.typ {
			t.Errorf("%s: server_certificate_type %v, %v", test.name, got, e.ServerCertType)
		}
	}
}

// Without a type in common there is no handshake.
//
// Proves rfc7250 §4.2: "The server supports the extension defined in this
// document, but it does not have any certificate type in common with the
// client. Then, the server terminates the session with a fatal alert of type
// "unsupported_certificate"."
// Pitfall S6: a raw key alone, and a client that does not say that it takes one
func TestNoCertificateTypeInCommon(t *testing.T) {
	raw := rawKey(testKeys().p256b)
	for name, test := range map[string]struct {
		creds Credentials
		edit  func(e *wire.ClientExtensions)
	}{
		"server's":               {Credentials{RawKey: raw}, func(e *wire.ClientExtensions) { e.ServerCertTypes = []byte{0, 1} }},
		"server's, no extension": {Credentials{RawKey: raw}, leaveOut(wire.ExtServerCertType)},
		"client's": {
			Credentials{RawKey: raw, AcceptRawKeys: true, RequirePeerKey: true},
			func(e *wire.ClientExtensions) { e.ClientCertTypes = []byte{0} },
		},
		"client's, no extension": {Credentials{RawKey: raw, AcceptRawKeys: true, RequirePeerKey: true}, leaveOut(wire.ExtClientCertType)},
	} {
		p, u := asking(t, &Config{Credentials: with(test.creds)}, rpkSuite)
		editOffer(t, u, test.edit)
		u.greet()
		checkAlert(t, name, u, wire.AlertUnsupportedCertificate)
		if r := p.serverErr().Reason; r != ReasonNoCommonCertType {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// The client's key goes out in the negotiated form, and it is signed for; an
// empty one has the form too.
//
// Proves rfc7250 §4.1: "The client_certificate_type extension in the client
// hello indicates the certificate types the client is able to provide to the
// server, when requested using a certificate_request message."
func TestClientCertificatePayload(t *testing.T) {
	k := testKeys()
	raw := rawKey(k.p256)
	for name, test := range map[string]struct {
		creds Credentials
		typ   CertType
		want  []byte
	}{
		"raw key":     {Credentials{AcceptRawKeys: true, RawKey: raw}, CertRawPublicKey, append([]byte{0, 0, byte(len(raw.SPKI))}, raw.SPKI...)},
		"certificate": {Credentials{AcceptRawKeys: true, Chains: []Chain{k.chain(k.p256)}}, CertX509, nil},
		"none":        {Credentials{AcceptRawKeys: true}, CertX509, []byte{0, 0, 0}},
	} {
		_, u := asked(t, &Config{Credentials: with(test.creds)}, rpkSuite)
		hello, e, x := u.serverHello(), u.serverExtensions(), u.serverKeyExchange()
		e.ClientCertType = test.typ
		if test.typ == CertX509 {
			e.Present &^= wire.ExtClientCertType.Bit()
		}
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeCertificateRequest, u.certificateRequest())
		u.say(wire.HandshakeServerHelloDone, nil)
		want := test.want
		if want == nil {
			want = wire.AppendCertificates(nil, test.creds.Chains[0].DER)
		}
		if got := heardBody(u, wire.HandshakeCertificate); !bytes.Equal(got, want) {
			t.Errorf("%s: Certificate %x, want %x, alerts %v", name, got, want, u.alerts)
		}
		if got := u.said(wire.HandshakeCertificateVerify); got != (len(want) > 3) {
			t.Errorf("%s: CertificateVerify %v", name, got)
		}
	}
}
