// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// A client offers what it can finish a handshake with, and nothing else.
//
// Proves rfc4279 §2: "The client indicates its willingness to use pre-shared
// key authentication by including one or more PSK ciphersuites in the
// ClientHello message."
// Pitfall W9: a client without a PSK offers no PSK suite, one without a way to judge keys no other
func TestOfferSuites(t *testing.T) {
	cfg := config()
	cfg.Suites = suites(ecdhePSK, ecdsaCCM8, rsaGCM, pskCCM8)
	k := keys()
	for _, test := range []struct {
		creds Credentials
		want  []wire.CipherSuite
	}{
		{Credentials{}, nil},
		{Credentials{PSK: true}, []wire.CipherSuite{ecdhePSK, pskCCM8}},
		{Credentials{AcceptRawKeys: true}, []wire.CipherSuite{ecdsaCCM8, rsaGCM}},
		{Credentials{AcceptCertificates: true, PSK: true}, []wire.CipherSuite{ecdhePSK, ecdsaCCM8, rsaGCM, pskCCM8}},
		{Credentials{RawKey: rawKey(t, k.p256)}, nil}, // could not judge the server
	} {
		if got := OfferSuites(cfg, &test.creds); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v", test.creds, got, test.want)
		}
	}
}

// The types in a client's hello are those it has, and those it can judge.
func TestTypesOfCredentials(t *testing.T) {
	k := keys()
	raw, certified := rawKey(t, k.p256), []Chain{chain(t, k.p256)}
	for _, test := range []struct {
		creds           Credentials
		shown, accepted []byte
	}{
		{Credentials{}, nil, nil},
		{Credentials{RawKey: raw, AcceptRawKeys: true}, []byte{rpkType}, []byte{rpkType}},
		{Credentials{Chains: certified, AcceptCertificates: true}, []byte{x509Type}, []byte{x509Type}},
		{Credentials{RawKey: raw, Chains: certified, AcceptRawKeys: true, AcceptCertificates: true}, []byte{rpkType, x509Type}, []byte{rpkType, x509Type}},
	} {
		if got := test.creds.ShownTypes(); !bytes.Equal(got, test.shown) {
			t.Errorf("shown %v, want %v", got, test.shown)
		}
		if got := test.creds.AcceptedTypes(); !bytes.Equal(got, test.accepted) {
			t.Errorf("accepted %v, want %v", got, test.accepted)
		}
	}
}

// request is a CertificateRequest.
func request(types []byte, schemes []wire.SignatureScheme, authorities ...[]byte) *wire.CertificateRequest {
	r := &wire.CertificateRequest{Types: types, Schemes: wire.ListOf(schemes)}
	for _, name := range authorities {
		r.Authorities = wire.AppendAuthority(r.Authorities, name)
	}
	return r
}

// A CertificateRequest is answered with a key of the negotiated type that the
// request takes, signed as it asks, or with none.
//
// Proves rfc5246 §7.4.6: "If no suitable certificate is available, the client
// MUST send a certificate message containing no certificates."
// Pitfall P15, T16: a request without ecdsa_sign or our algorithms is answered by no key, and the handshake goes on
// Pitfall W10: the algorithm is one of the request
func TestChooseClientShowing(t *testing.T) {
	k := keys()
	ec, rsaSign := byte(wire.ClientCertECDSASign), byte(wire.ClientCertRSASign)
	all := DefaultSchemes()
	certified := chain(t, k.p256)
	issuer := certified.Leaf.RawIssuer
	raw := Credentials{RawKey: rawKey(t, k.p256)}
	rawEd := Credentials{RawKey: rawKey(t, k.ed)}
	cert := Credentials{Chains: []Chain{chain(t, k.rsa), certified}}
	for _, test := range []struct {
		name   string
		creds  Credentials
		typ    wire.CertType
		req    *wire.CertificateRequest
		signer crypto.Signer // nil: no key
		scheme wire.SignatureScheme
	}{
		{"raw key", raw, wire.CertRawPublicKey, request([]byte{ec}, all), k.p256, wire.SchemeECDSAP256SHA256},
		{"raw key, Ed25519 by ecdsa_sign", rawEd, wire.CertRawPublicKey, request([]byte{rsaSign, ec}, all), k.ed, wire.SchemeEd25519},
		{"raw key, RSA asked for", raw, wire.CertRawPublicKey, request([]byte{rsaSign}, all), nil, 0},
		{"raw key, fixed ECDH asked for", raw, wire.CertRawPublicKey, request([]byte{65, 66}, all), nil, 0},
		{"raw key, other algorithms", raw, wire.CertRawPublicKey, request([]byte{ec}, []wire.SignatureScheme{wire.SchemeEd25519, 0x0203}), nil, 0},
		{"raw key, other hash", raw, wire.CertRawPublicKey, request([]byte{ec}, []wire.SignatureScheme{wire.SchemeECDSAP384SHA384}), k.p256, wire.SchemeECDSAP384SHA384},
		{"raw key, X.509 negotiated", raw, wire.CertX509, request([]byte{ec}, all), nil, 0},
		{"raw key has no issuer", raw, wire.CertRawPublicKey, request([]byte{ec}, all, []byte("somebody")), k.p256, wire.SchemeECDSAP256SHA256},
		{"certificate, raw key negotiated", cert, wire.CertRawPublicKey, request([]byte{ec}, all), nil, 0},
		{"first certificate that fits", cert, wire.CertX509, request([]byte{ec}, all), k.p256, wire.SchemeECDSAP256SHA256},
		{"RSA certificate", cert, wire.CertX509, request([]byte{rsaSign}, all), k.rsa, wire.SchemeRSAPSSSHA256},
		{"an authority of ours", cert, wire.CertX509, request([]byte{ec}, all, []byte("x"), issuer), k.p256, wire.SchemeECDSAP256SHA256},
		{"authorities of others", cert, wire.CertX509, request([]byte{ec, rsaSign}, all, []byte("x"), []byte("y")), nil, 0},
		{"nothing to show", Credentials{}, wire.CertX509, request([]byte{ec}, all), nil, 0},
		{"type that does not exist", raw, 9, request([]byte{ec}, all), nil, 0},
		{"RSA key too short", Credentials{RawKey: rawKey(t, k.weakRSA)}, wire.CertRawPublicKey, request([]byte{ec, rsaSign}, all), nil, 0},
	} {
		got := ChooseClientShowing(config(), &test.creds, test.typ, test.req)
		if (got == nil) != (test.signer == nil) {
			t.Errorf("%s: %+v", test.name, got)
		} else if got != nil && (!got.Signer.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(test.signer.Public()) || got.Scheme != test.scheme) {
			t.Errorf("%s: %T with %v", test.name, got.Signer, got.Scheme)
		}
	}
}

// An intermediate of the chain may be what an authority issued, with and
// without a parsed leaf.
func TestIssuersOfTheWholeChain(t *testing.T) {
	k := keys()
	c := chain(t, k.p256)
	other, err := x509.ParseCertificate(certificate(t, k.p384, "other", 0))
	if err != nil {
		t.Fatal(err)
	}
	c.DER = append(c.DER, other.Raw, []byte("no certificate"))
	for range 2 {
		creds := &Credentials{Chains: []Chain{c}}
		r := request([]byte{byte(wire.ClientCertECDSASign)}, DefaultSchemes(), other.RawIssuer)
		if ChooseClientShowing(config(), creds, wire.CertX509, r) == nil {
			t.Error("the issuer of the second certificate does not count")
		}
		c.Leaf = nil
	}
}

// The types in a CertificateRequest follow from the schemes.
//
// Proves rfc8422 §5.5: "ecdsa_sign: Indicates that the server would like to
// use the corresponding client authentication method specified in Section 3."
func TestRequestTypes(t *testing.T) {
	ec, rsaSign := byte(wire.ClientCertECDSASign), byte(wire.ClientCertRSASign)
	for _, test := range []struct {
		schemes []wire.SignatureScheme
		want    []byte
	}{
		{DefaultSchemes(), []byte{ec, rsaSign}},
		{[]wire.SignatureScheme{wire.SchemeEd25519}, []byte{ec}},
		{[]wire.SignatureScheme{wire.SchemeECDSAP384SHA384}, []byte{ec}},
		{[]wire.SignatureScheme{wire.SchemeRSAPSSSHA512}, []byte{rsaSign}},
		{nil, nil},
	} {
		if got := RequestTypes(test.schemes); !bytes.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.schemes, got, test.want)
		}
	}
}
