// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

// Device is one device. Its name is unique within its tenant.
type Device struct {
	Name, Tenant string
	Label        string // for people
	Groups       []string
	Disabled     bool
	// NotBefore and NotAfter bound the time of the device, both ends
	// included; zero: no bound. They are kept in seconds.
	NotBefore, NotAfter time.Time
	Credentials         []Credential
	// LastID is the last number that a credential got as its ID, so that none
	// gets it a second time.
	LastID int

	Created, Changed time.Time // set by the Registry
	Version          uint64    // of the record
}

// Group is a group of devices that has credentials of its own: a pre-shared key
// that its members share proves membership, and not who it is (RFC 7252 §9). A
// group that has none needs no record: Device.Groups is enough.
type Group struct {
	Name, Tenant string
	Label        string
	Disabled     bool // its credentials are refused; its members are not
	Credentials  []Credential
	LastID       int

	Created, Changed time.Time
	Version          uint64
}

// Credential is one way of proving to be the device: exactly one of PSK, RPK,
// Certificate and Token is set. Any number may be good at a time, so that keys
// can be changed without a gap.
type Credential struct {
	ID                  string // unique within the owner; the Registry gives a number if it is ""
	PSK                 *PSK
	RPK                 *RPK
	Certificate         *Certificate
	Token               *Token
	NotBefore, NotAfter time.Time // both ends included, in seconds
	Disabled            bool
	Host                string // the virtual host that it is for, "" is the default one
	Created             time.Time
}

// PSK is a pre-shared key.
type PSK struct {
	// Identity is what is sent, a tenant after a separator included. It may be
	// empty; nil stands for the name of the owner.
	Identity []byte
	Key      keys.Secret
	// Nodes are the names of the nodes that it may be used with (RFC 7252 §9);
	// none: all.
	Nodes []string
}

// RPK is a raw public key: its name, the key, or both.
type RPK struct {
	Name keys.Name
	SPKI []byte // DER; may be nil
}

// Certificate is what a certificate that leads to a trust anchor must have to
// be the device's: one of Pin, URI, DNS, EUI64 and Subject. Whoever may issue
// certificates under an anchor can put any name into one, and call himself by any
// name: Issuer keeps issuers from getting into each other's way, not apart. What
// does keep one to some names are name constraints in its own certificate (RFC
// 5280 §4.2.1.10). They bind the SubjectAltName alone; EUI64 and Subject of a
// certificate under such an issuer count only if Issuer is set.
type Certificate struct {
	Pin     keys.Name // of its public key
	URI     string    // in the SubjectAltName
	DNS     string    // in the SubjectAltName, in lower case
	EUI64   string    // as Common Name or serial number of the subject: 01-23-45-67-89-AB-CD-EF
	Subject string    // the whole subject, as keys.NamesOf has it
	Issuer  string    // the whole issuer, likewise; "" any
}

// Token is a bearer token, kept as its hash.
type Token struct{ SHA256 []byte }

// Kind is what a credential is: "psk", "rpk", "certificate" or "token".
func (c *Credential) Kind() string {
	switch {
	case c.PSK != nil:
		return "psk"
	case c.RPK != nil:
		return "rpk"
	case c.Certificate != nil:
		return "certificate"
	case c.Token != nil:
		return "token"
	}
	return ""
}

// Clone returns a copy that shares nothing with d but the secrets.
func (d *Device) Clone() Device {
	c := *d
	c.Groups = slices.Clone(d.Groups)
	c.Credentials = cloneCredentials(d.Credentials)
	return c
}

// Clone returns a copy that shares nothing with g but the secrets.
func (g *Group) Clone() Group {
	c := *g
	c.Credentials = cloneCredentials(g.Credentials)
	return c
}

func cloneCredentials(list []Credential) []Credential {
	list = slices.Clone(list)
	for i := range list {
		list[i] = list[i].clone()
	}
	return list
}

func (c Credential) clone() Credential {
	switch {
	case c.PSK != nil:
		psk := *c.PSK
		psk.Identity, psk.Nodes = slices.Clone(psk.Identity), slices.Clone(psk.Nodes)
		c.PSK = &psk
	case c.RPK != nil:
		c.RPK = &RPK{c.RPK.Name, slices.Clone(c.RPK.SPKI)}
	case c.Certificate != nil:
		certificate := *c.Certificate
		c.Certificate = &certificate
	case c.Token != nil:
		c.Token = &Token{slices.Clone(c.Token.SHA256)}
	}
	return c
}
