// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/internal/unverified"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/google/go-cmp/cmp"
)

// show makes the facts of a session whose peer showed a raw key or a chain.
func show(key *dtls.KeyPair, chain ...*x509.Certificate) *dtls.Facts {
	if key != nil {
		return &dtls.Facts{PeerRawKey: key.SPKI, PeerCertType: dtls.CertRawPublicKey}
	}
	return &dtls.Facts{PeerChain: chain, PeerCertType: dtls.CertX509}
}

// Pitfall O19: a key that is not pinned is refused, on both sides, by default.
// Pitfall E4: a key of a type that was not negotiated is refused, whatever it
// is.
// Pitfall L3: so is the certificate of another host.
//
// Proves rfc7250 §4.3: "When the TLS server has specified RawPublicKey as the
// client_certificate_type, authentication of the TLS client to the TLS server is
// supported only through authentication of the received client
// SubjectPublicKeyInfo via an out-of-band method."
// Proves rfc7250 §6: "In addition to ensuring the binding is done out-of-band, an
// implementation also needs to check the status of that binding."
// Proves rfc7252 §9: "The device also has an identity calculated from the public
// key and a list of identities of the nodes it can communicate with."
// Proves rfc7252 §9: "The device also has a list of root trust anchors that can
// be used for validating a certificate."
func TestVerdict(t *testing.T) {
	w := theWorld()
	client := func(c Config) *Policy { return must(c.Client(aExample)) }
	server := func(c Config) *Policy {
		c.RawKey = w.serverKey
		return must(c.Server())
	}
	shortPin := new(keys.Pins)
	_ = shortPin.Add(keys.NameOf(w.serverKey.SPKI, keys.SHA256_120))
	mixed := show(w.serverKey)
	mixed.PeerCertType = dtls.CertX509
	mixed2 := show(nil, w.server.Leaf)
	mixed2.PeerCertType = dtls.CertRawPublicKey
	both := show(w.serverKey)
	both.PeerChain = []*x509.Certificate{w.stranger.Leaf}
	garbage := &dtls.KeyPair{SPKI: []byte("not a key")}
	garbagePin := new(keys.Pins)
	garbagePin.AddKey(garbage.SPKI)
	for _, test := range []struct {
		what   string
		policy *Policy
		facts  *dtls.Facts
		want   dtls.Reason
	}{
		{"client, pinned key", client(Config{Pins: w.pins}), show(w.serverKey), dtls.ReasonNone},
		{"client, key pinned by 120 bits", client(Config{Pins: shortPin}), show(w.serverKey), dtls.ReasonNone},
		{"client, another key", client(Config{Pins: w.pins}), show(w.strangerKey), dtls.ReasonRPKNotPinned},
		{"client, key without pins", client(Config{Trust: w.trust}), show(w.serverKey), dtls.ReasonRPKNotPinned},
		{"client, pinned key that is none", client(Config{Pins: garbagePin}), show(garbage), dtls.ReasonCertUnsupported},
		{"client, certificate", client(Config{Trust: w.trust}), show(nil, w.server.Leaf), dtls.ReasonNone},
		{"client, certificate of another CA", client(Config{Trust: w.trust}), show(nil, w.stranger.Leaf), dtls.ReasonCertUnknownCA},
		{"client, certificate of a client", client(Config{Trust: w.trust}), show(nil, w.client.Leaf), dtls.ReasonCertBadUsage},
		{"client, certificate without trust", client(Config{Pins: w.pins}), show(nil, w.server.Leaf), dtls.ReasonCertUnsupported},
		{"client, certificate of another host", must((&Config{Trust: w.trust}).Client(keys.Authority{Host: "b.example"})), show(nil, w.server.Leaf), dtls.ReasonCertNameMismatch},
		{"client, pinned certificate of another host", must((&Config{Trust: w.trust, Pins: w.pins}).Client(keys.Authority{Host: "b.example"})), show(nil, w.server.Leaf), dtls.ReasonNone},
		{"client, pinned certificate, no name", must((&Config{Trust: w.trust, Pins: w.pins}).Client(keys.Authority{})), show(nil, w.server.Leaf), dtls.ReasonNone},
		{"client, certificate not pinned, no name", must((&Config{Trust: w.trust, Pins: garbagePin}).Client(keys.Authority{})), show(nil, w.server.Leaf), dtls.ReasonCertNameMismatch},
		{"client, nothing", client(Config{Pins: w.pins}), show(nil), dtls.ReasonNoPeerKey},
		{"client, key as certificate", client(Config{Pins: w.pins, Trust: w.trust}), mixed, dtls.ReasonCertUnsupported},
		{"client, certificate as key", client(Config{Pins: w.pins, Trust: w.trust}), mixed2, dtls.ReasonCertUnsupported},
		{"client, both", client(Config{Pins: w.pins, Trust: w.trust}), both, dtls.ReasonCertUnsupported},
		{"server, pinned key", server(Config{Pins: w.pins}), show(w.clientKey), dtls.ReasonNone},
		{"server, another key", server(Config{Pins: w.pins}), show(w.strangerKey), dtls.ReasonRPKNotPinned},
		{"server, another key, anybody", server(Config{AllowAnonymousClients: true}), show(w.strangerKey), dtls.ReasonRPKNotPinned},
		{"server, certificate", server(Config{Trust: w.trust}), show(nil, w.client.Leaf), dtls.ReasonNone},
		{"server, certificate of a server", server(Config{Trust: w.trust}), show(nil, w.server.Leaf), dtls.ReasonCertBadUsage},
		{"server, certificate without trust", server(Config{Pins: w.pins}), show(nil, w.client.Leaf), dtls.ReasonCertUnsupported},
		{"server, nothing", server(Config{Pins: w.pins}), show(nil), dtls.ReasonNoPeerKey},
		{"server, nothing, anybody", server(Config{AllowAnonymousClients: true}), show(nil), dtls.ReasonNone},
		{"insecure client, any key", client(Config{ServerCheck: unverified.AnyServer()}), show(w.strangerKey), dtls.ReasonNone},
		{"insecure client, any certificate", client(Config{ServerCheck: unverified.AnyServer()}), show(nil, w.stranger.Leaf), dtls.ReasonNone},
		{"insecure client, nothing", client(Config{ServerCheck: unverified.AnyServer()}), show(nil), dtls.ReasonNoPeerKey},
		{"insecure client, key as certificate", client(Config{ServerCheck: unverified.AnyServer()}), mixed, dtls.ReasonCertUnsupported},
	} {
		if got := test.policy.Verdict(test.facts, noon); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
		err := test.policy.Verify(test.facts, noon)
		if _, ok := errors.AsType[*keys.VerifyError](err); (err != nil) != (test.want != dtls.ReasonNone) || err != nil && !ok {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	if got := client(Config{Trust: w.trust}).Verdict(show(nil, w.server.Leaf), noon.Add(2*time.Hour)); got != dtls.ReasonCertExpired {
		t.Errorf("two hours later: %s", got)
	}
}

// Pitfall O19, P4: who has not been verified is nobody.
func TestIdentify(t *testing.T) {
	w := theWorld()
	server := must((&Config{RawKey: w.serverKey, Pins: w.pins, Trust: w.trust, PSK: w.pskMap()}).Server())
	anonymous := func(i Identity) bool {
		return i.Anonymous() && !i.Verified() && i.Name() == "" && i.PSKIdentity() == nil && i.RawPublicKey() == nil && i.Certificates() == nil
	}
	if i := (Identity{}); !anonymous(i) || i.Mode() != NoSec {
		t.Errorf("the zero Identity is %s", i)
	}
	if i := server.Identify(nil, nil); !anonymous(i) {
		t.Errorf("of nothing: %s", i)
	}
	if i := server.Identify(show(nil), nil); !anonymous(i) || i.Mode() != Certificate {
		t.Errorf("a client without key, to a certificate: %s", i)
	}
	if i := server.Identify(&dtls.Facts{LocalCertType: dtls.CertRawPublicKey}, nil); !anonymous(i) || i.Mode() != RawPublicKey {
		t.Errorf("a client without key, to a raw key: %s", i)
	}
	if i := server.Identify(show(w.strangerKey), nil); !anonymous(i) {
		t.Errorf("a key that is not pinned: %s", i)
	}
	if i := server.Identify(show(w.clientKey), nil); i.Name() != keys.NameOf(w.clientKey.SPKI, keys.SHA256_120).String() || i.Mode() != RawPublicKey || !i.Verified() {
		t.Errorf("a pinned key: %s", i)
	}
	if i := server.Identify(show(nil, w.client.Leaf), nil); !anonymous(i) {
		t.Errorf("a certificate before the verdict: %s", i)
	}
	if i := server.Identify(trusted(w.client.Leaf), nil); i.Name() != "client" || i.Mode() != Certificate || !i.Verified() || len(i.Certificates()) != 1 {
		t.Errorf("a certificate after the verdict: %s", i)
	}
}

// trusted is the facts of a session that was told to trust its peer.
func trusted(chain ...*x509.Certificate) *dtls.Facts {
	facts := show(nil, chain...)
	facts.PeerTrusted = true
	return facts
}

// Proves rfc4279 §5.1: "The PSK identity MUST be first converted to a character
// string, and then encoded to octets using UTF-8 [UTF8]."
//
// Pitfall G6: and where a peer did not, its identity stays what it is.
func TestIdentityOfPSK(t *testing.T) {
	w := theWorld()
	server := must((&Config{PSK: w.pskMap()}).Server())
	for identity, want := range map[string]string{
		"dev1": "dev1", "zwölf": "zwölf", "a\x00b": "0x610062", "\xff": "0xff", "": "0x", "0x41": "0x30783431", "a\nb": "0x610a62",
	} {
		i := server.Identify(&dtls.Facts{PSKIdentity: []byte(identity)}, nil)
		if i.Mode() != PreSharedKey || i.Name() != want || !i.Verified() || i.PSKIdentity() == nil || string(i.PSKIdentity()) != identity {
			t.Errorf("%q: %s, identity %q", identity, i, i.PSKIdentity())
		}
	}
	// A pre-shared key's identity that reads like a key's name is another one.
	name := keys.NameOf(w.clientKey.SPKI, keys.SHA256_120).String()
	i := server.Identify(&dtls.Facts{PSKIdentity: []byte(name)}, nil)
	if i.String() != "PreSharedKey "+name || i.Mode() == RawPublicKey {
		t.Errorf("got %s", i)
	}
	// What an Identity returns can be changed without changing it.
	i.PSKIdentity()[0] = 'x'
	if string(i.PSKIdentity()) != name {
		t.Error("the identity was changed")
	}
}

func TestUnverifiedIdentity(t *testing.T) {
	w := theWorld()
	client := must((&Config{ServerCheck: unverified.AnyServer(), Trust: w.trust}).Client(aExample))
	if !client.Unverified() {
		t.Error("nobody would be warned")
	}
	if client.Verdict(show(nil, w.stranger.Leaf), noon) != dtls.ReasonNone {
		t.Fatal("refused")
	}
	for _, facts := range []*dtls.Facts{trusted(w.stranger.Leaf), show(w.strangerKey)} {
		if i := client.Identify(facts, nil); i.Verified() || !strings.HasPrefix(i.Name(), "unverified ") || i.Anonymous() {
			t.Errorf("got %s", i)
		}
	}
	if i := client.Identify(&dtls.Facts{PSKIdentity: []byte("dev1")}, nil); !i.Verified() {
		t.Error("a pre-shared key is proof as ever")
	}
}

// All modes are served under one policy, and the name that a client asks for
// chooses the certificate.
//
// Proves rfc7252 §9.1.1: "DTLS connections in RawPublicKey and Certificate mode
// are set up using mutual authentication so they can remain up and be reused for
// future message exchanges in either direction."
func TestServerCredentials(t *testing.T) {
	w := theWorld()
	b := must(w.ca.IssueServer(seeded(20), w.serverKey, []keys.Authority{{Host: "b.example"}}, noon, time.Hour))
	config := Config{PSK: w.pskMap(), PSKHint: []byte("hint"), RawKey: w.serverKey, Chains: []dtls.Chain{w.server, b}, Pins: w.pins, Trust: w.trust,
		CipherSuites: []dtls.CipherSuite{0xc0a8}, Groups: []dtls.Group{dtls.GroupX25519}, SignatureSchemes: []dtls.SignatureScheme{0x0403}}
	policy := must(config.Server())
	d := policy.DTLS(rand.Reader)
	if d.Rand == nil || d.KeyLog != nil || len(d.CipherSuites) != 1 || len(d.Groups) != 1 || len(d.SignatureSchemes) != 1 {
		t.Errorf("got %+v", d)
	}
	for name, want := range map[string]string{"": "a.example", "a.example": "a.example", "b.example": "b.example", "B.Example.": "b.example", "c.example": "a.example"} {
		c := d.Credentials(name)
		if !c.PSK || string(c.PSKHint) != "hint" || c.RawKey != w.serverKey || !c.AcceptRawKeys || !c.AcceptCertificates || !c.RequirePeerKey || len(c.Authorities) != 1 {
			t.Errorf("%q: %+v", name, c)
		}
		if len(c.Chains) != 2 || c.Chains[0].Leaf.DNSNames[0] != want {
			t.Errorf("%q: first certificate is for %v", name, c.Chains[0].Leaf.DNSNames)
		}
	}
	if config.Chains[0].Leaf != w.server.Leaf {
		t.Error("the configuration was reordered")
	}
	if diff := cmp.Diff([]Mode{PreSharedKey, RawPublicKey, Certificate}, policy.Modes()); diff != "" {
		t.Error(diff)
	}
	config.ChainsFor = func(name string) []dtls.Chain {
		switch name {
		case "b.example":
			return []dtls.Chain{b}
		case "broken.example":
			return []dtls.Chain{{}, {}, {DER: b.DER, Leaf: b.Leaf, Signer: w.strangerKey.Signer}}
		}
		return nil
	}
	d = must(config.Server()).DTLS(rand.Reader)
	for name, want := range map[string]int{"b.example": 1, "a.example": 2, "broken.example": 2} {
		if c := d.Credentials(name); len(c.Chains) != want {
			t.Errorf("%q: %d chains, want %d", name, len(c.Chains), want)
		}
	}
	open := must((&Config{Chains: []dtls.Chain{w.server}, AllowAnonymousClients: true}).Server())
	if c := open.DTLS(rand.Reader).Credentials(""); c.RequirePeerKey || c.AcceptRawKeys || c.AcceptCertificates || c.PSK {
		t.Errorf("for anybody: %+v", c)
	}
}

// Proves rfc7252 §9.1.3: "Devices SHOULD support the Server Name Indication
// (SNI) to indicate their authority in the SNI HostName field as defined in
// Section 3 of [RFC6066]."
func TestClientCredentials(t *testing.T) {
	w := theWorld()
	for _, test := range []struct {
		config Config
		want   dtls.Credentials
		modes  []Mode
	}{
		{Config{ClientPSK: &w.psk}, dtls.Credentials{PSK: true}, []Mode{PreSharedKey}},
		{Config{Pins: w.pins}, dtls.Credentials{AcceptRawKeys: true}, []Mode{RawPublicKey}},
		{Config{Trust: w.trust}, dtls.Credentials{AcceptCertificates: true, AskOCSP: true}, []Mode{Certificate}},
		{Config{PSK: w.pskMap(), PSKHint: []byte("x"), Pins: w.pins}, dtls.Credentials{AcceptRawKeys: true}, []Mode{RawPublicKey}},
		{Config{ServerCheck: unverified.AnyServer()}, dtls.Credentials{AcceptRawKeys: true, AcceptCertificates: true}, []Mode{RawPublicKey, Certificate}},
	} {
		policy := must(test.config.Client(aExample))
		if diff := cmp.Diff(&test.want, policy.DTLS(rand.Reader).Credentials("a.example")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(test.modes, policy.Modes()); diff != "" {
			t.Error(diff)
		}
	}
	full := must((&Config{Pins: w.pins, RawKey: w.clientKey, Chains: []dtls.Chain{w.client}}).Client(aExample))
	if c := full.DTLS(rand.Reader).Credentials(""); c.RawKey != w.clientKey || len(c.Chains) != 1 {
		t.Errorf("got %+v", c)
	}
	for host, want := range map[string]string{"A.example": "a.example", "192.0.2.1": "", "::1": "", "": ""} {
		if got := must((&Config{Pins: w.pins}).Client(keys.Authority{Host: host})).ServerName(); got != want {
			t.Errorf("%q: server name %q", host, got)
		}
	}
}

// A client makes a policy for each connection, and they share the writer.
func TestKeyLog(t *testing.T) {
	w := theWorld()
	var out strings.Builder
	config := &Config{ClientPSK: &w.psk, KeyLog: &out}
	var wait sync.WaitGroup
	for range 10 {
		d := must(config.Client(aExample)).DTLS(rand.Reader)
		wait.Go(func() { d.KeyLog("CLIENT_RANDOM", []byte{1, 2}, []byte{0xab}) })
	}
	wait.Wait()
	if want := strings.Repeat("CLIENT_RANDOM 0102 ab\n", 10); out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestModeText(t *testing.T) {
	text := must(json.Marshal([]Mode{NoSec, PreSharedKey, RawPublicKey, Certificate}))
	if string(text) != `["NoSec","PreSharedKey","RawPublicKey","Certificate"]` {
		t.Errorf("got %s", text)
	}
	if Mode(9).String() != "unknown mode" || fmt.Sprint(Identity{}) != "NoSec (anonymous)" {
		t.Errorf("got %s, %s", Mode(9), Identity{})
	}
}

// A raw public key can be of any kind that signs in the ECDSA suites.
func TestRawKeyKinds(t *testing.T) {
	w := theWorld()
	ed := must(keys.NewKeyPair(ed25519.NewKeyFromSeed(make([]byte, 32))))
	if _, err := (&Config{RawKey: ed, Pins: w.pins}).Server(); err != nil {
		t.Error(err)
	}
}

func BenchmarkVerdictRawKey(b *testing.B) {
	w := theWorld()
	policy := must((&Config{Pins: w.pins}).Client(aExample))
	facts := show(w.serverKey)
	b.ReportAllocs()
	for b.Loop() {
		policy.Verdict(facts, noon)
	}
}

func BenchmarkVerdictCertificate(b *testing.B) {
	w := theWorld()
	policy := must((&Config{Trust: w.trust}).Client(aExample))
	facts := show(nil, w.server.Leaf)
	b.ReportAllocs()
	for b.Loop() {
		policy.Verdict(facts, noon)
	}
}
