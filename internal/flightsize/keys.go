// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flightsize

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/coaps-go/coaps/dtls"
)

// credentials shows a chain, or the key of its leaf, with a key that we have in
// the place of the leaf's.
func credentials(chain []*x509.Certificate, raw bool) (*dtls.Credentials, error) {
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	signer, err := likeKey(chain[0].PublicKey)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	if raw {
		return &dtls.Credentials{RawKey: &dtls.KeyPair{Signer: signer, SPKI: spki}}, nil
	}
	// The issuer's signature over it is bad now. Who verifies it is the caller of
	// a session, which we are.
	der := bytes.Replace(chain[0].Raw, chain[0].RawSubjectPublicKeyInfo, spki, 1)
	leaf, err := x509.ParseCertificate(der)
	if err != nil || len(der) != len(chain[0].Raw) {
		return nil, fmt.Errorf("its key has an unusual form: %w", err)
	}
	shown := dtls.Chain{DER: [][]byte{der}, Leaf: leaf, Signer: signer}
	for _, c := range chain[1:] {
		shown.DER = append(shown.DER, c.Raw)
	}
	return &dtls.Credentials{Chains: []dtls.Chain{shown}}, nil
}

// likeKey makes a key of the same kind and size as another.
func likeKey(public crypto.PublicKey) (crypto.Signer, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		signer, err := ecdsa.GenerateKey(k.Curve, rand.Reader)
		return longest{signer}, err
	case ed25519.PublicKey:
		_, signer, err := ed25519.GenerateKey(rand.Reader)
		return signer, err
	case *rsa.PublicKey:
		return rsa.GenerateKey(rand.Reader, k.N.BitLen())
	}
	return nil, fmt.Errorf("no handshake is made with a key of type %T", public)
}

// longest makes ECDSA signatures of the greatest length. Their two numbers are
// DER integers, one byte longer if the first bit is set, shorter if there are
// zeros.
type longest struct{ *ecdsa.PrivateKey }

func (k longest) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (best []byte, err error) {
	bytes := (k.Curve.Params().BitSize + 7) / 8
	most := 2*(2+1+bytes) + 2
	// A quarter of all signatures is as long as can be.
	for range 200 {
		signature, err := k.PrivateKey.Sign(rand, digest, opts)
		if err != nil {
			return nil, err
		}
		if len(signature) > len(best) {
			best = signature
		}
		if len(best) >= most {
			break
		}
	}
	return best, nil
}
