// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// A server's choices must be among the client's offers.
//
// Pitfall W9, W11: suite, compression, extension, group and signature scheme that were not offered abort
// Pitfall E4: a certificate type that was not offered aborts, and the type in hand must be the negotiated one
// Pitfall P6, T6: ServerHellos that do not parse
// Pitfall O10: there are no suites without authentication, and choosing one is refused
func TestServerHelloMustAnswerTheOffer(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(h *wire.ServerHello, e *wire.ServerExtensions)
		want string
	}{
		{"anonymous suite", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.CipherSuite = 0xc018 }, "illegal_parameter"},
		{"no encryption", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.CipherSuite = 0x002c }, "illegal_parameter"},
		{"version 1.0", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.Version = wire.VersionDTLS10 }, "illegal_parameter"},
		{"version 1.3", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.Version = wire.VersionDTLS13 }, "illegal_parameter"},
		{"version 1.0 and a suite for it", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			h.Version, h.CipherSuite = wire.VersionDTLS10, 0xc013
		}, "protocol_version"},
		{"suite we know and did not offer", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.CipherSuite = pskSuite }, "illegal_parameter"},
		{"suite we do not know", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.CipherSuite = 0xc023 }, "illegal_parameter"},
		{"signalling suite", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.CipherSuite = 0x00ff }, "illegal_parameter"},
		{"compression", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.Compression = 1 }, "illegal_parameter"},
		{"our own random", func(h *wire.ServerHello, e *wire.ServerExtensions) { h.Random = nil }, "illegal_parameter"},
		{"no extended master secret", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present &^= wire.ExtExtendedMasterSecret.Bit()
		}, "handshake_failure"},
		{"max_fragment_length unasked", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present |= wire.ExtMaxFragmentLength.Bit()
			e.MaxFragmentLength = 1
		}, "unsupported_extension"},
		{"record_size_limit unasked", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present |= wire.ExtRecordSizeLimit.Bit()
			e.RecordSizeLimit = 512
		}, "unsupported_extension"},
		{"compressed points only", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present |= wire.ExtECPointFormats.Bit()
			e.PointFormats = []byte{1}
		}, "illegal_parameter"},
		{"renegotiation", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present |= wire.ExtRenegotiationInfo.Bit()
			e.RenegotiationInfo = make([]byte, 24)
		}, "handshake_failure"},
		{"server type X.509 not offered", func(h *wire.ServerHello, e *wire.ServerExtensions) { e.ServerCertType = CertX509 }, "illegal_parameter"},
		{"server type unknown", func(h *wire.ServerHello, e *wire.ServerExtensions) { e.ServerCertType = 1 }, "illegal_parameter"},
		{"client type not offered", func(h *wire.ServerHello, e *wire.ServerExtensions) { e.ClientCertType = CertX509 }, "illegal_parameter"},
		{"no server type: X.509, which is not taken", func(h *wire.ServerHello, e *wire.ServerExtensions) {
			e.Present &^= wire.ExtServerCertType.Bit()
		}, "unsupported_certificate"},
	} {
		p, u := newClientUnderTest(t, rpkSuite)
		hello, e := u.serverHello(), u.serverExtensions()
		test.edit(&hello, e)
		if hello.Random == nil {
			hello.Random = u.clientRandom
		}
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		checkRefused(t, test.name, p, u, test.want)
	}
	for name, extensions := range map[string]string{
		"unknown extension":    "\x12\x34\x00\x00",
		"session ticket":       "\x00\x23\x00\x00",
		"groups of the server": "\x00\x0a\x00\x04\x00\x02\x00\x17",
		"extension twice":      "\x00\x17\x00\x00\x00\x17\x00\x00",
		"cut extension":        "\x00\x17\x00",
		"length too large":     "\x00\x17\x00\x05",
		"body in EMS":          "\x00\x17\x00\x01\x00",
	} {
		want := "unsupported_extension"
		if name[0] == 'e' || name[0] == 'c' || name[0] == 'l' || name[0] == 'b' {
			want = "decode_error"
		}
		p, u := newClientUnderTest(t, rpkSuite)
		hello := u.serverHello()
		hello.Extensions = []byte(extensions)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		checkRefused(t, name, p, u, want)
	}
}

// checkRefused checks that the client ended the handshake with one alert, and
// tells its caller so.
func checkRefused(t *testing.T, name string, p *pair, u *puppet, want string) {
	t.Helper()
	if got := fmt.Sprint(u.alerts); got != "["+want+"]" {
		t.Errorf("%s: alerts %v, want %s (%v)", name, got, want, p.client.Err())
	}
	if e := p.client.closed; p.client.established || e == nil || !e.Sent || e.Alert.String() != want {
		t.Errorf("%s: established %v, error %+v", name, p.client.established, e)
	}
}

// A ServerKeyExchange whose signature is absent, cut, not of this handshake,
// of another key or of another algorithm is not accepted, and the application
// never hears of the server's key.
//
// Pitfall S2: the signature of ServerKeyExchange stripped, empty and cut
// Pitfall M8, W22: algorithms that were not offered, or are not the key's
// Pitfall P8, M12: lengths that fill the body, and one more and one less
func TestBadServerKeyExchange(t *testing.T) {
	k := testKeys()
	for _, test := range []struct {
		name string
		edit func(u *puppet, x *wire.ServerKeyExchange) (body []byte)
		want string
	}{
		{"no signature part", func(u *puppet, x *wire.ServerKeyExchange) []byte { return x.Params }, "decode_error"},
		{"empty signature", func(u *puppet, x *wire.ServerKeyExchange) []byte { x.Signature = nil; return nil }, "decrypt_error"},
		{"cut signature", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			x.Signature = x.Signature[:10]
			return nil
		}, "decrypt_error"},
		{"signature of other randoms", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			u.serverRandom = make([]byte, 32)
			x.Signature = u.signParams(u.key.Signer, x.Scheme, x.Params)
			return nil
		}, "decrypt_error"},
		{"signature of another key", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			x.Signature = u.signParams(k.p256b, x.Scheme, x.Params)
			return nil
		}, "decrypt_error"},
		{"other parameters than signed", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			other := newPuppet(u.p, false, rpkSuite)
			x.Params = wire.AppendECParams(nil, GroupSecp256r1, other.private.PublicKey().Bytes())
			return nil
		}, "decrypt_error"},
		{"SHA-1", func(u *puppet, x *wire.ServerKeyExchange) []byte { x.Scheme = 0x0203; return nil }, "illegal_parameter"},
		{"MD5", func(u *puppet, x *wire.ServerKeyExchange) []byte { x.Scheme = 0x0103; return nil }, "illegal_parameter"},
		{"Ed25519 with a P-256 key", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			x.Scheme = wire.SchemeEd25519
			return nil
		}, "illegal_parameter"},
		{"group not offered", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			binary.BigEndian.PutUint16(x.Params[1:], 25)
			return nil
		}, "illegal_parameter"},
		{"explicit curve", func(u *puppet, x *wire.ServerKeyExchange) []byte { x.Params[0] = 1; return nil }, "decode_error"},
		{"point not on the curve", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			x.Params[len(x.Params)-1] ^= 1
			x.Signature = u.signParams(u.key.Signer, x.Scheme, x.Params)
			return nil
		}, "illegal_parameter"},
		{"compressed point", func(u *puppet, x *wire.ServerKeyExchange) []byte {
			x.Params = wire.AppendECParams(nil, GroupSecp256r1, append([]byte{2}, make([]byte, 32)...))
			x.Signature = u.signParams(u.key.Signer, x.Scheme, x.Params)
			return nil
		}, "illegal_parameter"},
		{"trailing byte", func(u *puppet, x *wire.ServerKeyExchange) []byte { return append(x.Append(nil, u.form()), 0) }, "decode_error"},
	} {
		p, u := newClientUnderTest(t, rpkSuite)
		hello, x := u.serverHello(), u.serverKeyExchange()
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
		body := test.edit(u, &x)
		if body == nil {
			body = x.Append(nil, u.form())
		}
		u.say(wire.HandshakeServerKeyExchange, body)
		u.say(wire.HandshakeServerHelloDone, nil)
		checkRefused(t, test.name, p, u, test.want)
		if len(p.client.asked) > 0 || p.client.Facts().PeerRawKey != nil {
			t.Errorf("%s: the server was judged", test.name)
		}
	}
	for _, extra := range []int{-1, 0, 1, 200} {
		p, u := newClientUnderTest(t, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256)
		hello, x := u.serverHello(), u.serverKeyExchange()
		body := x.Append(nil, u.form())
		binary.BigEndian.PutUint16(body, uint16(len(body)-2+extra)) // the hint takes all there is
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeServerKeyExchange, body)
		checkRefused(t, fmt.Sprintf("hint of the body%+d", extra), p, u, "decode_error")
	}
}

// A server that shows nothing, or something else than it said, is refused.
//
// Proves rfc7250 §3: "The SubjectPublicKeyInfo value in the Certificate
// payload MUST contain the DER encoding [X.690] of the SubjectPublicKeyInfo."
// Pitfall W13, E4: a missing Certificate, an empty one, and one of the other type
func TestBadServerCertificate(t *testing.T) {
	k := testKeys()
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"empty":                 {wire.AppendRawPublicKey(nil, nil), "handshake_failure"},
		"X.509":                 {wire.AppendCertificates(nil, [][]byte{k.chain(k.p256).DER[0]}), "bad_certificate"},
		"TLS 1.3's list":        {append([]byte{0, 0, 96, 0, 0, 91}, append(rawKey(k.p256).SPKI, 0, 0)...), "bad_certificate"},
		"SPKI and more":         {wire.AppendRawPublicKey(nil, append(bytes.Clone(rawKey(k.p256).SPKI), 0)), "bad_certificate"},
		"no length":             {rawKey(k.p256).SPKI, "decode_error"},
		"RSA for ECDHE_ECDSA":   {wire.AppendRawPublicKey(nil, rawKey(k.rsa).SPKI), "unsupported_certificate"},
		"cut":                   {wire.AppendRawPublicKey(nil, rawKey(k.p256).SPKI[:50]), "bad_certificate"},
		"length beyond the end": {append([]byte{0, 1, 0}, rawKey(k.p256).SPKI...), "decode_error"},
	} {
		p, u := newClientUnderTest(t, rpkSuite)
		hello := u.serverHello()
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeCertificate, test.body)
		checkRefused(t, name, p, u, test.want)
	}
}

// An answer to a request for a key that the client cannot use is an empty
// Certificate, without a CertificateVerify.
//
// Proves rfc5246 §7.4.6: "If no suitable certificate is available, the client
// MUST send a certificate message containing no certificates."
// Pitfall P15, T16: a CertificateRequest for other types, algorithms and authorities
func TestRequestThatFitsNoKey(t *testing.T) {
	for name, request := range map[string]wire.CertificateRequest{
		"other type":   {Types: []byte{byte(wire.ClientCertRSASign)}, Schemes: wire.ListOf([]SignatureScheme{wire.SchemeECDSAP256SHA256})},
		"other scheme": {Types: []byte{byte(wire.ClientCertECDSASign)}, Schemes: wire.ListOf([]SignatureScheme{0x0203, wire.SchemeEd25519})},
	} {
		p, u := newClientUnderTest(t, rpkSuite)
		hello, x := u.serverHello(), u.serverKeyExchange()
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeCertificateRequest, request.Append(nil))
		u.heard = nil
		u.say(wire.HandshakeServerHelloDone, nil)
		if len(u.heard) == 0 || u.heard[0].Type != wire.HandshakeCertificate || !bytes.Equal(u.heard[0].Body(), []byte{0, 0, 0}) {
			t.Errorf("%s: client says %v (%v)", name, u.heard, p.client.Err())
		}
		if u.said(wire.HandshakeCertificateVerify) {
			t.Errorf("%s: CertificateVerify without a certificate", name)
		}
		u.flight6()
		if !p.client.established || p.client.Facts().LocalSignatureScheme != 0 {
			t.Errorf("%s: %v", name, p.client.Err())
		}
	}
	// Requests that do not parse.
	for _, body := range [][]byte{nil, {0}, {1, 64, 0, 0, 0, 0}, {1, 64, 0, 1, 4, 0, 0}, {1, 64, 0, 2, 4, 3}, {1, 64, 0, 2, 4, 3, 0, 2, 0, 0}, {1, 64, 0, 2, 4, 3, 0, 0, 0}} {
		p, u := newClientUnderTest(t, rpkSuite)
		hello, x := u.serverHello(), u.serverKeyExchange()
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeCertificateRequest, body)
		checkRefused(t, fmt.Sprintf("request %x", body), p, u, "decode_error")
	}
}

// A server that the caller does not trust is refused before anything of ours
// is proved, and no data can be sent.
//
// Pitfall O19, P17: an untrusted key fails the handshake, on either side
func TestVerdict(t *testing.T) {
	for reason, want := range map[Reason]string{
		ReasonRPKNotPinned: "certificate_unknown", ReasonCertUnknownCA: "unknown_ca", ReasonCertExpired: "certificate_expired",
		ReasonCertRevoked: "certificate_revoked", ReasonCertNameMismatch: "bad_certificate", ReasonInternal: "internal_error",
	} {
		k := testKeys()
		both := func() (*Config, *Config) {
			return &Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})},
				&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true})}
		}
		for _, serverRefuses := range []bool{false, true} {
			client, server := both()
			p := newPair(t, client, server)
			refuser, refused := &p.client, &p.server
			if serverRefuses {
				refuser, refused = refused, refuser
			}
			refuser.verdict = reason
			p.run()
			if e := refuser.closed; e == nil || e.Reason != reason || !e.Sent || e.Alert.String() != want {
				t.Errorf("%v: refuser's error %+v", reason, e)
			}
			if e := refused.closed; e == nil || e.Reason.String() != "alert_"+want || !e.Received {
				t.Errorf("%v: refused one's error %+v", reason, e)
			}
			for _, e := range []*peer{refuser, refused} {
				if _, err := e.Seal(nil, []byte("x")); e.established || err == nil {
					t.Errorf("%v: data can be sent", reason)
				}
			}
		}
	}
}

// A HelloVerifyRequest is answered, with the same hello and any cookie, a few
// times, and only before the ServerHello.
//
// Proves rfc6347 §4.2.1: "The client MUST retransmit the ClientHello with the
// cookie added."
// Proves rfc6347 §4.2.1: "Clients MUST be prepared to do a cookie exchange
// with every handshake."
// Proves rfc6347 §4.2.1: "DTLS 1.2 and 1.0 clients MUST use the version solely
// to indicate packet formatting (which is the same in both DTLS 1.2 and 1.0)
// and not as part of version negotiation."
// Pitfall W19: cookies of 0, 1, 32 and 255 bytes come back
// Pitfall O23: HelloVerifyRequest only as the first answer, and so many times
// Pitfall G1: the random is kept for the cookie and new for each handshake
// Pitfall P14: message_seq goes on
func TestClientAnswersCookies(t *testing.T) {
	randoms := map[string]bool{}
	for _, version := range []Version{wire.VersionDTLS10, VersionDTLS12} {
		for _, n := range []int{0, 1, 32, 255} {
			_, u := newClientUnderTest(t, pskSuite)
			before := u.hello
			cookie := bytes.Repeat([]byte{0xcc}, n)
			request := wire.HelloVerifyRequest{Version: version, Cookie: cookie}
			u.say(wire.HandshakeHelloVerifyRequest, request.Append(nil))
			last := u.heard[len(u.heard)-1]
			if len(u.heard) != 2 || last.Seq != 1 || !bytes.Equal(u.hello.Cookie, cookie) {
				t.Errorf("cookie of %d bytes: client says %d messages, cookie %x", n, len(u.heard), u.hello.Cookie)
			}
			before.Cookie = u.hello.Cookie
			if !bytes.Equal(before.Append(nil), u.hello.Append(nil)) {
				t.Errorf("cookie of %d bytes: the hello changed", n)
			}
			randoms[string(u.clientRandom)] = true
			u.flight4()
			u.flight6()
			if !u.p.client.established {
				t.Errorf("cookie of %d bytes: %v", n, u.p.client.Err())
			}
		}
	}
	if len(randoms) != 8 || randoms[string(make([]byte, 32))] {
		t.Error("randoms repeat, or are zero")
	}
	// Every cookie after the fifth is ignored, and the handshake goes on.
	_, u := newClientUnderTest(t, pskSuite)
	for i := range 20 {
		u.seq = uint16(min(i, 5))
		request := wire.HelloVerifyRequest{Version: wire.VersionDTLS10, Cookie: []byte{byte(i)}}
		u.say(wire.HandshakeHelloVerifyRequest, request.Append(nil))
	}
	if got := len(u.heard); got != 6 {
		t.Errorf("client said %d hellos, want 6", got)
	}
}

// The number of the ServerHello must follow that of the HelloVerifyRequest.
//
// Proves rfc6347 §4.2.2: "If the sequence number is less than next_receive_seq,
// the message MUST be discarded."
// Pitfall P14: a ServerHello with a stale or skipped message_seq is not processed
func TestServerHelloNumber(t *testing.T) {
	for seq, want := range map[uint16]bool{0: false, 1: true, 2: false, 3: false, 65535: false} {
		_, u := newClientUnderTest(t, pskSuite)
		request := wire.HelloVerifyRequest{Version: wire.VersionDTLS10, Cookie: []byte("cookie")}
		u.say(wire.HandshakeHelloVerifyRequest, request.Append(nil))
		u.seq = seq
		u.flight4()
		if got := u.said(wire.HandshakeClientKeyExchange); got != want {
			t.Errorf("ServerHello with number %d: accepted %v, want %v", seq, got, want)
		}
	}
	// A server without state may number each of its cookies 0.
	_, u := newClientUnderTest(t, pskSuite)
	for i := range 3 {
		u.seq = 0
		request := wire.HelloVerifyRequest{Version: wire.VersionDTLS10, Cookie: []byte{byte(i)}}
		u.say(wire.HandshakeHelloVerifyRequest, request.Append(nil))
	}
	u.flight4()
	u.flight6()
	if !u.p.client.established {
		t.Errorf("after three cookies with number 0: %v", u.p.client.Err())
	}
}

// HelloRequest is ignored whenever it comes and whatever its number.
//
// Proves rfc5246 §7.4.1.1: "This message will be ignored by the client if the
// client is currently negotiating a session."
// Pitfall O8: a hundred thousand HelloRequests cost nothing
// Pitfall O25: HelloRequest with any number takes no message's place
func TestHelloRequestIsIgnored(t *testing.T) {
	p, u := newClientUnderTest(t, pskSuite)
	for i := range 100_000 {
		p.client.Receive(p.now, plainRecord(wire.ContentHandshake, 0, uint64(i), rawMessage(wire.HandshakeHelloRequest, uint16(i%8), nil)))
		p.pump(&p.client)
	}
	if n := p.client.Transmit(p.now, p.buf); n != 0 {
		t.Error("HelloRequest is answered")
	}
	if n := p.client.Counters()[hs.DropHelloRequest]; n != 100_000 {
		t.Errorf("%d counted", n)
	}
	u.flight4()
	u.flight6()
	if !p.client.established {
		t.Errorf("handshake failed: %v", p.client.Err())
	}
}
