// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"testing"

	"github.com/coaps-go/coaps/security/keys"
)

// Proves rfc4279 §5.2: "In the absence of an application profile specification
// specifying otherwise, servers SHOULD NOT provide an identity hint and clients
// MUST ignore the identity hint field."
// Proves rfc7252 §9.1.3.1: "When forming a connection to a new node, the system
// selects an appropriate key based on which nodes it is trying to reach and then
// forms a DTLS session using a PSK (Pre-Shared Key) mode of DTLS."
func TestClientPSK(t *testing.T) {
	w := theWorld()
	fixed := must((&Config{ClientPSK: &w.psk}).Client(aExample))
	for _, hint := range [][]byte{nil, {}, []byte("dev2"), []byte("another\x00")} {
		identity, key := fixed.PSK("", hint)
		if string(identity) != "dev1" || string(key) != "sixteen byte key" {
			t.Errorf("hint %q: identity %q", hint, identity)
		}
	}
	byNode := Config{ClientPSKFor: func(server keys.Authority, hint []byte) (keys.PSK, bool) {
		switch server.Host {
		case "a.example":
			return w.psk, true
		case "weak.example":
			return weakPSK, true
		}
		return keys.PSK{}, false
	}}
	for host, want := range map[string]string{"a.example": "dev1", "b.example": "", "weak.example": ""} {
		policy := must(byNode.Client(keys.Authority{Host: host}))
		identity, key := policy.PSK("", nil)
		if string(identity) != want && key == nil || (key != nil) != (want != "") {
			t.Errorf("%s: identity %q, key %t", host, identity, key != nil)
		}
		if host == "weak.example" && policy.WeakPSKs() != 1 {
			t.Errorf("%d weak keys counted", policy.WeakPSKs())
		}
	}
	if server := must((&Config{PSK: w.pskMap()}).Server()); server.base.PSKHint != nil {
		t.Error("a hint without being told")
	}
	none := must((&Config{Pins: w.pins}).Client(aExample))
	if identity, key := none.PSK("", nil); identity != nil || key != nil {
		t.Error("a key out of nowhere")
	}
}

// Proves rfc7252 §9: "PreSharedKey: DTLS is enabled, there is a list of
// pre-shared keys [RFC4279], and each key includes a list of which nodes it can
// be used to communicate with as described in Section 9.1.3.1."
//
// Pitfall G6: an identity is looked up as it was sent.
func TestServerPSK(t *testing.T) {
	w := theWorld()
	m := w.pskMap()
	if err := m.AddFor("b.example", must(keys.NewPSK([]byte("dev1"), []byte("the key for b...")))); err != nil {
		t.Fatal(err)
	}
	policy := must((&Config{PSK: m}).Server())
	for _, test := range []struct{ name, identity, want string }{
		{"", "dev1", "sixteen byte key"},
		{"b.example", "dev1", "the key for b..."},
		{"", "dev1\x00", ""},
		{"", "dev", ""},
		{"", "", ""},
	} {
		identity, key := policy.PSK(test.name, []byte(test.identity))
		if string(key) != test.want || (key == nil) != (test.want == "") || string(identity) != test.identity {
			t.Errorf("%q at %q: identity %q, key %q", test.identity, test.name, identity, key)
		}
	}
	for _, key := range []string{"", "short", "fifteen byte ke"} {
		weak := must((&Config{PSK: endless{[]byte(key)}}).Server())
		if _, got := weak.PSK("", []byte("x")); got != nil || weak.WeakPSKs() != 1 {
			t.Errorf("key of %d bytes: found, %d counted", len(key), weak.WeakPSKs())
		}
	}
	allowed := must((&Config{PSK: endless{[]byte("short")}, AllowWeakPSK: true}).Server())
	if _, key := allowed.PSK("", []byte("x")); string(key) != "short" {
		t.Error("a weak key that is allowed was not found")
	}
	noPSK := must((&Config{RawKey: w.serverKey, Pins: w.pins}).Server())
	if _, key := noPSK.PSK("", []byte("dev1")); key != nil {
		t.Error("a key out of nowhere")
	}
}
