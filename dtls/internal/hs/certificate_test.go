// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The key shown is read in the form of the negotiated type, and in no other.
//
// Pitfall E4: a chain where a raw key was negotiated, and the reverse, is no key
func TestPeerKeyIsOfTheNegotiatedType(t *testing.T) {
	k := keys()
	raw := wire.AppendRawPublicKey(nil, spki(t, k.p256))
	der := certificate(t, k.p384, "leaf", 0)
	list := wire.AppendCertificates(nil, [][]byte{der})

	got, r := ParsePeerKey(raw, wire.CertRawPublicKey)
	if r != ReasonNone || !k.p256.PublicKey.Equal(got.Public) || !bytes.Equal(got.SPKI, raw[3:]) || got.Chain != nil {
		t.Errorf("raw key: %+v, %v", got, r)
	}
	raw[10] ^= 1
	if bytes.Equal(got.SPKI, raw[3:]) {
		t.Error("the key lies in the message")
	}
	raw[10] ^= 1
	got, r = ParsePeerKey(list, wire.CertX509)
	if r != ReasonNone || !k.p384.PublicKey.Equal(got.Public) || len(got.Chain) != 1 || got.SPKI != nil {
		t.Errorf("certificate: %+v, %v", got, r)
	}
	if got, r = ParsePeerKey(raw, wire.CertX509); r != ReasonDecodeError || got != nil {
		t.Errorf("a raw key as certificate: %+v, %v", got, r)
	}
	if got, r = ParsePeerKey(list, wire.CertRawPublicKey); r != ReasonCertBad || got != nil {
		t.Errorf("a certificate as raw key: %+v, %v", got, r)
	}
	for _, typ := range []wire.CertType{wire.CertX509, wire.CertRawPublicKey} {
		if got, r = ParsePeerKey([]byte{0, 0, 0}, typ); r != ReasonNone || got != nil {
			t.Errorf("no %v: %+v, %v", typ, got, r)
		}
		if got, r = ParsePeerKey(nil, typ); r != ReasonDecodeError || got != nil {
			t.Errorf("an empty message as %v: %+v, %v", typ, got, r)
		}
	}
}

// A raw public key is the DER of a SubjectPublicKeyInfo, and nothing else.
//
// Proves rfc7250 §3: "The SubjectPublicKeyInfo value in the Certificate payload
// MUST contain the DER encoding [X.690] of the SubjectPublicKeyInfo."
// Proves rfc8422 §5.3: "ECC public keys MUST be encoded in certificates as
// described in Section 5.9."
// Pitfall W22: a P-256 point under the identifier of Ed25519 is no key
func TestRawKeysAreDER(t *testing.T) {
	k := keys()
	good := spki(t, k.p256)
	for name, bad := range map[string][]byte{
		"bytes behind it": append(slices.Clone(good), 0),
		"cut":             good[:len(good)-1],
		"long length":     append([]byte{0x30, 0x82, 0, good[1]}, good[2:]...),
		"no DER":          []byte("-----BEGIN PUBLIC KEY-----"),
		"no SPKI":         {0x30, 0},
		"point off curve": alter(good, len(good)-1),
		"compressed":      compressed(t, good),
		"as Ed25519":      underAnotherOID(t, good),
	} {
		if got, r := ParsePeerKey(wire.AppendRawPublicKey(nil, bad), wire.CertRawPublicKey); r != ReasonCertBad || got != nil {
			t.Errorf("%s: %+v, %v", name, got, r)
		}
	}
}

func alter(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}

// spkiValue is the ASN.1 of RFC 5280 §4.1.
type spkiValue struct {
	Algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	Key asn1.BitString
}

func rewrite(t *testing.T, der []byte, f func(v *spkiValue)) []byte {
	t.Helper()
	var v spkiValue
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		t.Fatal(err)
	}
	f(&v)
	out, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compressed(t *testing.T, der []byte) []byte {
	return rewrite(t, der, func(v *spkiValue) {
		point := v.Key.Bytes
		v.Key.Bytes = append([]byte{2 + point[64]&1}, point[1:33]...)
		v.Key.BitLength = 8 * 33
	})
}

func underAnotherOID(t *testing.T, der []byte) []byte {
	return rewrite(t, der, func(v *spkiValue) {
		v.Algorithm.OID, v.Algorithm.Parameters = asn1.ObjectIdentifier{1, 3, 101, 112}, asn1.RawValue{}
	})
}

// Certificates that cannot be read, are too many, or may not sign.
//
// Proves rfc8422 §5.9: "X.509 certificates containing ECC public keys or
// signed using ECDSA MUST comply with [RFC3279] or another RFC that replaces
// or extends it. X.509 certificates containing ECC public keys or signed using
// EdDSA MUST comply with [RFC8410]."
func TestBadCertificates(t *testing.T) {
	k := keys()
	leaf := certificate(t, k.p256, "leaf", x509.KeyUsageDigitalSignature)
	noSignature := certificate(t, k.p256, "leaf", x509.KeyUsageKeyAgreement)
	many := slices.Repeat([][]byte{leaf}, MaxChain+1)
	for name, test := range map[string]struct {
		chain  [][]byte
		reason Reason
	}{
		"good":                       {[][]byte{leaf}, ReasonNone},
		"Ed25519":                    {[][]byte{certificate(t, k.ed, "leaf", 0)}, ReasonNone},
		"as many as allowed":         {many[1:], ReasonNone},
		"too many":                   {many, ReasonDecodeError},
		"second is junk":             {[][]byte{leaf, []byte("junk")}, ReasonCertBad},
		"bytes behind it":            {[][]byte{append(slices.Clone(leaf), 0)}, ReasonCertBad},
		"no digital signature":       {[][]byte{noSignature}, ReasonCertUnsupported},
		"issuer need not sign these": {[][]byte{leaf, noSignature}, ReasonNone},
	} {
		if _, r := ParsePeerKey(wire.AppendCertificates(nil, test.chain), wire.CertX509); r != test.reason {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// A key is usable if it is of a kind and on a curve that is on here, and a
// server's fits the suite.
//
// Proves rfc8422 §5.3: "The client validates the certificate chain, extracts
// the server's public key, and checks that the key type is appropriate for the
// negotiated key exchange algorithm."
func TestUsableKeys(t *testing.T) {
	k := keys()
	onlyP256 := config()
	onlyP256.Groups = []wire.Group{wire.GroupSecp256r1}
	onlyX25519 := config()
	onlyX25519.Groups = []wire.Group{wire.GroupX25519}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		pub      crypto.PublicKey
		cfg      *Config
		kx       suite.KeyExchange
		ofServer bool
		want     bool
	}{
		{"P-256", k.p256.Public(), config(), suite.ECDHEECDSA, true, true},
		{"P-256 alone", k.p256.Public(), onlyP256, suite.ECDHEECDSA, true, true},
		{"P-256 is off", k.p256.Public(), onlyX25519, suite.ECDHEECDSA, true, false},
		{"P-384 is off", k.p384.Public(), onlyP256, suite.ECDHEECDSA, false, false},
		{"Ed25519 needs no curve", k.ed.Public(), onlyP256, suite.ECDHEECDSA, true, true},
		{"RSA for ECDHE_ECDSA", k.rsa.Public(), config(), suite.ECDHEECDSA, true, false},
		{"RSA client of ECDHE_ECDSA", k.rsa.Public(), config(), suite.ECDHEECDSA, false, true},
		{"RSA for ECDHE_RSA", k.rsa.Public(), config(), suite.ECDHERSA, true, true},
		{"P-256 for ECDHE_RSA", k.p256.Public(), config(), suite.ECDHERSA, true, false},
		{"P-256 client of ECDHE_RSA", k.p256.Public(), config(), suite.ECDHERSA, false, true},
		{"P-521", k.p521.Public(), config(), suite.ECDHEECDSA, false, false},
		{"short RSA", k.weakRSA.Public(), config(), suite.ECDHERSA, true, false},
		{"X25519 does not sign", x25519.Public(), config(), suite.ECDHEECDSA, false, false},
	} {
		if got := (&PeerKey{Public: test.pub}).Usable(test.cfg, test.kx, test.ofServer); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// Only messages that DTLS 1.2 has are kept, and none beyond what it can need.
//
// Pitfall W6: every handshake message has a maximum size
func TestMessageLengths(t *testing.T) {
	cfg := config()
	cfg.MaxHandshakeBytes, cfg.MaxPSKIdentity = 5000, 100
	known := 0
	for typ := range 256 {
		h := wire.HandshakeType(typ)
		n, ok := cfg.MessageLen(h)
		if named := !bytes.Contains([]byte(h.String()), []byte("0x")); ok != named {
			t.Errorf("%v: %v", h, ok)
		}
		if ok {
			known++
		}
		if n < 0 || n > 1<<18 || !ok && n != 0 {
			t.Errorf("%v may have %d bytes", h, n)
		}
	}
	if known != 13 {
		t.Errorf("%d types are known", known)
	}
	for h, want := range map[wire.HandshakeType]int{
		wire.HandshakeFinished: 12, wire.HandshakeServerHelloDone: 0, wire.HandshakeHelloRequest: 0,
		wire.HandshakeCertificate: 5000, wire.HandshakeHelloVerifyRequest: 258, wire.HandshakeClientKeyExchange: 2 + 100 + 256,
	} {
		if n, _ := cfg.MessageLen(h); n != want {
			t.Errorf("%v may have %d bytes, want %d", h, n, want)
		}
	}
	cfg.MaxHandshakeBytes = 1 << 17
	if n, _ := cfg.MessageLen(wire.HandshakeCertificate); n != 1<<14 {
		t.Errorf("certificates may have %d bytes, and a session keeps them for all its life", n)
	}
}

// What a configuration has on.
func TestConfigLookups(t *testing.T) {
	cfg := &Config{Suites: suites(pskCCM8), Groups: []wire.Group{wire.GroupX25519}, Schemes: []wire.SignatureScheme{wire.SchemeEd25519}}
	if cfg.Suite(pskCCM8) == nil || cfg.Suite(pskGCM) != nil || !cfg.HasGroup(wire.GroupX25519) || cfg.HasGroup(wire.GroupSecp256r1) ||
		!cfg.HasScheme(wire.SchemeEd25519) || cfg.HasScheme(wire.SchemeRSAPSSSHA256) {
		t.Error("what is on and what is off are confused")
	}
	if cfg.CredentialsFor("x") != nil {
		t.Error("credentials out of nothing")
	}
	cfg.Credentials = func(name string) *Credentials { return &Credentials{PSK: name == "x"} }
	if !cfg.CredentialsFor("x").PSK || cfg.CredentialsFor("").PSK {
		t.Error("credentials of another name")
	}
}
