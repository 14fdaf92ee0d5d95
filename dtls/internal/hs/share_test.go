// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"testing"
	"testing/iotest"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// share makes a generated ephemeral key.
func share(t testing.TB, rand io.Reader, g wire.Group) *Share {
	t.Helper()
	s, err := NewShare(rand, g)
	if err != nil {
		t.Fatal(err)
	}
	s.generate()
	return s
}

// The two sides agree, on a secret of constant length.
//
// Proves rfc8422 §5.10: "Note that this octet string (Z in IEEE 1363
// terminology), as output by FE2OSP (Field Element to Octet String Conversion
// Primitive), has constant length for any given field; leading zeros found in
// this octet string MUST NOT be truncated."
// Pitfall A2: the secret's length, and with it the hash's input, does not depend on its value
func TestSharedSecretHasConstantLength(t *testing.T) {
	for g, size := range map[wire.Group]int{wire.GroupSecp256r1: 32, wire.GroupX25519: 32, wire.GroupSecp384r1: 48} {
		fixed, zero := share(t, rand.Reader, g), false
		// One secret of 256 begins with a zero; 4000 miss it once in 10^6.
		for i := 0; i < 4000 && !zero; i++ {
			other := share(t, rand.Reader, g)
			a, ok := fixed.agree(other.Public())
			if !ok || len(a) != size {
				t.Fatalf("%v: %d bytes, %v", g, len(a), ok)
			}
			if zero = a[0] == 0; zero || i == 0 {
				if b, ok := other.agree(fixed.Public()); !ok || !bytes.Equal(a, b) {
					t.Fatalf("%v: %x and %x", g, a, b)
				}
			}
		}
		if !zero {
			t.Errorf("%v: no secret with a leading zero", g)
		}
	}
}

// Public keys are encoded as the RFC says, by uncompressed points.
//
// Proves rfc8422 §5.4.1: "For P-256 this means that each of X and Y use 32
// octets, padded on the left by zeros if necessary. For P-384, they take 48
// octets each"
// Proves rfc8422 §5.4: "For the X25519 and X448 curves, the only valid
// representation is the one specified in [RFC7748], a 32- or 56-octet
// representation of the u value of the point."
func TestPublicKeysAreUncompressed(t *testing.T) {
	for g, size := range map[wire.Group]int{wire.GroupSecp256r1: 65, wire.GroupSecp384r1: 97, wire.GroupX25519: 32} {
		s := share(t, rand.Reader, g)
		pub := s.Public()
		if len(pub) != size || g != wire.GroupX25519 && pub[0] != 4 {
			t.Errorf("%v: %x", g, pub)
		}
		if s.Group() != g {
			t.Errorf("a share of %v is of %v", g, s.Group())
		}
	}
}

// The secret of RFC 7748 §6.1.
func TestX25519AgainstRFC7748(t *testing.T) {
	alice := share(t, bytes.NewReader(unhex(t, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")), wire.GroupX25519)
	secret, ok := alice.agree(unhex(t, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
	if !ok || !bytes.Equal(secret, unhex(t, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")) {
		t.Errorf("secret %x", secret)
	}
}

// Encodings that are no uncompressed point of the curve are refused.
//
// Proves rfc8422 §5.11: "With the NIST curves, each party MUST validate the
// public key sent by its peer in the ClientKeyExchange and ServerKeyExchange
// messages. A receiving party MUST check that the x and y parameters from the
// peer's public value satisfy the curve equation, y^2 = x^3 + ax + b mod p."
// Proves rfc8422 §5.1.2: "Implementations of this document MUST support the
// uncompressed format for all of their supported curves and MUST NOT support
// other formats for curves defined in this specification."
func TestBadPoints(t *testing.T) {
	for g, curve := range map[wire.Group]elliptic.Curve{wire.GroupSecp256r1: elliptic.P256(), wire.GroupSecp384r1: elliptic.P384()} {
		s := share(t, rand.Reader, g)
		good := share(t, rand.Reader, g).Public()
		size := (len(good) - 1) / 2
		with := func(f func(p []byte)) []byte {
			p := bytes.Clone(good)
			f(p)
			return p
		}
		p := curve.Params().P
		for name, point := range map[string][]byte{
			"nothing": {}, "infinity": {0}, "infinity, padded": make([]byte, len(good)),
			"compressed, even": append([]byte{2}, good[1:1+size]...), "compressed, odd": append([]byte{3}, good[1:1+size]...),
			"hybrid, even": with(func(p []byte) { p[0] = 6 }), "hybrid, odd": with(func(p []byte) { p[0] = 7 }),
			"form 5":              with(func(p []byte) { p[0] = 5 }),
			"not on the curve, x": with(func(p []byte) { p[size] ^= 1 }), "not on the curve, y": with(func(p []byte) { p[2*size] ^= 1 }),
			"origin":        with(func(p []byte) { clear(p[1:]) }),
			"x is p":        with(func(b []byte) { p.FillBytes(b[1 : 1+size]) }),
			"y + p":         with(func(b []byte) { addTo(b[1+size:], p) }),
			"one byte less": good[:len(good)-1], "one byte more": append(bytes.Clone(good), 0),
			"without the form": good[1:],
		} {
			if secret, ok := s.agree(point); ok || secret != nil {
				t.Errorf("%v: %s is accepted", g, name)
			}
		}
		if _, ok := s.agree(good); !ok {
			t.Errorf("%v: a good point is refused", g)
		}
	}
}

// addTo adds p to a coordinate, if the sum fits its bytes; else it makes it p.
func addTo(b []byte, p *big.Int) {
	sum := new(big.Int).Add(new(big.Int).SetBytes(b), p)
	if sum.BitLen() > 8*len(b) {
		sum = p
	}
	sum.FillBytes(b)
}

// Points of small order, which make the secret zero for everybody, end the
// handshake.
//
// Proves rfc8422 §5.10: "and (3), if either party obtains all-zeroes x_S, it
// MUST abort the handshake (as required by definition of X25519 and X448)."
// Proves rfc8422 §5.11: "With X25519 and X448, a receiving party MUST check
// whether the computed premaster secret is the all-zero value and abort the
// handshake if so, as described in Section 6 of [RFC7748]."
func TestX25519SmallOrder(t *testing.T) {
	s := share(t, rand.Reader, wire.GroupX25519)
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if _, ok := s.agree(unhex(t, point)); ok {
			t.Errorf("%s is accepted", point)
		}
		job := &Job{Share: s, PeerPoint: unhex(t, point)}
		if job.Run(); job.Failure != ReasonIllegalParameter || job.Secret != nil {
			t.Errorf("job with %s: %v", point, job.Failure)
		}
	}
	for _, n := range []int{0, 31, 33, 56, 65} {
		if _, ok := s.agree(bytes.Repeat([]byte{9}, n)); ok {
			t.Errorf("a point of %d bytes is accepted", n)
		}
	}
}

// Randomness that is no private key becomes one, whatever it is; randomness
// that is not there is an error.
func TestSeeds(t *testing.T) {
	for _, g := range DefaultGroups() {
		for _, b := range []byte{0, 0xff} {
			s := share(t, bytes.NewReader(bytes.Repeat([]byte{b}, 64)), g)
			if _, ok := s.agree(share(t, rand.Reader, g).Public()); !ok {
				t.Errorf("%v with %#x", g, b)
			}
			if s.seed != [48]byte{} {
				t.Errorf("%v: the seed is kept", g)
			}
		}
		broken := errors.New("no randomness")
		if _, err := NewShare(iotest.ErrReader(broken), g); !errors.Is(err, broken) {
			t.Errorf("%v: %v", g, err)
		}
		if _, err := NewShare(bytes.NewReader(make([]byte, 5)), g); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v, short: %v", g, err)
		}
	}
	// A seed that is a private key is that key.
	seed := bytes.Repeat([]byte{7}, 32)
	key, err := ecdh.P256().NewPrivateKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	if s := share(t, bytes.NewReader(seed), wire.GroupSecp256r1); !s.private.Equal(key) {
		t.Error("the seed is not the key")
	}
}
