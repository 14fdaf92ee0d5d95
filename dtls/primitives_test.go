// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// primitive is one cryptographic operation of a server's handshake, as the
// libraries offer it.
type primitive struct {
	name string
	run  func()
}

// primitives lists what a server must compute in a mode.
func primitives(t testing.TB, name string, kx suite.KeyExchange) []primitive {
	k := testKeys()
	digest := sha256.Sum256([]byte("signed"))
	signature, err := ecdsa.SignASN1(rand.Reader, k.p256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	own, _ := ecdh.P256().GenerateKey(rand.Reader)
	point := own.PublicKey().Bytes()
	leaf := k.certificate([]string{"client.example"}, k.p256)
	roots := x509.NewCertPool()
	roots.AddCert(k.ca)
	var (
		generate = primitive{"generate", func() { ecdh.P256().GenerateKey(rand.Reader) }}
		agree    = primitive{"agree", func() {
			peer, _ := ecdh.P256().NewPublicKey(point)
			own.ECDH(peer)
		}}
		sign   = primitive{"sign", func() { ecdsa.SignASN1(rand.Reader, k.p256b, digest[:]) }}
		verify = primitive{"verify", func() { ecdsa.VerifyASN1(&k.p256.PublicKey, digest[:], signature) }}
		parse  = primitive{"parse chain", func() {
			x509.ParseCertificate(leaf.Raw)
			x509.ParseCertificate(k.ca.Raw)
		}}
		chain = primitive{"verify chain", func() {
			leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		}}
		spki = primitive{"parse key", func() { x509.ParsePKIXPublicKey(leaf.RawSubjectPublicKeyInfo) }}
	)
	list := []primitive{{"symmetric", symmetric(t)}}
	if kx.UsesECDHE() {
		list = append(list, generate, agree)
	}
	switch name {
	case "RPK mutual":
		list = append(list, sign, verify, spki)
	case "RPK server alone":
		list = append(list, sign)
	case "X.509 mutual":
		list = append(list, sign, verify, parse, chain)
	}
	return list
}

// symmetric is what every handshake needs besides: four derivations of the
// PRF, the transcript's hash, the AES keys of both directions, and a record
// each way.
func symmetric(t testing.TB) func() {
	s := suite.ByID(wire.TLS_PSK_WITH_AES_128_CCM_8)
	var random [wire.RandomLen]byte
	messages := make([]byte, 700)
	return func() {
		schedule := s.ExtendedMasterSecret(random[:], random[:])
		keys, _ := schedule.KeyBlock(random[:], random[:])
		schedule.ClientVerifyData(random[:])
		schedule.ServerVerifyData(random[:])
		sha256.Sum256(messages)
		for range 2 {
			aead := s.AEAD(keys.Key(s))
			buf, nonce := make([]byte, 24+8), new([suite.NonceLen]byte)
			aead.Seal(buf, 24, nonce, messages[:13])
		}
	}
}

// BenchmarkPrimitives is the floor of BenchmarkServerHandshake: the sum of
// the primitives of one handshake, the server's share.
func BenchmarkPrimitives(b *testing.B) {
	for _, m := range costlyModes {
		list := primitives(b, m.name, m.kx)
		b.Run(m.name+"/"+m.kx.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range list {
					p.run()
				}
			}
		})
	}
}

// BenchmarkPrimitive is each of them alone.
func BenchmarkPrimitive(b *testing.B) {
	for _, p := range append(primitives(b, "X.509 mutual", suite.ECDHEECDSA), primitives(b, "RPK mutual", suite.ECDHEECDSA)[5:]...) {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.run()
			}
		})
	}
}
