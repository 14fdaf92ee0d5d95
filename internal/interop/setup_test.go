// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// The mandatory cipher suites (RFC 7252 §9.1.3).
const (
	pskSuite   dtls.CipherSuite = 0xC0A8 // TLS_PSK_WITH_AES_128_CCM_8
	ecdsaSuite dtls.CipherSuite = 0xC0AE // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
)

// mode is one row of the matrix: what both sides show each other.
type mode struct {
	name           string
	suite          dtls.CipherSuite
	client, server dtls.CertType // types of key; meaningless with a PSK
	psk            bool
	anonymous      bool // the client shows nothing
}

var modes = []mode{
	{name: "psk", suite: pskSuite, psk: true},
	{name: "x509", suite: ecdsaSuite, client: dtls.CertX509, server: dtls.CertX509},
	{name: "rpk", suite: ecdsaSuite, client: dtls.CertRawPublicKey, server: dtls.CertRawPublicKey},
	{name: "rpk_server", suite: ecdsaSuite, client: dtls.CertX509, server: dtls.CertRawPublicKey},
	{name: "rpk_anonymous", suite: ecdsaSuite, server: dtls.CertRawPublicKey, anonymous: true},
	{name: "rpk_client", suite: ecdsaSuite, client: dtls.CertRawPublicKey, server: dtls.CertX509},
}

func modeNamed(name string) mode {
	for _, m := range modes {
		if m.name == name {
			return m
		}
	}
	panic("no mode " + name)
}

// condition is how bad the path is.
type condition struct {
	name string
	mtu  int     // of both sides where the peer has a setting; 0: default
	loss float64 // of the relay, both ways
}

var conditions = []condition{
	{name: "plain"},
	{name: "fragments", mtu: 256},
	{name: "lossy", loss: 0.2},
}

// config is our security for one role in a mode. The only suite is the
// mandatory one, so that anything else fails the handshake.
func config(t *testing.T, f *files, m mode, server bool) *security.Config {
	t.Helper()
	c := &security.Config{CipherSuites: []dtls.CipherSuite{m.suite}}
	if m.psk {
		psk, err := keys.NewPSK([]byte(pskIdentity), []byte(pskText))
		if err != nil {
			t.Fatal(err)
		}
		c.ClientPSK = &psk
		if c.PSK, err = keys.NewPSKMap(psk); err != nil {
			t.Fatal(err)
		}
		return c
	}
	mine, theirs, myType, theirType := f.client, f.server, m.client, m.server
	if server {
		mine, theirs, myType, theirType = f.server, f.client, m.server, m.client
	}
	switch {
	case m.anonymous && !server:
	case myType == dtls.CertRawPublicKey:
		c.RawKey = mine.key
	default:
		c.Chains = []dtls.Chain{mine.chain}
	}
	if m.anonymous && server {
		c.AllowAnonymousClients = true
		return c
	}
	if theirType == dtls.CertRawPublicKey {
		c.Pins = &keys.Pins{}
		c.Pins.AddKey(theirs.key.SPKI)
	} else {
		c.Trust = keys.NewTrust([]*x509.Certificate{f.ca})
	}
	return c
}

func clientPolicy(t *testing.T, c *security.Config, port int) *security.Policy {
	t.Helper()
	p, err := c.Client(keys.Authority{Host: "localhost", Port: uint16(port)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func serverPolicy(t *testing.T, c *security.Config) *security.Policy {
	t.Helper()
	p, err := c.Server()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkFacts asserts what was negotiated and who the peer proved to be, seen
// from our side.
func checkFacts(t *testing.T, f *files, m mode, server bool, facts *dtls.Facts, identity security.Identity) {
	t.Helper()
	if err := judgeFacts(f, m, server, facts, identity); err != nil {
		t.Error(err)
	}
}

func judgeFacts(f *files, m mode, server bool, facts *dtls.Facts, identity security.Identity) error {
	switch {
	case facts.Version != dtls.VersionDTLS12:
		return fmt.Errorf("version %v, want DTLS 1.2", facts.Version)
	case facts.CipherSuite != m.suite:
		return fmt.Errorf("suite %v, want %v", facts.CipherSuite, m.suite)
	case !facts.ExtendedMasterSecret:
		return fmt.Errorf("no extended master secret")
	case m.psk:
		return judgePSK(server, facts, identity)
	case m.anonymous:
		return judgeAnonymous(f, server, facts, identity)
	}
	mine, theirs, peer := m.client, m.server, f.server
	if server {
		mine, theirs, peer = m.server, m.client, f.client
	}
	switch {
	case facts.Group != dtls.GroupSecp256r1 && facts.Group != dtls.GroupX25519:
		return fmt.Errorf("group %v", facts.Group)
	case facts.LocalCertType != mine || facts.PeerCertType != theirs:
		return fmt.Errorf("certificate types: ours %v, the peer's %v, want %v and %v",
			facts.LocalCertType, facts.PeerCertType, mine, theirs)
	case facts.SignatureScheme == 0 || facts.LocalSignatureScheme == 0:
		return fmt.Errorf("signatures: the peer's %v, ours %v: one is missing", facts.SignatureScheme, facts.LocalSignatureScheme)
	case theirs == dtls.CertRawPublicKey && !bytes.Equal(facts.PeerRawKey, peer.key.SPKI):
		return fmt.Errorf("another raw public key than the peer's")
	case theirs == dtls.CertX509 && (len(facts.PeerChain) == 0 || !facts.PeerChain[0].Equal(peer.cert)):
		return fmt.Errorf("another certificate than the peer's")
	case theirs == dtls.CertRawPublicKey && identity.Name() != keys.NameOf(peer.key.SPKI, keys.SHA256_120).String():
		return fmt.Errorf("identity %v", identity)
	case identity.Anonymous():
		return fmt.Errorf("the peer is anonymous")
	}
	return nil
}

// judgeAnonymous: the client knows the server by its key, and the server knows
// nothing of the client.
func judgeAnonymous(f *files, server bool, facts *dtls.Facts, identity security.Identity) error {
	switch {
	case server && (!identity.Anonymous() || facts.PeerRawKey != nil || facts.PeerChain != nil):
		return fmt.Errorf("the client is known as %v", identity)
	case server && facts.LocalCertType != dtls.CertRawPublicKey:
		return fmt.Errorf("our certificate type is %v", facts.LocalCertType)
	case server:
		return nil
	case facts.PeerCertType != dtls.CertRawPublicKey || !bytes.Equal(facts.PeerRawKey, f.server.key.SPKI):
		return fmt.Errorf("another raw public key than the server's")
	case identity.Name() != keys.NameOf(f.server.key.SPKI, keys.SHA256_120).String():
		return fmt.Errorf("identity %v", identity)
	}
	return nil
}

// judgePSK: a server knows its client by the identity; what a client knows of
// its server is that it has the key.
func judgePSK(server bool, facts *dtls.Facts, identity security.Identity) error {
	switch {
	case string(facts.PSKIdentity) != pskIdentity:
		return fmt.Errorf("PSK identity %q, want %q", facts.PSKIdentity, pskIdentity)
	case identity.Mode() != security.PreSharedKey:
		return fmt.Errorf("mode %v", identity.Mode())
	case server && identity.Name() != pskIdentity:
		return fmt.Errorf("identity %v", identity)
	}
	return nil
}
