// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// CA is a small certification authority with a P-256 key, for demonstrations,
// tests and networks that fit on a desk: what it issued is not recorded and
// cannot be revoked.
type CA struct {
	Certificate *x509.Certificate
	Key         *dtls.KeyPair
}

// clockSkew is how far the clocks of a new certificate's users may be behind.
const clockSkew = time.Minute

// NewCA makes a certification authority called name, with a self-signed
// certificate that is valid from a minute before now and for life. It issues
// to nodes, not to other authorities. The key and the serial number are drawn
// from rand.
func NewCA(rand io.Reader, name string, now time.Time, life time.Duration) (*CA, error) {
	key, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(rand, name, now, life)
	if err != nil {
		return nil, err
	}
	template.BasicConstraintsValid = true
	template.IsCA = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	certificate, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &CA{Certificate: certificate, Key: key}, nil
}

// IssueServer makes the certificate of a server with the given key, good for
// serverAuth. Each authority becomes a coaps URI in the SubjectAltName
// (RFC 7252 §9.1.3.3), and its host a dNSName or an iPAddress besides, for
// clients that look for these (RFC 7925 §4.4.1).
func (ca *CA) IssueServer(rand io.Reader, pair *dtls.KeyPair, authorities []Authority, now time.Time, life time.Duration) (dtls.Chain, error) {
	if len(authorities) == 0 {
		return dtls.Chain{}, errors.New("keys: a server certificate needs a name")
	}
	template, err := newTemplate(rand, authorities[0].Host, now, life)
	if err != nil {
		return dtls.Chain{}, err
	}
	for _, a := range authorities {
		if err := addName(template, a); err != nil {
			return dtls.Chain{}, err
		}
	}
	return ca.issue(template, pair, x509.ExtKeyUsageServerAuth)
}

// IssueClient makes the certificate of a client with the given key, good for
// clientAuth, whose Common Name is name. RFC 7925 §4.4.2 wants an EUI-64.
func (ca *CA) IssueClient(rand io.Reader, pair *dtls.KeyPair, name string, now time.Time, life time.Duration) (dtls.Chain, error) {
	template, err := newTemplate(rand, name, now, life)
	if err != nil {
		return dtls.Chain{}, err
	}
	return ca.issue(template, pair, x509.ExtKeyUsageClientAuth)
}

// issue signs the certificate of a node. Its key signs and does nothing else
// (RFC 7252 §9.1.3.3).
func (ca *CA) issue(template *x509.Certificate, pair *dtls.KeyPair, usage x509.ExtKeyUsage) (dtls.Chain, error) {
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	certificate, err := sign(template, ca.Certificate, pair, ca.Key)
	if err != nil {
		return dtls.Chain{}, err
	}
	return NewChain([]*x509.Certificate{certificate}, pair)
}

// newTemplate returns what all certificates have, with 16 random bytes of
// serial number (RFC 5280 §4.1.2.2 allows 20).
func newTemplate(rand io.Reader, name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	var serial [16]byte
	if _, err := io.ReadFull(rand, serial[:]); err != nil {
		return nil, fmt.Errorf("keys: drawing a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(life),
	}, nil
}

// addName puts an authority into the SubjectAltName.
func addName(template *x509.Certificate, a Authority) error {
	r, err := a.reference()
	if err != nil {
		return err
	}
	uri, err := url.Parse(a.String())
	if err != nil {
		return err
	}
	template.URIs = append(template.URIs, uri)
	switch r.kind {
	case hostDNS:
		template.DNSNames = append(template.DNSNames, r.name)
	case hostIP:
		template.IPAddresses = append(template.IPAddresses, net.IP(r.ip.AsSlice()))
	}
	return nil
}

// sign makes a certificate for the key pair subject. The signature is
// deterministic (RFC 6979), which is why it needs no randomness.
func sign(template, parent *x509.Certificate, subject, issuer *dtls.KeyPair) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(nil, template, parent, subject.Signer.Public(), issuer.Signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
