// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// The mandatory cipher suites (RFC 7252 section 9.1.3). Clients offer the one
// of their mode and nothing else, so every server negotiates the same.
const (
	pskSuite   dtls.CipherSuite = 0xC0A8 // TLS_PSK_WITH_AES_128_CCM_8
	ecdsaSuite dtls.CipherSuite = 0xC0AE // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
)

// Security modes as the programs here are told of them.
const (
	modePSK  = "psk"
	modeRPK  = "rpk"  // mutual
	modeCert = "cert" // mutual
)

// What all clients have in common, as libcoap's server knows one key for all.
const (
	pskIdentity = "bench"
	pskKey      = "secretPSK-secretPSK"
	hostName    = "localhost"
)

// Files of a folder of keys.
const (
	caFile        = "ca.pem"
	serverChain   = "server.pem"
	serverKey     = "server.key"
	serverKeyFile = "rpk_server.pem" // private and public key, as libcoap's -M wants them
	clientChain   = "client.pem"
	clientKey     = "client.key"
)

const lifetime = 48 * time.Hour

// writeMaterial fills a folder with fresh keys for both ends.
func writeMaterial(dir string) error {
	now := time.Now().Add(-time.Hour)
	ca, err := keys.NewCA(rand.Reader, "bench CA", now, lifetime)
	if err != nil {
		return err
	}
	server, err := keys.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	client, err := keys.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	serverCerts, err := ca.IssueServer(rand.Reader, server, []keys.Authority{{Host: hostName}, {Host: "127.0.0.1"}}, now, lifetime)
	if err != nil {
		return err
	}
	clientCerts, err := ca.IssueClient(rand.Reader, client, "bench client", now, lifetime)
	if err != nil {
		return err
	}
	w := writer{dir: dir}
	w.public(caFile, keys.MarshalCertificates(ca.Certificate))
	w.public(serverChain, keys.MarshalCertificates(serverCerts.Leaf))
	w.public(clientChain, keys.MarshalCertificates(clientCerts.Leaf))
	w.secret(serverKey, server, keys.MarshalPrivate)
	w.secret(clientKey, client, keys.MarshalPrivate)
	w.secret(serverKeyFile, server, keys.MarshalKeyFile)
	w.public(gnutlsConfig, []byte(gnutlsNarrow))
	return w.err
}

// A writer writes files until one fails.
type writer struct {
	dir string
	err error
}

func (w *writer) public(name string, data []byte) {
	if w.err == nil {
		w.err = keys.WriteFile(filepath.Join(w.dir, name), data)
	}
}

func (w *writer) secret(name string, pair *dtls.KeyPair, marshal func(*dtls.KeyPair) ([]byte, error)) {
	if w.err != nil {
		return
	}
	var data []byte
	if data, w.err = marshal(pair); w.err == nil {
		w.err = keys.WriteSecretFile(filepath.Join(w.dir, name), data)
	}
}

// material is what one end shows and whom it believes.
type material struct {
	own   dtls.Chain
	peer  *keys.Pins
	trust *keys.Trust
	psk   keys.PSK
}

func readMaterial(dir string, server bool) (*material, error) {
	chain, key, peer := clientChain, clientKey, serverChain
	if server {
		chain, key, peer = serverChain, serverKey, clientChain
	}
	own, err := keys.LoadChain(filepath.Join(dir, chain), filepath.Join(dir, key))
	if err != nil {
		return nil, err
	}
	ca, err := keys.LoadCertificates(filepath.Join(dir, caFile))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, peer))
	if err != nil {
		return nil, err
	}
	spki, err := keys.ParsePublicKey(text)
	if err != nil {
		return nil, err
	}
	m := &material{own: own, peer: &keys.Pins{}, trust: keys.NewTrust([]*x509.Certificate{ca[0]})}
	m.peer.AddKey(spki)
	m.psk, err = keys.NewPSK([]byte(pskIdentity), []byte(pskKey))
	return m, err
}

// rawKey is the key pair of the end without its certificate.
func (m *material) rawKey() (*dtls.KeyPair, error) { return keys.NewKeyPair(m.own.Signer) }

// client is the configuration of a client in a mode.
func (m *material) client(mode string) (*security.Config, error) {
	switch mode {
	case modePSK:
		return &security.Config{ClientPSK: &m.psk, CipherSuites: []dtls.CipherSuite{pskSuite}}, nil
	case modeRPK:
		pair, err := m.rawKey()
		return &security.Config{RawKey: pair, Pins: m.peer, CipherSuites: []dtls.CipherSuite{ecdsaSuite}}, err
	case modeCert:
		return &security.Config{Chains: []dtls.Chain{m.own}, Trust: m.trust, CipherSuites: []dtls.CipherSuite{ecdsaSuite}}, nil
	}
	return nil, fmt.Errorf("there is no mode %q", mode)
}

// server is the configuration of a server for all modes on one port.
func (m *material) server() (*security.Config, error) {
	pair, err := m.rawKey()
	if err != nil {
		return nil, err
	}
	psks, err := keys.NewPSKMap(m.psk)
	return &security.Config{PSK: psks, RawKey: pair, Chains: []dtls.Chain{m.own}, Pins: m.peer, Trust: m.trust}, err
}

// gnutlsConfig is the name of the file that leaves GnuTLS the mandatory suites
// alone.
const gnutlsConfig = "gnutls.cfg"

const gnutlsNarrow = `[overrides]
tls-disabled-cipher = AES-256-GCM
tls-disabled-cipher = AES-128-GCM
tls-disabled-cipher = CHACHA20-POLY1305
tls-disabled-cipher = AES-256-CCM
tls-disabled-cipher = AES-128-CCM
tls-disabled-cipher = AES-256-CCM-8
tls-disabled-cipher = AES-256-CBC
tls-disabled-cipher = AES-128-CBC
`
