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
	host       string
	whose      Principal
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
//
// A key that more than two share proves membership and no more (RFC 7252 §9):
// then it is "group " and the name of the group. Of a peer that has proved
// nothing but was authorized by the application it is the Principal's name.
func (i Identity) Name() string {
	switch {
	case i.name == "" || i.Group() != "":
		return i.whose.Name()
	case i.unverified:
		return "unverified " + i.name
	}
	return i.name
}

// Anonymous reports whether the peer has proved nothing, neither to DTLS nor to
// the application.
func (i Identity) Anonymous() bool { return i.name == "" && i.whose.IsZero() }

// Verified reports whether the peer is who Name says. It is false for an
// anonymous peer, and for a server that was believed without a check.
func (i Identity) Verified() bool { return !i.Anonymous() && !i.unverified }

// Principal returns whose the credential is, as far as anybody knows.
func (i Identity) Principal() Principal {
	whose := i.whose
	whose.Groups = slices.Clone(whose.Groups)
	whose.Host = i.host
	return whose
}

// Device is the device that the peer is, "" if that is not known or the peer is
// only a member of a Group.
func (i Identity) Device() string { return i.whose.Device }

// Group is the group that the peer has proved to be a member of by a key that
// its members share, and of which it is nobody in particular; else "".
func (i Identity) Group() string {
	if i.whose.Device != "" {
		return ""
	}
	return i.whose.Group
}

// Groups are the groups that the peer is in, its Group included. The slice is
// shared: do not change it.
func (i Identity) Groups() []string {
	if group := i.Group(); group != "" {
		return append(slices.Clip(i.whose.Groups), group)
	}
	return i.whose.Groups
}

// Tenant is the tenant of the Device or Group, "" for none.
func (i Identity) Tenant() string { return i.whose.Tenant }

// Host is the virtual host that the peer has reached, "" for the default one.
func (i Identity) Host() string { return i.host }

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
