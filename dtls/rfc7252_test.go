// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The two modes with keys work between peers that know no more than what
// RFC 7252 makes mandatory: one suite, one curve, one point format, one
// signature scheme.
//
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey mode MUST support
// the mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as
// specified in [RFC7251], [RFC5246], and [RFC4492]. The key used MUST be ECDSA
// capable. The curve secp256r1 MUST be supported [RFC4492]; this curve is
// equivalent to the NIST P-256 curve. The hash algorithm is SHA-256.
// Implementations MUST use the Supported Elliptic Curves and Supported Point
// Formats Extensions [RFC4492]; the uncompressed point format MUST be
// supported; [RFC6090] can be used as an implementation method."
// Proves rfc7252 §9.1.3.3: "Implementations in Certificate Mode MUST support
// the mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as
// specified in [RFC7251], [RFC5246], and [RFC4492]."
// Proves rfc7252 §9.1.3.3: "Certificates MUST be signed with ECDSA using
// secp256r1, and the signature MUST use SHA-256. The key used MUST be ECDSA
// capable. The curve secp256r1 MUST be supported [RFC4492]; this curve is
// equivalent to the NIST P-256 curve. The hash algorithm is SHA-256.
// Implementations MUST use the Supported Elliptic Curves and Supported Point
// Formats Extensions [RFC4492]; the uncompressed point format MUST be
// supported; [RFC6090] can be used as an implementation method."
func TestMandatoryToImplement(t *testing.T) {
	k := testKeys()
	modes := map[string][2]Credentials{
		"RawPublicKey": {
			{RawKey: rawKey(k.p256), AcceptRawKeys: true}, {RawKey: rawKey(k.p256b), AcceptRawKeys: true, RequirePeerKey: true},
		},
		"Certificate": {
			{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true},
			{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true, RequirePeerKey: true},
		},
	}
	for name, creds := range modes {
		// Either end may be the one that knows no more.
		for simple := range 2 {
			var cfgs [2]*Config
			for i := range cfgs {
				if cfgs[i] = (&Config{Credentials: with(creds[i])}); i == simple {
					cfgs[i].CipherSuites, cfgs[i].Groups = []CipherSuite{rpkSuite}, []Group{GroupSecp256r1}
					cfgs[i].SignatureSchemes = []SignatureScheme{wire.SchemeECDSAP256SHA256}
				}
			}
			w, p := watch(t, cfgs[0], cfgs[1])
			p.echo()
			for _, f := range []*Facts{p.client.Facts(), p.server.Facts()} {
				if f.CipherSuite != rpkSuite || f.Group != GroupSecp256r1 || f.SignatureScheme != wire.SchemeECDSAP256SHA256 {
					t.Errorf("%s: %v with %v and %v", name, f.CipherSuite, f.Group, f.SignatureScheme)
				}
				checkMandatoryKey(t, f)
			}
			var h wire.ClientHello
			hello, _ := w.find(wire.HandshakeClientHello)
			if h.Parse(hello.body()) != nil || simple == 0 && !bytes.Contains(h.Extensions, figure14) {
				t.Errorf("%s: extensions %x", name, h.Extensions)
			}
		}
	}
}

// figure14 is the extensions of RFC 7252 §9.1.3.2, figure 14, octet by octet.
var figure14 = []byte{
	0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17,
	0x00, 0x0b, 0, 2, 1, 0,
	0x00, 0x0d, 0, 4, 0, 2, 0x04, 0x03,
}

// checkMandatoryKey checks that a peer showed an ECDSA key on secp256r1, and
// that its certificate, if it has one, is signed as RFC 7252 demands.
func checkMandatoryKey(t *testing.T, f *Facts) {
	t.Helper()
	pub, _ := x509.ParsePKIXPublicKey(f.PeerRawKey)
	for _, c := range f.PeerChain {
		pub = c.PublicKey
		if c.SignatureAlgorithm != x509.ECDSAWithSHA256 {
			t.Errorf("a certificate is signed with %v", c.SignatureAlgorithm)
		}
	}
	if key, ok := pub.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the peer's key is a %T", pub)
	}
}

// A record of the mandatory suites costs what the RFC reckons.
//
// Proves rfc7252 §9.1: "Once the initial handshake is completed, DTLS adds a
// limited per-datagram overhead of approximately 13 bytes"
func TestOverheadOfTheMandatorySuites(t *testing.T) {
	creds := Credentials{PSK: true, RawKey: rawKey(testKeys().p256), AcceptRawKeys: true}
	for _, id := range []CipherSuite{pskSuite, rpkSuite} {
		cfg := func() *Config { return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds)} }
		p := newPair(t, cfg(), cfg())
		p.establish()
		record, err := p.client.Seal(nil, make([]byte, 10))
		if err != nil || len(record) != 10+13+8+8 || p.client.Overhead() != 13+8+8 {
			t.Errorf("%v: 10 bytes become %d, overhead %d, %v", id, len(record), p.client.Overhead(), err)
		}
	}
}

// Peers that share a key and have certificates too use the key, with an
// ephemeral one.
//
// Proves rfc7252 §9.1.3.3: "If the system has a shared key in addition to the
// certificate, then a cipher suite that includes the shared key such as
// TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA [RFC5489] SHOULD be used."
func TestSharedKeyBesideCertificate(t *testing.T) {
	k := testKeys()
	cfg := func() *Config {
		return &Config{Credentials: with(Credentials{PSK: true, Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true})}
	}
	p := newPair(t, cfg(), cfg())
	p.establish()
	if f := p.client.Facts(); f.CipherSuite != wire.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 || f.PSKIdentity == nil {
		t.Errorf("%v", f.CipherSuite)
	}
}
