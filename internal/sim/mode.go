// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// Mode is one way of two parties to know each other.
type Mode struct {
	Name  string
	Suite dtls.CipherSuite

	client, server func(*Parties) *dtls.Credentials
	psk            bool
}

// Parties holds the long-term keys of both sides. They are the same in every
// run.
type Parties struct {
	Identity, PSK            []byte
	ClientKey, ServerKey     *dtls.KeyPair
	ClientChain, ServerChain dtls.Chain
	OCSP                     []byte      // shown beside ServerChain, if it is asked for
	StrangerKey              fixedSigner // a key that nobody trusts
}

// Modes are those of RFC 7252 §9 that have a handshake, and what lies between
// them.
var Modes = []*Mode{
	{Name: "psk", Suite: 0xC0A8, psk: true, client: pskOnly, server: pskOnly},
	{Name: "ecdhe_psk", Suite: 0xD003, psk: true, client: pskOnly, server: pskOnly},
	{Name: "rpk", Suite: 0xC0AE,
		client: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{RawKey: p.ClientKey, AcceptRawKeys: true}
		},
		server: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{RawKey: p.ServerKey, AcceptRawKeys: true, RequirePeerKey: true}
		}},
	{Name: "x509", Suite: 0xC0AE,
		client: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{Chains: []dtls.Chain{p.ClientChain}, AcceptCertificates: true}
		},
		server: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{Chains: []dtls.Chain{p.ServerChain}, AcceptCertificates: true, RequirePeerKey: true}
		}},
	{Name: "x509_ocsp", Suite: 0xC0AE,
		client: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{Chains: []dtls.Chain{p.ClientChain}, AcceptCertificates: true, AskOCSP: true}
		},
		server: func(p *Parties) *dtls.Credentials {
			stapled := p.ServerChain
			stapled.OCSP = func() []byte { return p.OCSP }
			return &dtls.Credentials{Chains: []dtls.Chain{stapled}, AcceptCertificates: true, RequirePeerKey: true}
		}},
	{Name: "rpk_server_only", Suite: 0xC0AE,
		client: func(*Parties) *dtls.Credentials { return &dtls.Credentials{AcceptRawKeys: true} },
		server: func(p *Parties) *dtls.Credentials { return &dtls.Credentials{RawKey: p.ServerKey} }},
	{Name: "rpk_server_x509_client", Suite: 0xC0AE,
		client: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{Chains: []dtls.Chain{p.ClientChain}, AcceptRawKeys: true}
		},
		server: func(p *Parties) *dtls.Credentials {
			return &dtls.Credentials{RawKey: p.ServerKey, AcceptCertificates: true, RequirePeerKey: true}
		}},
}

func pskOnly(*Parties) *dtls.Credentials { return &dtls.Credentials{PSK: true} }

// ModeByName returns the mode of that name, nil if there is none.
func ModeByName(name string) *Mode {
	for _, m := range Modes {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Config makes the engine's configuration for one side of the mode.
func (m *Mode) Config(p *Parties, server bool, rand io.Reader) *dtls.Config {
	credentials := m.client(p)
	if server {
		credentials = m.server(p)
	}
	return &dtls.Config{
		CipherSuites: []dtls.CipherSuite{m.Suite},
		Credentials:  func(string) *dtls.Credentials { return credentials },
		Rand:         rand,
	}
}

// Judge is the verdict of a party on the key that its peer has shown.
func (p *Parties) Judge(f *dtls.Facts, server bool) dtls.Reason {
	key, chain := p.ServerKey, p.ServerChain
	if server {
		key, chain = p.ClientKey, p.ClientChain
	}
	switch {
	case f.PeerRawKey != nil && bytes.Equal(f.PeerRawKey, key.SPKI):
		return dtls.ReasonNone
	case f.OCSP != nil && !bytes.Equal(f.OCSP, p.OCSP):
		return dtls.ReasonCertStatusBad
	case f.PeerRawKey != nil:
		return dtls.ReasonRPKNotPinned
	case len(f.PeerChain) > 0 && bytes.Equal(f.PeerChain[0].Raw, chain.DER[0]):
		return dtls.ReasonNone
	}
	return dtls.ReasonCertUnknownCA
}

// TestParties returns the parties, made on first use.
var TestParties = sync.OnceValue(func() *Parties {
	client, server, ca := fixedKey(1), fixedKey(2), fixedKey(3)
	p := &Parties{
		Identity:    []byte("sensor-7"),
		PSK:         []byte("a key of 16 byte"),
		ClientKey:   &dtls.KeyPair{Signer: client, SPKI: spki(client)},
		ServerKey:   &dtls.KeyPair{Signer: server, SPKI: spki(server)},
		StrangerKey: fixedKey(4),
		OCSP:        bytes.Repeat([]byte("what a responder says. "), 50),
	}
	root := certificate("sim root", ca, nil, ca, nil)
	p.ClientChain = chain(certificate("sensor-7", client, root, ca, nil), client)
	p.ServerChain = chain(certificate("server", server, root, ca, &url.URL{Scheme: "coaps", Host: "server.example"}), server)
	return p
})

// fixedSigner signs without randomness (RFC 6979), so that a run can be
// repeated to the byte.
type fixedSigner struct{ *ecdsa.PrivateKey }

func (s fixedSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(nil, digest, opts)
}

// fixedKey makes the P-256 key of a small number.
func fixedKey(n byte) fixedSigner {
	scalar := make([]byte, 32)
	scalar[0], scalar[31] = 0x51, n
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		panic(err)
	}
	return fixedSigner{key}
}

func spki(s fixedSigner) []byte {
	der, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		panic(err)
	}
	return der
}

// certificate makes a certificate for key; without a parent it is a root.
func certificate(name string, key fixedSigner, parent *x509.Certificate, signer fixedSigner, uri *url.URL) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(int64(len(name))),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2125, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if uri != nil {
		template.URIs = []*url.URL{uri}
	}
	if parent == nil {
		parent, template.IsCA, template.KeyUsage = template, true, x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(nil, template, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

func chain(leaf *x509.Certificate, key fixedSigner) dtls.Chain {
	return dtls.Chain{DER: [][]byte{leaf.Raw}, Leaf: leaf, Signer: key}
}
