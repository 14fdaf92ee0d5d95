// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// puppet is a peer that says whatever a test wants, in any order, with right
// or wrong numbers, and keys that are right whenever that is possible. It has
// no states. It is written from the RFC and not from the engine.
type puppet struct {
	t      testing.TB
	p      *pair // holds the session under test
	client bool  // the role of the puppet

	layer      record.Layer
	in         *flight.Reassembler
	heard      []flight.Message // what the session under test said
	alerts     []Alert          // and the alerts it sent
	seq        uint16           // message_seq of the next message
	transcript []byte
	suite      *suite.Suite

	clientRandom, serverRandom []byte
	private                    *ecdh.PrivateKey
	peerPoint                  []byte
	key                        *KeyPair // shown and signed with
	chain                      *Chain   // a server shows this with a response, in the place of the raw key
	psk                        []byte
	hello                      wire.ClientHello
	schedule                   *suite.Schedule
	readKeys, writeKeys        suite.Keys
}

// newPuppet makes a puppet that speaks with the session under test in p.
func newPuppet(p *pair, client bool, id CipherSuite) *puppet {
	u := &puppet{
		t: p.t, p: p, client: client, suite: suite.ByID(id), psk: []byte("0123456789abcdef"),
		key: rawKey(testKeys().p256), clientRandom: bytes.Repeat([]byte{0xc1}, 32), serverRandom: bytes.Repeat([]byte{0x5e}, 32),
	}
	u.in = flight.NewReassembler(flight.Limits{Bytes: 1 << 20}, 0)
	u.private, _ = ecdh.P256().GenerateKey(rand.Reader)
	u.offer()
	if client {
		p.sent = func(fromClient bool, d []byte) bool {
			// The gate's answers come this way, and go to the puppet.
			if !fromClient {
				u.hear(bytes.Clone(d))
			}
			return false
		}
	}
	return u
}

// offer composes the hello of a puppet client.
func (u *puppet) offer() {
	e := wire.ClientExtensions{
		Groups: wire.ListOf([]Group{GroupSecp256r1}), PointFormats: []byte{0},
		Schemes:         wire.ListOf([]SignatureScheme{wire.SchemeECDSAP256SHA256}),
		ClientCertTypes: []byte{2}, ServerCertTypes: []byte{2},
	}
	for _, t := range []wire.ExtensionType{
		wire.ExtSupportedGroups, wire.ExtECPointFormats, wire.ExtSignatureAlgorithms,
		wire.ExtClientCertType, wire.ExtServerCertType, wire.ExtExtendedMasterSecret,
	} {
		e.Present |= t.Bit()
	}
	u.hello = wire.ClientHello{
		Version: VersionDTLS12, Random: u.clientRandom, CipherSuites: wire.ListOf([]CipherSuite{u.suite.ID}),
		Compression: []byte{0}, Extensions: e.Append(nil),
	}
}

// message makes a handshake message with the puppet's next number, and adds
// it to the transcript.
func (u *puppet) message(t wire.HandshakeType, body []byte) []byte {
	raw := rawMessage(t, u.seq, body)
	u.seq++
	u.transcript = append(u.transcript, raw...)
	return raw
}

// rawMessage is a whole handshake message.
func rawMessage(t wire.HandshakeType, seq uint16, body []byte) []byte {
	n := uint32(len(body))
	h := wire.HandshakeHeader{Type: t, Length: n, MessageSeq: seq, FragmentLength: n}
	return append(h.Append(nil), body...)
}

// record seals content in an epoch. Without keys for epoch 1 it invents some.
func (u *puppet) record(epoch uint16, t wire.ContentType, content []byte) []byte {
	if epoch == 1 && u.layer.WriteEpoch() == 0 {
		u.protect()
	}
	out, err := u.layer.Seal(nil, epoch, t, content)
	if err != nil {
		u.t.Fatalf("puppet cannot seal: %v", err)
	}
	return out
}

// protect begins the puppet's protected epochs, with the keys of the
// handshake if there are any.
func (u *puppet) protect() {
	u.derive()
	if u.layer.WriteEpoch() > 0 {
		return
	}
	w, r := u.writeKeys, u.readKeys
	u.layer.SetWriteKeys(u.suite, &w)
	u.layer.SetReadKeys(u.suite, &r)
}

// derive computes the master secret over the transcript so far, once.
func (u *puppet) derive() {
	if u.schedule != nil {
		return
	}
	var premaster []byte
	switch {
	case u.suite.KeyExchange == suite.PSK:
		premaster, _ = suite.PSKPremaster(u.psk)
	case u.suite.KeyExchange == suite.ECDHEPSK:
		premaster, _ = suite.ECDHEPSKPremaster(u.agree(), u.psk)
	default:
		premaster = u.agree()
	}
	u.schedule = u.suite.ExtendedMasterSecret(premaster, u.hash())
	u.readKeys, u.writeKeys = u.schedule.KeyBlock(u.clientRandom, u.serverRandom)
	if u.client {
		u.readKeys, u.writeKeys = u.writeKeys, u.readKeys
	}
}

func (u *puppet) agree() []byte {
	pub, err := ecdh.P256().NewPublicKey(u.peerPoint)
	if err != nil {
		return make([]byte, 32) // nothing was agreed on
	}
	secret, _ := u.private.ECDH(pub)
	return secret
}

func (u *puppet) hash() []byte {
	sum := sha256.Sum256(u.transcript)
	return sum[:]
}

// send delivers records to the session under test, one datagram each, and
// listens to what it says.
func (u *puppet) send(records ...[]byte) {
	for _, r := range records {
		u.p.deliver(u.client, r)
		u.listen()
	}
}

// listen takes what the session under test transmits.
func (u *puppet) listen() {
	e := &u.p.client
	if u.client {
		e = &u.p.server
	}
	for _, d := range u.p.take(e) {
		u.hear(d)
	}
}

// hear reads one datagram of the session under test.
func (u *puppet) hear(d []byte) {
	for len(d) > 0 {
		r, rest, ok := record.Cut(d)
		if !ok {
			u.t.Fatal("session under test sent half a record")
		}
		d = rest
		u.open(r)
		for r, ok := u.layer.NextHeld(); ok; r, ok = u.layer.NextHeld() {
			u.open(r)
		}
	}
}

// open reads one record of the session under test.
func (u *puppet) open(r record.Record) {
	payload, result := u.layer.Open(&r)
	if result != record.Opened {
		return
	}
	switch r.Header.Type {
	case wire.ContentAlert:
		u.alerts = append(u.alerts, Alert(payload[1]))
	case wire.ContentHandshake:
		for len(payload) > 0 {
			_, _, payload = u.in.Add(r.Header.Epoch, payload)
		}
	}
	for m, ok := u.in.Next(); ok; m, ok = u.in.Next() {
		u.heard = append(u.heard, m)
		u.note(&m)
	}
}

// note learns from a message of the session under test.
func (u *puppet) note(m *flight.Message) {
	switch m.Type {
	case wire.HandshakeHelloVerifyRequest:
		var request wire.HelloVerifyRequest
		request.Parse(m.Body())
		u.hello.Cookie = bytes.Clone(request.Cookie)
		u.transcript = nil
		return
	case wire.HandshakeClientHello:
		u.transcript = nil
		u.hello.Parse(bytes.Clone(m.Body()))
		u.clientRandom = u.hello.Random
	case wire.HandshakeServerHello:
		var hello wire.ServerHello
		hello.Parse(m.Body())
		u.serverRandom = bytes.Clone(hello.Random)
	case wire.HandshakeServerKeyExchange:
		var x wire.ServerKeyExchange
		x.Parse(m.Body(), u.form())
		u.peerPoint = bytes.Clone(x.Point)
	case wire.HandshakeClientKeyExchange:
		var x wire.ClientKeyExchange
		x.Parse(m.Body(), u.form())
		u.peerPoint = bytes.Clone(x.Point)
		u.transcript = append(u.transcript, m.Raw...)
		u.protect()
		return
	}
	u.transcript = append(u.transcript, m.Raw...)
}

func (u *puppet) form() wire.KeyExchangeForm {
	kx := u.suite.KeyExchange
	return wire.KeyExchangeForm{PSK: kx.UsesPSK(), ECDHE: kx.UsesECDHE(), Signed: !kx.UsesPSK()}
}

// said reports whether the session under test said a message of a type.
func (u *puppet) said(t wire.HandshakeType) bool {
	for _, m := range u.heard {
		if m.Type == t {
			return true
		}
	}
	return false
}

// The messages of a client, in wire order.

func (u *puppet) clientHello() []byte {
	return u.message(wire.HandshakeClientHello, u.hello.Append(nil))
}

func (u *puppet) certificate(spki []byte) []byte {
	return u.message(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, spki))
}

func (u *puppet) clientKeyExchange() []byte {
	x := wire.ClientKeyExchange{Identity: []byte("dev1"), Point: u.private.PublicKey().Bytes()}
	raw := u.message(wire.HandshakeClientKeyExchange, x.Append(nil, u.form()))
	u.derive()
	return raw
}

func (u *puppet) certificateVerify() []byte {
	scheme := wire.SchemeECDSAP256SHA256
	signature, err := hs.Sign(rand.Reader, u.key.Signer, scheme, u.transcript)
	if err != nil {
		u.t.Fatal(err)
	}
	v := wire.CertificateVerify{Scheme: scheme, Signature: signature}
	return u.message(wire.HandshakeCertificateVerify, v.Append(nil))
}

func (u *puppet) finished() []byte {
	u.derive()
	data := u.schedule.ServerVerifyData(u.hash())
	if u.client {
		data = u.schedule.ClientVerifyData(u.hash())
	}
	return u.message(wire.HandshakeFinished, data[:])
}

// The messages of a server, in wire order.

func (u *puppet) serverHello() wire.ServerHello {
	return wire.ServerHello{Version: VersionDTLS12, Random: u.serverRandom, CipherSuite: u.suite.ID, Extensions: u.serverExtensions().Append(nil)}
}

func (u *puppet) serverExtensions() *wire.ServerExtensions {
	e := &wire.ServerExtensions{ExtendedMasterSecret: true}
	e.Present = wire.ExtExtendedMasterSecret.Bit()
	if !u.suite.KeyExchange.UsesPSK() {
		e.Present |= wire.ExtServerCertType.Bit() | wire.ExtClientCertType.Bit()
		e.ServerCertType, e.ClientCertType = CertRawPublicKey, CertRawPublicKey
	}
	if u.chain != nil {
		e.Present = wire.ExtExtendedMasterSecret.Bit() | wire.ExtServerCertType.Bit() | wire.ExtStatusRequest.Bit()
		e.ServerCertType = CertX509
	}
	return e
}

func (u *puppet) serverKeyExchange() wire.ServerKeyExchange {
	x := wire.ServerKeyExchange{Hint: []byte("hint"), Scheme: wire.SchemeECDSAP256SHA256}
	x.Params = wire.AppendECParams(nil, GroupSecp256r1, u.private.PublicKey().Bytes())
	x.Signature = u.signParams(u.key.Signer, x.Scheme, x.Params)
	return x
}

func (u *puppet) signParams(signer crypto.Signer, s SignatureScheme, params []byte) []byte {
	signature, err := hs.Sign(rand.Reader, signer, s, bytes.Join([][]byte{u.clientRandom, u.serverRandom, params}, nil))
	if err != nil {
		u.t.Fatal(err)
	}
	return signature
}

func (u *puppet) certificateRequest() []byte {
	r := wire.CertificateRequest{
		Types:   []byte{byte(wire.ClientCertECDSASign)},
		Schemes: wire.ListOf([]SignatureScheme{wire.SchemeECDSAP256SHA256}),
	}
	return r.Append(nil)
}

// say sends a message of the puppet in epoch 0.
func (u *puppet) say(t wire.HandshakeType, body []byte) {
	u.send(u.record(0, wire.ContentHandshake, u.message(t, body)))
}

var ccsContent = []byte{1}

// changeCipherSpec sends a ChangeCipherSpec.
func (u *puppet) changeCipherSpec() {
	u.send(u.record(0, wire.ContentChangeCipherSpec, ccsContent))
}

// Whole parts of the client's side, for tests that change what comes after.

// greet does the cookie exchange, and hears flight 4.
func (u *puppet) greet() {
	u.send(u.record(0, wire.ContentHandshake, u.clientHello()))
	u.heard = nil
	u.send(u.record(0, wire.ContentHandshake, u.clientHello()))
}

// newServerUnderTest is a pair whose server is under test, in a mode with
// mutual raw public keys or with a PSK, and a puppet client.
func newServerUnderTest(t testing.TB, id CipherSuite) (*pair, *puppet) {
	k := testKeys()
	server := &Config{
		CipherSuites: []CipherSuite{id},
		Credentials:  with(Credentials{PSK: true, RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true}),
	}
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, server)
	return p, newPuppet(p, true, id)
}

// newClientUnderTest is a pair whose client is under test, and a puppet server
// that has heard its ClientHello.
func newClientUnderTest(t testing.TB, id CipherSuite) (*pair, *puppet) {
	k := testKeys()
	client := &Config{
		CipherSuites: []CipherSuite{id},
		Credentials:  with(Credentials{PSK: true, RawKey: rawKey(k.p256b), AcceptRawKeys: true}),
	}
	p := newPair(t, client, &Config{Credentials: with(Credentials{PSK: true})})
	u := newPuppet(p, false, id)
	u.listen()
	return p, u
}

const (
	rpkSuite = wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
	pskSuite = wire.TLS_PSK_WITH_AES_128_CCM_8
)

// The puppet can do it right, else its failures would prove nothing.
func TestPuppetCompletes(t *testing.T) {
	for _, id := range []CipherSuite{rpkSuite, pskSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256} {
		p, u := newServerUnderTest(t, id)
		u.greet()
		u.flight5()
		if !p.server.established || !u.said(wire.HandshakeFinished) {
			t.Errorf("%v: server: %v, alerts %v", id, p.serverErr(), u.alerts)
		}
		p, u = newClientUnderTest(t, id)
		u.flight4()
		u.flight6()
		if !p.client.established {
			t.Errorf("%v: client: %v, alerts %v", id, p.client.Err(), u.alerts)
		}
	}
}

// flight5 is the rest of a puppet client's handshake.
func (u *puppet) flight5() {
	handshake := func(raw []byte) { u.send(u.record(0, wire.ContentHandshake, raw)) }
	if !u.suite.KeyExchange.UsesPSK() {
		handshake(u.certificate(u.key.SPKI))
	}
	handshake(u.clientKeyExchange())
	if !u.suite.KeyExchange.UsesPSK() {
		handshake(u.certificateVerify())
	}
	u.changeCipherSpec()
	u.send(u.record(1, wire.ContentHandshake, u.finished()))
}

// flight4 is a puppet server's answer to the hello.
func (u *puppet) flight4() {
	hello, x := u.serverHello(), u.serverKeyExchange()
	u.say(wire.HandshakeServerHello, hello.Append(nil))
	if !u.suite.KeyExchange.UsesPSK() {
		u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
	}
	u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
	if !u.suite.KeyExchange.UsesPSK() {
		u.say(wire.HandshakeCertificateRequest, u.certificateRequest())
	}
	u.say(wire.HandshakeServerHelloDone, nil)
}

// flight6 is the end of a puppet server's handshake.
func (u *puppet) flight6() {
	u.changeCipherSpec()
	u.send(u.record(1, wire.ContentHandshake, u.finished()))
}
