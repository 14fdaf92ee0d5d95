// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/coaps-go/coaps/dtls"
)

// Object identifiers of elliptic curve keys (RFC 5480 §2.1.1).
var (
	idECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	idP256        = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	idP384        = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
)

// ParsePublicKey reads a public key and returns it as a DER
// SubjectPublicKeyInfo, byte for byte as it stands in data, because its name
// is a hash of these bytes. It takes, as PEM or DER, a SubjectPublicKeyInfo, a
// certificate, or a private key, or a JSON Web Key. Of several PEM blocks the first that holds a
// public key counts, then the first certificate, then the private key.
func ParsePublicKey(data []byte) (spki []byte, err error) {
	if looksLikeJWK(data) {
		return ParsePublicJWK(data)
	}
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	if blocks == nil {
		return publicFromDER(data)
	}
	for _, reader := range []struct {
		types []string
		read  func([]byte) ([]byte, error)
	}{
		{[]string{pemSPKI}, spkiFromDER},
		{[]string{pemCertificate}, spkiFromCertificate},
		{[]string{pemPKCS8, pemSEC1, pemPKCS1}, spkiFromPrivate},
	} {
		if block := firstBlock(blocks, reader.types...); block != nil {
			return reader.read(block.Bytes)
		}
	}
	return nil, ErrNoPublicKey
}

func firstBlock(blocks []*pem.Block, types ...string) *pem.Block {
	for _, block := range blocks {
		for _, t := range types {
			if block.Type == t {
				return block
			}
		}
	}
	return nil
}

// publicFromDER tries the encodings in turn; no two of them share a first
// field.
func publicFromDER(der []byte) ([]byte, error) {
	spki, err := spkiFromDER(der)
	var unsupported *UnsupportedKeyError
	if err == nil || errors.As(err, &unsupported) {
		return spki, err
	}
	if spki, err := spkiFromCertificate(der); err == nil {
		return spki, nil
	}
	if spki, err := spkiFromPrivate(der); err == nil {
		return spki, nil
	}
	return nil, err
}

// spkiFromDER checks a SubjectPublicKeyInfo and returns a copy of it.
func spkiFromDER(der []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, explainSPKI(der, err)
	}
	if err := checkPublicKey(key); err != nil {
		return nil, err
	}
	return slices.Clone(der), nil
}

// explainSPKI names what is wrong with a SubjectPublicKeyInfo that was refused.
func explainSPKI(der []byte, err error) error {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, parseErr := asn1.Unmarshal(der, &info)
	switch {
	case parseErr != nil:
	case len(rest) > 0:
		return ErrTrailingData
	case info.Algorithm.Algorithm.Equal(idECPublicKey):
		var curve asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err != nil {
			return &UnsupportedKeyError{"curves with written-out parameters: such"}
		}
		if !curve.Equal(idP256) && !curve.Equal(idP384) {
			return &UnsupportedKeyError{"curve " + curve.String()}
		}
		if point := info.Key.Bytes; len(point) > 0 && point[0] != 4 {
			return errors.New("the public key is not in uncompressed form; convert it with: openssl ec -pubin -in FILE -conv_form uncompressed")
		}
		return ErrNotOnCurve
	}
	return fmt.Errorf("not a public key of a supported kind: %w", err)
}

// CheckPublicKey returns an error unless spki is the DER SubjectPublicKeyInfo of
// a key of a supported kind: a point on P-256 or P-384 in uncompressed form, an
// Ed25519 key, or RSA of at least 2048 bits.
func CheckPublicKey(spki []byte) error {
	_, err := spkiFromDER(spki)
	return err
}

func spkiFromCertificate(der []byte) ([]byte, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("not a certificate: %w", err)
	}
	return spkiFromDER(certificate.RawSubjectPublicKeyInfo)
}

func spkiFromPrivate(der []byte) ([]byte, error) {
	pair, err := keyPairFromDER(der)
	if err != nil {
		return nil, err
	}
	return pair.SPKI, nil
}

// MarshalPublic returns a public key, a DER SubjectPublicKeyInfo, in PEM.
func MarshalPublic(spki []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemSPKI, Bytes: spki})
}

// MarshalKeyFile returns the private key and the public key of a pair in one
// PEM text, as libcoap wants it for -M. The text is secret.
func MarshalKeyFile(pair *dtls.KeyPair) ([]byte, error) {
	private, err := MarshalPrivate(pair)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	return slices.Concat(private, MarshalPublic(pair.SPKI)), nil
}
