// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flightsize

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// certificate is self-signed, which nobody minds here.
func certificate(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a.example"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func p256(t *testing.T) *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificate(t, key)
}

func describe(flights []Flight) (lines []string) {
	for _, f := range flights {
		names := []string{}
		for _, m := range f.Messages {
			names = append(names, m.Name)
		}
		lines = append(lines, strings.Join(names, " "))
	}
	return lines
}

// What each flight holds is what RFC 6347 §4.2.4 says, and each length is that
// of its parts.
func TestMeasure(t *testing.T) {
	leaf, ca := p256(t), p256(t)
	for _, test := range []struct {
		what   string
		h      Handshake
		flight int
		want   string
	}{
		{"server", Handshake{Server: []*x509.Certificate{leaf, ca}}, 4, "ServerHello Certificate ServerKeyExchange ServerHelloDone"},
		{"mutual", Handshake{Server: []*x509.Certificate{leaf}, Client: []*x509.Certificate{leaf, ca}}, 5,
			"Certificate ClientKeyExchange CertificateVerify ChangeCipherSpec Finished, encrypted"},
		{"stapled", Handshake{Server: []*x509.Certificate{leaf}, OCSP: make([]byte, 500)}, 4,
			"ServerHello Certificate CertificateStatus ServerKeyExchange ServerHelloDone"},
		{"raw keys", Handshake{Server: []*x509.Certificate{leaf}, Client: []*x509.Certificate{leaf}, RawKeys: true, MTU: 256}, 4,
			"ServerHello Certificate ServerKeyExchange CertificateRequest ServerHelloDone"},
	} {
		flights, err := Measure(&test.h)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		lines := describe(flights)
		if len(lines) != 6 || lines[0] != "ClientHello" || lines[1] != "HelloVerifyRequest" || lines[test.flight-1] != test.want {
			t.Errorf("%s: %q", test.what, lines)
		}
	}
}

// The chain is shown in its own length, and a smaller MTU makes more datagrams,
// none of them larger.
func TestMeasureLengths(t *testing.T) {
	leaf, ca := p256(t), p256(t)
	last := 0
	for _, mtu := range []int{1232, 512, 256} {
		flights, err := Measure(&Handshake{Server: []*x509.Certificate{leaf, ca}, MTU: mtu})
		if err != nil {
			t.Fatal(err)
		}
		f := flights[3]
		if got, want := f.Messages[1].Length, 12+3+3+len(leaf.Raw)+3+len(ca.Raw); got != want {
			t.Errorf("Certificate has %d bytes, want %d", got, want)
		}
		sum := 0
		for _, n := range f.Datagrams {
			sum += n
			if n > mtu {
				t.Errorf("a datagram of %d bytes, the MTU is %d", n, mtu)
			}
		}
		if sum != f.Bytes || len(f.Datagrams) <= last {
			t.Errorf("MTU %d: %d bytes in %d, %d datagrams before", mtu, f.Bytes, f.Datagrams, last)
		}
		last = len(f.Datagrams)
	}
}

// The length of a signature does not depend on the dice.
func TestMeasureIsSteady(t *testing.T) {
	h := Handshake{Server: []*x509.Certificate{p256(t)}, Client: []*x509.Certificate{p256(t)}}
	first, err := Measure(&h)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := Measure(&h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			if again[i].Bytes != first[i].Bytes {
				t.Errorf("flight %d has %d bytes, and had %d", i+1, again[i].Bytes, first[i].Bytes)
			}
		}
	}
}

// Other kinds of keys are measured too, and what no suite can use is an error.
func TestMeasureKeys(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, _ := rsa.GenerateKey(rand.Reader, 2048)
	for name, key := range map[string]crypto.Signer{"P-384": p384, "Ed25519": ed, "RSA": rsa2048} {
		h := Handshake{Server: []*x509.Certificate{certificate(t, key)}}
		if name == "RSA" { // off by default
			h.CipherSuites = []dtls.CipherSuite{0xc02f}
		}
		if _, err := Measure(&h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	for what, h := range map[string]Handshake{
		"nothing":        {},
		"P-224":          {Server: []*x509.Certificate{certificate(t, p224)}},
		"a tiny MTU":     {Server: []*x509.Certificate{p256(t)}, MTU: 64},
		"a hello in two": {Server: []*x509.Certificate{p256(t)}, MTU: 128, ServerName: strings.Repeat("a", 200)},
	} {
		if flights, err := Measure(&h); err == nil {
			t.Errorf("%s: %v", what, describe(flights))
		}
	}
}
