// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// A client that offers suites with elliptic curves lists its curves in its
// order and the one point format, as the RFC's octets.
//
// Proves rfc8422 §5.1: "If the Supported Point Formats Extension is indeed
// sent, it MUST contain the value 0 (uncompressed) as one of the items in the
// list of point formats."
// Proves rfc8422 §5.1.2: "A client compliant with this specification that
// supports no other curves MUST send the following octets; note that the first
// two octets indicate the extension type (Supported Point Formats Extension):"
func TestClientSendsCurvesAndFormats(t *testing.T) {
	for _, creds := range []Credentials{{PSK: true}, {AcceptRawKeys: true}, {AcceptCertificates: true}} {
		hello, _ := helloOf(t, &Config{Credentials: with(creds), Groups: []Group{GroupX25519, GroupSecp256r1}}, "")
		for _, octets := range [][]byte{{0, 0x0b, 0, 2, 1, 0}, {0, 0x0a, 0, 6, 0, 4, 0, 29, 0, 23}} {
			if !bytes.Contains(hello.Extensions, octets) {
				t.Errorf("%x is not in %x", octets, hello.Extensions)
			}
		}
	}
}

// A server demands the uncompressed format if the client lists formats, and
// lists it itself when the suite has curves.
//
// Proves rfc8422 §5.1.2: "If the client sends the extension and the extension
// does not contain the uncompressed point format, and the client has used the
// Supported Groups extension to indicate support for any of the curves defined
// in this specification, then the server MUST abort the handshake and return
// an illegal_parameter alert."
// Proves rfc8422 §5.2: "The Supported Point Formats Extension is included in a
// ServerHello message in response to a ClientHello message containing the
// Supported Point Formats Extension when negotiating an ECC cipher suite."
// Proves rfc8422 §5.2: "The Supported Point Formats Extension, when used, MUST
// contain the value 0 (uncompressed) as one of the items in the list of point
// formats."
func TestServerAnswersFormats(t *testing.T) {
	for _, id := range []CipherSuite{rpkSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, pskSuite} {
		for _, formats := range [][]byte{nil, {0}, {0, 1, 2}, {2, 1, 0}, {1}, {1, 2}, {248, 255}} {
			_, u := newServerUnderTest(t, id)
			editOffer(t, u, func(e *wire.ClientExtensions) {
				if e.PointFormats = formats; formats == nil {
					leaveOut(wire.ExtECPointFormats)(e)
				}
			})
			u.greet()
			if formats != nil && bytes.IndexByte(formats, 0) < 0 {
				checkAlert(t, id.String(), u, wire.AlertIllegalParameter)
				continue
			}
			_, e, ok := heardHello(t, u)
			answered := formats != nil && id != pskSuite
			if !ok || e.Present.Has(wire.ExtECPointFormats) != answered || answered && !bytes.Equal(e.PointFormats, []byte{0}) {
				t.Errorf("%v, formats %v: %v, answered %v", id, formats, ok, e.PointFormats)
			}
		}
	}
}

// A client takes the server's list into account, whose only choice is the
// uncompressed format, and sends its point in it.
//
// Proves rfc8422 §5.2: "A client that receives a ServerHello message
// containing a Supported Point Formats Extension MUST respect the server's
// choice of point formats during the handshake (cf. Sections 5.6 and 5.7). If
// no Supported Point Formats Extension is received with the ServerHello, this
// is equivalent to an extension allowing only the uncompressed point format."
// Proves rfc8422 §5.7: "ecdh_Yc: Contains the client's ephemeral ECDH public
// key as a byte string ECPoint.point, which may represent an elliptic curve
// point in uncompressed format."
func TestClientRespectsFormats(t *testing.T) {
	const id = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	for _, formats := range [][]byte{nil, {0}, {1, 0, 2}, {1}, {2, 1}, {}} {
		p, u := newClientUnderTest(t, id)
		hello, e, x := u.serverHello(), u.serverExtensions(), u.serverKeyExchange()
		if e.PointFormats = formats; formats != nil {
			e.Present |= wire.ExtECPointFormats.Bit()
		}
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		switch {
		case formats != nil && len(formats) == 0:
			checkAlert(t, "empty list", u, wire.AlertDecodeError)
			continue
		case formats != nil && bytes.IndexByte(formats, 0) < 0:
			checkAlert(t, "compressed alone", u, wire.AlertIllegalParameter)
			continue
		}
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeServerHelloDone, nil)
		if len(u.peerPoint) != 65 || u.peerPoint[0] != 4 {
			t.Errorf("formats %v: client's point is %x, alerts %v", formats, u.peerPoint, u.alerts)
		}
		if u.flight6(); !p.client.established {
			t.Errorf("formats %v: %v", formats, p.client.Err())
		}
	}
}

// Points that are not what they should be end the handshake on either side
// before any key is derived from them.
//
// Proves rfc8422 §5.11: "With the NIST curves, each party MUST validate the
// public key sent by its peer in the ClientKeyExchange and ServerKeyExchange
// messages."
// Proves rfc8422 §5.11: "With X25519 and X448, a receiving party MUST check
// whether the computed premaster secret is the all-zero value and abort the
// handshake if so, as described in Section 6 of [RFC7748]."
func TestBadPointsEndTheHandshake(t *testing.T) {
	const id = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	good := latter(newClientUnderTest(t, id)).private.PublicKey().Bytes()
	off := bytes.Clone(good)
	off[64] ^= 1
	points := map[string][]byte{
		"off the curve": off, "compressed": append([]byte{2 + good[64]&1}, good[1:33]...), "hybrid": append([]byte{6 + good[64]&1}, good[1:]...),
		"infinity": {0}, "cut": good[:64], "of x25519": good[1:33],
	}
	for name, point := range points {
		p, u := newClientUnderTest(t, id)
		hello, x := u.serverHello(), wire.ServerKeyExchange{Params: wire.AppendECParams(nil, GroupSecp256r1, point)}
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeServerHelloDone, nil)
		checkAlert(t, "server's point "+name, u, wire.AlertIllegalParameter)
		if len(p.client.asked) > 0 {
			t.Errorf("server's point %s: the client looks for its key", name)
		}

		p, u = newServerUnderTest(t, id)
		u.greet()
		c := wire.ClientKeyExchange{Identity: []byte("dev1"), Point: point}
		u.say(wire.HandshakeClientKeyExchange, c.Append(nil, u.form()))
		checkAlert(t, "client's point "+name, u, wire.AlertIllegalParameter)
		if len(p.server.asked) > 0 {
			t.Errorf("client's point %s: the server looks for the key", name)
		}
	}
	for name, point := range map[string][]byte{"zero": make([]byte, 32), "one": append([]byte{1}, make([]byte, 31)...)} {
		cfg := &Config{Credentials: with(Credentials{PSK: true}), CipherSuites: []CipherSuite{id}}
		_, u := asked(t, cfg, id)
		hello, x := u.serverHello(), wire.ServerKeyExchange{Params: wire.AppendECParams(nil, GroupX25519, point)}
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
		u.say(wire.HandshakeServerHelloDone, nil)
		checkAlert(t, "x25519 "+name, u, wire.AlertIllegalParameter)
	}
}

func latter[A, B any](_ A, b B) B { return b }

// The curve of the server's own key counts like that of the ephemeral one, on
// the server as on the client.
//
// Proves rfc8422 §5.3: "If the client has used a Supported Elliptic Curves
// Extension, the public key in the server's certificate MUST respect the
// client's choice of elliptic curves."
func TestCurveOfTheServersKey(t *testing.T) {
	k := testKeys()
	_, u := asking(t, &Config{Credentials: with(Credentials{RawKey: rawKey(k.p384)})}, rpkSuite)
	u.greet() // offers secp256r1 alone
	checkAlert(t, "server with a P-384 key", u, wire.AlertHandshakeFailure)
	if r := u.p.serverErr().Reason; r != ReasonNoCommonGroup {
		t.Errorf("reason %v", r)
	}

	cfg := &Config{Credentials: with(Credentials{AcceptRawKeys: true}), Groups: []Group{GroupSecp256r1}, CipherSuites: []CipherSuite{rpkSuite}}
	p, u := asked(t, cfg, rpkSuite)
	hello := u.serverHello()
	hello.Extensions = (&wire.ServerExtensions{
		Present:              wire.ExtExtendedMasterSecret.Bit() | wire.ExtServerCertType.Bit(),
		ExtendedMasterSecret: true, ServerCertType: CertRawPublicKey,
	}).Append(nil)
	u.say(wire.HandshakeServerHello, hello.Append(nil))
	u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, rawKey(k.p384).SPKI))
	checkAlert(t, "client shown a P-384 key", u, wire.AlertUnsupportedCertificate)
	if r := p.client.Err().Reason; r != ReasonCertUnsupported {
		t.Errorf("reason %v", r)
	}
}
