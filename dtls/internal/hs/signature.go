// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"io"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// keyKind is what a public key can do.
type keyKind uint8

const (
	keyNone keyKind = iota
	keyECDSA
	keyEd25519
	keyRSA
)

// schemeRow is one signature scheme: the kind of key, the hash of the
// message, and whether RSA pads by PSS.
type schemeRow struct {
	scheme wire.SignatureScheme
	kind   keyKind
	hash   crypto.Hash // 0: the message is signed as it is
	pss    bool
}

// schemes holds every scheme, in the default order of preference: the one
// that RFC 7252 makes mandatory, then by size and speed, RSA last and PSS
// before PKCS #1. No SHA-1, no MD5 (RFC 9155).
var schemes = [...]schemeRow{
	{wire.SchemeECDSAP256SHA256, keyECDSA, crypto.SHA256, false},
	{wire.SchemeEd25519, keyEd25519, 0, false},
	{wire.SchemeECDSAP384SHA384, keyECDSA, crypto.SHA384, false},
	{wire.SchemeRSAPSSSHA256, keyRSA, crypto.SHA256, true},
	{wire.SchemeRSAPSSSHA384, keyRSA, crypto.SHA384, true},
	{wire.SchemeRSAPSSSHA512, keyRSA, crypto.SHA512, true},
	{wire.SchemeRSAPKCS1SHA256, keyRSA, crypto.SHA256, false},
	{wire.SchemeRSAPKCS1SHA384, keyRSA, crypto.SHA384, false},
	{wire.SchemeRSAPKCS1SHA512, keyRSA, crypto.SHA512, false},
}

// DefaultSchemes is every scheme in the default order of preference.
func DefaultSchemes() []wire.SignatureScheme {
	list := make([]wire.SignatureScheme, len(schemes))
	for i, row := range schemes {
		list[i] = row.scheme
	}
	return list
}

// DefaultGroups is every group in the default order of preference:
// secp256r1 is the one that RFC 7252 makes mandatory and small devices have
// hardware for.
func DefaultGroups() []wire.Group {
	return []wire.Group{wire.GroupSecp256r1, wire.GroupX25519, wire.GroupSecp384r1}
}

func schemeByID(s wire.SignatureScheme) *schemeRow {
	for i := range schemes {
		if schemes[i].scheme == s {
			return &schemes[i]
		}
	}
	return nil
}

// KnownScheme reports whether a scheme is implemented.
func KnownScheme(s wire.SignatureScheme) bool { return schemeByID(s) != nil }

// Sizes in bits between which an RSA key must lie: a smaller one is weak, a
// larger one is a way to keep us busy.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// kindOf says what a public key can do, and the group it lies on if it is
// ECDSA's. It is keyNone for keys that this implementation refuses.
func kindOf(pub crypto.PublicKey) (keyKind, wire.Group) {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return keyECDSA, wire.GroupSecp256r1
		case elliptic.P384():
			return keyECDSA, wire.GroupSecp384r1
		}
	case ed25519.PublicKey:
		return keyEd25519, 0
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n >= minRSABits && n <= maxRSABits {
			return keyRSA, 0
		}
	}
	return keyNone, 0
}

// KeyFits reports whether a key may authenticate a key exchange: ECDSA and
// Ed25519 keys serve ECDHE_ECDSA (RFC 8422 §5.3), RSA keys ECDHE_RSA.
func KeyFits(pub crypto.PublicKey, kx suite.KeyExchange) bool {
	kind, _ := kindOf(pub)
	switch kx {
	case suite.ECDHEECDSA:
		return kind == keyECDSA || kind == keyEd25519
	case suite.ECDHERSA:
		return kind == keyRSA
	}
	return false
}

// KeyGroup is the group that an ECDSA key lies on, and 0 for other keys. A
// peer must have offered it (RFC 8422 §5.1.1).
func KeyGroup(pub crypto.PublicKey) wire.Group {
	_, group := kindOf(pub)
	return group
}

// SchemeFits reports whether a scheme's signatures are made by such a key.
// The ECDSA schemes of TLS 1.2 name a hash and no curve.
func SchemeFits(s wire.SignatureScheme, pub crypto.PublicKey) bool {
	row := schemeByID(s)
	kind, _ := kindOf(pub)
	return row != nil && kind != keyNone && row.kind == kind
}

// natural is the scheme whose hash is as strong as an ECDSA key's curve.
func natural(group wire.Group) wire.SignatureScheme {
	if group == wire.GroupSecp384r1 {
		return wire.SchemeECDSAP384SHA384
	}
	return wire.SchemeECDSAP256SHA256
}

// digest hashes a message as the scheme demands.
func (row *schemeRow) digest(message []byte) []byte {
	if row.hash == 0 {
		return message
	}
	h := row.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func (row *schemeRow) options() crypto.SignerOpts {
	if row.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: row.hash}
	}
	return row.hash
}

// Sign signs a message. The signature is made with the private key of pub.
func Sign(rand io.Reader, signer crypto.Signer, s wire.SignatureScheme, message []byte) ([]byte, error) {
	row := schemeByID(s)
	return signer.Sign(rand, row.digest(message), row.options())
}

// Verify reports whether a signature over a message is good: made by the
// key, with the scheme and its hash, and the scheme is one for such a key.
func Verify(pub crypto.PublicKey, s wire.SignatureScheme, message, signature []byte) bool {
	if !SchemeFits(s, pub) {
		return false
	}
	row := schemeByID(s)
	digest := row.digest(message)
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	case *rsa.PublicKey:
		if row.pss {
			return rsa.VerifyPSS(key, row.hash, digest, signature, row.options().(*rsa.PSSOptions)) == nil
		}
		return rsa.VerifyPKCS1v15(key, row.hash, digest, signature) == nil
	}
	return false
}

// RequestTypes is the client certificate types that go with a list of
// schemes in a CertificateRequest (RFC 5246 §7.4.4).
func RequestTypes(list []wire.SignatureScheme) (types []byte) {
	var ec, rsa bool
	for _, s := range list {
		row := schemeByID(s)
		ec = ec || row.kind == keyECDSA || row.kind == keyEd25519
		rsa = rsa || row.kind == keyRSA
	}
	if ec {
		types = append(types, byte(wire.ClientCertECDSASign))
	}
	if rsa {
		types = append(types, byte(wire.ClientCertRSASign))
	}
	return types
}
