// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"crypto"
	"testing"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

const (
	pskCCM8   = wire.TLS_PSK_WITH_AES_128_CCM_8
	pskGCM    = wire.TLS_PSK_WITH_AES_128_GCM_SHA256
	ecdhePSK  = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	ecdsaCCM8 = wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
	ecdsaGCM  = wire.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	rsaGCM    = wire.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256

	x509Type = byte(wire.CertX509)
	rpkType  = byte(wire.CertRawPublicKey)
)

// offering makes an offer: suites, and what the options add.
func offering(ids []wire.CipherSuite, add ...func(*Offer)) *Offer {
	o := &Offer{Suites: wire.ListOf(ids)}
	for _, f := range add {
		f(o)
	}
	return o
}

func groupsOffered(list ...wire.Group) func(*Offer) {
	return func(o *Offer) {
		o.Present |= wire.ExtSupportedGroups.Bit()
		o.Groups = wire.ListOf(list)
	}
}

func schemesOffered(list ...wire.SignatureScheme) func(*Offer) {
	return func(o *Offer) {
		o.Present |= wire.ExtSignatureAlgorithms.Bit()
		o.Schemes = wire.ListOf(list)
	}
}

func serverTypesOffered(types ...byte) func(*Offer) {
	return func(o *Offer) {
		o.Present |= wire.ExtServerCertType.Bit()
		o.ServerCertTypes = types
	}
}

func clientTypesOffered(types ...byte) func(*Offer) {
	return func(o *Offer) {
		o.Present |= wire.ExtClientCertType.Bit()
		o.ClientCertTypes = types
	}
}

var (
	anyScheme = schemesOffered(DefaultSchemes()...)
	anyGroup  = groupsOffered(DefaultGroups()...)
)

// Versions below DTLS 1.2 are not served, versions above it are.
//
// Proves rfc5746 §3.6: "they MUST accept version numbers higher than their
// highest version number and negotiate the highest common version."
func TestChooseVersion(t *testing.T) {
	for v, want := range map[wire.Version]bool{
		wire.VersionDTLS10: false, 0xfefe: false, wire.VersionDTLS12: true, wire.VersionDTLS13: true, 0xfe00: true,
		0x0303: false, 0x0304: false, 0: false, 0xffff: false,
	} {
		if got := ChooseVersion(v); got != want {
			t.Errorf("version %v: %v", v, got)
		}
	}
}

// The suite is the first of the server's that the client offers and that the
// credentials can fulfil.
//
// Pitfall O28: the order is the server's, not the client's
// Pitfall W9, W11: nothing is chosen that was not offered
func TestChooseSuite(t *testing.T) {
	k := keys()
	psk := Credentials{PSK: true}
	both := Credentials{PSK: true, RawKey: rawKey(t, k.p256)}
	raw := Credentials{RawKey: rawKey(t, k.p256)}
	none := Credentials{AcceptRawKeys: true}
	for _, test := range []struct {
		name          string
		own, offered  []wire.CipherSuite
		creds         Credentials
		want          wire.CipherSuite
		reason        Reason
		withoutGroups bool
	}{
		{name: "server's order", own: []wire.CipherSuite{pskGCM, pskCCM8}, offered: []wire.CipherSuite{pskCCM8, pskGCM}, creds: psk, want: pskGCM},
		{name: "other order", own: []wire.CipherSuite{pskCCM8, pskGCM}, offered: []wire.CipherSuite{pskGCM, pskCCM8}, creds: psk, want: pskCCM8},
		{name: "only what is offered", own: []wire.CipherSuite{pskGCM, pskCCM8}, offered: []wire.CipherSuite{pskCCM8}, creds: psk, want: pskCCM8},
		{name: "unknown suites are skipped", own: []wire.CipherSuite{pskCCM8}, offered: []wire.CipherSuite{0x1301, 0, 0xffff, pskCCM8}, creds: psk, want: pskCCM8},
		{name: "nothing in common", own: []wire.CipherSuite{pskCCM8}, offered: []wire.CipherSuite{pskGCM}, creds: psk, reason: ReasonNoCommonCipher},
		{name: "PSK before a key", own: []wire.CipherSuite{ecdhePSK, ecdsaCCM8}, offered: []wire.CipherSuite{ecdsaCCM8, ecdhePSK}, creds: both, want: ecdhePSK},
		{name: "no PSK here", own: []wire.CipherSuite{pskCCM8, ecdsaCCM8}, offered: []wire.CipherSuite{pskCCM8, ecdsaCCM8}, creds: raw, want: ecdsaCCM8},
		{name: "no key here", own: []wire.CipherSuite{ecdsaCCM8, pskCCM8}, offered: []wire.CipherSuite{pskCCM8, ecdsaCCM8}, creds: psk, want: pskCCM8},
		{name: "neither", own: []wire.CipherSuite{ecdsaCCM8, pskCCM8}, offered: []wire.CipherSuite{pskCCM8, ecdsaCCM8}, creds: none, reason: ReasonNoCommonCipher},
		{name: "key of the wrong kind", own: []wire.CipherSuite{rsaGCM}, offered: []wire.CipherSuite{rsaGCM}, creds: raw, reason: ReasonNoCommonCipher},
		{name: "the signalling value is no suite", own: []wire.CipherSuite{pskCCM8}, offered: []wire.CipherSuite{wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV}, creds: psk, reason: ReasonNoCommonCipher},
	} {
		cfg := config()
		cfg.Suites = suites(test.own...)
		c, r := ChooseServer(cfg, &test.creds, offering(test.offered, anyGroup, anyScheme, serverTypesOffered(rpkType)))
		if r != test.reason || r == ReasonNone && c.Suite.ID != test.want {
			t.Errorf("%s: %v, reason %v", test.name, c.Suite, r)
		}
	}
}

// The group is the first of the server's that the client offers, for suites
// with PSK as with certificates.
//
// Proves rfc8422 §5.1: "A server that receives a ClientHello containing one or
// both of these extensions MUST use the client's enumerated capabilities to
// guide its selection of an appropriate cipher suite."
// Proves rfc8422 §5.1: "If a server does not understand the Supported Elliptic
// Curves Extension, does not understand the Supported Point Formats Extension,
// or is unable to complete the ECC handshake while restricting itself to the
// enumerated curves and point formats, it MUST NOT negotiate the use of an ECC
// cipher suite."
// Pitfall O28: the group is the first of our list that the client offers
func TestChooseGroup(t *testing.T) {
	const p256, p384, x25519 = wire.GroupSecp256r1, wire.GroupSecp384r1, wire.GroupX25519
	creds := &Credentials{PSK: true}
	for _, test := range []struct {
		own, offered []wire.Group
		want         wire.Group
	}{
		{[]wire.Group{p256, x25519, p384}, []wire.Group{p384, x25519, p256}, p256},
		{[]wire.Group{x25519, p256}, []wire.Group{p256, x25519}, x25519},
		{[]wire.Group{x25519, p256}, []wire.Group{p256}, p256},
		{[]wire.Group{p384}, []wire.Group{0x11ec, 30, 25, p384}, p384},
		{[]wire.Group{p384}, []wire.Group{p256, x25519}, 0},
		{[]wire.Group{p256}, nil, p256}, // "free to choose any"
	} {
		cfg := config()
		cfg.Groups, cfg.Suites = test.own, suites(ecdhePSK, pskCCM8)
		o := offering([]wire.CipherSuite{ecdhePSK})
		if test.offered != nil {
			groupsOffered(test.offered...)(o)
		}
		c, r := ChooseServer(cfg, creds, o)
		if c.Group != test.want || (r == ReasonNoCommonGroup) != (test.want == 0) {
			t.Errorf("%v of %v: %v, reason %v", test.own, test.offered, c.Group, r)
		}
		// A suite without curves is taken instead, if the client offers one.
		o.Suites = wire.ListOf([]wire.CipherSuite{ecdhePSK, pskCCM8})
		c, r = ChooseServer(cfg, creds, o)
		if r != ReasonNone || (c.Suite.ID == pskCCM8) != (test.want == 0) {
			t.Errorf("%v of %v, PSK too: %v, reason %v", test.own, test.offered, c.Suite, r)
		}
	}
}

// The key's own curve must be one that the client offers, apart from that of
// the ephemeral key.
//
// Proves rfc8422 §5.1: "The server MUST consider the extensions in both
// cases."
// Proves rfc8422 §5.3: "If the client has used a Supported Elliptic Curves
// Extension, the public key in the server's certificate MUST respect the
// client's choice of elliptic curves. A server that cannot satisfy this
// requirement MUST NOT choose an ECC cipher suite in its ServerHello message.)"
func TestKeyRespectsTheClientsCurves(t *testing.T) {
	k := keys()
	for _, test := range []struct {
		key     crypto.Signer
		offered []wire.Group
		reason  Reason
	}{
		{k.p384, []wire.Group{wire.GroupSecp384r1}, ReasonNone},
		{k.p384, []wire.Group{wire.GroupSecp256r1, wire.GroupX25519}, ReasonNoCommonGroup},
		{k.p256, []wire.Group{wire.GroupX25519, wire.GroupSecp256r1}, ReasonNone},
		{k.p256, []wire.Group{wire.GroupX25519}, ReasonNoCommonGroup},
		{k.ed, []wire.Group{wire.GroupX25519}, ReasonNone}, // on no curve of that list
	} {
		cfg := config()
		cfg.Suites = suites(ecdsaCCM8)
		creds := &Credentials{RawKey: rawKey(t, test.key)}
		o := offering([]wire.CipherSuite{ecdsaCCM8}, groupsOffered(test.offered...), anyScheme, serverTypesOffered(rpkType))
		if c, r := ChooseServer(cfg, creds, o); r != test.reason {
			t.Errorf("%T, client offers %v: %+v, reason %v", test.key, test.offered, c, r)
		}
	}
}

// The type of the server's key is the first of the client's order that the
// server has, and X.509 if the client says nothing.
//
// Proves rfc7250 §4.1: "The client_certificate_type and
// server_certificate_type extensions sent in the client hello each carry a
// list of supported certificate types, sorted by client preference."
// Proves rfc7250 §4.2: "The server supports the extension defined in this
// document, but it does not have any certificate type in common with the
// client. Then, the server terminates the session with a fatal alert of type
// "unsupported_certificate"."
// Pitfall S6, E4: with a raw public key alone, a client that offers no types gets a PSK suite or none
func TestChooseServerType(t *testing.T) {
	k := keys()
	raw, certified := Credentials{RawKey: rawKey(t, k.p256)}, Credentials{Chains: []Chain{chain(t, k.p256)}}
	both := Credentials{RawKey: raw.RawKey, Chains: certified.Chains}
	rawPSK := Credentials{RawKey: raw.RawKey, PSK: true}
	for _, test := range []struct {
		name    string
		creds   Credentials
		offered []byte // nil: no extension
		want    wire.CertType
		suite   wire.CipherSuite
		reason  Reason
	}{
		{"raw key asked for", raw, []byte{rpkType}, wire.CertRawPublicKey, ecdsaCCM8, ReasonNone},
		{"client's order", both, []byte{x509Type, rpkType}, wire.CertX509, ecdsaCCM8, ReasonNone},
		{"client's other order", both, []byte{rpkType, x509Type}, wire.CertRawPublicKey, ecdsaCCM8, ReasonNone},
		{"second choice", certified, []byte{rpkType, x509Type}, wire.CertX509, ecdsaCCM8, ReasonNone},
		{"no extension", both, nil, wire.CertX509, ecdsaCCM8, ReasonNone},
		{"no extension, raw key alone", raw, nil, 0, 0, ReasonNoCommonCertType},
		{"no extension, raw key and PSK", rawPSK, nil, 0, pskCCM8, ReasonNone},
		{"certificate not taken", certified, []byte{rpkType}, 0, 0, ReasonNoCommonCertType},
		{"raw key not taken", raw, []byte{x509Type}, 0, 0, ReasonNoCommonCertType},
		{"types that do not exist", both, []byte{1, 3, 255}, 0, 0, ReasonNoCommonCertType},
	} {
		cfg := config()
		cfg.Suites = suites(ecdsaCCM8, pskCCM8)
		o := offering([]wire.CipherSuite{ecdsaCCM8, pskCCM8}, anyGroup, anyScheme)
		if test.offered != nil {
			serverTypesOffered(test.offered...)(o)
		}
		c, r := ChooseServer(cfg, &test.creds, o)
		if r != test.reason {
			t.Errorf("%s: reason %v, want %v", test.name, r, test.reason)
		} else if r == ReasonNone && (c.Suite.ID != test.suite || c.Showing != nil && c.Showing.Type != test.want) {
			t.Errorf("%s: %v %+v", test.name, c.Suite.ID, c.Showing)
		}
	}
	if a, tell := ReasonNoCommonCertType.Alert(); !tell || a != wire.AlertUnsupportedCertificate {
		t.Errorf("no type in common is told as %v", a)
	}
}

// A client that shows raw public keys only, and would rather judge a
// certificate, is shown a raw public key: libcoap with -M offers just this and
// has no trust anchor.
func TestChooseServerTypeForRawPublicKeyMode(t *testing.T) {
	k := keys()
	both := &Credentials{RawKey: rawKey(t, k.p256), Chains: []Chain{chain(t, k.p256)}, AcceptRawKeys: true, AcceptCertificates: true}
	for _, test := range []struct {
		shows, judges []byte
		want          wire.CertType
	}{
		{[]byte{rpkType}, []byte{x509Type, rpkType}, wire.CertRawPublicKey},
		{[]byte{rpkType}, []byte{x509Type}, wire.CertX509},
		{[]byte{rpkType, x509Type}, []byte{x509Type, rpkType}, wire.CertX509},
		{[]byte{x509Type}, []byte{x509Type, rpkType}, wire.CertX509},
	} {
		cfg := config()
		cfg.Suites = suites(ecdsaCCM8)
		o := offering([]wire.CipherSuite{ecdsaCCM8}, anyGroup, anyScheme, serverTypesOffered(test.judges...), clientTypesOffered(test.shows...))
		c, r := ChooseServer(cfg, both, o)
		if r != ReasonNone || c.Showing.Type != test.want {
			t.Errorf("client shows %v, judges %v: %v, %v; want %v", test.shows, test.judges, r, c.Showing, test.want)
		}
	}
}

// The type asked of the client is the first of its order that the server
// takes; a server that must have one and cannot fails.
//
// Proves rfc7250 §4.2: "The value conveyed in the client_certificate_type
// extension MUST be selected from one of the values provided in the
// client_certificate_type extension sent in the client hello."
func TestChoosePeerType(t *testing.T) {
	for _, test := range []struct {
		name           string
		rawKeys, certs bool
		require        bool
		offered        []byte
		ask            bool
		want           wire.CertType
		reason         Reason
	}{
		{name: "nothing taken", offered: []byte{rpkType}},
		{name: "raw key", rawKeys: true, offered: []byte{rpkType}, ask: true, want: wire.CertRawPublicKey},
		{name: "client's order", rawKeys: true, certs: true, offered: []byte{x509Type, rpkType}, ask: true, want: wire.CertX509},
		{name: "client's other order", rawKeys: true, certs: true, offered: []byte{rpkType, x509Type}, ask: true, want: wire.CertRawPublicKey},
		{name: "second choice", certs: true, offered: []byte{rpkType, x509Type}, ask: true, want: wire.CertX509},
		{name: "no extension is X.509", certs: true, ask: true, want: wire.CertX509},
		{name: "no extension, raw keys taken", rawKeys: true},
		{name: "no extension, raw key required", rawKeys: true, require: true, reason: ReasonNoCommonCertType},
		{name: "none in common, one required", certs: true, require: true, offered: []byte{rpkType}, reason: ReasonNoCommonCertType},
		{name: "none in common", certs: true, offered: []byte{rpkType, 1}},
	} {
		cfg := config()
		cfg.Suites = suites(ecdsaCCM8)
		creds := &Credentials{
			RawKey: rawKey(t, keys().p256), AcceptRawKeys: test.rawKeys, AcceptCertificates: test.certs, RequirePeerKey: test.require,
		}
		o := offering([]wire.CipherSuite{ecdsaCCM8}, anyGroup, anyScheme, serverTypesOffered(rpkType))
		if test.offered != nil {
			clientTypesOffered(test.offered...)(o)
		}
		c, r := ChooseServer(cfg, creds, o)
		if r != test.reason || r == ReasonNone && (c.AskPeerKey != test.ask || c.PeerCertType != test.want) {
			t.Errorf("%s: ask %v for %v, reason %v", test.name, c.AskPeerKey, c.PeerCertType, r)
		}
	}
}

// Of several chains the first that fits the suite and the client is shown.
func TestChooseAmongChains(t *testing.T) {
	k := keys()
	creds := &Credentials{Chains: []Chain{{}, chain(t, k.rsa), chain(t, k.p384), chain(t, k.p256)}}
	for _, test := range []struct {
		groups []wire.Group
		suite  wire.CipherSuite
		want   crypto.Signer
	}{
		{DefaultGroups(), ecdsaCCM8, k.p384},
		{[]wire.Group{wire.GroupSecp256r1}, ecdsaCCM8, k.p256},
		{[]wire.Group{wire.GroupSecp256r1}, rsaGCM, k.rsa},
	} {
		cfg := config()
		cfg.Suites = suites(test.suite)
		c, r := ChooseServer(cfg, creds, offering([]wire.CipherSuite{test.suite}, groupsOffered(test.groups...), anyScheme))
		if r != ReasonNone || c.Showing.Signer != test.want {
			t.Errorf("%v, groups %v: %+v, reason %v", test.suite, test.groups, c.Showing, r)
		}
	}
}

// The scheme is one that the client offers, that is on here, and that is made
// by the key; a P-384 key signs with SHA-384 if it can.
//
// Proves rfc8422 §5.9: "EdDSA keys using the Ed25519 algorithm MUST use the
// ed25519 signature algorithm, and Ed448 keys MUST use the ed448 signature
// algorithm."
// Pitfall W10, M8, A3: nothing is signed with an algorithm that is off here or was not offered
func TestChooseScheme(t *testing.T) {
	k := keys()
	const (
		sha256, sha384 = wire.SchemeECDSAP256SHA256, wire.SchemeECDSAP384SHA384
		ed             = wire.SchemeEd25519
		pss, pkcs1     = wire.SchemeRSAPSSSHA256, wire.SchemeRSAPKCS1SHA256
	)
	all := DefaultSchemes()
	for _, test := range []struct {
		key          crypto.Signer
		own, offered []wire.SignatureScheme
		want         wire.SignatureScheme
	}{
		{k.p256, all, all, sha256},
		{k.p384, all, all, sha384},
		{k.p384, all, []wire.SignatureScheme{sha256}, sha256}, // "the ECDSA schemes name a hash and no curve"
		{k.p256, all, []wire.SignatureScheme{sha384}, sha384},
		{k.p384, []wire.SignatureScheme{sha256}, all, sha256},
		{k.ed, all, all, ed},
		{k.ed, all, []wire.SignatureScheme{sha256, sha384}, 0},
		{k.p256, all, []wire.SignatureScheme{ed}, 0},
		{k.p256, []wire.SignatureScheme{ed}, all, 0},
		{k.rsa, all, all, pss},
		{k.rsa, all, []wire.SignatureScheme{pkcs1}, pkcs1},
		{k.rsa, []wire.SignatureScheme{pkcs1, pss}, []wire.SignatureScheme{pss, pkcs1}, pkcs1},
		{k.p256, all, nil, 0},                                    // no extension means SHA-1
		{k.p256, all, []wire.SignatureScheme{0x0203, 0x0303}, 0}, // ECDSA with SHA-1, SHA-224
		{k.rsa, all, []wire.SignatureScheme{0x0201, 0x0101}, 0},  // RSA with SHA-1, MD5
		{k.weakRSA, all, all, 0},
		{k.p521, all, all, 0},
	} {
		cfg := config()
		cfg.Schemes = test.own
		if got := chooseScheme(cfg, wire.ListOf(test.offered), test.key.Public()); got != test.want {
			t.Errorf("%T, own %v, offered %v: %v, want %v", test.key, test.own, test.offered, got, test.want)
		}
	}
}

// When nothing can be chosen, the reason is the last thing that was missing.
func TestClosestReason(t *testing.T) {
	cfg := config()
	cfg.Suites = suites(pskCCM8, ecdsaCCM8)
	creds := &Credentials{RawKey: rawKey(t, keys().p256), AcceptRawKeys: true, RequirePeerKey: true}
	all := []wire.CipherSuite{pskCCM8, ecdsaCCM8}
	for want, o := range map[Reason]*Offer{
		ReasonNoCommonCipher:    offering([]wire.CipherSuite{pskCCM8}, anyGroup, anyScheme),
		ReasonNoCommonGroup:     offering(all, groupsOffered(0x1234), anyScheme, serverTypesOffered(rpkType)),
		ReasonNoCommonCertType:  offering(all, anyGroup, anyScheme, serverTypesOffered(rpkType), clientTypesOffered(x509Type)),
		ReasonNoCommonSignature: offering(all, anyGroup, schemesOffered(wire.SchemeEd25519), serverTypesOffered(rpkType)),
	} {
		if _, r := ChooseServer(cfg, creds, o); r != want {
			t.Errorf("reason %v, want %v", r, want)
		}
	}
}

// Whatever is configured and offered: what is chosen is in the offer and in
// the configuration, and fits the credentials.
//
// Pitfall W9, W11, O28, E4: each part of the choice is in the offer
func TestChoiceIsInTheOffer(t *testing.T) {
	k := keys()
	pool := []crypto.Signer{k.p256, k.p384, k.ed, k.rsa, k.p521}
	var chains []Chain
	for _, key := range pool {
		chains = append(chains, chain(t, key))
	}
	rapid.Check(t, func(t *rapid.T) {
		cfg, creds, o := drawConfig(t), drawCredentials(t, pool, chains), drawOffer(t)
		c, r := ChooseServer(cfg, creds, o)
		if r != ReasonNone {
			return
		}
		if !o.Suites.Contains(c.Suite.ID) || cfg.Suite(c.Suite.ID) == nil {
			t.Fatalf("suite %v", c.Suite.ID)
		}
		if (c.Group != 0) != c.Suite.KeyExchange.UsesECDHE() || c.Group != 0 && (!o.hasGroup(c.Group) || !cfg.HasGroup(c.Group)) {
			t.Fatalf("group %v", c.Group)
		}
		if c.Suite.KeyExchange.UsesPSK() {
			if !creds.PSK || c.Showing != nil || c.AskPeerKey {
				t.Fatalf("PSK suite with %+v", c)
			}
			return
		}
		checkShowing(t, cfg, creds, o, &c)
	})
}

func checkShowing(t *rapid.T, cfg *Config, creds *Credentials, o *Offer, c *Choice) {
	s := c.Showing
	pub := s.Signer.Public()
	switch {
	case !bytes.Contains(o.serverCertTypes(), []byte{byte(s.Type)}):
		t.Fatalf("shows %v, not offered", s.Type)
	case s.Type == wire.CertRawPublicKey && (creds.RawKey == nil || !bytes.Equal(s.RawKey, creds.RawKey.SPKI)),
		s.Type == wire.CertX509 && len(s.Chain) == 0:
		t.Fatalf("shows %+v", s)
	case !o.Schemes.Contains(s.Scheme) || !cfg.HasScheme(s.Scheme) || !SchemeFits(s.Scheme, pub):
		t.Fatalf("signs with %v", s.Scheme)
	case !KeyFits(pub, c.Suite.KeyExchange) || KeyGroup(pub) != 0 && !o.hasGroup(KeyGroup(pub)):
		t.Fatalf("shows a %T for %v", pub, c.Suite.ID)
	case c.AskPeerKey && (!creds.accepts(c.PeerCertType) || !bytes.Contains(o.clientCertTypes(), []byte{byte(c.PeerCertType)})):
		t.Fatalf("asks for %v", c.PeerCertType)
	case creds.RequirePeerKey && !c.AskPeerKey:
		t.Fatal("does not ask for the key that it requires")
	}
}

func drawConfig(t *rapid.T) *Config {
	cfg := config()
	cfg.Suites = subset(t, "suites", suite.All())
	cfg.Groups = subset(t, "groups", DefaultGroups())
	cfg.Schemes = subset(t, "schemes", DefaultSchemes())
	return cfg
}

// subset draws a part of a list in any order.
func subset[T any](t *rapid.T, label string, list []T) []T {
	list = rapid.Permutation(list).Draw(t, label)
	return list[:rapid.IntRange(0, len(list)).Draw(t, label+" taken")]
}

func drawCredentials(t *rapid.T, pool []crypto.Signer, chains []Chain) *Credentials {
	c := &Credentials{
		PSK: rapid.Bool().Draw(t, "PSK"), AcceptRawKeys: rapid.Bool().Draw(t, "accept raw keys"),
		AcceptCertificates: rapid.Bool().Draw(t, "accept certificates"), RequirePeerKey: rapid.Bool().Draw(t, "require"),
	}
	if i := rapid.IntRange(-1, len(pool)-1).Draw(t, "raw key"); i >= 0 {
		c.RawKey = &KeyPair{Signer: pool[i], SPKI: []byte{byte(i)}}
	}
	c.Chains = subset(t, "chains", chains)
	return c
}

func drawOffer(t *rapid.T) *Offer {
	ids := []wire.CipherSuite{0x1301, wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, wire.TLS_PSK_WITH_AES_256_CCM}
	for _, s := range suite.All() {
		ids = append(ids, s.ID)
	}
	o := offering(subset(t, "offered suites", ids))
	maybe := func(label string, f func(*Offer)) {
		if rapid.Bool().Draw(t, label) {
			f(o)
		}
	}
	maybe("has groups", groupsOffered(subset(t, "offered groups", append(DefaultGroups(), 30, 25))...))
	maybe("has schemes", schemesOffered(subset(t, "offered schemes", append(DefaultSchemes(), 0x0203))...))
	maybe("has server types", serverTypesOffered(subset(t, "server types", []byte{x509Type, rpkType, 1})...))
	maybe("has client types", clientTypesOffered(subset(t, "client types", []byte{x509Type, rpkType, 1})...))
	return o
}
