// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/hex"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
)

// A reference is what an index record says: whose credential, and which of his.
type reference struct{ owner, credential string }

func (r reference) append(dst []byte) []byte {
	return append(append(append(dst, r.owner...), ' '), r.credential...)
}

func parseReference(value []byte) (reference, bool) {
	owner, credential, ok := strings.Cut(string(value), " ")
	return reference{owner, credential}, ok
}

// shortHash is the part of a key's hash that all names of it share that can be
// pins (RFC 7252 §9.1.3.2.1).
func shortHash(n keys.Name) []byte { return n.Binary()[1 : 1+keys.MinPinBits/8] }

// appendIndexKey appends the key of the one index record that a credential has.
func (c *Credential) appendIndexKey(dst []byte) []byte {
	switch {
	case c.PSK != nil:
		return appendPSKKey(dst, c.Host, c.PSK.Identity)
	case c.RPK != nil:
		return appendHashKey(dst, indexRPK, c.Host, shortHash(c.RPK.Name))
	case c.Token != nil:
		return appendHashKey(dst, indexToken, c.Host, c.Token.SHA256)
	}
	kind, name := c.Certificate.name()
	return appendNameKey(dst, kind, c.Host, c.Certificate.Issuer, name)
}

// name returns by what a certificate is found.
func (c *Certificate) name() (kind, name string) {
	switch {
	case !c.Pin.IsZero():
		return indexPin, hex.EncodeToString(shortHash(c.Pin))
	case c.URI != "":
		return indexURI, c.URI
	case c.DNS != "":
		return indexDNS, c.DNS
	case c.EUI64 != "":
		return indexEUI64, c.EUI64
	}
	return indexSubject, c.Subject
}

// what describes a credential by what it is found by, for people.
func (c *Credential) what() string {
	switch {
	case c.PSK != nil:
		return "PSK identity " + keys.PrintableIdentity(c.PSK.Identity)
	case c.RPK != nil:
		return "raw public key " + c.RPK.Name.String()
	case c.Token != nil:
		return "token " + hex.EncodeToString(c.Token.SHA256[:4]) + "…"
	}
	return "certificate of " + c.Certificate.String()
}

// String returns what a certificate must have to be this one.
func (c *Certificate) String() string {
	text := ""
	switch {
	case !c.Pin.IsZero():
		text = "key " + c.Pin.String()
	case c.URI != "":
		text = "URI " + c.URI
	case c.DNS != "":
		text = "DNS name " + c.DNS
	case c.EUI64 != "":
		text = "EUI-64 " + c.EUI64
	default:
		text = "subject " + c.Subject
	}
	if c.Issuer != "" {
		text += " by " + c.Issuer
	}
	return text
}
