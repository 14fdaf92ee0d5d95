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
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// keyring is one key of each kind, those included that are refused.
type keyring struct {
	p256, p384, p521, p224 *ecdsa.PrivateKey
	ed                     ed25519.PrivateKey
	rsa, weakRSA           *rsa.PrivateKey
}

var keys = sync.OnceValue(func() *keyring {
	k := &keyring{}
	k.p224, _ = ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.weakRSA, _ = rsa.GenerateKey(rand.Reader, 1024)
	return k
})

// spki is the DER of a key's public half.
func spki(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func rawKey(t testing.TB, key crypto.Signer) *KeyPair {
	return &KeyPair{Signer: key, SPKI: spki(t, key)}
}

// certificate is one for a key, signed by itself under a name.
func certificate(t testing.TB, key crypto.Signer, name string, usage x509.KeyUsage) []byte {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, KeyUsage: usage,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func chain(t testing.TB, key crypto.Signer) Chain {
	der := certificate(t, key, "test", x509.KeyUsageDigitalSignature)
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Chain{DER: [][]byte{der}, Leaf: leaf, Signer: key}
}

// config is one with every suite, group and scheme.
func config() *Config {
	return &Config{Suites: suite.All(), Groups: DefaultGroups(), Schemes: DefaultSchemes(), MaxHandshakeBytes: 1 << 16, MaxPSKIdentity: 1<<16 - 1}
}

// suites is a list of suites by their code points.
func suites(ids ...wire.CipherSuite) (list []*suite.Suite) {
	for _, id := range ids {
		list = append(list, suite.ByID(id))
	}
	return list
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
