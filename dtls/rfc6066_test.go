// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The server's name goes in the list that the RFC describes, and its use is
// acknowledged by an empty extension.
//
// Proves rfc6066 §3: "The "extension_data" field of this extension SHALL
// contain "ServerNameList" where:"
// Proves rfc6066 §3: "In this event, the server SHALL include an extension of
// type "server_name" in the (extended) server hello. The "extension_data"
// field of this extension SHALL be empty."
// Proves rfc6066 §3: "The hostname is represented as a byte string using ASCII
// encoding without a trailing dot."
// Proves rfc6066 §3: "It is RECOMMENDED that clients include an extension of
// type "server_name" in the client hello whenever they locate a server by a
// supported name type."
func TestServerNameOnTheWire(t *testing.T) {
	for _, id := range []CipherSuite{pskSuite, rpkSuite} {
		hello, _ := helloOf(t, &Config{Credentials: with(Credentials{PSK: true, AcceptRawKeys: true})}, "Server.Example.")
		if want := []byte("\x00\x00\x00\x13\x00\x11\x00\x00\x0eserver.example"); !bytes.Contains(hello.Extensions, want) {
			t.Errorf("extensions %x", hello.Extensions)
		}
		for _, name := range []string{"server.example", ""} {
			_, u := newServerUnderTest(t, id)
			editOffer(t, u, func(e *wire.ClientExtensions) {
				if e.ServerName = []byte(name); name != "" {
					e.Present |= wire.ExtServerName.Bit()
				}
			})
			u.greet()
			h, e, ok := heardHello(t, u)
			if !ok || e.Present.Has(wire.ExtServerName) != (name != "") {
				t.Errorf("%v, name %q: answered %v", id, name, e.Present.Has(wire.ExtServerName))
			}
			if name != "" && !bytes.Contains(h.Extensions, []byte{0, 0, 0, 0}) {
				t.Errorf("answer %x", h.Extensions)
			}
		}
	}
}

// Host names are the same in any case of letters, and nothing but a name that
// could be one gets as far as the application.
//
// Proves rfc6066 §3: "DNS hostnames are case-insensitive."
func TestServerNamesOfClients(t *testing.T) {
	for name, want := range map[string]string{"SERVER.example": "server.example", "xn--bcher-kva.example": "xn--bcher-kva.example"} {
		var got []string
		cfg := &Config{Credentials: func(name string) *Credentials { got = append(got, name); return &Credentials{PSK: true} }}
		_, u := asking(t, cfg, pskSuite)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.ServerName = []byte(name)
			e.Present |= wire.ExtServerName.Bit()
		})
		u.greet()
		if len(got) != 1 || got[0] != want {
			t.Errorf("%q becomes %q", name, got)
		}
	}
	for _, name := range []string{"a b", "a\x00b", "b\xc3\xbccher", "\x7f", string(bytes.Repeat([]byte{'a'}, 256))} {
		cfg := &Config{Credentials: func(name string) *Credentials { t.Errorf("asked for %q", name); return nil }}
		_, u := asking(t, cfg, pskSuite)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.ServerName = []byte(name)
			e.Present |= wire.ExtServerName.Bit()
		})
		u.greet()
		checkAlert(t, name, u, wire.AlertIllegalParameter)
	}
	_, u := newServerUnderTest(t, pskSuite)
	u.hello.Extensions = []byte("\x00\x17\x00\x00\x00\x00\x00\x0a\x00\x08\x00\x00\x01a\x00\x00\x01b")
	u.greet()
	checkAlert(t, "two names", u, wire.AlertDecodeError)
}

// A length is answered with itself; any other value, on either side, ends the
// handshake.
//
// Proves rfc6066 §4: "The "extension_data" field of this extension SHALL
// contain a "MaxFragmentLength" whose value is the same as the requested
// maximum fragment length."
// Proves rfc6066 §4: "If a server receives a maximum fragment length
// negotiation request for a value other than the allowed values, it MUST abort
// the handshake with an "illegal_parameter" alert. Similarly, if a client
// receives a maximum fragment length negotiation response that differs from
// the length it requested, it MUST also abort the handshake with an
// "illegal_parameter" alert."
func TestMaxFragmentLengthAnswers(t *testing.T) {
	for code := range 256 {
		_, u := newServerUnderTest(t, pskSuite)
		editOffer(t, u, func(e *wire.ClientExtensions) {
			e.MaxFragmentLength = uint8(code)
			e.Present |= wire.ExtMaxFragmentLength.Bit()
		})
		u.greet()
		if code < 1 || code > 4 {
			checkAlert(t, "server", u, wire.AlertIllegalParameter)
			continue
		}
		if _, e, _ := heardHello(t, u); !e.Present.Has(wire.ExtMaxFragmentLength) || int(e.MaxFragmentLength) != code {
			t.Errorf("code %d is answered with %d", code, e.MaxFragmentLength)
		}
	}
	for code := range uint8(6) {
		cfg := &Config{Credentials: with(Credentials{PSK: true}), CipherSuites: []CipherSuite{pskSuite}, MaxFragmentLength: 1024}
		p, u := asked(t, cfg, pskSuite)
		hello, e := u.serverHello(), u.serverExtensions()
		e.Present |= wire.ExtMaxFragmentLength.Bit()
		e.MaxFragmentLength = code
		hello.Extensions = e.Append(nil)
		u.say(wire.HandshakeServerHello, hello.Append(nil))
		if code != 2 {
			checkAlert(t, "client", u, wire.AlertIllegalParameter)
			continue
		}
		u.say(wire.HandshakeServerHelloDone, nil)
		if u.flight6(); !p.client.established || p.client.MaxPayload() > 1024 {
			t.Errorf("code %d: %v, payloads of %d", code, p.client.Err(), p.client.MaxPayload())
		}
	}
}

// From the ServerHello on no fragment is longer than agreed, those of
// handshake messages included.
//
// Proves rfc6066 §4: "Once a maximum fragment length other than 2^14 has been
// successfully negotiated, the client and server MUST immediately begin
// fragmenting messages (including handshake messages) to ensure that no
// fragment larger than the negotiated length is sent."
// Proves rfc6066 §4: "The negotiated length applies for the duration of the
// session including session resumptions."
func TestFragmentsKeepTheLength(t *testing.T) {
	k := testKeys()
	creds := Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true}
	client := &Config{Credentials: with(creds), MaxFragmentLength: 512, MTU: 8192}
	server := &Config{Credentials: with(creds), MTU: 8192}
	p := newPair(t, client, server)
	longest, overhead := map[bool]int{}, 0
	p.sent = func(fromClient bool, d []byte) bool {
		for _, r := range cutRecords(t, d) {
			h, _ := wire.ParseRecordHeader(r)
			n := h.Length
			if h.Epoch > 0 {
				n -= overhead
			}
			longest[fromClient] = max(longest[fromClient], n)
		}
		return true
	}
	overhead = 8 + 16 // of the default suite, AES-128-GCM
	p.establish()
	if longest[true] != 512 || longest[false] != 512 {
		t.Errorf("the longest fragments have %d and %d bytes, want 512 of a chain that is longer", longest[true], longest[false])
	}
	for _, e := range []*peer{&p.client, &p.server} {
		if _, err := e.Seal(nil, make([]byte, 513)); err != ErrTooLarge {
			t.Errorf("513 bytes of data: %v", err)
		}
		if _, err := e.Seal(nil, make([]byte, 512)); err != nil {
			t.Errorf("512 bytes of data: %v", err)
		}
	}
}
