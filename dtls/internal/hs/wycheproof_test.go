// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// wycheproof is the part of a test file that is read here: of a key agreement
// or of signatures.
type wycheproof struct {
	NumberOfTests int
	TestGroups    []struct {
		PublicKeyDer string
		Tests        []struct {
			TcID                                               int
			Comment, Public, Private, Shared, Msg, Sig, Result string
		}
	}
}

func readWycheproof(t *testing.T, name string) *wycheproof {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + "_test.json")
	if err != nil {
		t.Fatal(err)
	}
	file := &wycheproof{}
	if err := json.Unmarshal(data, file); err != nil {
		t.Fatal(err)
	}
	tests := 0
	for _, g := range file.TestGroups {
		tests += len(g.Tests)
	}
	if tests == 0 || tests != file.NumberOfTests {
		t.Fatalf("%s has %d tests, and says %d", name, tests, file.NumberOfTests)
	}
	return file
}

// Every test of Wycheproof's for the three groups. What it calls acceptable is
// a compressed point, which TLS has no more and which must fail, or a point of
// small order on X25519's curve or its twist, which must fail where the secret
// is zero and else yield what is written.
//
// Proves rfc8422 §5.11: "With the NIST curves, each party MUST validate the
// public key sent by its peer in the ClientKeyExchange and ServerKeyExchange
// messages."
// Proves rfc8422 §5.11: "With X25519 and X448, a receiving party MUST check
// whether the computed premaster secret is the all-zero value and abort the
// handshake if so, as described in Section 6 of [RFC7748]."
func TestWycheproofECDH(t *testing.T) {
	for name, g := range map[string]wire.Group{
		"ecdh_secp256r1_ecpoint": wire.GroupSecp256r1, "ecdh_secp384r1_ecpoint": wire.GroupSecp384r1, "x25519": wire.GroupX25519,
	} {
		row := groupByID(g)
		for _, test := range readWycheproof(t, name).TestGroups[0].Tests {
			scalar := bytes.TrimLeft(unhex(t, test.Private), "\x00")
			if g == wire.GroupX25519 {
				scalar = unhex(t, test.Private)
			}
			key, err := row.curve.NewPrivateKey(append(make([]byte, row.size-len(scalar)), scalar...))
			if err != nil {
				t.Fatalf("%s %d: %v", name, test.TcID, err)
			}
			shared := unhex(t, test.Shared)
			fails := test.Result == "invalid" || test.Result == "acceptable" &&
				(g != wire.GroupX25519 || bytes.Equal(shared, make([]byte, len(shared))))
			secret, ok := (&Share{row: row, private: key}).agree(unhex(t, test.Public))
			if ok == fails || ok && !bytes.Equal(secret, shared) {
				t.Errorf("%s %d (%s, %s): %v, %x", name, test.TcID, test.Comment, test.Result, ok, secret)
			}
		}
	}
}

// Every test of Wycheproof's for each kind of signature. What it calls
// acceptable may go either way.
//
// Proves rfc8422 §5.10: "All ECDSA computations MUST be performed according to
// ANSI X9.62 or its successors."
func TestWycheproofSignatures(t *testing.T) {
	for name, scheme := range map[string]wire.SignatureScheme{
		"ecdsa_secp256r1_sha256":      wire.SchemeECDSAP256SHA256,
		"ecdsa_secp384r1_sha384":      wire.SchemeECDSAP384SHA384,
		"ed25519":                     wire.SchemeEd25519,
		"rsa_pss_2048_sha256_mgf1_32": wire.SchemeRSAPSSSHA256,
		"rsa_signature_2048_sha256":   wire.SchemeRSAPKCS1SHA256,
	} {
		for _, g := range readWycheproof(t, name).TestGroups {
			pub, err := x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDer))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, test := range g.Tests {
				good := Verify(pub, scheme, unhex(t, test.Msg), unhex(t, test.Sig))
				if good != (test.Result == "valid") && test.Result != "acceptable" {
					t.Errorf("%s %d (%s, %s): %v", name, test.TcID, test.Comment, test.Result, good)
				}
			}
		}
	}
}
