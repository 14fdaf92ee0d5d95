// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/coaps-go/coaps/dtls"
)

// What is wrong with a key, apart from its kind (UnsupportedKeyError). The
// errors of this package's parsers wrap them.
var (
	ErrNotOnCurve   = errors.New("the point is not on its curve")
	ErrTrailingData = errors.New("there is something behind the key")
	ErrKeyMismatch  = errors.New("the public key in the file is not that of the private key")
	ErrEncrypted    = errors.New("the private key is encrypted")
	ErrNoPrivateKey = errors.New("no private key")
	ErrNoPublicKey  = errors.New("no public key")
)

// Curve is a curve whose keys have a form in numbers, as JWK, COSE_Key and the
// arrays in firmware have them.
type Curve uint8

// The curves. The zero Curve is none.
const (
	CurveP256 Curve = iota + 1
	CurveP384
	CurveEd25519
)

// curves has what is to be known of a curve, by its number.
var curves = [...]struct {
	name string
	size int // bytes of a coordinate and of the private key
	ec   elliptic.Curve
}{
	CurveP256:    {"P-256", 32, elliptic.P256()},
	CurveP384:    {"P-384", 48, elliptic.P384()},
	CurveEd25519: {"Ed25519", ed25519.SeedSize, nil},
}

func (c Curve) known() bool { return c != 0 && int(c) < len(curves) }

// String returns the name of the curve in the JSON Web Key Elliptic Curve
// registry (RFC 7518 §7.6, RFC 8037 §2).
func (c Curve) String() string {
	if !c.known() {
		return fmt.Sprintf("Curve(%d)", uint8(c))
	}
	return curves[c].name
}

// Size returns the length of a coordinate, and of the private key, in bytes.
func (c Curve) Size() int {
	if !c.known() {
		return 0
	}
	return curves[c].size
}

// Parts is a key in numbers, each as long as Curve.Size and big-endian, but for
// Ed25519, whose numbers are the strings of RFC 8032.
type Parts struct {
	Curve Curve
	X     []byte // of the public point; the whole public key of Ed25519
	Y     []byte // nil for Ed25519
	D     Secret // the private key; empty in a public key
}

// PartsOf takes apart a public key, a DER SubjectPublicKeyInfo. The error is an
// *UnsupportedKeyError for a key that has no such parts, such as RSA.
func PartsOf(spki []byte) (Parts, error) {
	if _, err := spkiFromDER(spki); err != nil {
		return Parts{}, err
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return Parts{}, err
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return partsOfPoint(k)
	case ed25519.PublicKey:
		return Parts{Curve: CurveEd25519, X: bytes.Clone(k)}, nil
	}
	return Parts{}, unsupportedKey(key)
}

func partsOfPoint(key *ecdsa.PublicKey) (Parts, error) {
	point, err := key.Bytes()
	if err != nil {
		return Parts{}, err
	}
	size := len(point) / 2 // the first byte says that both coordinates follow
	return Parts{Curve: curveOf(key.Curve), X: point[1 : 1+size], Y: point[1+size:]}, nil
}

func curveOf(c elliptic.Curve) Curve {
	if c == elliptic.P384() {
		return CurveP384
	}
	return CurveP256
}

// PrivatePartsOf takes apart a key pair. The signer must be a key in memory.
func PrivatePartsOf(pair *dtls.KeyPair) (Parts, error) {
	parts, err := PartsOf(pair.SPKI)
	if err != nil {
		return Parts{}, err
	}
	switch k := pair.Signer.(type) {
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		defer clear(d)
		parts.D = NewSecret(d)
		return parts, err
	case ed25519.PrivateKey:
		seed := k.Seed()
		defer clear(seed)
		parts.D = NewSecret(seed)
		return parts, nil
	}
	return Parts{}, errors.New("the private key is not in memory")
}

// Point returns the public key as firmware holds it: the uncompressed point of
// SEC 1 §2.3.3, 0x04 and both coordinates, or the 32 bytes of Ed25519.
func (p Parts) Point() []byte {
	if p.Curve == CurveEd25519 {
		return bytes.Clone(p.X)
	}
	return bytes.Join([][]byte{{4}, p.X, p.Y}, nil)
}

// PartsOfPoint reads what Point writes; the length tells the curve. Ed25519 is
// not among them: any 32 bytes would do.
func PartsOfPoint(point []byte) (Parts, error) {
	for c := CurveP256; c <= CurveP384; c++ {
		if size := c.Size(); len(point) == 1+2*size {
			p := Parts{Curve: c, X: point[1 : 1+size], Y: point[1+size:]}
			_, err := ecdsa.ParseUncompressedPublicKey(curves[c].ec, point)
			if err != nil {
				return Parts{}, ErrNotOnCurve
			}
			return p, nil
		}
	}
	return Parts{}, fmt.Errorf("a point has 65 bytes (P-256) or 97 bytes (P-384), not %d", len(point))
}

// Decompress sets Y from the sign bit that stands in its place in the
// compressed form of SEC 1 §2.3.3.
func (p *Parts) Decompress(odd bool) error {
	if p.Curve != CurveP256 && p.Curve != CurveP384 {
		return &UnsupportedKeyError{p.Curve.String() + " compressed"}
	}
	first := byte(2)
	if odd {
		first = 3
	}
	x, y := elliptic.UnmarshalCompressed(curves[p.Curve].ec, append([]byte{first}, p.X...))
	if x == nil {
		return ErrNotOnCurve
	}
	p.Y = y.FillBytes(make([]byte, p.Curve.Size()))
	return nil
}

// SPKI puts the public key together as a DER SubjectPublicKeyInfo. Where the
// parts have a private key it is computed from that, see KeyPair.
func (p Parts) SPKI() ([]byte, error) {
	if p.D.Len() > 0 {
		pair, err := p.KeyPair()
		if err != nil {
			return nil, err
		}
		return pair.SPKI, nil
	}
	public, err := p.public()
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(public)
}

func (p Parts) public() (any, error) {
	switch {
	case !p.Curve.known():
		return nil, &UnsupportedKeyError{p.Curve.String()}
	case len(p.X) != p.Curve.Size():
		return nil, fmt.Errorf("x has %d bytes, %v has %d", len(p.X), p.Curve, p.Curve.Size())
	case p.Curve == CurveEd25519 && p.Y != nil:
		return nil, errors.New("an Ed25519 key has no y")
	case p.Curve == CurveEd25519:
		return ed25519.PublicKey(p.X), nil
	case len(p.Y) != p.Curve.Size():
		return nil, fmt.Errorf("y has %d bytes, %v has %d", len(p.Y), p.Curve, p.Curve.Size())
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curves[p.Curve].ec, p.Point())
	if err != nil {
		return nil, ErrNotOnCurve
	}
	return key, nil
}

// KeyPair puts the key pair together. The public key may be left out; if it is
// there it must be that of the private key, else the error is ErrKeyMismatch.
func (p Parts) KeyPair() (*dtls.KeyPair, error) {
	pair, err := p.private()
	if err != nil || p.X == nil && p.Y == nil {
		return pair, err
	}
	public := p
	public.D = Secret{}
	spki, err := public.SPKI()
	switch {
	case err != nil:
		return nil, err
	case !bytes.Equal(spki, pair.SPKI):
		return nil, ErrKeyMismatch
	}
	return pair, nil
}

func (p Parts) private() (*dtls.KeyPair, error) {
	switch {
	case !p.Curve.known():
		return nil, &UnsupportedKeyError{p.Curve.String()}
	case p.D.Len() == 0:
		return nil, ErrNoPrivateKey
	case p.D.Len() != p.Curve.Size():
		return nil, fmt.Errorf("the private key has %d bytes, %v has %d", p.D.Len(), p.Curve, p.Curve.Size())
	case p.Curve == CurveEd25519:
		return NewKeyPair(ed25519.NewKeyFromSeed(p.D.Bytes()))
	}
	key, err := ecdsa.ParseRawPrivateKey(curves[p.Curve].ec, p.D.Bytes())
	if err != nil {
		return nil, fmt.Errorf("not a private key of %v", p.Curve)
	}
	return NewKeyPair(key)
}
