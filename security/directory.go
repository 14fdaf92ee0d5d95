// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// Directory knows whose a credential is: the devices that a server is
// provisioned with (RFC 7252 §9). Package registry has one that looks into a
// store. Its methods may be called by many goroutines at once, and must not
// keep the Claim or change it.
type Directory interface {
	// Cached answers from memory, at once: false means that only Fetch can
	// tell.
	Cached(c *Claim, now time.Time) (Entry, bool)
	// Fetch looks where the credentials are kept. It may block until its own
	// timeout is over or ctx ends; its Reason is then
	// dtls.ReasonStoreUnavailable.
	Fetch(ctx context.Context, c *Claim, now time.Time) Entry
}

// Claim is a credential that somebody has shown, by which a Directory finds
// its owner. One of the fields after Host is set. Nothing in it has been proved
// by that, but that a Chain leads to a trust anchor.
type Claim struct {
	// Host is the virtual host, in lower case and without a dot at the end;
	// "" is the default one. Each has a name space of its own.
	Host string

	PSKIdentity []byte              // may be empty, but is then not nil
	RawKey      []byte              // DER SubjectPublicKeyInfo
	Chain       []*x509.Certificate // leaf first, verified
	Token       []byte              // a bearer token, as it was sent
	// Bound says that an issuer in the Chain may name only some devices, which
	// binds its SubjectAltName and not its subject (RFC 5280 §4.2.1.10): who the
	// subject says it is counts only where that issuer is meant by name.
	Bound bool
	// Principal asks whether an owner that was found before is still good:
	// the device or group, and its credential if one is named.
	Principal *Principal
}

// Entry is what a Directory says of a Claim.
type Entry struct {
	Principal
	// Reason is ReasonNone if the credential is good, ReasonUnknownIdentity
	// if it is nobody's, else why it is refused. Principal is set unless it
	// is nobody's or the store is unavailable.
	Reason dtls.Reason
	// Err tells an operator more of the Reason; it may be nil. It is never
	// told to the peer.
	Err error
	// Stale says that the store could not be asked now, and this is what it said
	// when it was asked last. It is good enough for a handshake, and tells nobody
	// that nothing has changed.
	Stale bool
	// Key is the key of a PSK; it is read, not changed, and never wiped.
	Key keys.Secret
	// Nodes are the names of nodes that a PSK may be used with (RFC 7252 §9);
	// empty: all.
	Nodes []string
}
