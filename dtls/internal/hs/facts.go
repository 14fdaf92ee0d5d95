// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto/x509"

	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// PackedFacts is Facts as a session at rest keeps them, without the Version and
// without what is gone with the verdict.
// Certificates are DER in it, a fraction of what they are parsed.
type PackedFacts []byte

// Pack makes PackedFacts.
func (f *Facts) Pack() PackedFacts {
	n := 32 + len(f.ServerName) + len(f.PSKIdentity) + len(f.PSKHint) + len(f.PeerRawKey)
	for _, cert := range f.PeerChain {
		n += 3 + len(cert.Raw)
	}
	c := pack.Into(make([]byte, 0, n))
	f.pack(&c)
	return c.Bytes()
}

// Facts unpacks them. The slices of the result lie in p.
func (p PackedFacts) Facts(v wire.Version) *Facts {
	f := &Facts{Version: v}
	c := pack.From(p)
	f.pack(&c)
	return f
}

func (f *Facts) pack(c *pack.Coder) {
	pack.Uint(c, &f.CipherSuite)
	pack.Uint(c, &f.PeerMaxFragment)
	pack.Uint(c, &f.Group)
	pack.Uint(c, &f.SignatureScheme)
	pack.Uint(c, &f.LocalSignatureScheme)
	c.Bool(&f.ExtendedMasterSecret)
	c.Bool(&f.PeerTrusted)
	pack.Uint(c, &f.PeerCertType)
	pack.Uint(c, &f.LocalCertType)
	c.String(&f.ServerName)
	c.View(&f.PSKIdentity)
	c.View(&f.PSKHint)
	c.View(&f.PeerRawKey)
	n := len(f.PeerChain)
	pack.Uint(c, &n)
	for i := range n {
		f.packCertificate(c, i)
	}
}

// packCertificate packs or unpacks one certificate of the chain. To parse it
// takes some ten microseconds.
func (f *Facts) packCertificate(c *pack.Coder, i int) {
	if i < len(f.PeerChain) {
		c.View(&f.PeerChain[i].Raw)
		return
	}
	var der []byte
	c.View(&der)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic("hs: a certificate that was parsed before: " + err.Error())
	}
	f.PeerChain = append(f.PeerChain, cert)
}
