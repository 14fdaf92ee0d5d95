// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/coaps-go/coaps/dtls"
)

// MaxChainLen is the greatest number of certificates in a chain, shown or
// taken. RFC 7925 §4.4.4 asks for 3 besides the trust anchor.
const MaxChainLen = 10

// ParseCertificates reads certificates as PEM, in the order of the file, or
// one as DER. Private keys and other blocks are passed over. It fails if there
// is no certificate.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	if blocks == nil {
		blocks = []*pem.Block{{Type: pemCertificate, Bytes: data}}
	}
	var certificates []*x509.Certificate
	for _, block := range blocks {
		if block.Type != pemCertificate {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if certificates == nil {
		return nil, errors.New("no certificate")
	}
	return certificates, nil
}

// ParseChain reads the chain that a node shows: its own certificate, then
// those that lead to the root, each signed by the next (RFC 5246 §7.4.2). The
// private key, of the kinds of ParsePrivateKey, must be that of the first
// certificate. Both may be in the same data.
func ParseChain(certificates, privateKey []byte) (dtls.Chain, error) {
	chain, err := ParseCertificates(certificates)
	if err != nil {
		return dtls.Chain{}, err
	}
	pair, err := ParsePrivateKey(privateKey)
	if err != nil {
		return dtls.Chain{}, err
	}
	return NewChain(chain, pair)
}

// NewChain joins certificates, leaf first, with the key pair of the leaf.
func NewChain(certificates []*x509.Certificate, pair *dtls.KeyPair) (dtls.Chain, error) {
	switch {
	case len(certificates) == 0:
		return dtls.Chain{}, errors.New("no certificate")
	case len(certificates) > MaxChainLen:
		return dtls.Chain{}, fmt.Errorf("a chain of %d certificates, at most %d are taken", len(certificates), MaxChainLen)
	case !bytes.Equal(certificates[0].RawSubjectPublicKeyInfo, pair.SPKI):
		return dtls.Chain{}, errors.New("the first certificate is not that of the private key")
	}
	chain := dtls.Chain{Leaf: certificates[0], Signer: pair.Signer}
	for i, c := range certificates {
		if i > 0 && !bytes.Equal(certificates[i-1].RawIssuer, c.RawSubject) {
			return dtls.Chain{}, fmt.Errorf("certificate %d did not issue certificate %d; put each one before its issuer", i+1, i)
		}
		chain.DER = append(chain.DER, c.Raw)
	}
	return chain, nil
}

// LoadChain reads a chain from two files, which may be the same one; the one
// with the key must be readable by its owner alone.
func LoadChain(certificatePath, keyPath string) (dtls.Chain, error) {
	certificates, err := ReadFile(certificatePath)
	if err != nil {
		return dtls.Chain{}, err
	}
	chain, err := ParseCertificates(certificates)
	if err != nil {
		return dtls.Chain{}, fmt.Errorf("%s: %w", certificatePath, err)
	}
	pair, err := LoadKeyPair(keyPath)
	if err != nil {
		return dtls.Chain{}, err
	}
	joined, err := NewChain(chain, pair)
	if err != nil {
		return dtls.Chain{}, fmt.Errorf("%s with %s: %w", certificatePath, keyPath, err)
	}
	return joined, nil
}

// LoadCertificates reads the certificates of a file, see ParseCertificates.
func LoadCertificates(path string) ([]*x509.Certificate, error) {
	return load(path, ReadFile, ParseCertificates)
}

// MarshalCertificates returns certificates in PEM, in the order given.
func MarshalCertificates(certificates ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})...)
	}
	return out
}
