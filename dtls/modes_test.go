// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// mode is one way for two peers to prove themselves.
type mode struct {
	name           string
	client, server Credentials
	suites         []suite.KeyExchange // that can serve it
	// what the server must find out of the client, and the client of the server
	clientType, serverType CertType
	clientKey, serverKey   crypto.PublicKey // nil: none shown
	groups                 []Group
	schemes                []SignatureScheme
}

// modes lists every mode.
func modes() []mode {
	k := testKeys()
	ecdsa := []suite.KeyExchange{suite.ECDHEECDSA}
	p384 := []Group{GroupSecp384r1}
	return []mode{
		{name: "PSK", client: Credentials{PSK: true}, server: Credentials{PSK: true}, suites: []suite.KeyExchange{suite.PSK, suite.ECDHEPSK}},
		{
			name:   "RPK mutual",
			client: Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true},
			server: Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true},
			suites: ecdsa, clientType: CertRawPublicKey, serverType: CertRawPublicKey, clientKey: k.p256.Public(), serverKey: k.p256b.Public(),
		},
		{
			name:   "RPK server alone",
			client: Credentials{AcceptRawKeys: true}, server: Credentials{RawKey: rawKey(k.p256b)},
			suites: ecdsa, serverType: CertRawPublicKey, serverKey: k.p256b.Public(),
		},
		{
			name:   "RPK server, X.509 client",
			client: Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptRawKeys: true},
			server: Credentials{RawKey: rawKey(k.p256b), AcceptCertificates: true, RequirePeerKey: true},
			suites: ecdsa, serverType: CertRawPublicKey, clientKey: k.p256.Public(), serverKey: k.p256b.Public(),
		},
		{
			name:   "X.509 server, RPK client",
			client: Credentials{RawKey: rawKey(k.p256), AcceptCertificates: true},
			server: Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptRawKeys: true, RequirePeerKey: true},
			suites: ecdsa, clientType: CertRawPublicKey, clientKey: k.p256.Public(), serverKey: k.p256b.Public(),
		},
		{
			name:   "X.509 mutual",
			client: Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true},
			server: Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true, RequirePeerKey: true, Authorities: [][]byte{k.ca.RawSubject}},
			suites: ecdsa, clientKey: k.p256.Public(), serverKey: k.p256b.Public(),
		},
		{
			name:   "X.509 mutual with OCSP",
			client: Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true, AskOCSP: true},
			server: Credentials{Chains: []Chain{k.stapled(k.p256b)}, AcceptCertificates: true, RequirePeerKey: true},
			suites: ecdsa, clientKey: k.p256.Public(), serverKey: k.p256b.Public(),
		},
		{
			name:   "X.509 server alone",
			client: Credentials{AcceptCertificates: true}, server: Credentials{Chains: []Chain{k.chain(k.p256b)}},
			suites: ecdsa, serverKey: k.p256b.Public(),
		},
		{
			name:   "X.509, client asked and empty-handed",
			client: Credentials{AcceptCertificates: true}, server: Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true},
			suites: ecdsa, serverKey: k.p256b.Public(),
		},
		{
			name:   "RPK Ed25519",
			client: Credentials{RawKey: rawKey(k.ed), AcceptRawKeys: true},
			server: Credentials{RawKey: rawKey(k.ed), AcceptRawKeys: true, RequirePeerKey: true},
			suites: ecdsa, clientType: CertRawPublicKey, serverType: CertRawPublicKey, clientKey: k.ed.Public(), serverKey: k.ed.Public(),
			schemes: []SignatureScheme{wire.SchemeEd25519}, groups: []Group{GroupX25519},
		},
		{
			name:   "X.509 P-384",
			client: Credentials{Chains: []Chain{k.chain(k.p384)}, AcceptCertificates: true},
			server: Credentials{Chains: []Chain{k.chain(k.p384)}, AcceptCertificates: true, RequirePeerKey: true},
			suites: ecdsa, clientKey: k.p384.Public(), serverKey: k.p384.Public(), groups: p384,
			schemes: []SignatureScheme{wire.SchemeECDSAP384SHA384},
		},
		{
			name:   "RPK P-384 signing with SHA-256",
			client: Credentials{RawKey: rawKey(k.p384), AcceptRawKeys: true},
			server: Credentials{RawKey: rawKey(k.p384), AcceptRawKeys: true, RequirePeerKey: true},
			suites: ecdsa, clientType: CertRawPublicKey, serverType: CertRawPublicKey, clientKey: k.p384.Public(), serverKey: k.p384.Public(),
			schemes: []SignatureScheme{wire.SchemeECDSAP256SHA256},
		},
		{
			name:   "RSA",
			client: Credentials{Chains: []Chain{k.chain(k.rsa)}, AcceptCertificates: true},
			server: Credentials{Chains: []Chain{k.chain(k.rsa)}, AcceptCertificates: true, RequirePeerKey: true},
			suites: []suite.KeyExchange{suite.ECDHERSA}, clientKey: k.rsa.Public(), serverKey: k.rsa.Public(),
			schemes: []SignatureScheme{wire.SchemeRSAPSSSHA256},
		},
		{
			name:   "RSA PKCS1, ECDSA client",
			client: Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true},
			server: Credentials{Chains: []Chain{k.chain(k.rsa)}, AcceptCertificates: true, RequirePeerKey: true},
			suites: []suite.KeyExchange{suite.ECDHERSA}, clientKey: k.p256.Public(), serverKey: k.rsa.Public(),
			schemes: []SignatureScheme{wire.SchemeRSAPKCS1SHA256, wire.SchemeECDSAP256SHA256},
		},
	}
}

// configs are the two configurations of a mode with one suite.
func (m *mode) configs(s *suite.Suite) (client, server *Config) {
	make := func(c Credentials) *Config {
		cfg := &Config{Credentials: with(c), Groups: m.groups, SignatureSchemes: m.schemes}
		if s != nil {
			cfg.CipherSuites = []CipherSuite{s.ID}
		}
		return cfg
	}
	return make(m.client), make(m.server)
}

// serves reports whether a suite can serve the mode.
func (m *mode) serves(s *suite.Suite) bool {
	for _, kx := range m.suites {
		if s.KeyExchange == kx {
			return true
		}
	}
	return false
}

// forEachMode runs a test for each mode with its first suite.
func forEachMode(t *testing.T, f func(t *testing.T, m mode, s *suite.Suite)) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			for _, s := range suite.All() {
				if s.KeyExchange == m.suites[0] {
					f(t, m, s)
					return
				}
			}
		})
	}
}

// Every suite completes in every mode that it can serve, and both ends agree
// on every fact.
//
// Proves rfc7252 §9.1.3.1: "Implementations in these modes MUST support the
// mandatory-to-implement cipher suite TLS_PSK_WITH_AES_128_CCM_8 as
// specified in [RFC6655]."
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey mode MUST support
// the mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
// as specified in [RFC7251], [RFC5246], and [RFC4492]."
func TestEverySuiteInEveryMode(t *testing.T) {
	for _, m := range modes() {
		for _, s := range suite.All() {
			if !m.serves(s) {
				continue
			}
			t.Run(m.name+"/"+s.Name, func(t *testing.T) {
				p := newPair(t, first(m.configs(s)), second(m.configs(s)))
				p.establish()
				p.echo()
				m.check(t, p, s)
			})
		}
	}
}

func first(a, _ *Config) *Config  { return a }
func second(_, b *Config) *Config { return b }

// check compares the facts of both ends with the mode.
func (m *mode) check(t *testing.T, p *pair, s *suite.Suite) {
	t.Helper()
	c, sv := p.client.Facts(), p.server.Facts()
	for _, f := range []*Facts{c, sv} {
		if f.CipherSuite != s.ID || f.Version != VersionDTLS12 || !f.ExtendedMasterSecret || f.ServerName != "server.example" {
			t.Errorf("facts %+v", f)
		}
		if (f.Group != 0) != s.KeyExchange.UsesECDHE() || m.groups != nil && f.Group != m.groups[0] {
			t.Errorf("group %v", f.Group)
		}
	}
	if s.KeyExchange.UsesPSK() {
		if string(sv.PSKIdentity) != "dev1" || string(c.PSKIdentity) != "dev1" {
			t.Errorf("identities %q %q", c.PSKIdentity, sv.PSKIdentity)
		}
		return
	}
	if c.PeerCertType != m.serverType || sv.LocalCertType != m.serverType {
		t.Errorf("server showed %v, client saw %v, want %v", sv.LocalCertType, c.PeerCertType, m.serverType)
	}
	if sv.PeerCertType != m.clientType || c.LocalCertType != m.clientType {
		t.Errorf("client showed %v, server saw %v, want %v", c.LocalCertType, sv.PeerCertType, m.clientType)
	}
	m.checkKey(t, c, m.serverKey)
	m.checkKey(t, sv, m.clientKey)
	if c.SignatureScheme != sv.LocalSignatureScheme || sv.SignatureScheme != c.LocalSignatureScheme {
		t.Errorf("schemes differ: %v %v, %v %v", c.SignatureScheme, sv.LocalSignatureScheme, sv.SignatureScheme, c.LocalSignatureScheme)
	}
	if m.schemes != nil && c.SignatureScheme != m.schemes[0] {
		t.Errorf("server signed with %v", c.SignatureScheme)
	}
}

func (m *mode) checkKey(t *testing.T, f *Facts, want crypto.PublicKey) {
	t.Helper()
	got := f.PeerRawKey
	if len(f.PeerChain) > 0 {
		got = f.PeerChain[0].RawSubjectPublicKeyInfo
	}
	if want == nil {
		if got != nil || f.SignatureScheme != 0 {
			t.Errorf("peer showed a key, want none")
		}
		return
	}
	if spki := rawKey(keyOnly{want}).SPKI; !bytes.Equal(got, spki) {
		t.Errorf("peer's key is not the one it has")
	}
}

// keyOnly is a Signer that has nothing but a public key.
type keyOnly struct{ pub crypto.PublicKey }

func (k keyOnly) Public() crypto.PublicKey { return k.pub }
func (keyOnly) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, fmt.Errorf("no private key")
}

// Each group serves each kind of ephemeral key exchange.
func TestGroups(t *testing.T) {
	for _, g := range []Group{GroupSecp256r1, GroupX25519, GroupSecp384r1} {
		for _, id := range []CipherSuite{wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8} {
			t.Run(g.String()+"/"+id.String(), func(t *testing.T) {
				cred := Credentials{PSK: true, RawKey: rawKey(testKeys().ed), AcceptRawKeys: true}
				cfg := func() *Config {
					return &Config{Credentials: with(cred), Groups: []Group{g}, CipherSuites: []CipherSuite{id}}
				}
				p := newPair(t, cfg(), cfg())
				p.establish()
				if p.client.Facts().Group != g || p.server.Facts().Group != g {
					t.Errorf("group %v", p.client.Facts().Group)
				}
			})
		}
	}
}

// Suites that RFC 7252 makes mandatory can be switched off, and the server's
// order decides.
//
// Pitfall O28: the group and suite chosen are the first of the server's list that the client offers.
func TestServerOrderDecides(t *testing.T) {
	ccm8, gcm := wire.TLS_PSK_WITH_AES_128_CCM_8, wire.TLS_PSK_WITH_AES_128_GCM_SHA256
	ecdhe := wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	for _, test := range []struct {
		client, server []CipherSuite
		want           CipherSuite
	}{
		{[]CipherSuite{ccm8, gcm}, []CipherSuite{gcm, ccm8}, gcm},
		{[]CipherSuite{gcm, ccm8}, []CipherSuite{ccm8, gcm}, ccm8},
		{[]CipherSuite{gcm, ccm8}, []CipherSuite{ccm8}, ccm8},
		{nil, []CipherSuite{ecdhe, ccm8}, ecdhe},
	} {
		psk := with(Credentials{PSK: true})
		p := newPair(t, &Config{Credentials: psk, CipherSuites: test.client, Groups: []Group{GroupX25519, GroupSecp256r1}},
			&Config{Credentials: psk, CipherSuites: test.server, Groups: []Group{GroupSecp384r1, GroupSecp256r1, GroupX25519}})
		p.establish()
		if got := p.client.Facts().CipherSuite; got != test.want {
			t.Errorf("client %v, server %v: chose %v, want %v", test.client, test.server, got, test.want)
		}
		if g := p.client.Facts().Group; g != 0 && g != GroupSecp256r1 {
			t.Errorf("chose group %v", g)
		}
	}
}

// The server name chooses the credentials, and is told to the application.
//
// Proves rfc6066 §3: "A server that receives a client hello containing the
// "server_name" extension MAY use the information contained in the
// extension to guide its selection of an appropriate certificate to return
// to the client"
func TestServerNameChoosesCredentials(t *testing.T) {
	k := testKeys()
	asked := []string{}
	server := &Config{Credentials: func(name string) *Credentials {
		asked = append(asked, name)
		if name != "server.example" {
			return nil
		}
		return &Credentials{RawKey: rawKey(k.p256b)}
	}}
	client := &Config{Credentials: with(Credentials{AcceptRawKeys: true})}
	p := newPair(t, client, server)
	p.establish()
	s, err := NewClient(client, p.now, "Other.Example.")
	if err != nil {
		t.Fatal(err)
	}
	p.client, p.server = peer{Session: s}, peer{}
	p.run()
	if fmt.Sprint(asked) != "[server.example other.example]" {
		t.Errorf("asked for %q", asked)
	}
	if got := p.client.Err(); got == nil || got.Reason.String() != "alert_unrecognized_name" || !got.Received {
		t.Errorf("client's error %v", got)
	}
	if got := p.server.Err(); got.Reason != ReasonUnknownServerName || !got.Sent {
		t.Errorf("server's error %v", got)
	}
}

// What is no DNS name is not sent as one.
//
// Proves rfc6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in
// "HostName"."
func TestHostName(t *testing.T) {
	for name, want := range map[string]string{
		"a.example": "a.example", "A.Example.": "a.example", "192.0.2.1": "", "::1": "", "[::1]": "", "fe80::1%eth0": "",
		"": "", "sp ace": "", "d\xc3\xa9": "", "nul\x00": "",
	} {
		if got := hostName(name); got != want {
			t.Errorf("hostName(%q) = %q, want %q", name, got, want)
		}
	}
}
