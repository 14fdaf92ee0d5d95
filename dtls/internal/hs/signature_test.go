// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

var message = []byte("what is signed")

// Each scheme is made by its kind of key, and verified by that kind alone.
//
// Proves rfc8422 §5.9: "Ed25519, Ed25519ph, Ed448, and Ed448ph keys MUST NOT
// be used with ECDSA."
// Pitfall W22: no scheme verifies under a key of another kind, or under another scheme's name
func TestSchemesAndKeys(t *testing.T) {
	k := keys()
	signers := []struct {
		key  crypto.Signer
		kind keyKind
	}{
		{k.p256, keyECDSA}, {k.p384, keyECDSA}, {k.ed, keyEd25519}, {k.rsa, keyRSA},
		{k.p224, keyNone}, {k.p521, keyNone}, {k.weakRSA, keyNone},
	}
	for i, s := range signers {
		for _, row := range schemes {
			fits := s.kind == row.kind
			if got := SchemeFits(row.scheme, s.key.Public()); got != fits {
				t.Errorf("%v fits %T: %v", row.scheme, s.key, got)
			}
			if !fits {
				continue
			}
			signature, err := Sign(rand.Reader, s.key, row.scheme, message)
			if err != nil {
				t.Fatalf("%v with %T: %v", row.scheme, s.key, err)
			}
			for _, other := range schemes {
				for j, o := range signers {
					want := other.scheme == row.scheme && i == j
					if got := Verify(o.key.Public(), other.scheme, message, signature); got != want {
						t.Errorf("%v of %T verifies as %v of %T: %v", row.scheme, s.key, other.scheme, o.key, got)
					}
				}
			}
		}
	}
}

// A signature covers each bit of its message, and each of its own bits counts.
//
// Pitfall S2: an empty, cut or altered signature is none
func TestAlteredSignatures(t *testing.T) {
	k := keys()
	for _, test := range []struct {
		key    crypto.Signer
		scheme wire.SignatureScheme
	}{
		{k.p256, wire.SchemeECDSAP256SHA256}, {k.p384, wire.SchemeECDSAP384SHA384}, {k.ed, wire.SchemeEd25519},
		{k.rsa, wire.SchemeRSAPSSSHA256}, {k.rsa, wire.SchemeRSAPKCS1SHA512},
	} {
		signature, err := Sign(rand.Reader, test.key, test.scheme, message)
		if err != nil {
			t.Fatal(err)
		}
		pub := test.key.Public()
		if !Verify(pub, test.scheme, message, signature) {
			t.Errorf("%v: a good signature is refused", test.scheme)
		}
		for i := range signature {
			bad := slices.Clone(signature)
			bad[i] ^= 1
			if Verify(pub, test.scheme, message, bad) || Verify(pub, test.scheme, message, signature[:i]) {
				t.Errorf("%v: altered or cut at byte %d", test.scheme, i)
			}
		}
		for _, other := range [][]byte{nil, message[1:], append([]byte{0}, message...), append(slices.Clone(message), 0)} {
			if Verify(pub, test.scheme, other, signature) {
				t.Errorf("%v: verifies for %q", test.scheme, other)
			}
		}
		if Verify(pub, test.scheme, message, append(slices.Clone(signature), 0)) {
			t.Errorf("%v: with a byte behind it", test.scheme)
		}
	}
}

// A digest that is shorter than the scheme's, or another's, does not verify.
//
// Proves rfc8422 §5.10: "A secure hash function such as SHA-256, SHA-384, or
// SHA-512 from [FIPS.180-4] MUST be used."
// Pitfall W22, A3: SHA-1, cut digests and prehashed Ed25519 are refused
func TestWrongDigests(t *testing.T) {
	k := keys()
	sum1, sum256, sum512 := sha1.Sum(message), sha256.Sum256(message), sha512.Sum512(message)
	for name, digest := range map[string][]byte{"SHA-1": sum1[:], "SHA-256, cut": sum256[:20], "SHA-512": sum512[:]} {
		signature, err := ecdsa.SignASN1(rand.Reader, k.p256, digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []wire.SignatureScheme{wire.SchemeECDSAP256SHA256, wire.SchemeECDSAP384SHA384} {
			// A SHA-512 digest is cut to the curve's 256 bits by ECDSA itself.
			if Verify(k.p256.Public(), s, message, signature) {
				t.Errorf("%s verifies as %v", name, s)
			}
		}
	}
	prehashed, err := k.ed.Sign(rand.Reader, sum512[:], &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	if Verify(k.ed.Public(), wire.SchemeEd25519, message, prehashed) || Verify(k.ed.Public(), wire.SchemeEd25519, sum512[:], prehashed) {
		t.Error("Ed25519ph verifies as Ed25519")
	}
	weak, err := rsa.SignPKCS1v15(rand.Reader, k.rsa, crypto.SHA1, sum1[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range DefaultSchemes() {
		if Verify(k.rsa.Public(), s, message, weak) {
			t.Errorf("RSA with SHA-1 verifies as %v", s)
		}
	}
}

// The salt of PSS is as long as the hash.
func TestSaltOfPSS(t *testing.T) {
	k := keys()
	sum := sha256.Sum256(message)
	for salt, want := range map[int]bool{32: true, 31: false, 33: false, 20: false} {
		signature, err := rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		if got := Verify(k.rsa.Public(), wire.SchemeRSAPSSSHA256, message, signature); got != want {
			t.Errorf("salt of %d bytes: %v", salt, got)
		}
	}
}

// Signatures that others made verify, and Ed25519 makes the same.
//
// Proves rfc8422 §5.10: "All ECDSA computations MUST be performed according to
// ANSI X9.62 or its successors."
// Proves rfc8422 §5.10: "All EdDSA computations MUST be performed according to
// [RFC8032] or its successors."
func TestForeignSignatures(t *testing.T) {
	// RFC 6979 A.2.5: P-256, message "sample".
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), unhex(t, "04"+
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"+
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"))
	if err != nil {
		t.Fatal(err)
	}
	for s, rs := range map[wire.SignatureScheme][2]string{
		wire.SchemeECDSAP256SHA256: {"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716", "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
		wire.SchemeECDSAP384SHA384: {"0eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719", "4861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954"},
	} {
		signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(unhex(t, rs[0])), new(big.Int).SetBytes(unhex(t, rs[1]))})
		if err != nil {
			t.Fatal(err)
		}
		if !Verify(pub, s, []byte("sample"), signature) {
			t.Errorf("the signature of RFC 6979 with %v is refused", s)
		}
	}
	// RFC 8032 §7.1, tests 1 and 2.
	for _, test := range []struct{ seed, public, message, signature string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
	} {
		signature, err := Sign(rand.Reader, ed25519.NewKeyFromSeed(unhex(t, test.seed)), wire.SchemeEd25519, unhex(t, test.message))
		if err != nil || !slices.Equal(signature, unhex(t, test.signature)) {
			t.Errorf("signed %x, %v", signature, err)
		}
		if !Verify(ed25519.PublicKey(unhex(t, test.public)), wire.SchemeEd25519, unhex(t, test.message), signature) {
			t.Error("the signature of RFC 8032 is refused")
		}
	}
}

// A key that claims to be of one kind and is of another never verifies.
//
// Pitfall W22: keys of no kind, nil keys and keys of another library
func TestStrangeKeys(t *testing.T) {
	for _, pub := range []crypto.PublicKey{nil, "key", []byte{1}, new(int), &rsa.PublicKey{N: big.NewInt(3), E: 3}} {
		for _, s := range append(DefaultSchemes(), 0, 0x0203, 0xffff) {
			if SchemeFits(s, pub) || Verify(pub, s, message, []byte{1}) {
				t.Errorf("%v with the key %v", s, pub)
			}
		}
		if KeyFits(pub, suite.ECDHEECDSA) || KeyFits(pub, suite.ECDHERSA) || KeyGroup(pub) != 0 {
			t.Errorf("%v is a key", pub)
		}
	}
}

// Which key exchange a key authenticates, and the curve it lies on.
//
// Proves rfc8422 §5.6: "The certificate MUST contain an ECDSA- or
// EdDSA-capable public key."
func TestKeysAndKeyExchanges(t *testing.T) {
	k := keys()
	for _, test := range []struct {
		key        crypto.Signer
		ecdsa, rsa bool
		group      wire.Group
	}{
		{k.p256, true, false, wire.GroupSecp256r1},
		{k.p384, true, false, wire.GroupSecp384r1},
		{k.ed, true, false, 0},
		{k.rsa, false, true, 0},
		{k.weakRSA, false, false, 0},
		{k.p521, false, false, 0},
		{k.p224, false, false, 0},
	} {
		pub := test.key.Public()
		if KeyFits(pub, suite.ECDHEECDSA) != test.ecdsa || KeyFits(pub, suite.ECDHERSA) != test.rsa || KeyGroup(pub) != test.group {
			t.Errorf("%T on %v: ECDSA %v, RSA %v", pub, KeyGroup(pub), KeyFits(pub, suite.ECDHEECDSA), KeyFits(pub, suite.ECDHERSA))
		}
		if KeyFits(pub, suite.PSK) || KeyFits(pub, suite.ECDHEPSK) {
			t.Errorf("%T authenticates a PSK suite", pub)
		}
	}
}

// The defaults are what is implemented, each once, the mandatory ones first,
// with the code points of crypto/tls and no weak hash.
//
// Proves rfc8422 §5.10: "EdDSA signatures MUST have HashAlgorithm of 8
// (Intrinsic)."
// Pitfall A3: no scheme has MD5, SHA-1 or SHA-224
func TestDefaults(t *testing.T) {
	list := DefaultSchemes()
	if list[0] != wire.SchemeECDSAP256SHA256 || DefaultGroups()[0] != wire.GroupSecp256r1 {
		t.Errorf("defaults begin with %v and %v", list[0], DefaultGroups()[0])
	}
	seen := map[wire.SignatureScheme]bool{}
	for _, s := range list {
		hash, algorithm := byte(s>>8), byte(s)
		if seen[s] || !KnownScheme(s) || hash < 4 || hash > 8 || hash == 7 {
			t.Errorf("scheme %v", s)
		}
		if (s == wire.SchemeEd25519) != (hash == 8 && algorithm == 7) {
			t.Errorf("%v has hash %d and algorithm %d", s, hash, algorithm)
		}
		seen[s] = true
	}
	if KnownScheme(wire.SignatureScheme(tls.PKCS1WithSHA1)) || KnownScheme(wire.SignatureScheme(tls.ECDSAWithSHA1)) || KnownScheme(0) {
		t.Error("SHA-1 is known")
	}
	for _, g := range DefaultGroups() {
		if !KnownGroup(g) {
			t.Errorf("group %v is not known", g)
		}
	}
	if KnownGroup(0) || KnownGroup(wire.Group(tls.CurveP521)) {
		t.Error("groups that are not implemented are known")
	}
}
