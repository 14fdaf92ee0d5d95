// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"crypto/x509"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// MaxChain is how many certificates a peer may show.
const MaxChain = 10

// PeerKey is the key that a peer showed, and nothing yet about whether it is
// the peer's, or to be trusted.
type PeerKey struct {
	Public crypto.PublicKey
	SPKI   []byte              // raw public key
	Chain  []*x509.Certificate // X.509
}

// ParsePeerKey reads the body of a Certificate message of the negotiated
// type: "the certificate type in hand" has no other name on the wire, so what
// is not of that type does not parse (RFC 7250 §3). A nil PeerKey with
// ReasonNone is an empty Certificate.
func ParsePeerKey(body []byte, t wire.CertType) (*PeerKey, Reason) {
	if t == wire.CertRawPublicKey {
		return parseRawKey(body)
	}
	return parseChain(body)
}

func parseRawKey(body []byte) (*PeerKey, Reason) {
	spki, err := wire.ParseRawPublicKey(body)
	if err != nil {
		return nil, ReasonDecodeError
	}
	if len(spki) == 0 {
		return nil, ReasonNone
	}
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, ReasonCertBad
	}
	return &PeerKey{Public: pub, SPKI: append([]byte(nil), spki...)}, ReasonNone
}

func parseChain(body []byte) (*PeerKey, Reason) {
	ders, err := wire.ParseCertificates(body, MaxChain)
	if err != nil {
		return nil, ReasonDecodeError
	}
	if len(ders) == 0 {
		return nil, ReasonNone
	}
	key := &PeerKey{}
	for _, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, ReasonCertBad
		}
		key.Chain = append(key.Chain, cert)
	}
	leaf := key.Chain[0]
	// "If the key usage extension is present, the digitalSignature bit MUST
	// be set" (RFC 5246 §7.4.2, RFC 8422 §5.3).
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, ReasonCertUnsupported
	}
	key.Public = leaf.PublicKey
	return key, ReasonNone
}

// Usable reports whether a peer's key may be used at all: of a kind and on a
// curve that this side has on, and, for a server's, fit for the suite.
func (k *PeerKey) Usable(cfg *Config, kx suite.KeyExchange, ofServer bool) bool {
	kind, group := kindOf(k.Public)
	if kind == keyNone || group != 0 && !cfg.HasGroup(group) {
		return false
	}
	return !ofServer || KeyFits(k.Public, kx)
}

// issuersOf is the issuers of a chain's certificates, as DER. Only the leaf
// is kept parsed; the others' names are read again when they are asked for.
func issuersOf(c *Chain) (issuers [][]byte) {
	for i, der := range c.DER {
		if i == 0 && c.Leaf != nil {
			issuers = append(issuers, c.Leaf.RawIssuer)
			continue
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			issuers = append(issuers, cert.RawIssuer)
		}
	}
	return issuers
}
