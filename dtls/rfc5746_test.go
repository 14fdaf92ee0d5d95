// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// A client looks at the server's renegotiation_info: absent or empty it is,
// or the handshake ends.
//
// Proves rfc5746 §3.4: "When a ServerHello is received, the client MUST check
// if it includes the "renegotiation_info" extension:"
// Proves rfc5746 §3.4: "The client MUST then verify that the length of the
// "renegotiated_connection" field is zero, and if it is not, MUST abort the
// handshake (by sending a fatal handshake_failure alert)."
func TestClientChecksRenegotiationInfo(t *testing.T) {
	for _, test := range []struct {
		name string
		info []byte // nil: no extension
		ok   bool
	}{
		{"absent", nil, true}, {"empty", []byte{}, true}, {"one byte", []byte{0}, false}, {"verify data", make([]byte, 24), false},
	} {
		p, u := newClientUnderTest(t, pskSuite)
		hello, e := u.serverHello(), u.serverExtensions()
		if e.RenegotiationInfo = test.info; test.info != nil {
			e.Present |= wire.ExtRenegotiationInfo.Bit()
		}
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		if !test.ok {
			checkAlert(t, test.name, u, wire.AlertHandshakeFailure)
			continue
		}
		u.say(wire.HandshakeServerHelloDone, nil)
		if u.flight6(); !p.client.established {
			t.Errorf("%s: %v", test.name, p.client.Err())
		}
	}
}

// A server looks for the signalling suite and for the extension, and answers
// either with an empty extension; one that is not empty ends the handshake.
//
// Proves rfc5746 §3.6: "When a ClientHello is received, the server MUST check
// if it includes the TLS_EMPTY_RENEGOTIATION_INFO_SCSV SCSV."
// Proves rfc5746 §3.6: "The server MUST check if the "renegotiation_info"
// extension is included in the ClientHello."
// Proves rfc5746 §3.6: "The server MUST then verify that the length of the
// "renegotiated_connection" field is zero, and if it is not, MUST abort the
// handshake."
// Proves rfc5746 §3.6: "If the secure_renegotiation flag is set to TRUE, the
// server MUST include an empty "renegotiation_info" extension in the
// ServerHello message."
// Proves rfc5746 §4.3: "In order to enable clients to probe, even servers that
// do not support renegotiation MUST implement the minimal version of the
// extension described in this document for initial handshakes, thus signaling
// that they have been upgraded."
func TestServerAnswersRenegotiationInfo(t *testing.T) {
	for _, id := range []CipherSuite{pskSuite, rpkSuite} {
		for _, test := range []struct {
			name   string
			scsv   bool
			info   []byte // nil: no extension
			answer bool
			ok     bool
		}{
			{"neither", false, nil, false, true},
			{"suite", true, nil, true, true},
			{"extension", false, []byte{}, true, true},
			{"both", true, []byte{}, true, true},
			{"with data", false, []byte{1}, false, false},
			{"with data, and the suite", true, make([]byte, 12), false, false},
		} {
			_, u := newServerUnderTest(t, id)
			if test.scsv {
				u.hello.CipherSuites = wire.ListOf([]CipherSuite{id, wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV})
			}
			editOffer(t, u, func(e *wire.ClientExtensions) {
				if e.RenegotiationInfo = test.info; test.info != nil {
					e.Present |= wire.ExtRenegotiationInfo.Bit()
				}
			})
			u.greet()
			if !test.ok {
				checkAlert(t, test.name, u, wire.AlertHandshakeFailure)
				continue
			}
			_, e, ok := heardHello(t, u)
			if !ok || e.Present.Has(wire.ExtRenegotiationInfo) != test.answer || len(e.RenegotiationInfo) != 0 {
				t.Errorf("%v, %s: %v, answered with %x", id, test.name, ok, e.RenegotiationInfo)
			}
		}
	}
}

// But for that one, a ServerHello has no extension that the ClientHello had
// not, whatever is left out.
//
// Proves rfc5746 §3.6: "Note that sending a "renegotiation_info" extension in
// response to a ClientHello containing only the SCSV is an explicit exception
// to the prohibition in RFC 5246, Section 7.4.1.4, on the server sending
// unsolicited extensions and is only allowed because the client is signaling
// its willingness to receive the extension via the
// TLS_EMPTY_RENEGOTIATION_INFO_SCSV SCSV. TLS implementations MUST continue to
// comply with Section 7.4.1.4 for all other extensions."
// Proves rfc5246 §7.4.1.4: "An extension type MUST NOT appear in the
// ServerHello unless the same extension type appeared in the corresponding
// ClientHello."
func TestServerSendsNothingUnasked(t *testing.T) {
	k := testKeys()
	creds := Credentials{PSK: true, RawKey: rawKey(k.p256b), Chains: []Chain{k.chain(k.p256b)}, AcceptRawKeys: true, AcceptCertificates: true}
	optional := []wire.ExtensionType{
		wire.ExtServerName, wire.ExtMaxFragmentLength, wire.ExtSupportedGroups, wire.ExtECPointFormats, wire.ExtClientCertType,
		wire.ExtServerCertType, wire.ExtExtendedMasterSecret, wire.ExtRecordSizeLimit,
	}
	for _, id := range []CipherSuite{pskSuite, rpkSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256} {
		for subset := range 1 << len(optional) {
			_, u := asking(t, &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds), AllowNoExtendedMasterSecret: true, RecordSizeLimit: 512}, id)
			var offered wire.ExtensionSet
			editOffer(t, u, func(e *wire.ClientExtensions) {
				e.ServerName, e.MaxFragmentLength, e.RecordSizeLimit = []byte("server.example"), 2, 1000
				for i, ext := range optional {
					if e.Present &^= ext.Bit(); subset>>i&1 == 1 {
						e.Present |= ext.Bit()
					}
				}
				offered = e.Present
			})
			u.hello.CipherSuites = wire.ListOf([]CipherSuite{id, wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV})
			u.greet()
			_, e, ok := heardHello(t, u)
			if !ok {
				t.Fatalf("%v, subset %b: alerts %v", id, subset, u.alerts)
			}
			if unasked := e.Present &^ (offered | wire.ExtRenegotiationInfo.Bit()); unasked != 0 {
				t.Errorf("%v: server sends %b unasked", id, unasked)
			}
			if !e.Present.Has(wire.ExtRenegotiationInfo) {
				t.Errorf("%v: the signalling suite is not answered", id)
			}
		}
	}
}
