// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The tests of project Wycheproof, run through the paths that a handshake
// takes: keys come as raw public keys, secrets and verdicts out of jobs.
// Where testdata/README.md says that a test is not ours to judge, it is
// counted as left.

// hexBytes are written as hexadecimal digits.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// wycheproofFile is what is read of a file. Its groups share what G has.
type wycheproofFile[G any] struct {
	NumberOfTests int
	TestGroups    []G
}

// caseID is what every test of every file has.
type caseID struct {
	TcID    int
	Comment string
	Flags   []string
	Result  string // valid, invalid or acceptable
}

func readWycheproof[G any](t *testing.T, name string) *wycheproofFile[G] {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	file := &wycheproofFile[G]{}
	if err := json.Unmarshal(data, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// verdict is what a test demands.
type verdict uint8

const (
	refuse verdict = iota
	accept
	leave // either answer is right, or the test is not about us
)

// rule says what "acceptable" means for tests with a flag.
type rule struct {
	flag string
	verdict
}

// judge returns what a test demands. Each acceptable one must meet a rule;
// the first that it meets decides.
func (c *caseID) judge(t *testing.T, rules []rule) verdict {
	switch c.Result {
	case "valid":
		return accept
	case "invalid":
		return refuse
	}
	for _, r := range rules {
		if slices.Contains(c.Flags, r.flag) {
			return r.verdict
		}
	}
	t.Errorf("test %d (%s %v %s) meets no rule", c.TcID, c.Result, c.Flags, c.Comment)
	return leave
}

// tally counts the tests of a file by what they demanded.
type tally [3]int

// check compares with what the file is known to hold, so that a file that was
// cut, or is read wrongly, does not pass for a good one.
func (got tally) check(t *testing.T, want tally, inFile int) {
	t.Helper()
	if got != want || got[refuse]+got[accept]+got[leave] != inFile {
		t.Errorf("%d tests refused, %d accepted, %d left of %d; want %v", got[refuse], got[accept], got[leave], inFile, want)
	}
}

type agreementGroup struct {
	Tests []struct {
		caseID
		Public, Private, Shared hexBytes
	}
}

// The shared secret is right at the edges of the arithmetic, and there is none
// with a point off the curve, of another form or of small order.
//
// Proves rfc8422 §5.11: "With the NIST curves, each party MUST validate the
// public key sent by its peer in the ClientKeyExchange and ServerKeyExchange
// messages. A receiving party MUST check that the x and y parameters from the
// peer's public value satisfy the curve equation, y^2 = x^3 + ax + b mod p."
// Proves rfc8422 §5.11: "With X25519 and X448, a receiving party MUST check
// whether the computed premaster secret is the all-zero value and abort the
// handshake if so, as described in Section 6 of [RFC7748]."
func TestWycheproofAgreement(t *testing.T) {
	// "MUST NOT support other formats" (RFC 8422 §5.1.2).
	uncompressedOnly := []rule{{"CompressedPoint", refuse}}
	// Points on the twist, and values of p and above, are as good as any:
	// "MUST accept non-canonical values" (RFC 7748 §5).
	x25519 := []rule{{"ZeroSharedSecret", refuse}, {"Twist", accept}, {"NonCanonicalPublic", accept}}
	for _, test := range []struct {
		file  string
		group wire.Group
		rules []rule
		want  tally
	}{
		{"ecdh_secp256r1_ecpoint_test", wire.GroupSecp256r1, uncompressedOnly, tally{refuse: 25, accept: 330}},
		{"ecdh_secp384r1_ecpoint_test", wire.GroupSecp384r1, uncompressedOnly, tally{refuse: 19, accept: 771}},
		{"x25519_test", wire.GroupX25519, x25519, tally{refuse: 31, accept: 487}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			var got tally
			file := readWycheproof[agreementGroup](t, test.file)
			for _, g := range file.TestGroups {
				for _, c := range g.Tests {
					want := c.judge(t, test.rules)
					got[want]++
					job := agreement(t, test.group, c.Private, c.Public)
					good := job.Failure == ReasonNone && bytes.Equal(job.Secret, c.Shared)
					refused := job.Failure == ReasonIllegalParameter && job.Secret == nil
					if want == accept && !good || want == refuse && !refused {
						t.Errorf("test %d (%s %v %s): %v, secret %x, want %x", c.TcID, c.Result, c.Flags, c.Comment, job.Failure, job.Secret, c.Shared)
					}
				}
			}
			got.check(t, test.want, file.NumberOfTests)
		})
	}
}

// agreement is a job, done, of a handshake that draws a private key. Those of
// secp256r1 and secp384r1 are written as integers, of any length.
func agreement(t *testing.T, g wire.Group, private, peer []byte) *Job {
	t.Helper()
	seed := new(big.Int).SetBytes(private).FillBytes(make([]byte, groupByID(g).size))
	s, err := NewShare(bytes.NewReader(seed), g)
	if err != nil {
		t.Fatal(err)
	}
	job := &Job{Share: s, PeerPoint: peer}
	job.Run()
	return job
}

type signatureGroup struct {
	PublicKeyDer hexBytes
	Sha, MgfSha  string
	SLen         int
	Tests        []signatureCase
}

type signatureCase struct {
	caseID
	Msg, Sig hexBytes
}

// Signatures verify if they are well made, in the one encoding there is.
//
// Pitfall W22: another hash than the scheme's, integers that are zero, negative, too large or padded
func TestWycheproofSignatures(t *testing.T) {
	// RFC 5246 §4.7 would have a DigestInfo without the NULL accepted, which
	// some old signers made. crypto/rsa refuses it, and so does crypto/tls.
	pkcs1 := []rule{{"MissingNull", refuse}}
	// Keys that are not of prime order: the equations with and without the
	// cofactor differ, and RFC 8032 §5.1.7 allows both. No honest peer has
	// such a key.
	ed25519 := []rule{{"SmallOrderPublicKey", leave}, {"MixedOrderPublicKey", leave}}
	for _, test := range []struct {
		file   string
		scheme wire.SignatureScheme
		rules  []rule
		want   tally
	}{
		{"ecdsa_secp256r1_sha256_test", wire.SchemeECDSAP256SHA256, nil, tally{refuse: 310, accept: 174}},
		{"ecdsa_secp384r1_sha384_test", wire.SchemeECDSAP384SHA384, nil, tally{refuse: 310, accept: 194}},
		{"ed25519_test", wire.SchemeEd25519, ed25519, tally{refuse: 64, accept: 117, leave: 29}},
		{"rsa_signature_2048_sha256_test", wire.SchemeRSAPKCS1SHA256, pkcs1, tally{refuse: 250, accept: 9}},
		{"rsa_pss_2048_sha256_mgf1_32_test", wire.SchemeRSAPSSSHA256, nil, tally{refuse: 45, accept: 63}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			var got tally
			file := readWycheproof[signatureGroup](t, test.file)
			for _, g := range file.TestGroups {
				key := peerKey(t, g.PublicKeyDer)
				for _, c := range g.Tests {
					want := c.judge(t, test.rules)
					got[want]++
					c.check(t, key, test.scheme, want)
				}
			}
			got.check(t, test.want, file.NumberOfTests)
		})
	}
}

// A PSS signature verifies if its hash is the scheme's, its mask is made by
// the same hash and its salt is as long as that; all else that is valid PSS is
// not the scheme (RFC 8446 §4.2.3).
func TestWycheproofParametersOfPSS(t *testing.T) {
	t.Parallel()
	saltLens := map[string]int{"SHA-256": 32, "SHA-384": 48, "SHA-512": 64}
	file := readWycheproof[signatureGroup](t, "rsa_pss_misc_test")
	var got tally
	for _, g := range file.TestGroups {
		key := peerKey(t, g.PublicKeyDer)
		ours := refuse
		if salt, ok := saltLens[g.Sha]; ok && g.MgfSha == g.Sha && g.SLen == salt {
			ours = accept
		}
		for _, c := range g.Tests {
			got[ours]++
			for scheme, sha := range map[wire.SignatureScheme]string{
				wire.SchemeRSAPSSSHA256: "SHA-256", wire.SchemeRSAPSSSHA384: "SHA-384", wire.SchemeRSAPSSSHA512: "SHA-512",
			} {
				want := refuse
				if sha == g.Sha {
					want = ours
				}
				c.check(t, key, scheme, want)
			}
		}
	}
	got.check(t, tally{refuse: 147, accept: 3}, file.NumberOfTests)
}

// peerKey reads a key as a peer's raw public key.
func peerKey(t *testing.T, spki []byte) crypto.PublicKey {
	t.Helper()
	key, reason := ParsePeerKey(wire.AppendRawPublicKey(nil, spki), wire.CertRawPublicKey)
	if reason != ReasonNone {
		t.Fatalf("key %x: %v", spki, reason)
	}
	return key.Public
}

func (c *signatureCase) check(t *testing.T, key crypto.PublicKey, s wire.SignatureScheme, want verdict) {
	t.Helper()
	job := &Job{Verification: &Verification{Key: key, Scheme: s, Message: c.Msg, Signature: c.Sig}}
	job.Run()
	if want == accept && job.Failure != ReasonNone || want == refuse && job.Failure != ReasonBadSignature {
		t.Errorf("test %d (%s %v %s): %v: %v", c.TcID, c.Result, c.Flags, c.Comment, s, job.Failure)
	}
}

type aeadGroup struct {
	IVSize, KeySize int // bits
	Tests           []aeadCase
}

type aeadCase struct {
	caseID
	Key, IV, AAD, Msg, CT, Tag hexBytes
}

// The AEADs that come from libraries seal and open as they should, in place.
// Left are nonces that are not 12 bytes long, which the interface cannot
// express, and AES-192, which no suite has.
func TestWycheproofAEADs(t *testing.T) {
	gcm := map[int]wire.CipherSuite{128: wire.TLS_PSK_WITH_AES_128_GCM_SHA256, 256: wire.TLS_PSK_WITH_AES_256_GCM_SHA384}
	chacha := map[int]wire.CipherSuite{256: wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256}
	for _, test := range []struct {
		file  string
		suite map[int]wire.CipherSuite // by bits of key
		want  tally
	}{
		{"aes_gcm_test", gcm, tally{refuse: 54, accept: 79, leave: 183}},
		{"chacha20_poly1305_test", chacha, tally{refuse: 60, accept: 256, leave: 9}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			var got tally
			file := readWycheproof[aeadGroup](t, test.file)
			for _, g := range file.TestGroups {
				s := suite.ByID(test.suite[g.KeySize])
				if g.IVSize != 8*suite.NonceLen || s == nil {
					got[leave] += len(g.Tests)
					continue
				}
				for _, c := range g.Tests {
					want := c.judge(t, nil)
					got[want]++
					c.check(t, s.AEAD(c.Key), want)
				}
			}
			got.check(t, test.want, file.NumberOfTests)
		})
	}
}

func (c *aeadCase) check(t *testing.T, aead suite.AEAD, want verdict) {
	t.Helper()
	nonce, sealed := [suite.NonceLen]byte(c.IV), slices.Concat(c.CT, c.Tag)
	if want == accept {
		buf := append(bytes.Clone(c.Msg), make([]byte, len(c.Tag))...)
		if aead.Seal(buf, len(c.Msg), &nonce, c.AAD); !bytes.Equal(buf, sealed) {
			t.Errorf("test %d (%v %s): sealed %x, want %x", c.TcID, c.Flags, c.Comment, buf, sealed)
		}
	}
	n, ok := aead.Open(sealed, &nonce, c.AAD)
	switch {
	case ok != (want == accept):
		t.Errorf("test %d (%s %v %s): open reports %t", c.TcID, c.Result, c.Flags, c.Comment, ok)
	case ok && !bytes.Equal(sealed[:n], c.Msg):
		t.Errorf("test %d (%v %s): opens to %x, want %x", c.TcID, c.Flags, c.Comment, sealed[:n], c.Msg)
	case !ok && len(c.Msg) > 0 && bytes.Equal(sealed[:len(c.Msg)], c.Msg):
		t.Errorf("test %d (%v %s): leaves its plaintext in the buffer", c.TcID, c.Flags, c.Comment)
	}
}
