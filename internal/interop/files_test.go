// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// The pre-shared key of both sides. GnuTLS and OpenSSL take it in
// hexadecimal, libcoap as text.
const (
	pskIdentity = "sensor-7"
	pskText     = "sixteen byte key"
)

var pskHex = hex.EncodeToString([]byte(pskText))

// side is one party's key in all forms: for us as values, for the peers as
// files.
type side struct {
	key   *dtls.KeyPair
	cert  *x509.Certificate
	chain dtls.Chain

	certFile  string // PEM certificate
	keyFile   string // SEC 1
	pkcs8File string // PKCS#8, which GnuTLS wants
	pubFile   string // SubjectPublicKeyInfo
	rpkFile   string // private and public key in one file, which libcoap wants
}

// files is a folder with everything that the peers need.
type files struct {
	dir            string
	ca             *x509.Certificate
	caKey          *ecdsa.PrivateKey
	caFile         string
	client, server side
	pskFile        string // psktool's form
	gnutlsConfig   string // narrows libcoap's GnuTLS to CCM_8
}

// newFiles makes fresh keys and certificates.
func newFiles(t *testing.T) *files {
	t.Helper()
	f := &files{dir: t.TempDir(), caKey: newECKey(t)}
	f.ca = issue(t, "interop CA", f.caKey, nil, f.caKey)
	f.caFile = f.write(t, "ca.pem", keys.MarshalCertificates(f.ca))
	f.client = f.newSide(t, "client")
	f.server = f.newSide(t, "server")
	f.pskFile = f.write(t, "psk.txt", []byte(pskIdentity+":"+pskHex+"\n"))
	f.gnutlsConfig = f.write(t, "gnutls.cfg", []byte(onlyCCM8))
	return f
}

// onlyCCM8 is a GnuTLS configuration that leaves only the CCM_8 ciphers with a
// key of 128 bits, so that libcoap negotiates the mandatory suites.
var onlyCCM8 = func() string {
	lines := []string{"[overrides]"}
	for _, c := range []string{
		"AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305", "AES-256-CCM", "AES-128-CCM", "AES-256-CCM-8",
		"AES-256-CBC", "AES-128-CBC", "CAMELLIA-256-CBC", "CAMELLIA-192-CBC", "CAMELLIA-128-CBC",
		"CAMELLIA-256-GCM", "CAMELLIA-128-GCM", "3DES-CBC",
	} {
		lines = append(lines, "tls-disabled-cipher = "+c)
	}
	return strings.Join(lines, "\n") + "\n"
}()

func (f *files) newSide(t *testing.T, name string) side {
	t.Helper()
	ec := newECKey(t)
	pair, err := keys.NewKeyPair(ec)
	if err != nil {
		t.Fatal(err)
	}
	s := side{key: pair, cert: issue(t, name, ec, f.ca, f.caKey)}
	s.chain = dtls.Chain{DER: [][]byte{s.cert.Raw}, Leaf: s.cert, Signer: ec}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})
	pkcs8, err := keys.MarshalPrivate(pair)
	if err != nil {
		t.Fatal(err)
	}
	public := keys.MarshalPublic(pair.SPKI)
	s.certFile = f.write(t, name+".pem", keys.MarshalCertificates(s.cert))
	s.keyFile = f.write(t, name+".key", private)
	s.pkcs8File = f.write(t, name+".p8.pem", pkcs8)
	s.pubFile = f.write(t, name+".pub.pem", public)
	s.rpkFile = f.write(t, name+".rpk.pem", append(append([]byte{}, private...), public...))
	return s
}

func (f *files) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate; without a parent it is a root.
func issue(t *testing.T, name string, key *ecdsa.PrivateKey, parent *x509.Certificate, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, template.IsCA, template.KeyUsage = template, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		template.URIs = []*url.URL{{Scheme: "coaps", Host: "localhost"}, {Scheme: "coaps", Host: "127.0.0.1"}}
	}
	return certify(t, template, parent, key, signer)
}
