// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cosekey reads and writes keys as COSE_Key (RFC 9052 §7): EC2 keys on
// P-256 and P-384 and OKP keys on Ed25519 (RFC 9053 §7).
package cosekey

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// Labels of a COSE_Key: RFC 9052 table 4, RFC 9053 tables 19 and 20.
const (
	labelKty    = 1
	labelAlg    = 3
	labelKeyOps = 4
	labelCrv    = -1
	labelX      = -2
	labelY      = -3
	labelD      = -4
)

// Key types (RFC 9053 table 17).
const (
	ktyOKP = 1
	ktyEC2 = 2
)

// Operations (RFC 9052 table 5).
const (
	opSign   = 1
	opVerify = 2
)

// kinds has a row for each curve: its type, its number in the registry of COSE
// Elliptic Curves (RFC 9053 table 18), and the algorithms under which it signs:
// those of RFC 9053 §2 and the fully specified ones of RFC 9864 §2.
var kinds = []struct {
	curve      keys.Curve
	kty, crv   int64
	algorithms []int64
}{
	{keys.CurveP256, ktyEC2, 1, []int64{-7, -9}},
	{keys.CurveP384, ktyEC2, 2, []int64{-35, -51}},
	{keys.CurveEd25519, ktyOKP, 6, []int64{-8, -19}},
}

// decoding is strict: no label twice (RFC 9052 §7: a map), nothing behind the
// key, and limits that a key never reaches.
var decoding = must(cbor.DecOptions{
	DupMapKey:        cbor.DupMapKeyEnforcedAPF,
	IntDec:           cbor.IntDecConvertSignedOrFail,
	MaxNestedLevels:  8,
	MaxArrayElements: 64,
	MaxMapPairs:      64,
	TagsMd:           cbor.TagsForbidden,
}.DecMode())

// encoding is the deterministic one (RFC 8949 §4.2.1), which the thumbprint
// needs and nobody minds.
var encoding = must(cbor.CoreDetEncOptions().EncMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// maxKey bounds a COSE_Key, in bytes: there is room for identifiers.
const maxKey = 4096

// ParsePrivate reads a private COSE_Key. The public key may be left out, as RFC
// 9053 §7.1.1 allows, and must fit if it is there.
func ParsePrivate(data []byte) (*dtls.KeyPair, error) {
	parts, err := parse(data)
	if err != nil {
		return nil, err
	}
	defer parts.D.Wipe()
	pair, err := parts.KeyPair()
	if err != nil {
		return nil, fmt.Errorf("COSE_Key: %w", err)
	}
	return pair, nil
}

// ParsePublic reads the public key of a COSE_Key and returns it as a DER
// SubjectPublicKeyInfo. A private key in it must fit.
func ParsePublic(data []byte) ([]byte, error) {
	parts, err := parse(data)
	if err != nil {
		return nil, err
	}
	defer parts.D.Wipe()
	spki, err := parts.SPKI()
	if err != nil {
		return nil, fmt.Errorf("COSE_Key: %w", err)
	}
	return spki, nil
}

// Looks reports whether data may be a COSE_Key: the first byte is that of a CBOR
// map. No key in PEM, DER or JSON begins so.
func Looks(data []byte) bool { return len(data) > 0 && data[0]>>5 == 5 }

// members is a COSE_Key by label.
type members map[any]any

func parse(data []byte) (keys.Parts, error) {
	parts, err := parseMembers(data)
	if err != nil {
		return keys.Parts{}, fmt.Errorf("COSE_Key: %w", err)
	}
	return parts, nil
}

func parseMembers(data []byte) (keys.Parts, error) {
	switch {
	case len(data) > maxKey:
		return keys.Parts{}, fmt.Errorf("%d bytes, at most %d are taken", len(data), maxKey)
	case len(data) > 0 && data[0]>>5 == 4:
		return keys.Parts{}, errors.New("this is a COSE_KeySet; take one key out of it")
	}
	var m members
	err := decoding.Unmarshal(data, &m)
	if _, ok := errors.AsType[*cbor.ExtraneousDataError](err); ok {
		return keys.Parts{}, keys.ErrTrailingData
	}
	if err != nil {
		return keys.Parts{}, fmt.Errorf("damaged CBOR: %w", err)
	}
	return m.parts()
}

// parts reads the curve and the numbers.
func (m members) parts() (keys.Parts, error) {
	kty, ok := m[int64(labelKty)].(int64)
	if !ok {
		return keys.Parts{}, errors.New("kty (1) is missing or no number")
	}
	crv, ok := m[int64(labelCrv)].(int64)
	if !ok {
		return keys.Parts{}, &keys.UnsupportedKeyError{Kind: fmt.Sprintf("COSE kty %d without a curve: such", kty)}
	}
	for _, kind := range kinds {
		if kind.kty != kty || kind.crv != crv {
			continue
		}
		if err := m.checkUse(kind.algorithms); err != nil {
			return keys.Parts{}, err
		}
		return m.numbers(kind.curve)
	}
	return keys.Parts{}, &keys.UnsupportedKeyError{Kind: fmt.Sprintf("COSE kty %d crv %d", kty, crv)}
}

// checkUse refuses a key that says of itself that it is for something else than
// signatures (RFC 9052 §7.1).
func (m members) checkUse(algorithms []int64) error {
	if alg, ok := m[int64(labelAlg)]; ok && !contains(algorithms, alg) {
		return fmt.Errorf("the key is for alg %v, which is no signature of its kind", alg)
	}
	ops, ok := m[int64(labelKeyOps)]
	if !ok {
		return nil
	}
	list, ok := ops.([]any)
	if !ok {
		return errors.New("key_ops (4) is no list")
	}
	for _, op := range list {
		if op == int64(opSign) || op == int64(opVerify) {
			return nil
		}
	}
	return errors.New("key_ops (4) allows neither sign nor verify")
}

func contains(list []int64, v any) bool {
	for _, n := range list {
		if v == n {
			return true
		}
	}
	return false
}

// numbers reads the coordinates, where y may be a sign bit alone (RFC 9053
// §7.1.1), and the private key.
func (m members) numbers(curve keys.Curve) (keys.Parts, error) {
	p := keys.Parts{Curve: curve}
	var err error
	if p.X, err = m.octets(labelX, "x"); err != nil {
		return p, err
	}
	d, err := m.octets(labelD, "d")
	if err != nil {
		return p, err
	}
	p.D = keys.NewSecret(d)
	clear(d)
	if odd, compressed := m[int64(labelY)].(bool); compressed {
		if len(p.X) != curve.Size() {
			return p, fmt.Errorf("x has %d bytes, %v has %d", len(p.X), curve, curve.Size())
		}
		return p, p.Decompress(odd)
	}
	p.Y, err = m.octets(labelY, "y")
	return p, err
}

func (m members) octets(label int64, name string) ([]byte, error) {
	value, ok := m[label]
	if !ok {
		return nil, nil
	}
	octets, ok := value.([]byte)
	if !ok || len(octets) == 0 {
		return nil, fmt.Errorf("%s (%d) is no string of bytes", name, label)
	}
	return octets, nil
}

// MarshalPublic returns a public key, a DER SubjectPublicKeyInfo, as a COSE_Key.
// RSA keys have no such form here.
func MarshalPublic(spki []byte) ([]byte, error) {
	parts, err := keys.PartsOf(spki)
	if err != nil {
		return nil, err
	}
	return encoding.Marshal(mapOf(parts))
}

// MarshalPrivate returns a key pair as a COSE_Key. The octets are secret.
func MarshalPrivate(pair *dtls.KeyPair) ([]byte, error) {
	parts, err := keys.PrivatePartsOf(pair)
	if err != nil {
		return nil, err
	}
	defer parts.D.Wipe()
	m := mapOf(parts)
	m[labelD] = parts.D.Bytes()
	return encoding.Marshal(m)
}

func mapOf(p keys.Parts) map[int]any {
	for _, kind := range kinds {
		if kind.curve != p.Curve {
			continue
		}
		m := map[int]any{labelKty: kind.kty, labelCrv: kind.crv, labelX: p.X}
		if p.Y != nil {
			m[labelY] = p.Y
		}
		return m
	}
	return nil
}

// Thumbprint returns the SHA-256 thumbprint of a public key, a DER
// SubjectPublicKeyInfo: the hash of the COSE_Key with what a public key needs
// and nothing else, in deterministic encoding (RFC 9679 §3 to §4).
func Thumbprint(spki []byte) ([]byte, error) {
	key, err := MarshalPublic(spki)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key)
	return sum[:], nil
}
