// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// issue signs a certificate, for its own key if there is no issuer.
func issue(template *x509.Certificate, issuer *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	if issuer == nil {
		issuer, by = template, key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = noon.Add(-time.Hour), noon.Add(time.Hour)
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, by)))), key
}

// An issuer that may only give names within a.example cannot give somebody
// another's name where its constraints do not reach.
//
// Proves rfc5280 §4.2.1.10: "The name constraints extension, which MUST be used
// only in a CA certificate, indicates a name space within which all subject names
// in subsequent certificates in a certification path MUST be located."
func TestNamesUnderConstraints(t *testing.T) {
	authority := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	root, rootKey := issue(authority("root"), nil, nil)
	free, freeKey := issue(authority("factory B"), root, rootKey)
	narrow := authority("factory A")
	narrow.PermittedDNSDomainsCritical, narrow.PermittedDNSDomains = true, []string{"a.example"}
	bound, boundKey := issue(narrow, root, rootKey)
	const eui = "01-23-45-67-89-AB-CD-EF"
	leaf := func(dns ...string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: eui}, DNSNames: dns,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
	}
	ofB, _ := issue(leaf(), free, freeKey)
	ofA, _ := issue(leaf("pump.a.example"), bound, boundKey)
	for _, test := range []struct {
		name        string
		certificate Certificate
		chain       []*x509.Certificate
		known       bool
	}{
		{"EUI-64 by B", Certificate{EUI64: eui}, []*x509.Certificate{ofB, free}, true},
		{"EUI-64 by A", Certificate{EUI64: eui}, []*x509.Certificate{ofA, bound}, false},
		{"EUI-64 by A, who is meant", Certificate{EUI64: eui, Issuer: "CN=factory A"}, []*x509.Certificate{ofA, bound}, true},
		{"subject by B", Certificate{Subject: "CN=" + eui}, []*x509.Certificate{ofB, free}, true},
		{"subject by A", Certificate{Subject: "CN=" + eui}, []*x509.Certificate{ofA, bound}, false},
		{"DNS name by A", Certificate{DNS: "pump.a.example"}, []*x509.Certificate{ofA, bound}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRegistry(t)
			must(r.AddDevice(context.Background(), device("pump", Credential{Certificate: &test.certificate})))
			config := &security.Config{
				Directory: NewDirectory(r.Store(), Options{}), Trust: keys.NewTrust([]*x509.Certificate{root}), RawKey: thePKI().key,
			}
			q := must(config.Server()).AskPeer(&dtls.Facts{PeerChain: test.chain, PeerCertType: dtls.CertX509})
			answer := q.Answer(context.Background(), noon)
			if got := answer.Principal.Device == "pump"; answer.Err != nil || got != test.known {
				t.Errorf("the device is %q, error %v", answer.Principal.Device, answer.Err)
			}
		})
	}
}
