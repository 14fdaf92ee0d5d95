// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// KeyPair is a raw public key (RFC 7250) with its private half.
type KeyPair struct {
	// Signer signs with the private key: ECDSA on P-256 or P-384, or Ed25519.
	// Jobs call it, so it must be safe for use by several goroutines.
	Signer crypto.Signer
	// SPKI is the DER of the SubjectPublicKeyInfo that the peer is shown.
	SPKI []byte
}

// Format prints no secrets, whatever the verb: a Signer may be the private
// key itself.
func (KeyPair) Format(f fmt.State, _ rune) { io.WriteString(f, "dtls.KeyPair") }

// Chain is a certificate chain with the private key of its leaf.
type Chain struct {
	DER    [][]byte          // leaf first, as sent; the root may be absent
	Leaf   *x509.Certificate // DER[0], parsed
	Signer crypto.Signer     // as in KeyPair; RSA too

	// OCSP, if set, returns the OCSP response about the leaf (RFC 6960, DER)
	// that a server shows to clients which ask for one (RFC 6066 §8), nil if
	// there is none that is fresh. It is called once a handshake, must not
	// block, and may be called by several goroutines; what it returned must not
	// change any more.
	OCSP func() []byte
}

// Format prints no secrets, whatever the verb.
func (Chain) Format(f fmt.State, _ rune) { io.WriteString(f, "dtls.Chain") }

// Credentials is what one side can show, and what it takes from the other.
type Credentials struct {
	// PSK says that pre-shared keys may be used; the key itself is asked for
	// by a WantPSK event. PSKHint is a server's hint (RFC 4279 §2), nil for
	// none.
	PSK     bool
	PSKHint []byte

	RawKey *KeyPair // nil: no raw public key to show
	Chains []Chain  // in order of preference; empty: no certificate to show

	// AcceptRawKeys and AcceptCertificates are the types of key taken from
	// the peer. On a server either one causes a CertificateRequest.
	AcceptRawKeys, AcceptCertificates bool
	// RequirePeerKey makes a server end the handshake with a client that
	// shows no key. A client always requires the server's.
	RequirePeerKey bool
	// Authorities are the DER distinguished names of a CertificateRequest
	// (RFC 5246 §7.4.4).
	Authorities [][]byte

	// AskOCSP has a client that accepts certificates ask the server for an OCSP
	// response about its own (RFC 6066 §8), which Facts then holds if there was
	// one. Whoever gives the verdict checks it.
	AskOCSP bool
}

// Facts is what a handshake has established. On a session that is not yet
// established it holds what is known so far, which nothing has yet proved.
type Facts struct {
	Version     wire.Version
	CipherSuite wire.CipherSuite
	Group       wire.Group // 0: no ephemeral key exchange
	// SignatureScheme is how the peer proved its key, LocalSignatureScheme
	// how this side did; 0 where it did not.
	SignatureScheme, LocalSignatureScheme wire.SignatureScheme
	ExtendedMasterSecret                  bool
	// PeerCertType and LocalCertType are the negotiated types; they say
	// nothing about whether a certificate was shown.
	PeerCertType, LocalCertType wire.CertType
	// PeerTrusted says that the caller has judged the peer's key or certificate
	// to be good, by ProvideVerdict.
	PeerTrusted bool

	ServerName  string // as sent by the client, lower case; "" for none
	PSKIdentity []byte // not nil if a PSK was used
	PSKHint     []byte

	PeerRawKey []byte              // DER SubjectPublicKeyInfo
	PeerChain  []*x509.Certificate // leaf first
	// OCSP is the OCSP response (DER) that a server showed beside its chain,
	// nil for none. It is there until the verdict.
	OCSP []byte

	// PeerMaxFragment is the largest plaintext in bytes that the peer takes
	// in one record (RFC 6066 §4, RFC 8449 §4).
	PeerMaxFragment int
}
