// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/x509"
	"slices"

	"github.com/coaps-go/coaps/security/keys"
)

// Identity is what a peer has proved of itself. Only a Policy makes one that
// names somebody, and only of a peer that it has verified; the zero Identity is
// a peer that has proved nothing.
//
// Who a peer is takes mode and name together: a pre-shared key's identity is
// chosen freely and may read like the name of a key.
type Identity struct {
	mode       Mode
	name       string
	psk        []byte
	rawKey     []byte
	chain      []*x509.Certificate
	unverified bool
}

// Mode returns the security mode of the peer's session. It can be other than
// NoSec for an anonymous peer: a client that showed no key to a server that
// showed one.
func (i Identity) Mode() Mode { return i.mode }

// Name returns a printable name: the identity of a pre-shared key as text, or
// as 0x and hexadecimal where it is no printable text; the ni URI (sha-256-120,
// RFC 7252 §9.1.3.2.1) of a raw public key; the name in a certificate (see
// keys.CertificateName). It is "" for an anonymous peer. The name of a peer
// that a client of package insecure did not verify begins with "unverified ".
func (i Identity) Name() string {
	if i.unverified && i.name != "" {
		return "unverified " + i.name
	}
	return i.name
}

// Anonymous reports whether the peer has proved nothing.
func (i Identity) Anonymous() bool { return i.name == "" }

// Verified reports whether the peer is who Name says. It is false for an
// anonymous peer, and for a server that was believed without a check.
func (i Identity) Verified() bool { return i.name != "" && !i.unverified }

// PSKIdentity returns a copy of the identity of the pre-shared key that the
// peer has, nil in other modes.
func (i Identity) PSKIdentity() []byte { return slices.Clone(i.psk) }

// RawPublicKey returns a copy of the DER SubjectPublicKeyInfo that the peer
// holds the private key of, nil in other modes.
func (i Identity) RawPublicKey() []byte { return slices.Clone(i.rawKey) }

// Certificates returns the chain that the peer showed, its own first, nil in
// other modes.
func (i Identity) Certificates() []*x509.Certificate { return slices.Clone(i.chain) }

// String returns mode and name, for logs.
func (i Identity) String() string {
	if i.Anonymous() {
		return i.mode.String() + " (anonymous)"
	}
	return i.mode.String() + " " + i.Name()
}

func pskIdentity(identity []byte) Identity {
	// Not nil even if empty, so that PSKIdentity can be told from none.
	copied := append([]byte{}, identity...)
	return Identity{mode: PreSharedKey, name: keys.PrintableIdentity(identity), psk: copied}
}

func rawKeyIdentity(spki []byte) Identity {
	return Identity{mode: RawPublicKey, name: keys.NameOf(spki, keys.SHA256_120).String(), rawKey: slices.Clone(spki)}
}

func certificateIdentity(chain []*x509.Certificate) Identity {
	return Identity{mode: Certificate, name: keys.CertificateName(chain[0]), chain: slices.Clone(chain)}
}
