// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"fmt"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The forty patterns that state machine learning has found in DTLS
// implementations (Fiterau-Brostean et al., USENIX Security 2020, NDSS 2023),
// each as a word and what must become of it.

// Letters of the words.
var (
	sayHello       = letter{content: wire.ContentHandshake, message: wire.HandshakeClientHello}
	sayCookie      = letter{content: wire.ContentHandshake, message: wire.HandshakeHelloVerifyRequest}
	sayServerHello = letter{content: wire.ContentHandshake, message: wire.HandshakeServerHello}
	sayCertificate = letter{content: wire.ContentHandshake, message: wire.HandshakeCertificate}
	sayServerKey   = letter{content: wire.ContentHandshake, message: wire.HandshakeServerKeyExchange}
	sayRequest     = letter{content: wire.ContentHandshake, message: wire.HandshakeCertificateRequest}
	sayDone        = letter{content: wire.ContentHandshake, message: wire.HandshakeServerHelloDone}
	sayClientKey   = letter{content: wire.ContentHandshake, message: wire.HandshakeClientKeyExchange}
	sayVerify      = letter{content: wire.ContentHandshake, message: wire.HandshakeCertificateVerify}
	sayCCS         = letter{content: wire.ContentChangeCipherSpec}
	sayFinished    = letter{content: wire.ContentHandshake, message: wire.HandshakeFinished, epoch: 1}
	sayPlainFin    = letter{content: wire.ContentHandshake, message: wire.HandshakeFinished}
	sayRestart     = letter{content: wire.ContentHandshake, message: wire.HandshakeHelloRequest}
	sayClose       = letter{content: wire.ContentAlert, alert: [2]byte{1, 0}}
	sayFatal       = letter{content: wire.ContentAlert, alert: [2]byte{2, 40}}
)

// outcome of a word.
type outcome uint8

const (
	refused   outcome = iota // the session is over
	waiting                  // it waits, as if nothing had been said
	connected                // it is established
)

// again is a letter with a number that was used.
func again(l letter) letter { l.stale = true; return l }

// pattern is one word.
type pattern struct {
	id      string
	grammar int // index in grammars
	word    []letter
	want    outcome
}

const (
	onServer    = 0 // raw public keys, both sides
	onServerPSK = 1
	onClient    = 2
	onClientPSK = 3
)

var serverPatterns = []pattern{
	{"LS1 early Finished", onServer, []letter{sayCertificate, sayFinished}, waiting},
	{"LS1 early Finished, the rest after", onServer, []letter{sayCCS, sayFinished, sayCertificate, sayClientKey, sayVerify, sayCCS}, waiting},
	{"LS2 no CertificateVerify", onServer, []letter{sayCertificate, sayClientKey, sayCCS, sayFinished}, waiting},
	{"LS3 no Certificate", onServer, []letter{sayClientKey, sayVerify, sayCCS, sayFinished}, refused},
	{"LS4 ClientKeyExchange before Certificate", onServer, []letter{sayClientKey, sayCertificate, sayVerify, sayCCS, sayFinished}, refused},
	{"LS5 unauthenticated ClientKeyExchange", onServer, []letter{sayClientKey, sayCCS, sayFinished}, refused},
	{"LS6 ChangeCipherSpec before CertificateVerify", onServer, []letter{sayCertificate, sayClientKey, sayCCS, sayFinished, sayVerify}, waiting},
	{"LS7 Finished before ChangeCipherSpec", onServer, []letter{sayCertificate, sayClientKey, sayVerify, sayFinished}, waiting},
	{"LS7 Finished in plaintext", onServer, []letter{sayCertificate, sayClientKey, sayVerify, sayPlainFin, sayCCS}, waiting},
	{"LS8 many ChangeCipherSpecs", onServerPSK, []letter{sayCCS, sayCCS, sayClientKey, sayCCS, sayCCS, sayFinished, sayCCS}, connected},
	{"LS8 none but many", onServerPSK, []letter{sayCCS, sayCCS, sayCCS}, waiting},
	{"LS9 restarted in the middle", onServer, []letter{sayCertificate, sayClientKey, sayHello}, refused},
	{"LS9 restarted with an old number", onServer, []letter{sayCertificate, sayClientKey, again(sayHello), sayVerify, sayCCS, sayFinished}, connected},
	{"LS14 ChangeCipherSpec after a wrong ClientKeyExchange", onServer, []letter{sayClientKey, sayCCS, sayCCS}, refused},
	{"LS14 ChangeCipherSpec at once", onServer, []letter{sayCCS}, waiting},
	{"LS19 two Certificates", onServer, []letter{sayCertificate, sayCertificate}, refused},
	{"LS20 after close_notify", onServerPSK, []letter{sayClose, sayClientKey, sayCCS, sayFinished}, refused},
	{"LS21 after a fatal alert", onServerPSK, []letter{sayFatal, sayClientKey, sayCCS, sayFinished}, refused},
	{"LS21 after a fatal alert in the middle", onServer, []letter{sayCertificate, sayClientKey, sayFatal, sayVerify, sayCCS, sayFinished}, refused},
}

var clientPatterns = []pattern{
	{"LC1 after close_notify", onClientPSK, []letter{sayServerHello, sayClose, sayDone, sayCCS, sayFinished}, refused},
	{"LC2 after a fatal alert", onClientPSK, []letter{sayFatal, sayServerHello, sayDone, sayCCS, sayFinished}, refused},
	{"LC3 early Finished", onClient, []letter{sayServerHello, sayCertificate, sayFinished, sayCCS}, waiting},
	{"LC4 Finished before ChangeCipherSpec", onClientPSK, []letter{sayServerHello, sayDone, sayFinished}, waiting},
	{"LC4 Finished in plaintext", onClientPSK, []letter{sayServerHello, sayDone, sayCCS, sayPlainFin}, waiting},
	{"LC7 many ChangeCipherSpecs", onClientPSK, []letter{sayCCS, sayServerHello, sayCCS, sayDone, sayCCS, sayCCS, sayFinished}, connected},
	{"LC7 ChangeCipherSpec too early counts for nothing", onClientPSK, []letter{sayCCS, sayServerHello, sayCCS, sayDone, sayFinished}, waiting},
	{"LC8 two Certificates", onClient, []letter{sayServerHello, sayCertificate, sayCertificate}, refused},
	{"LC9 two CertificateRequests", onClient, []letter{sayServerHello, sayCertificate, sayServerKey, sayRequest, sayRequest}, refused},
	{"LC10 two ServerKeyExchanges", onClient, []letter{sayServerHello, sayCertificate, sayServerKey, sayServerKey}, refused},
	{"LC10 two ServerKeyExchanges with PSK", onClientPSK, []letter{sayServerHello, sayServerKey, sayServerKey}, refused},
	{"LC11 no ServerKeyExchange", onClient, []letter{sayServerHello, sayCertificate, sayDone}, refused},
	{"LC11 no ServerKeyExchange, but a request", onClient, []letter{sayServerHello, sayCertificate, sayRequest}, refused},
	{"LC12 premature HelloRequest", onClientPSK, []letter{sayRestart, sayServerHello, sayRestart, sayDone, sayRestart, sayCCS, sayRestart, sayFinished}, connected},
	{"LC13 request before Certificate", onClient, []letter{sayServerHello, sayRequest, sayCertificate}, refused},
	{"LC13 request before ServerKeyExchange", onClient, []letter{sayServerHello, sayCertificate, sayRequest, sayServerKey}, refused},
	{"LC15 a second ServerHello", onClient, []letter{sayServerHello, sayServerHello}, refused},
	{"LC15 a second ServerHello after some messages", onClient, []letter{sayServerHello, sayCertificate, sayServerKey, sayServerHello}, refused},
	{"LC15 a cookie after ServerHello", onClient, []letter{sayServerHello, sayCookie}, refused},
	{"LC15 ServerHello with an old number", onClientPSK, []letter{sayServerHello, again(sayServerHello), sayDone, sayCCS, sayFinished}, connected},
	{"LC17 ClientHello to a client", onClient, []letter{sayHello}, refused},
	{"LC18 Certificate in a PSK handshake", onClientPSK, []letter{sayServerHello, sayCertificate}, refused},
	{"LC18 CertificateRequest in a PSK handshake", onClientPSK, []letter{sayServerHello, sayServerKey, sayRequest}, refused},
}

// play runs a pattern.
func (pt *pattern) play(t *testing.T) *puppet {
	t.Helper()
	g := &grammars[pt.grammar]
	var p *pair
	var u *puppet
	sut := &peer{}
	if g.client {
		p, u = newServerUnderTest(t, g.suite)
		u.greet()
		sut = &p.server
	} else {
		p, u = newClientUnderTest(t, g.suite)
		sut = &p.client
	}
	p.oneSession = true
	for _, l := range pt.word {
		u.play(l)
	}
	got := waiting
	switch {
	case sut.established:
		got = connected
	case sut.State() == Closed:
		got = refused
	}
	if got != pt.want {
		t.Errorf("%s: outcome %d, want %d (%v, alerts %v)", pt.id, got, pt.want, sut.Err(), u.alerts)
	}
	for _, a := range u.alerts {
		if a == wire.AlertInternalError || a == wire.AlertDecryptError {
			t.Errorf("%s: alert %v", pt.id, a)
		}
	}
	return u
}

// Pitfall LS1, LS2, LS3, LS4, LS5, LS6, LS7, LS8: no part of the client's second flight is dispensable or early
// Pitfall LS9, LS14, LS19, LS20, LS21: restarts, ChangeCipherSpec anywhere, two Certificates, after an end
// Pitfall LS16, LS17: neither decrypt_error nor internal_error answers a message out of order
func TestServerPatterns(t *testing.T) {
	for _, p := range serverPatterns {
		p.play(t)
	}
}

// Pitfall LC1, LC2, LC3, LC4, LC5, LC7, LC8, LC9: ends, early and repeated messages
// Pitfall LC10, LC11, LC12, LC13, LC15, LC17, LC18: messages missing, twice, misplaced and unasked
func TestClientPatterns(t *testing.T) {
	for _, p := range clientPatterns {
		p.play(t)
	}
}

// A Finished that does not verify ends the handshake, also if it comes again.
//
// Pitfall LS10: a wrong Finished is not a retransmission, and is not answered as one
// Pitfall LS16, LC5: decrypt_error answers a Finished or a signature that does not verify, and nothing else
func TestWrongFinished(t *testing.T) {
	p, u := newServerUnderTest(t, pskSuite)
	p.oneSession = true
	u.greet()
	u.part(partKeyExchange)
	u.part(partCCS)
	raw := u.message(wire.HandshakeFinished, make([]byte, 12))
	for range 3 {
		u.send(u.record(1, wire.ContentHandshake, raw))
	}
	if p.server.established || u.said(wire.HandshakeFinished) || fmt.Sprint(u.alerts) != "[decrypt_error]" {
		t.Errorf("alerts %v, %v", u.alerts, p.serverErr())
	}

	p, u = newClientUnderTest(t, pskSuite)
	u.flight4()
	u.changeCipherSpec()
	u.send(u.record(1, wire.ContentHandshake, u.message(wire.HandshakeFinished, make([]byte, 12))))
	checkRefused(t, "client", p, u, "decrypt_error")
	if e := p.client.closed; e == nil || e.Reason != ReasonBadFinished || e.Flight != 5 {
		t.Errorf("client: %+v", e)
	}
}

// A handshake begins with a ClientHello and a cookie of ours, and nothing else
// has an effect; the cookie is not sent again unasked.
//
// Pitfall LS11, LS12, LS13, LS18: no cookie, a wrong one, another first message; no timer before the cookie
func TestServerBegins(t *testing.T) {
	for _, first := range []letter{sayCertificate, sayClientKey, sayVerify, sayCCS, sayPlainFin, sayFinished, sayServerHello, sayRestart, sayDone, sayFatal} {
		p, u := newServerUnderTest(t, pskSuite)
		u.play(first)
		if p.server.Session != nil || len(u.heard) != 0 || len(u.alerts) != 0 {
			t.Errorf("%v: the gate reacts", first)
		}
	}
	p, u := newServerUnderTest(t, pskSuite)
	for i := range 5 {
		u.hello.Cookie = make([]byte, i*4)
		u.heard = nil
		u.p.deliver(true, u.record(0, wire.ContentHandshake, u.clientHello()))
		if p.server.Session != nil || len(u.heard) > 1 {
			t.Fatal("a session without a good cookie")
		}
	}
}

// The client's second flight is sent again by its timer or when the server
// repeats its own, and not for anything else.
//
// Pitfall LC14: flight 5 is not sent again for the server's last flight, for duplicates in one go, or for noise
// Pitfall LC6: message_seq must go on
func TestFlight5IsNotRepeatedWithoutReason(t *testing.T) {
	p, u := newClientUnderTest(t, pskSuite)
	u.flight4()
	before := len(u.heard)
	sent := func() (n int) {
		for d := p.client.Transmit(p.now, p.buf); d > 0; d = p.client.Transmit(p.now, p.buf) {
			n++
		}
		return n
	}
	hello := rawMessage(wire.HandshakeServerHello, 0, nil)
	done := rawMessage(wire.HandshakeServerHelloDone, 2, nil)
	for range 10 {
		for _, raw := range [][]byte{hello, done} {
			p.client.Receive(p.now, u.record(0, wire.ContentHandshake, raw))
			p.pump(&p.client)
		}
	}
	if n := sent(); n != 0 {
		t.Errorf("%d datagrams at once", n)
	}
	p.now = p.now.Add(500e6)
	for range 10 {
		p.client.Receive(p.now, u.record(0, wire.ContentHandshake, done))
		p.pump(&p.client)
	}
	if n := sent(); n != 1 {
		t.Errorf("%d datagrams for a repeated flight, want 1", n)
	}
	for _, raw := range [][]byte{rawMessage(wire.HandshakeServerHelloDone, 7, nil), rawMessage(wire.HandshakeHelloRequest, 0, nil)} {
		p.now = p.now.Add(250e6)
		p.client.Receive(p.now, u.record(0, wire.ContentHandshake, raw))
		p.pump(&p.client)
		if n := sent(); n != 0 {
			t.Errorf("%d datagrams for %x", n, raw)
		}
	}
	u.flight6()
	if !p.client.established || len(u.heard) != before {
		t.Errorf("%v, heard %d and then %d messages", p.client.Err(), before, len(u.heard))
	}
}

// What was agreed on in the hellos does not change afterwards.
//
// Pitfall LC16: a second ServerHello with another suite is refused
// Pitfall LC19: the answer to a CertificateRequest is of the type and algorithm asked for
func TestAgreementIsFinal(t *testing.T) {
	_, u := newClientUnderTest(t, rpkSuite)
	hello := u.serverHello()
	u.say(wire.HandshakeServerHello, hello.Append(nil))
	hello.CipherSuite = wire.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	u.say(wire.HandshakeServerHello, hello.Append(nil))
	checkRefused(t, "second ServerHello", u.p, u, "unexpected_message")

	_, u = newClientUnderTest(t, rpkSuite)
	u.flight4()
	types := []wire.HandshakeType{}
	for _, m := range u.heard[1:] {
		types = append(types, m.Type)
		if m.Type == wire.HandshakeCertificateVerify {
			var v wire.CertificateVerify
			if v.Parse(m.Body()) != nil || v.Scheme != wire.SchemeECDSAP256SHA256 {
				t.Errorf("signed with %v", v.Scheme)
			}
		}
	}
	if got := fmt.Sprint(types); got != "[Certificate ClientKeyExchange CertificateVerify Finished]" {
		t.Errorf("flight 5 is %s", got)
	}
}
