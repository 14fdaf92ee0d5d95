// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// response stands for an OCSP response. What it says is no matter of this
// package.
var response = bytes.Repeat([]byte("it is good. "), 100)

func (k *keyring) stapled(key crypto.Signer) Chain {
	chain := k.chain(key)
	chain.OCSP = func() []byte { return response }
	return chain
}

// stapledPair is a pair in which the server has a response to show.
func stapledPair(t testing.TB, ask bool) *pair {
	k := testKeys()
	return newPair(t,
		&Config{Credentials: with(Credentials{AcceptCertificates: true, AskOCSP: ask})},
		&Config{Credentials: with(Credentials{Chains: []Chain{k.stapled(k.p256)}})})
}

// messages are the names of the whole messages in the datagrams of a server.
func messages(d []byte) (names []string) {
	for len(d) > wire.RecordHeaderLen {
		h, _ := wire.ParseRecordHeader(d)
		body := d[wire.RecordHeaderLen : wire.RecordHeaderLen+h.Length]
		for d = d[wire.RecordHeaderLen+h.Length:]; h.Epoch == 0 && h.Type == wire.ContentHandshake && len(body) > 0; {
			m, _ := wire.ParseHandshakeHeader(body)
			if m.FragmentOffset == 0 {
				names = append(names, m.Type.String())
			}
			body = body[wire.HandshakeHeaderLen+int(m.FragmentLength):]
		}
	}
	return names
}

// Who asks gets the response, at its place; who does not ask gets none.
//
// Proves rfc6066 §8: "Servers return a certificate response along with their
// certificate by sending a "CertificateStatus" message immediately after the
// "Certificate" message (and before any "ServerKeyExchange" or
// "CertificateRequest" messages)."
// Proves rfc6066 §8: "If a server returns a "CertificateStatus" message, then the
// server MUST have included an extension of type "status_request" with empty
// "extension_data" in the extended server hello."
// Proves rfc6066 §8: "Note in addition that a server MUST NOT send the
// "CertificateStatus" message unless it received a "status_request" extension in
// the client hello message and sent a "status_request" extension in the server
// hello message."
// Proves rfc6066 §8: "In order to indicate their desire to receive certificate
// status information, clients MAY include an extension of type "status_request"
// in the (extended) client hello."
func TestOCSPWhereAsked(t *testing.T) {
	for _, ask := range []bool{false, true} {
		p := stapledPair(t, ask)
		var names []string
		extension := false
		p.sent = func(fromClient bool, d []byte) bool {
			if !fromClient {
				names = append(names, messages(d)...)
				extension = extension || bytes.Contains(d, []byte{0, 5, 0, 0})
			}
			return true
		}
		p.establish()
		got := strings.Join(names, " ")
		want := "HelloVerifyRequest ServerHello Certificate ServerKeyExchange ServerHelloDone"
		if ask {
			want = strings.Replace(want, "Certificate ", "Certificate CertificateStatus ", 1)
		}
		if got != want {
			t.Errorf("asked %v: %s", ask, got)
		}
		if ask != extension {
			t.Errorf("asked %v, extension in the ServerHello: %v", ask, extension)
		}
	}
}

// The verdict has the response. After it nothing of it is left, in the facts (the
// pair sees to it) or in a session that sleeps.
func TestOCSPUntilTheVerdict(t *testing.T) {
	p := stapledPair(t, true)
	p.establish()
	if !bytes.Equal(p.client.shown, response) {
		t.Errorf("the verdict is about a response of %d bytes, %d were shown", len(p.client.shown), len(response))
	}
	p.client.Compact()
	asleep, ok := p.client.Sleep(p.now, nil)
	if !ok || bytes.Contains(asleep, response[:12]) {
		t.Errorf("asleep %v, in %d bytes", ok, len(asleep))
	}
}

// A response is shown about a certificate only, and only one that is there and
// of a length that is taken.
func TestOCSPNotShown(t *testing.T) {
	k := testKeys()
	calls := 0
	chain := func(f func() []byte) Chain {
		c := k.chain(k.p256)
		c.OCSP = func() []byte { calls++; return f() }
		return c
	}
	for _, test := range []struct {
		name   string
		server Credentials
		calls  int
	}{
		{"none at hand", Credentials{Chains: []Chain{chain(func() []byte { return nil })}}, 1},
		{"an empty one", Credentials{Chains: []Chain{chain(func() []byte { return []byte{} })}}, 1},
		{"one too long", Credentials{Chains: []Chain{chain(func() []byte { return make([]byte, MaxOCSP+1) })}}, 1},
		{"raw public key", Credentials{RawKey: rawKey(k.p256), Chains: []Chain{chain(func() []byte { return response })}}, 0},
		{"pre-shared key", Credentials{PSK: true}, 0},
	} {
		calls = 0
		client := Credentials{AcceptCertificates: true, AcceptRawKeys: true, AskOCSP: true, PSK: true}
		p := newPair(t, &Config{Credentials: with(client)}, &Config{Credentials: with(test.server)})
		p.run()
		if shown := p.client.shown; !p.client.established || shown != nil || calls != test.calls {
			t.Errorf("%s: established %v, %d bytes shown, asked for %d times", test.name, p.client.established, len(shown), calls)
		}
	}
	longest := k.chain(k.p256)
	longest.OCSP = func() []byte { return make([]byte, MaxOCSP) }
	p := newPair(t, &Config{Credentials: with(Credentials{AcceptCertificates: true, AskOCSP: true})},
		&Config{Credentials: with(Credentials{Chains: []Chain{longest}})})
	if p.establish(); len(p.client.shown) != MaxOCSP {
		t.Errorf("of the longest one %d bytes are shown", len(p.client.shown))
	}
}

// A response renewed between two handshakes is shown in the second one.
func TestOCSPRenewed(t *testing.T) {
	k := testKeys()
	chain := k.chain(k.p256)
	current := []byte("first")
	chain.OCSP = func() []byte { return current }
	client := &Config{Credentials: with(Credentials{AcceptCertificates: true, AskOCSP: true})}
	p := newPair(t, client, &Config{Credentials: with(Credentials{Chains: []Chain{chain}})})
	if p.establish(); string(p.client.shown) != "first" {
		t.Errorf("shown %q", p.client.shown)
	}
	current = []byte("second")
	p.restart(client)
	p.server.Session = nil
	if p.establish(); string(p.client.shown) != "second" {
		t.Errorf("shown %q", p.client.shown)
	}
}

// What a client says of OCSP is read, or is as if not said, or ends the
// handshake.
//
// Proves rfc6066 §8: "A zero-length "responder_id_list" sequence has the special
// meaning that the responders are implicitly known to the server, e.g., by prior
// arrangement."
func TestStatusRequestForms(t *testing.T) {
	k := testKeys()
	for _, test := range []struct {
		name, data, want string
	}{
		{"as we say it", "01 0000 0000", "shown"},
		{"responders and extensions", "01 0005 0003 300102 0002 3000", "shown"},
		{"another type", "02 ffff", "not shown"},
		{"nothing", "", "decode_error"},
		{"cut", "01 0000", "decode_error"},
		{"trailing byte", "01 0000 0000 00", "decode_error"},
		{"empty responder", "01 0002 0000 0000", "decode_error"},
		{"responder cut", "01 0003 0002 30 0000", "decode_error"},
		{"list too long", "01 0009 0000", "decode_error"},
	} {
		server := &Config{CipherSuites: []CipherSuite{rpkSuite}, Credentials: with(Credentials{Chains: []Chain{k.stapled(k.p256b)}})}
		_, u := asking(t, server, rpkSuite)
		data := unspace(t, test.data)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.Present &^= wire.ExtClientCertType.Bit() | wire.ExtServerCertType.Bit()
		})
		u.hello.Extensions = append(u.hello.Extensions, 0, 5, 0, byte(len(data)))
		u.hello.Extensions = append(u.hello.Extensions, data...)
		u.greet()
		got := "not shown"
		if u.said(wire.HandshakeCertificateStatus) {
			got = "shown"
		}
		if len(u.alerts) > 0 {
			got = u.alerts[0].String()
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func unspace(t *testing.T, hex string) (b []byte) {
	t.Helper()
	if _, err := fmt.Sscanf(strings.ReplaceAll(hex, " ", "")+" ", "%x", &b); err != nil && hex != "" {
		t.Fatal(err)
	}
	return b
}

// clientOf is a client that asks for a response, and a puppet server with a
// certificate.
func clientOf(t *testing.T, ask bool) (*pair, *puppet) {
	k := testKeys()
	cfg := &Config{
		CipherSuites: []CipherSuite{rpkSuite},
		Credentials:  with(Credentials{AcceptCertificates: true, AcceptRawKeys: true, AskOCSP: ask}),
	}
	p, u := asked(t, cfg, rpkSuite)
	u.key = rawKey(k.p256)
	return p, u
}

// sayHello says a ServerHello that negotiates a certificate type, and a
// response if the extension is there.
func (u *puppet) sayHello(t CertType, status bool) {
	hello, e := u.serverHello(), u.serverExtensions()
	e.Present &^= wire.ExtClientCertType.Bit()
	e.ServerCertType = t
	if status {
		e.Present |= wire.ExtStatusRequest.Bit()
	}
	hello.Extensions = e.Append(nil)
	u.say(wire.HandshakeServerHello, hello.Append(nil))
}

// sayStep says one message of flight 4, by its letter.
func (u *puppet) sayStep(step rune, t CertType) {
	k := testKeys()
	switch step {
	case 'C':
		if t == CertRawPublicKey {
			u.say(wire.HandshakeCertificate, wire.AppendRawPublicKey(nil, u.key.SPKI))
			return
		}
		u.say(wire.HandshakeCertificate, wire.AppendCertificates(nil, k.chain(k.p256).DER))
	case 'S':
		u.say(wire.HandshakeCertificateStatus, wire.AppendCertificateStatus(nil, response))
	case 'K':
		x := u.serverKeyExchange()
		u.say(wire.HandshakeServerKeyExchange, x.Append(nil, u.form()))
	case 'R':
		u.say(wire.HandshakeCertificateRequest, u.certificateRequest())
	case 'D':
		u.say(wire.HandshakeServerHelloDone, nil)
	}
}

// A response is taken after the Certificate and nowhere else, once, and only
// where both sides have said so. A server that has said so may leave it out.
//
// Proves rfc6066 §8: "Note that a server MAY also choose not to send a
// "CertificateStatus" message, even if has received a "status_request" extension
// in the client hello message and has sent a "status_request" extension in the
// server hello message."
// Proves rfc6066 §8: "Only one OCSP response may be sent."
// Pitfall W9: an extension that was not asked for aborts
func TestCertificateStatusHasOnePlace(t *testing.T) {
	for _, test := range []struct {
		flight string // C Certificate, S CertificateStatus, K ServerKeyExchange, R CertificateRequest, D ServerHelloDone
		ask    bool
		hello  bool // status_request in the ServerHello
		cert   CertType
		want   string // "" for a flight that is taken
	}{
		{"CSKD", true, true, CertX509, ""},
		{"CSKRD", true, true, CertX509, ""},
		{"CKD", true, true, CertX509, ""},
		{"CKD", true, false, CertX509, ""},
		{"CKD", true, true, CertRawPublicKey, ""},
		{"CSKD", true, false, CertX509, "unexpected_message"},
		{"CSKD", false, false, CertX509, "unexpected_message"},
		{"CKD", false, true, CertX509, "unsupported_extension"},
		{"CSKD", true, true, CertRawPublicKey, "unexpected_message"},
		{"CSSKD", true, true, CertX509, "unexpected_message"},
		{"SCKD", true, true, CertX509, "unexpected_message"},
		{"CKSD", true, true, CertX509, "unexpected_message"},
		{"CKRSD", true, true, CertX509, "unexpected_message"},
		{"CSD", true, true, CertX509, "unexpected_message"},
		{"CSRKD", true, true, CertX509, "unexpected_message"},
	} {
		p, u := clientOf(t, test.ask)
		u.sayHello(test.cert, test.hello)
		for _, step := range test.flight {
			if len(u.alerts) == 0 {
				u.sayStep(step, test.cert)
			}
		}
		name := fmt.Sprintf("%s asked %v hello %v %v", test.flight, test.ask, test.hello, test.cert)
		if test.want != "" {
			checkRefused(t, name, p, u, test.want)
			continue
		}
		if u.flight6(); !p.client.established {
			t.Errorf("%s: %v, alerts %v", name, p.client.Err(), u.alerts)
		}
	}
}

// Pitfall P8: lengths that fill the body, and one more and one less
func TestCertificateStatusForms(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":         "",
		"type alone":      "01",
		"another type":    "02 000001 30",
		"empty":           "01 000000",
		"cut":             "01 000002 30",
		"trailing byte":   "01 000001 30 30",
		"length too long": "01 ffffff 30",
	} {
		p, u := clientOf(t, true)
		u.sayHello(CertX509, true)
		u.sayStep('C', CertX509)
		u.say(wire.HandshakeCertificateStatus, unspace(t, body))
		checkRefused(t, name, p, u, "decode_error")
	}
	// One that is longer than is taken cannot even begin to be joined.
	p, u := clientOf(t, true)
	u.sayHello(CertX509, true)
	u.sayStep('C', CertX509)
	u.say(wire.HandshakeCertificateStatus, wire.AppendCertificateStatus(nil, make([]byte, MaxOCSP+1)))
	if p.client.established || p.client.Facts().OCSP != nil {
		t.Error("a response that is too long is taken")
	}
}

// A verdict against the response is told by the alert of the RFC.
//
// Proves rfc6066 §8: "Clients requesting an OCSP response and receiving an OCSP
// response in a "CertificateStatus" message MUST check the OCSP response and
// abort the handshake if the response is not satisfactory with
// bad_certificate_status_response(113) alert."
func TestVerdictOnResponse(t *testing.T) {
	for _, r := range []Reason{ReasonCertStatusBad, ReasonCertStatusMissing, ReasonCertStatusUnknown, ReasonCertRevoked} {
		p := stapledPair(t, true)
		p.client.verdict = r
		p.run()
		want := map[Reason]Alert{
			ReasonCertStatusBad: 113, ReasonCertStatusMissing: 113, ReasonCertStatusUnknown: wire.AlertCertificateUnknown,
			ReasonCertRevoked: wire.AlertCertificateRevoked,
		}[r]
		if e := p.client.closed; e == nil || e.Reason != r || e.Alert != want || !e.Sent {
			t.Errorf("%v: %+v", r, e)
		}
		if e := p.server.closed; e == nil || e.Reason != ReasonForAlert(want) {
			t.Errorf("%v: server: %+v", r, e)
		}
	}
}

// A key that nobody knows is told so, on either side, by the alert that all
// credentials get which nobody may have: there is nothing to guess behind it.
func TestVerdictIsTold(t *testing.T) {
	mutual := modes()[1]
	for _, r := range []Reason{ReasonUnknownIdentity, ReasonWeakPSK, ReasonCredentialDisabled, ReasonDeviceDisabled, ReasonRPKNotPinned} {
		for _, byClient := range []bool{false, true} {
			p := newPair(t, &Config{Credentials: with(mutual.client)}, &Config{Credentials: with(mutual.server)})
			judge, other := &p.server, &p.client
			if byClient {
				judge, other = other, judge
			}
			judge.verdict = r
			p.run()
			if e := judge.closed; e == nil || e.Reason != r || !e.Sent || e.Alert != wire.AlertCertificateUnknown {
				t.Errorf("%v: %+v", r, e)
			}
			if e := other.closed; e == nil || e.Reason != ReasonForAlert(wire.AlertCertificateUnknown) {
				t.Errorf("%v: the peer: %+v", r, e)
			}
		}
	}
}

// A response that comes in pieces, of which some are lost, some come twice and
// none in order, is the response that was sent.
func TestOCSPOverBadNetwork(t *testing.T) {
	completed := 0
	for seed := range uint64(50) {
		p := stapledPair(t, true)
		dice := mathrand.New(mathrand.NewPCG(seed, 1))
		p.client.SetMTU(helloMTU)
		var late [][]byte
		p.sent = func(fromClient bool, d []byte) bool {
			if p.server.Session != nil {
				p.server.SetMTU(150)
			}
			switch {
			case fromClient || p.server.Session == nil:
				return dice.IntN(4) > 0
			case dice.IntN(4) == 0:
				late = append(late, bytes.Clone(d))
				return false
			}
			for _, d := range late {
				p.deliver(false, d)
			}
			late = nil
			return dice.IntN(4) > 0
		}
		p.run()
		if p.client.established && p.server.established {
			if !bytes.Equal(p.client.shown, response) {
				t.Errorf("seed %d: %d bytes", seed, len(p.client.shown))
			}
			completed++
			p.echo()
		} else if p.client.closed == nil || p.client.closed.Reason.Kind() != ReasonTimeout && p.client.closed.Reason.Kind() != hs.ReasonMTUSuspected {
			t.Errorf("seed %d: client %v, server %v", seed, p.client.Err(), p.serverErr())
		}
	}
	if completed < 30 {
		t.Errorf("%d of 50 handshakes completed", completed)
	}
}
