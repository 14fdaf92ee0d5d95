// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// The files of the demonstration's directory. Keys are kept over restarts,
// certificates are issued anew each time, so that they never expire.
const (
	demoIdentity  = "demo"
	filePSK       = "demo.psk" // IDENTITY:HEXKEY
	fileKey       = "demo.key" // the same key as text, for tools that take no other form
	fileServerKey = "server.key"
	fileServerPub = "server.pub"
	fileServerCrt = "server.crt"
	fileClientKey = "client.key"
	fileClientPub = "client.pub"
	fileClientCrt = "client.crt"
	fileCAKey     = "ca.key"
	fileCACrt     = "ca.crt"
)

// demoMaterial is what the demonstration shows and believes.
type demoMaterial struct {
	dir       string
	temporary bool
	psk       keys.PSK
	server    *dtls.KeyPair
	client    *dtls.KeyPair
	ca        *keys.CA
	chain     dtls.Chain // the server's
}

// makeMaterial fills a directory, or uses what is in it. Without a name it makes
// a temporary one.
func makeMaterial(dir string, names []keys.Authority) (*demoMaterial, error) {
	m := new(demoMaterial)
	var err error
	if dir == "" {
		m.temporary = true
		if m.dir, err = os.MkdirTemp("", "coaps-"); err != nil {
			return nil, fail("file_unwritable", "cannot make a directory for the demonstration's keys", "%v", rootCause(err)).because(err)
		}
	} else if m.dir, err = keptDirectory(dir); err != nil {
		return nil, fail("file_unwritable", "cannot make "+dir, "%v", rootCause(err)).because(err)
	}
	if err := m.fill(names); err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

// keptDirectory makes a directory, and its name good for any other terminal.
func keptDirectory(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// path is where a file of the demonstration is.
func (m *demoMaterial) path(name string) string { return filepath.Join(m.dir, name) }

func (m *demoMaterial) fill(names []keys.Authority) error {
	if err := m.fillPSK(); err != nil {
		return err
	}
	var err error
	if m.server, err = m.keyPair(fileServerKey); err != nil {
		return err
	}
	if m.client, err = m.keyPair(fileClientKey); err != nil {
		return err
	}
	if m.ca, err = m.authority(); err != nil {
		return err
	}
	return m.issueAll(names)
}

// fillPSK reads or makes the shared key.
func (m *demoMaterial) fillPSK() error {
	path := m.path(filePSK)
	psks, err := keys.LoadPSKFile(path)
	if err == nil && len(psks) == 1 {
		m.psk = psks[0]
		return m.writeTextKey()
	}
	if err == nil {
		return fail("bad_credential_file", "cannot use "+path, "the demonstration has one shared key, this file has %d", len(psks)).
			try("another directory, or --psk-file %s without --keep", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fileFailure("cannot read the shared key", path, err)
	}
	// A key of text, at least 128 bits strong: libcoap takes no other.
	if m.psk, err = keys.NewPSK([]byte(demoIdentity), []byte(rand.Text())); err != nil {
		return asFailure("cannot make a key", err)
	}
	if err := writeSecret(path, keys.AppendPSKLine(nil, m.psk)); err != nil {
		return err
	}
	return m.writeTextKey()
}

// writeTextKey keeps the two files of the shared key together.
func (m *demoMaterial) writeTextKey() error {
	path := m.path(fileKey)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail("file_unwritable", "cannot write "+path, "%v", rootCause(err)).because(err)
	}
	return writeSecret(path, append(slices.Clone(m.psk.Key.Bytes()), '\n'))
}

// keyPair reads or makes a private key.
func (m *demoMaterial) keyPair(name string) (*dtls.KeyPair, error) {
	path := m.path(name)
	pair, err := keys.LoadKeyPair(path)
	if err == nil {
		return pair, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fileFailure("cannot read the key", path, err)
	}
	if pair, err = keys.NewKey(rand.Reader); err != nil {
		return nil, asFailure("cannot make a key", err)
	}
	return pair, writePair(path, pair)
}

func writePair(path string, pair *dtls.KeyPair) error {
	text, err := keys.MarshalKeyFile(pair)
	if err != nil {
		return asFailure("cannot make a key", err)
	}
	defer clear(text)
	return writeSecret(path, text)
}

// How long the demonstration's certificates hold.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	nodeLife = 90 * 24 * time.Hour
)

// authority reads or makes the CA.
func (m *demoMaterial) authority() (*keys.CA, error) {
	path := m.path(fileCACrt)
	certificates, err := keys.LoadCertificates(path)
	if err == nil {
		pair, err := m.keyPair(fileCAKey)
		return &keys.CA{Certificate: certificates[0], Key: pair}, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fileFailure("cannot read the CA", path, err)
	}
	ca, err := keys.NewCA(rand.Reader, "coaps demonstration CA", time.Now(), caLife)
	if err != nil {
		return nil, asFailure("cannot make a CA", err)
	}
	if err := writePair(m.path(fileCAKey), ca.Key); err != nil {
		return nil, err
	}
	return ca, writePublic(path, keys.MarshalCertificates(ca.Certificate))
}

// issueAll writes the certificates and the public halves.
func (m *demoMaterial) issueAll(names []keys.Authority) error {
	now := time.Now()
	var err error
	if m.chain, err = m.ca.IssueServer(rand.Reader, m.server, names, now, nodeLife); err != nil {
		return asFailure("cannot make the server's certificate", err)
	}
	client, err := m.ca.IssueClient(rand.Reader, m.client, demoIdentity, now, nodeLife)
	if err != nil {
		return asFailure("cannot make the client's certificate", err)
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{fileServerCrt, keys.MarshalCertificates(m.chain.Leaf)},
		{fileClientCrt, keys.MarshalCertificates(client.Leaf)},
		{fileServerPub, keys.MarshalPublic(m.server.SPKI)},
		{fileClientPub, keys.MarshalPublic(m.client.SPKI)},
	} {
		if err := writePublic(m.path(file.name), file.content); err != nil {
			return err
		}
	}
	return nil
}

// writePublic replaces a file that holds no secret.
func writePublic(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fail("file_unwritable", "cannot write "+path, "%v", rootCause(err)).because(err)
	}
	return nil
}

// serverConfig serves every mode at once.
func (m *demoMaterial) serverConfig() (*security.Config, error) {
	psks, err := keys.NewPSKMap(m.psk)
	if err != nil {
		return nil, asFailure("cannot use the shared key", err)
	}
	pins := new(keys.Pins)
	pins.AddKey(m.client.SPKI)
	return &security.Config{PSK: psks, RawKey: m.server, Chains: []dtls.Chain{m.chain},
		Pins: pins, Trust: keys.NewTrust([]*x509.Certificate{m.ca.Certificate})}, nil
}
