// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto"
	"slices"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// This file holds what a hello decides, as pure functions of the
// configuration, the credentials and the other side's offer.

// ChooseVersion reports whether a client that offers up to the version v can
// be served with DTLS 1.2. DTLS 1.0 is not spoken (RFC 8996).
func ChooseVersion(v wire.Version) bool {
	return v.IsDTLS() && !v.Before(wire.VersionDTLS12)
}

// Offer is what a client's hello offers.
type Offer struct {
	Suites wire.List[wire.CipherSuite]
	wire.ClientExtensions
}

// serverCertTypes is the list of types the client can judge. "If the
// extension is absent" means X.509 (RFC 7250 §3).
func (o *Offer) serverCertTypes() []byte {
	if !o.Present.Has(wire.ExtServerCertType) {
		return []byte{byte(wire.CertX509)}
	}
	return o.ServerCertTypes
}

func (o *Offer) clientCertTypes() []byte {
	if !o.Present.Has(wire.ExtClientCertType) {
		return []byte{byte(wire.CertX509)}
	}
	return o.ClientCertTypes
}

// serverTypeOrder is the order in which to try the types of the server's
// key: the client's, but that a client which can show nothing but a raw
// public key is taken to be in RawPublicKey mode, and gets one if it can judge
// it. Such clients exist that offer X.509 first and have no trust anchor
// (libcoap with -M).
func (o *Offer) serverTypeOrder() []byte {
	types := o.serverCertTypes()
	shows := o.clientCertTypes()
	if len(shows) == 1 && wire.CertType(shows[0]) == wire.CertRawPublicKey && bytes.IndexByte(types, shows[0]) > 0 {
		return append([]byte{shows[0]}, types...)
	}
	return types
}

// hasGroup reports whether the client offers a group. "If a client omits the
// extension, the server is free to choose any" (RFC 8422 §4).
func (o *Offer) hasGroup(g wire.Group) bool {
	return !o.Present.Has(wire.ExtSupportedGroups) || o.Groups.Contains(g)
}

// Showing is a key to show to the peer, and how to sign with it.
type Showing struct {
	Type   wire.CertType
	RawKey []byte   // SPKI, for a raw public key
	Chain  [][]byte // DER, for X.509
	Signer crypto.Signer
	Scheme wire.SignatureScheme
	OCSP   []byte // the response to show beside the chain, nil for none

	ocsp func() []byte
}

// Choice is what a server makes of an offer.
type Choice struct {
	Suite   *suite.Suite
	Group   wire.Group // 0 without ephemeral keys
	Showing *Showing   // nil without certificates
	// AskPeerKey says to send a CertificateRequest; PeerCertType is then the
	// type that the client is to show.
	AskPeerKey   bool
	PeerCertType wire.CertType
}

// ChooseServer picks the first suite of the server's order that client and
// credentials can both fulfil, with all that belongs to it. If there is none
// it says what came closest to one.
func ChooseServer(cfg *Config, creds *Credentials, o *Offer) (Choice, Reason) {
	closest := ReasonNoCommonCipher
	for _, s := range cfg.Suites {
		if !o.Suites.Contains(s.ID) {
			continue
		}
		choice, reason := chooseFor(cfg, creds, o, s)
		if reason == ReasonNone {
			return choice, ReasonNone
		}
		closest = closer(closest, reason)
	}
	return Choice{}, closest
}

// closer returns which of two reasons not to choose a suite came later in the
// choice, so that the operator learns what was the last thing missing.
func closer(a, b Reason) Reason {
	order := [...]Reason{ReasonNoCommonCipher, ReasonNoCommonCertType, ReasonNoCommonGroup, ReasonNoCommonSignature}
	if slices.Index(order[:], b) > slices.Index(order[:], a) {
		return b
	}
	return a
}

// chooseFor tries one suite that the client offers.
func chooseFor(cfg *Config, creds *Credentials, o *Offer, s *suite.Suite) (c Choice, r Reason) {
	c.Suite = s
	if s.KeyExchange.UsesPSK() && !creds.PSK {
		return c, ReasonNoCommonCipher
	}
	if s.KeyExchange.UsesECDHE() {
		if c.Group = chooseGroup(cfg, o); c.Group == 0 {
			return c, ReasonNoCommonGroup
		}
	}
	if s.KeyExchange.UsesPSK() {
		return c, ReasonNone
	}
	if c.Showing, r = chooseShowing(cfg, creds, o, s.KeyExchange); r != ReasonNone {
		return c, r
	}
	return c, c.choosePeerType(creds, o)
}

// chooseGroup picks the first group of the server's order that the client
// offers, 0 if there is none.
func chooseGroup(cfg *Config, o *Offer) wire.Group {
	for _, g := range cfg.Groups {
		if o.hasGroup(g) {
			return g
		}
	}
	return 0
}

// chooseShowing picks the key to show: the first type in serverTypeOrder of
// which there is a usable one.
func chooseShowing(cfg *Config, creds *Credentials, o *Offer, kx suite.KeyExchange) (*Showing, Reason) {
	if creds.RawKey == nil && len(creds.Chains) == 0 {
		return nil, ReasonNoCommonCipher
	}
	ofType := false
	closest := ReasonNoCommonCipher
	for _, t := range o.serverTypeOrder() {
		for _, candidate := range creds.showings(wire.CertType(t)) {
			ofType = true
			r := candidate.fit(cfg, o, kx)
			if r == ReasonNone {
				candidate.staple(o)
				return &candidate, r
			}
			closest = closer(closest, r)
		}
	}
	if !ofType {
		return nil, ReasonNoCommonCertType
	}
	return nil, closest
}

// fit chooses the scheme for a key that a server would show, if the client
// can make use of it.
func (s *Showing) fit(cfg *Config, o *Offer, kx suite.KeyExchange) Reason {
	pub := s.Signer.Public()
	if !KeyFits(pub, kx) {
		return ReasonNoCommonCipher
	}
	if g := KeyGroup(pub); g != 0 && !o.hasGroup(g) {
		return ReasonNoCommonGroup
	}
	if s.Scheme = chooseScheme(cfg, o.Schemes, pub); s.Scheme == 0 {
		return ReasonNoCommonSignature
	}
	return ReasonNone
}

// staple takes the OCSP response that goes with a chain, if the client asks
// for one. One that is longer than MaxOCSP is not shown.
func (s *Showing) staple(o *Offer) {
	if o.OCSP && s.ocsp != nil {
		if der := s.ocsp(); len(der) > 0 && len(der) <= MaxOCSP {
			s.OCSP = der
		}
	}
}

// showings are the keys of one type, in order of preference.
func (c *Credentials) showings(t wire.CertType) (list []Showing) {
	switch {
	case t == wire.CertRawPublicKey && c.RawKey != nil:
		list = []Showing{{Type: t, RawKey: c.RawKey.SPKI, Signer: c.RawKey.Signer}}
	case t == wire.CertX509:
		for i := range c.Chains {
			if chain := &c.Chains[i]; len(chain.DER) > 0 {
				list = append(list, Showing{Type: t, Chain: chain.DER, Signer: chain.Signer, ocsp: chain.OCSP})
			}
		}
	}
	return list
}

// chooseScheme picks how to sign with a key: the scheme as strong as an ECDSA
// key's curve if the peer takes it, else the first of our order that it
// takes. 0: none.
func chooseScheme(cfg *Config, offered wire.List[wire.SignatureScheme], pub crypto.PublicKey) wire.SignatureScheme {
	if g := KeyGroup(pub); g != 0 {
		if s := natural(g); cfg.HasScheme(s) && offered.Contains(s) {
			return s
		}
	}
	for _, s := range cfg.Schemes {
		if SchemeFits(s, pub) && offered.Contains(s) {
			return s
		}
	}
	return 0
}

// choosePeerType picks the type of key to ask the client for. A server that
// must have one and cannot judge what the client has to show fails with
// unsupported_certificate (RFC 7250 §4.2).
func (c *Choice) choosePeerType(creds *Credentials, o *Offer) Reason {
	for _, t := range o.clientCertTypes() {
		if creds.accepts(wire.CertType(t)) {
			c.AskPeerKey, c.PeerCertType = true, wire.CertType(t)
			return ReasonNone
		}
	}
	if creds.RequirePeerKey {
		return ReasonNoCommonCertType
	}
	return ReasonNone
}

func (c *Credentials) accepts(t wire.CertType) bool {
	switch t {
	case wire.CertRawPublicKey:
		return c.AcceptRawKeys
	case wire.CertX509:
		return c.AcceptCertificates
	}
	return false
}

// OfferSuites is the suites that a client with these credentials can finish
// a handshake with.
func OfferSuites(cfg *Config, creds *Credentials) (list []wire.CipherSuite) {
	judges := creds.AcceptRawKeys || creds.AcceptCertificates
	for _, s := range cfg.Suites {
		if s.KeyExchange.UsesPSK() && creds.PSK || !s.KeyExchange.UsesPSK() && judges {
			list = append(list, s.ID)
		}
	}
	return list
}

// AcceptedTypes is the certificate types a client takes from the server, the
// smaller first.
func (c *Credentials) AcceptedTypes() (types []byte) {
	if c.AcceptRawKeys {
		types = append(types, byte(wire.CertRawPublicKey))
	}
	if c.AcceptCertificates {
		types = append(types, byte(wire.CertX509))
	}
	return types
}

// ShownTypes is the certificate types a client can show.
func (c *Credentials) ShownTypes() (types []byte) {
	if c.RawKey != nil {
		types = append(types, byte(wire.CertRawPublicKey))
	}
	if len(c.Chains) > 0 {
		types = append(types, byte(wire.CertX509))
	}
	return types
}

// ChooseClientShowing picks the key that answers a CertificateRequest, nil if
// none does: then the client shows an empty Certificate (RFC 5246 §7.4.6).
func ChooseClientShowing(cfg *Config, creds *Credentials, t wire.CertType, req *wire.CertificateRequest) *Showing {
	for _, candidate := range creds.showings(t) {
		pub := candidate.Signer.Public()
		if !requestTakes(req, pub) || !issuedByOne(req, creds, &candidate) {
			continue
		}
		if candidate.Scheme = chooseScheme(cfg, req.Schemes, pub); candidate.Scheme != 0 {
			return &candidate
		}
	}
	return nil
}

// requestTakes reports whether the types of a CertificateRequest include one
// for such a key. Ed25519 keys go by ecdsa_sign (RFC 8422 §5.5).
func requestTakes(req *wire.CertificateRequest, pub crypto.PublicKey) bool {
	want := wire.ClientCertECDSASign
	if KeyFits(pub, suite.ECDHERSA) {
		want = wire.ClientCertRSASign
	} else if !KeyFits(pub, suite.ECDHEECDSA) {
		return false
	}
	return bytes.IndexByte(req.Types, byte(want)) >= 0
}

// issuedByOne reports whether some certificate of a chain was issued by one
// of the authorities of a request, if it names any (RFC 5246 §7.4.6). Raw
// public keys have no issuer.
func issuedByOne(req *wire.CertificateRequest, creds *Credentials, s *Showing) bool {
	if s.Type != wire.CertX509 || len(req.Authorities) == 0 {
		return true
	}
	i := slices.IndexFunc(creds.Chains, func(c Chain) bool { return len(c.DER) > 0 && &c.DER[0] == &s.Chain[0] })
	issuers := issuersOf(&creds.Chains[i])
	found := false
	req.EachAuthority(func(name []byte) bool {
		found = slices.ContainsFunc(issuers, func(issuer []byte) bool { return bytes.Equal(issuer, name) })
		return !found
	})
	return found
}
