// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/resource"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// securityReport is what a handshake settled, in the words of the output. Nil
// stands for NoSec.
type securityReport struct {
	version, cipher, group      string
	signature, localSignature   string // how the peer and this side proved their keys
	extendedMasterSecret        bool
	serverName, hint            string
	mode, identity              string // of the peer; identity is empty when it has proved none
	peerCertType, localCertType string
	peerKey                     []byte // DER SubjectPublicKeyInfo
	chain                       []*x509.Certificate
}

// reportPeer collects the facts of a session.
func reportPeer(peer *coaps.Peer) *securityReport {
	if peer.Mode == security.NoSec || peer.Facts == nil {
		return nil
	}
	s := reportFacts(peer.Facts)
	s.mode = peer.Mode.String()
	if !peer.Identity.Anonymous() {
		s.identity = peer.Identity.Name()
	}
	return s
}

// reportFacts collects what a server has said, proved or not. Nil means that it
// has not chosen anything yet.
func reportFacts(facts *dtls.Facts) *securityReport {
	if facts == nil || facts.CipherSuite == 0 {
		return nil
	}
	s := &securityReport{
		version: facts.Version.String(), cipher: facts.CipherSuite.String(),
		extendedMasterSecret: facts.ExtendedMasterSecret,
		serverName:           facts.ServerName, hint: string(facts.PSKHint),
		peerKey: facts.PeerRawKey, chain: facts.PeerChain,
	}
	if facts.Group != 0 {
		s.group = facts.Group.String()
	}
	if facts.SignatureScheme != 0 {
		s.signature = facts.SignatureScheme.String()
		s.peerCertType = facts.PeerCertType.String()
	}
	if facts.LocalSignatureScheme != 0 {
		s.localSignature = facts.LocalSignatureScheme.String()
		s.localCertType = facts.LocalCertType.String()
	}
	if len(s.chain) > 0 {
		s.peerKey = s.chain[0].RawSubjectPublicKeyInfo
	}
	return s
}

// short is the security context as -i shows it: "DTLS 1.2 PSK AES-128-CCM-8".
func (s *securityReport) short() string {
	if s == nil {
		return "NoSec"
	}
	return s.version + " " + shortMode(s.mode) + " " + resource.CipherName(s.cipher)
}

func shortMode(mode string) string {
	for _, m := range []security.Mode{security.PreSharedKey, security.RawPublicKey, security.Certificate} {
		if m.String() == mode {
			return resource.ModeName(m)
		}
	}
	return mode
}

// sentence is the line of -v.
func (s *securityReport) sentence() string {
	text := "session: " + s.version + " " + s.cipher
	if s.group != "" {
		text += " " + s.group
	}
	text += ", peer " + s.mode
	if s.identity != "" {
		text += " " + s.identity
	}
	return text
}

// names are the forms of the peer's public key, nil with a shared key.
func (s *securityReport) names() []keys.Form {
	if len(s.peerKey) == 0 {
		return nil
	}
	return keys.Forms(s.peerKey)
}

// jsonDTLS is the "dtls" object of --json.
type jsonDTLS struct {
	Version   string   `json:"version"`
	Cipher    string   `json:"cipher"`
	Group     string   `json:"group,omitempty"`
	Signature string   `json:"signature,omitempty"`
	EMS       bool     `json:"extended_master_secret"`
	SNI       string   `json:"sni,omitempty"`
	Peer      jsonPeer `json:"peer"`
}

type jsonPeer struct {
	Mode     string `json:"mode,omitempty"` // missing as long as nothing is proved
	Identity string `json:"identity,omitempty"`
}

func (s *securityReport) json() *jsonDTLS {
	if s == nil {
		return nil
	}
	return &jsonDTLS{Version: s.version, Cipher: s.cipher, Group: s.group, Signature: s.signature,
		EMS: s.extendedMasterSecret, SNI: s.serverName, Peer: jsonPeer{Mode: s.mode, Identity: s.identity}}
}

// describeCertificate is one certificate of a chain in one line.
func describeCertificate(c *x509.Certificate) string {
	var names []string
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	text := "subject " + quoteEmpty(c.Subject.String()) + ", issuer " + quoteEmpty(c.Issuer.String()) +
		", until " + c.NotAfter.UTC().Format(time.DateOnly)
	if len(names) > 0 {
		text += ", for " + strings.Join(names, " ")
	}
	return oneLine(text)
}

func quoteEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

// base64DER is how certificates and keys stand in JSON.
func base64DER(der []byte) string { return base64.StdEncoding.EncodeToString(der) }
