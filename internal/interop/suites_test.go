// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// What is not mandatory, with the peers that know it: every other cipher
// suite, group, kind of key and signature, in both roles.

// choice is one case: what both sides are told to use.
type choice struct {
	cipher string           // OpenSSL's name
	suite  dtls.CipherSuite // IANA's number
	key    string           // "" for a PSK
	group  string           // OpenSSL's name; "" leaves the default
	scheme string           // how both sides sign; OpenSSL's name, "" leaves the default
	want   dtls.SignatureScheme
	issuer string // kind of the CA's signature; "" for ECDSA
}

var choices = []choice{
	{cipher: "PSK-AES128-CCM", suite: 0xC0A4},
	{cipher: "PSK-AES128-GCM-SHA256", suite: 0x00A8},
	{cipher: "PSK-AES256-GCM-SHA384", suite: 0x00A9},
	{cipher: "PSK-CHACHA20-POLY1305", suite: 0xCCAB},
	{cipher: "ECDHE-PSK-CHACHA20-POLY1305", suite: 0xCCAC, group: "X25519"},
	{cipher: "ECDHE-PSK-CHACHA20-POLY1305", suite: 0xCCAC, group: "P-384"},
	{cipher: "ECDHE-ECDSA-AES128-CCM", suite: 0xC0AC, key: "P-256"},
	{cipher: "ECDHE-ECDSA-AES128-GCM-SHA256", suite: 0xC02B, key: "P-256", group: "X25519"},
	{cipher: "ECDHE-ECDSA-AES256-GCM-SHA384", suite: 0xC02C, key: "P-384", group: "P-384", scheme: "ECDSA+SHA384", want: 0x0503},
	{cipher: "ECDHE-ECDSA-CHACHA20-POLY1305", suite: 0xCCA9, key: "P-256", issuer: "RSA-PSS-SHA256"},
	{cipher: "ECDHE-ECDSA-AES128-CCM8", suite: 0xC0AE, key: "P-256", issuer: "RSA-SHA384"},
	{cipher: "ECDHE-RSA-AES128-GCM-SHA256", suite: 0xC02F, key: "RSA", want: 0x0804},
	{cipher: "ECDHE-RSA-AES256-GCM-SHA384", suite: 0xC030, key: "RSA", scheme: "RSA+SHA256", want: 0x0401, issuer: "RSA-SHA512"},
	{cipher: "ECDHE-RSA-CHACHA20-POLY1305", suite: 0xCCA8, key: "RSA", scheme: "RSA+SHA512", want: 0x0601, issuer: "RSA-PSS-SHA512"},
	{cipher: "ECDHE-RSA-AES128-GCM-SHA256", suite: 0xC02F, key: "RSA", scheme: "RSA-PSS+SHA384", want: 0x0805, issuer: "RSA-PSS-SHA384"},
}

func (c choice) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{c.cipher, c.key, c.group, c.scheme, c.issuer}, " ")), "_")
}

// owner is a key of any kind with its certificate, for us and for the peers.
type owner struct {
	signer            crypto.Signer
	cert, ca          *x509.Certificate
	certFile, keyFile string
	pubFile, caFile   string
}

func newSigner(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var issuers = map[string]x509.SignatureAlgorithm{
	"": x509.ECDSAWithSHA256, "RSA-SHA384": x509.SHA384WithRSA, "RSA-SHA512": x509.SHA512WithRSA,
	"RSA-PSS-SHA256": x509.SHA256WithRSAPSS, "RSA-PSS-SHA384": x509.SHA384WithRSAPSS, "RSA-PSS-SHA512": x509.SHA512WithRSAPSS,
}

// newOwner makes a key and lets a new CA certify it.
func newOwner(t *testing.T, f *files, kind, issuer string) *owner {
	t.Helper()
	caKey := newSigner(t, map[bool]string{true: "P-256", false: "RSA"}[issuer == ""])
	o := &owner{signer: newSigner(t, kind)}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: issuers[issuer],
	}
	root.Subject.CommonName = "CA " + issuer
	o.ca = certify(t, root, root, caKey, caKey)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: issuers[issuer],
	}
	leaf.Subject.CommonName = kind
	o.cert = certify(t, leaf, o.ca, o.signer, caKey)
	pair, err := keys.NewKeyPair(o.signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := keys.MarshalPrivate(pair)
	if err != nil {
		t.Fatal(err)
	}
	o.caFile = f.write(t, "own-ca.pem", keys.MarshalCertificates(o.ca))
	o.certFile = f.write(t, "own.pem", keys.MarshalCertificates(o.cert))
	o.keyFile = f.write(t, "own.key", private)
	o.pubFile = f.write(t, "own.pub", keys.MarshalPublic(pair.SPKI))
	return o
}

func certify(t *testing.T, template, parent *x509.Certificate, key, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// chosen is our security for a case: its suite, group and signatures alone.
func (c choice) chosen(t *testing.T, f *files, o *owner) *security.Config {
	t.Helper()
	s := config(t, f, mode{psk: c.key == "", suite: c.suite, client: dtls.CertX509, server: dtls.CertX509}, false)
	if c.key != "" {
		s.Chains = []dtls.Chain{{DER: [][]byte{o.cert.Raw}, Leaf: o.cert, Signer: o.signer}}
		s.Trust = keys.NewTrust([]*x509.Certificate{o.ca})
	}
	if c.group != "" {
		s.Groups = []dtls.Group{c.wantGroup(), dtls.GroupSecp256r1}
	}
	if c.scheme != "" {
		s.SignatureSchemes = []dtls.SignatureScheme{c.want}
	}
	return s
}

func (c choice) wantGroup() dtls.Group {
	return map[string]dtls.Group{"": dtls.GroupSecp256r1, "X25519": dtls.GroupX25519, "P-384": dtls.GroupSecp384r1}[c.group]
}

// openssl is the command line of a case.
func (c choice) openssl(o *owner, role string) []string {
	args := []string{role, "-dtls1_2", "-cipher", c.cipher + ":@SECLEVEL=0", "-keymatexport", exportLabel, "-keymatexportlen", "20"}
	if c.key == "" {
		args = append(args, "-psk", pskHex, "-psk_identity", pskIdentity)
	} else {
		args = append(args, "-cert", o.certFile, "-key", o.keyFile, "-CAfile", o.caFile, "-verify_return_error")
	}
	if c.group != "" {
		args = append(args, "-groups", c.group+":P-256")
	}
	if c.scheme != "" {
		args = append(args, "-sigalgs", c.scheme, "-client_sigalgs", c.scheme)
	}
	return args
}

const exportLabel = "EXPORTER-coaps-interop"

// TestSuites holds a conversation with OpenSSL in each choice and both roles,
// and compares what was negotiated with the choice, and what both sides export
// (RFC 5705) with each other.
func TestSuites(t *testing.T) {
	t.Parallel()
	for _, c := range choices {
		for _, role := range []string{"we ask", "we serve"} {
			t.Run(c.String()+"/"+role, func(t *testing.T) {
				need(t, "openssl")
				ctx := parallel(t)
				f := newFiles(t)
				o := &owner{}
				if c.key != "" {
					o = newOwner(t, f, c.key, c.issuer)
				}
				if role == "we ask" {
					c.ask(ctx, t, f, o)
				} else {
					c.serve(ctx, t, f, o)
				}
			})
		}
	}
}

func (c choice) ask(ctx context.Context, t *testing.T, f *files, o *owner) {
	port := freePort(t)
	args := append(c.openssl(o, "s_server"), "-accept", fmt.Sprintf("127.0.0.1:%d", port))
	if c.key == "" {
		args = append(args, "-nocert")
	} else {
		args = append(args, "-Verify", "1")
	}
	proc := start(ctx, t, nil, "openssl", args...)
	awaitPort(ctx, t, proc, port)
	u := dialTunnel(t, clientPolicy(t, c.chosen(t, f, o), port), dtls.Timers{}, 0, port)
	c.check(ctx, t, o, u, proc)
	insist(ctx, t, func() { u.send("up to the server\n") }, func() bool { return proc.shows("up to the server") })
}

func (c choice) serve(ctx context.Context, t *testing.T, f *files, o *owner) {
	u := serveTunnel(t, serverPolicy(t, c.chosen(t, f, o)), dtls.Timers{}, 0)
	args := append(c.openssl(o, "s_client"), "-connect", fmt.Sprintf("127.0.0.1:%d", u.port()))
	proc := start(ctx, t, nil, "openssl", args...)
	c.check(ctx, t, o, u, proc)
	insist(ctx, t, func() { proc.say("there and back") }, func() bool { return proc.shows(`(?m)^there and back`) })
}

// check compares the session with the choice, and its exporter with the peer's.
func (c choice) check(ctx context.Context, t *testing.T, o *owner, u *tunnel, proc *process) {
	t.Helper()
	n, ok := u.await(ctx, dtls.EventEstablished)
	if !ok {
		t.Fatalf("no session: %v", n.failure())
	}
	facts := n.facts
	if facts.CipherSuite != c.suite || !facts.ExtendedMasterSecret {
		t.Errorf("suite %v, extended master secret %v", facts.CipherSuite, facts.ExtendedMasterSecret)
	}
	if strings.HasPrefix(c.cipher, "ECDHE") && facts.Group != c.wantGroup() {
		t.Errorf("group %v, want %v", facts.Group, c.wantGroup())
	}
	if c.key != "" && (len(facts.PeerChain) == 0 || !facts.PeerChain[0].Equal(o.cert)) {
		t.Error("another certificate than the peer's")
	}
	if c.want != 0 && (facts.SignatureScheme != c.want || facts.LocalSignatureScheme != c.want) {
		t.Errorf("signatures: the peer's %v, ours %v, want %v", facts.SignatureScheme, facts.LocalSignatureScheme, c.want)
	}
	shown := regexp.MustCompile(`Keying material: ([0-9A-F]{40})`)
	if !proc.await(ctx, shown.String()) {
		t.Fatal("the peer exports nothing")
	}
	if ours, theirs := u.export(t), shown.FindStringSubmatch(proc.text())[1]; !strings.EqualFold(ours, theirs) {
		t.Errorf("we export %s, the peer %s", ours, theirs)
	}
}

// export is the keying material of the tunnel's one session, in hexadecimal.
func (u *tunnel) export(t *testing.T) string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		octets, err := s.Export(exportLabel, nil, 20)
		if err != nil {
			t.Error(err)
		}
		return hex.EncodeToString(octets)
	}
	return ""
}

// TestEd25519 is certificates and raw public keys of Ed25519 in both roles,
// with GnuTLS: OpenSSL 3.0 has them in TLS and not in DTLS.
func TestEd25519(t *testing.T) {
	t.Parallel()
	const priority = "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-X25519:+GROUP-SECP256R1:+COMP-NULL"
	for _, kind := range []dtls.CertType{dtls.CertX509, dtls.CertRawPublicKey} {
		for _, role := range []string{"we ask", "we serve"} {
			t.Run(fmt.Sprintf("%v/%s", kind, role), func(t *testing.T) {
				need(t, "gnutls-serv", "gnutls-cli")
				ctx := parallel(t)
				f := newFiles(t)
				o := newOwner(t, f, "Ed25519", "")
				s := choice{suite: 0xC02B, key: "Ed25519"}.chosen(t, f, o)
				args := []string{"--udp", "--x509keyfile=" + o.keyFile, "--x509certfile=" + o.certFile, "--x509cafile=" + o.caFile, "--priority=" + priority}
				if kind == dtls.CertRawPublicKey {
					s = &security.Config{CipherSuites: s.CipherSuites, Pins: &keys.Pins{}}
					s.RawKey, _ = keys.NewKeyPair(o.signer)
					s.Pins.AddKey(s.RawKey.SPKI)
					args = []string{"--udp", "--rawpkkeyfile=" + o.keyFile, "--rawpkfile=" + o.pubFile, "--priority=" + priority + ":+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK"}
				}
				checkEd25519(ctx, t, s, kind, role == "we ask", args)
			})
		}
	}
}

func checkEd25519(ctx context.Context, t *testing.T, s *security.Config, kind dtls.CertType, weAsk bool, args []string) {
	var u *tunnel
	if weAsk {
		port := freePort(t)
		proc := start(ctx, t, nil, "gnutls-serv", append(args, "--echo", "-r", "-p", fmt.Sprint(port))...)
		awaitPort(ctx, t, proc, port)
		u = dialTunnel(t, clientPolicy(t, s, port), dtls.Timers{}, 0, port)
	} else {
		u = serveTunnel(t, serverPolicy(t, s), dtls.Timers{}, 0)
		host := map[bool][]string{true: {"localhost"}, false: {"--insecure", "127.0.0.1"}}[kind == dtls.CertX509]
		start(ctx, t, nil, "gnutls-cli", append(append(args, "-p", fmt.Sprint(u.port())), host...)...)
	}
	n, ok := u.await(ctx, dtls.EventEstablished)
	if !ok {
		t.Fatalf("no session: %v", n.failure())
	}
	const ed25519 dtls.SignatureScheme = 0x0807
	if f := n.facts; f.SignatureScheme != ed25519 || f.LocalSignatureScheme != ed25519 || f.PeerCertType != kind || f.LocalCertType != kind {
		t.Errorf("signatures %v and %v, types %v and %v", f.SignatureScheme, f.LocalSignatureScheme, f.PeerCertType, f.LocalCertType)
	}
}
