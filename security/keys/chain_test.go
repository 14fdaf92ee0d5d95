// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	_ "crypto/md5"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"golang.org/x/crypto/ocsp"
)

// believe is what a client makes of what a server shows: the certificates are
// read first, as a session does, and then judged.
func believe(t *Trust, ders [][]byte, staple []byte) error {
	var chain []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return verifyError(dtls.ReasonCertBad, "%w", err)
		}
		chain = append(chain, c)
	}
	return t.VerifyServerOCSP(chain, staple, aExample, noon)
}

func raw(certificates ...*x509.Certificate) (ders [][]byte) {
	for _, c := range certificates {
		ders = append(ders, c.Raw)
	}
	return ders
}

// critical gives a certificate an extension that nobody knows.
func critical(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}})
}

func usages(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = u }
}

// DER of object identifiers, of one length in each group.
var (
	derP256       = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
	derP192       = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1}
	derRSAWith    = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1} // and one byte
	rsaWithSHA256 = append(slices.Clone(derRSAWith), 11)
	rsaWithSHA1   = append(slices.Clone(derRSAWith), 5)
	rsaWithMD5    = append(slices.Clone(derRSAWith), 4)
)

// resignRSA gives a certificate another algorithm and a good signature by it.
func resignRSA(t testing.TB, c *x509.Certificate, oid []byte, h crypto.Hash, key *rsa.PrivateKey) []byte {
	t.Helper()
	var outer struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if rest, err := asn1.Unmarshal(bytes.ReplaceAll(c.Raw, rsaWithSHA256, oid), &outer); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	outer.Signature.Bytes = must(rsa.SignPKCS1v15(nil, key, h, digest(h, outer.TBS.FullBytes)))
	return must(asn1.Marshal(outer))
}

// deep is the world below more authorities than the root allows, and the ways in
// which one can be narrower than it is taken for.
type deep struct {
	*world
	narrow func(edit func(*x509.Certificate)) [][]byte // a chain by an authority as edited
}

func newDeep(t testing.TB) deep {
	w := newWorld(t)
	return deep{w, func(edit func(*x509.Certificate)) [][]byte {
		c := authority("Narrow", 300)
		edit(c)
		below := issuer{key: mustNewKey(t, 31)}
		below.certificate = w.certify(w.root, below.key, c)
		return raw(w.certify(below, w.leafKey, node(serialBelow)), below.certificate)
	}}
}

// Whatever a server can show has its verdict, and the verdict its name.
//
// Proves rfc7252 §9.1.3.3: "The certificate MUST be validated as appropriate for
// the security requirements, using functionality equivalent to the algorithm
// specified in Section 6 of [RFC5280]."
// Proves rfc7252 §9.1.3.3: "If the CoAP node has a source of absolute time, then
// the node SHOULD check that the validity dates of the certificate are within
// range."
// Proves rfc5280 §4.2: "A certificate-using system MUST reject the certificate
// if it encounters a critical extension it does not recognize or a critical
// extension that contains information that it cannot process."
// Proves rfc5280 §6.1.4: "(n) If a key usage extension is present, verify that
// the keyCertSign bit is set."
// Proves rfc5280 §4.2.1.12: "If the extension is present, then the certificate
// MUST only be used for one of the purposes indicated."
// Pitfall A3, W22: no weak digest, and no algorithm that is not what it says
func TestWhatServersShow(t *testing.T) {
	w := newDeep(t)
	leaf := func(edits ...func(*x509.Certificate)) *x509.Certificate {
		return w.certify(w.root, w.leafKey, node(serialDirect, edits...))
	}
	good := w.staple(w.root, serialDirect, ocsp.Good)
	crl := func(by issuer, serials ...int64) *Trust {
		var entries []x509.RevocationListEntry
		for _, serial := range serials {
			entries = append(entries, entry(serial, 1))
		}
		return w.withCRLs(RevocationFresh, w.crl(by, entries))
	}
	twice := issuer{key: w.between.key} // between once more, by another root
	second := issuer{key: mustNewKey(t, 41)}
	second.certificate = must(sign(authority("Second", 2), authority("Second", 2), second.key, second.key))
	twice.certificate = w.certify(second, twice.key, authority("Between", 101))
	both := NewTrust([]*x509.Certificate{w.root.certificate, second.certificate})
	revokedOnce := must(both.WithCRLs([]*x509.RevocationList{w.crl(w.root, []x509.RevocationListEntry{entry(serialBetween, 2)})}, RevocationFresh))

	const (
		none, bad, unsupported   = dtls.ReasonNone, dtls.ReasonCertBad, dtls.ReasonCertUnsupported
		unknownCA, usage, name   = dtls.ReasonCertUnknownCA, dtls.ReasonCertBadUsage, dtls.ReasonCertNameMismatch
		expired, early           = dtls.ReasonCertExpired, dtls.ReasonCertNotYetValid
		revoked, missing, status = dtls.ReasonCertRevoked, dtls.ReasonCertStatusMissing, dtls.ReasonCertStatusBad
		undetermined             = dtls.ReasonCertStatusUnknown
	)
	for _, test := range []struct {
		what   string
		shown  [][]byte
		staple []byte
		trust  *Trust // nil: in the root
		want   dtls.Reason
		says   string
	}{
		// The chain as such.
		{"good", raw(w.direct), nil, nil, none, ""},
		{"good, by an authority below", raw(w.below...), nil, nil, none, ""},
		{"with the root", raw(w.direct, w.root.certificate), nil, nil, none, ""},
		{"nothing", nil, nil, nil, dtls.ReasonNoPeerKey, ""},
		{"issuer left out", raw(w.below[0]), nil, nil, unknownCA, "unknown authority"},
		{"issuers before and after", raw(w.below[0], w.root.certificate, w.below[1]), nil, nil, none, ""},
		{"authority before the leaf", raw(w.below[1], w.below[0]), nil, nil, usage, "digitalSignature"},
		{"for another name", raw(leaf(func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} })), nil, nil, name, "for b.example, not for coaps://a.example"},
		{"a certificate twice", raw(w.below[0], w.below[1], w.below[1]), nil, nil, none, ""},
		{"a stranger beside it", raw(w.below[0], second.certificate, w.below[1]), nil, nil, none, ""},
		{"too long", raw(slices.Repeat([]*x509.Certificate{w.direct}, MaxChainLen+1)...), nil, nil, bad, "11 certificates"},
		{"as long as can be", raw(append([]*x509.Certificate{w.below[0]}, slices.Repeat([]*x509.Certificate{w.below[1]}, MaxChainLen-1)...)...), nil, nil, none, ""},
		{"of an authority that nobody trusts", raw(w.certify(second, w.leafKey, node(9)), second.certificate), nil, nil, unknownCA, ""},
		{"cut short", [][]byte{w.direct.Raw[:200]}, nil, nil, bad, ""},
		{"bytes after it", [][]byte{append(bytes.Clone(w.direct.Raw), 0)}, nil, nil, bad, "trailing"},
		{"junk", [][]byte{[]byte("junk")}, nil, nil, bad, ""},

		// Time.
		{"expired", raw(leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) })), nil, nil, expired, ""},
		{"not yet valid", raw(leaf(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) })), nil, nil, early, ""},
		{"never valid", raw(leaf(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = noon.Add(time.Hour), noon.Add(-time.Hour) })), nil, nil, early, ""},
		{"issuer expired", w.narrow(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), nil, nil, expired, ""},
		{"issuer not yet valid", w.narrow(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), nil, nil, early, ""},

		// What it is for.
		{"for clients", raw(leaf(usages(x509.ExtKeyUsageClientAuth))), nil, nil, usage, ""},
		{"for code", raw(leaf(usages(x509.ExtKeyUsageCodeSigning))), nil, nil, usage, ""},
		{"for OCSP", raw(leaf(usages(x509.ExtKeyUsageOCSPSigning))), nil, nil, usage, ""},
		{"for any purpose", raw(leaf(usages(x509.ExtKeyUsageAny))), nil, nil, none, ""},
		{"for no purpose in particular", raw(leaf(usages())), nil, nil, none, ""},
		{"issuer for clients", w.narrow(usages(x509.ExtKeyUsageClientAuth)), nil, nil, usage, ""},
		{"key that does not sign", raw(leaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), nil, nil, usage, "digitalSignature"},
		{"leaf that may issue", raw(leaf(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, c.KeyUsage|x509.KeyUsageCertSign })), nil, nil, none, ""},
		{"leaf that may only issue", raw(leaf(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })), nil, nil, usage, "digitalSignature"},

		// Who may issue.
		{"issued by a leaf", raw(w.certify(issuer{w.direct, w.leafKey}, mustNewKey(t, 50), node(9)), w.direct), nil, nil, unknownCA, ""},
		{"issuer is no authority", w.narrow(func(c *x509.Certificate) { c.IsCA = false }), nil, nil, unknownCA, ""},
		{"issuer may not issue", w.narrow(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), nil, nil, unknownCA, ""},
		{"path length 0, leaf below", w.narrow(func(c *x509.Certificate) { c.MaxPathLenZero = true }), nil, nil, none, ""},
		{"path length 0, authority below", func() [][]byte {
			c := authority("Short", 301)
			c.MaxPathLenZero = true
			short, under := issuer{key: mustNewKey(t, 32)}, issuer{key: mustNewKey(t, 33)}
			short.certificate = w.certify(w.root, short.key, c)
			under.certificate = w.certify(short, under.key, authority("Under", 302))
			return raw(w.certify(under, w.leafKey, node(9)), under.certificate, short.certificate)
		}(), nil, nil, unknownCA, "too many intermediates"},
		{"may name a.example", w.narrow(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"a.example"} }), nil, nil, none, ""},
		{"may name b.example", w.narrow(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"b.example"} }), nil, nil, unknownCA, "not permitted"},
		{"may not name a.example", w.narrow(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"a.example"} }), nil, nil, unknownCA, "excluded"},

		// What is not known, and what it says it is and is not.
		{"unknown critical extension", raw(leaf(critical)), nil, nil, unsupported, ""},
		{"unknown critical extension of the issuer", w.narrow(critical), nil, nil, unsupported, ""},
		{"P-256 key said to be on P-192", [][]byte{bytes.Replace(w.direct.Raw, derP256, derP192, 1)}, nil, nil, bad, "elliptic curve"},
		{"P-256 key not on its curve", [][]byte{bytes.Replace(w.direct.Raw, w.leafKey.SPKI[30:60], make([]byte, 30), 1)}, nil, nil, bad, "not on curve"},
		{"name changed after signing", [][]byte{bytes.ReplaceAll(w.certify(w.root, w.leafKey, node(9, func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} })).Raw,
			[]byte("b.example"), []byte("a.example"))}, nil, nil, unknownCA, "unknown authority"},

		// Revocation lists.
		{"in no list", raw(w.direct), nil, crl(w.root, serialOther), none, ""},
		{"in the list", raw(w.direct), nil, crl(w.root, serialDirect), revoked, "keyCompromise, says revocation list 7 of CN=Root"},
		{"issuer in the list", raw(w.below...), nil, crl(w.root, serialBetween), revoked, "certificate 64 of Between"},
		{"leaf in its issuer's list", raw(w.below...), nil, crl(w.between, serialBelow), revoked, "CN=Between"},
		{"serial number in the list of another", raw(w.direct), nil, crl(w.between, serialDirect), none, ""},
		{"anchor in its own list", raw(w.direct), nil, crl(w.root, 1), none, ""},
		{"list has run out", raw(w.direct), nil, w.withCRLs(RevocationFresh, w.crl(w.root, nil, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		})), undetermined, "has run out"},
		{"cross-signed", raw(w.below[0], w.below[1], twice.certificate), nil, both, none, ""},
		{"cross-signed, one issuer revoked", raw(w.below[0], w.below[1], twice.certificate), nil, revokedOnce, none, ""},
		{"the revoked issuer alone", raw(w.below...), nil, revokedOnce, revoked, "of Between"},
		{"the other issuer alone", raw(w.below[0], twice.certificate), nil, revokedOnce, none, ""},

		// OCSP responses beside it; all of them are in TestOCSPResponses.
		{"stapled, good", raw(w.direct), good, nil, none, ""},
		{"stapled, revoked", raw(w.direct), w.staple(w.root, serialDirect, ocsp.Revoked), nil, revoked, "OCSP response"},
		{"stapled, unknown", raw(w.direct), w.staple(w.root, serialDirect, ocsp.Unknown), nil, undetermined, "does not know"},
		{"stapled, stale", raw(w.direct), w.staple(w.root, serialDirect, ocsp.Good, from(-99, -60)), nil, status, "not valid after"},
		{"stapled, forged", raw(w.direct), w.stapleBy(w.root.certificate, w.direct, w.leafKey.Signer, serialDirect, ocsp.Good), nil, status, "not signed by"},
		{"stapled, of another", raw(w.direct), w.staple(w.root, serialOther, ocsp.Good), nil, status, ""},
		{"must staple, does not", raw(leaf(mustStaple(5))), nil, nil, missing, ""},
		{"must staple, does", raw(leaf(mustStaple(5))), good, nil, none, ""},
		{"required, absent", raw(w.direct), nil, w.trust().RequireOCSP(), missing, ""},
		{"required, there", raw(w.direct), good, w.trust().RequireOCSP(), none, ""},
	} {
		trust := test.trust
		if trust == nil {
			trust = w.trust()
		}
		checkVerdict(t, test.what, believe(trust, test.shown, test.staple), test.want, test.says)
	}
}

// An RSA key signs well with SHA-256 and not with what is broken.
//
// Pitfall A3: no weak digest in a certificate
func TestRSASignatures(t *testing.T) {
	w := newWorld(t)
	key := &dtls.KeyPair{Signer: rsaKey()}
	ca := issuer{must(sign(authority("RSA", 5), authority("RSA", 5), key, key)), key}
	leaf := w.certify(ca, w.leafKey, node(serialDirect))
	trust := NewTrust([]*x509.Certificate{ca.certificate})
	for _, test := range []struct {
		what string
		der  []byte
		want dtls.Reason
	}{
		{"SHA-256", leaf.Raw, dtls.ReasonNone},
		{"SHA-256, signed again", resignRSA(t, leaf, rsaWithSHA256, crypto.SHA256, rsaKey()), dtls.ReasonNone},
		{"SHA-1", resignRSA(t, leaf, rsaWithSHA1, crypto.SHA1, rsaKey()), dtls.ReasonCertUnknownCA},
		{"MD5", resignRSA(t, leaf, rsaWithMD5, crypto.MD5, rsaKey()), dtls.ReasonCertUnknownCA},
		{"MD5 that says SHA-256", resignRSA(t, leaf, rsaWithSHA256, crypto.MD5, rsaKey()), dtls.ReasonCertUnknownCA},
	} {
		checkVerdict(t, test.what, believe(trust, [][]byte{test.der}, nil), test.want, "")
	}
}

// Hostile names, beside those of TestServerNames: what stands in the certificate
// as bytes that no authority should have signed.
//
// Proves rfc6125 §6.4.2: "In accordance with [IDNA-PROTO], A-labels MUST be
// compared as case-insensitive ASCII."
// Proves rfc7252 §9.1.3.3: "If the certificate contains a SubjectAltName, then
// the authority of the request URI MUST match at least one of the authorities
// of any CoAP URI found in a field of URI type in the SubjectAltName set."
// Pitfall L3: a certificate of the right authority for the wrong host is no good
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	type san struct {
		tag  byte // 1 mail, 2 DNS, 6 URI, 7 IP, 8 registered id
		data string
	}
	long := string(bytes.Repeat([]byte("a"), 63))
	longest := long + "." + long + "." + long + "." + long[:57] + ".ex" // 253
	const mismatch, bad = dtls.ReasonCertNameMismatch, dtls.ReasonCertBad
	for _, test := range []struct {
		what string
		sans []san
		host string
		want dtls.Reason // of the reading or the comparing
	}{
		{"NUL in a DNS name", []san{{2, "a.example\x00.b.example"}}, "a.example", mismatch},
		{"NUL at the end of a DNS name", []san{{2, "a.example\x00"}}, "a.example", mismatch},
		{"NUL in a URI", []san{{6, "coaps://a.example\x00.b.example"}}, "a.example", bad},
		{"line feed in a DNS name", []san{{2, "a.example\n"}}, "a.example", mismatch},
		{"U-label", []san{{2, "b\xc3\xbccher.example"}}, "xn--bcher-kva.example", bad},
		{"U-label in a URI", []san{{6, "coaps://b\xc3\xbccher.example"}}, "xn--bcher-kva.example", bad},
		{"Latin-1", []san{{2, "b\xfccher.example"}}, "xn--bcher-kva.example", bad},
		{"A-label", []san{{2, "xn--bcher-kva.example"}}, "XN--bcher-KVA.example", dtls.ReasonNone},
		{"A-label of a look-alike", []san{{2, "xn--80ak6aa92e.example"}}, "apple.example", mismatch},
		{"Cyrillic a", []san{{2, "\xd0\xb0.example"}}, "a.example", bad},
		{"Turkish dotless i", []san{{2, "xn--coap-nza.example"}}, "coapi.example", mismatch},
		{"dot at the end of a DNS name", []san{{2, "a.example."}}, "a.example", dtls.ReasonNone},
		{"dot at the end of the request", []san{{2, "a.example"}}, "a.example.", dtls.ReasonNone},
		{"two dots at the end", []san{{2, "a.example.."}}, "a.example", mismatch},
		{"empty label", []san{{2, "a..example"}}, "a.example", mismatch},
		{"dot in front", []san{{2, ".example"}}, "a.example", mismatch},
		{"empty DNS name", []san{{2, ""}}, "a.example", mismatch},
		{"empty URI", []san{{6, ""}}, "a.example", mismatch},
		{"percent-encoded host", []san{{6, "coaps://a%2eexample"}}, "a.example", bad},
		{"percent-encoded letter", []san{{6, "coaps://%61.example"}}, "a.example", bad},
		{"user part", []san{{6, "coaps://a.example@b.example"}}, "a.example", mismatch},
		{"user part with the host", []san{{6, "coaps://a.example:5684@b.example"}}, "a.example", mismatch},
		{"backslash", []san{{6, "coaps://b.example\\@a.example"}}, "a.example", bad},
		{"fragment", []san{{6, "coaps://b.example#@a.example"}}, "a.example", mismatch},
		{"port that is none", []san{{6, "coaps://a.example:port"}}, "a.example", bad},
		{"port with a sign", []san{{6, "coaps://a.example:+5684"}}, "a.example", bad},
		{"port with zeros", []san{{6, "coaps://a.example:005684"}}, "a.example", dtls.ReasonNone},
		{"path", []san{{6, "coaps://a.example/x/../y"}}, "a.example", dtls.ReasonNone},
		{"scheme alone", []san{{6, "coaps:"}}, "a.example", mismatch},
		{"no scheme", []san{{6, "//a.example"}}, "a.example", mismatch},
		{"mail address", []san{{1, "a.example"}}, "a.example", mismatch},
		{"URI in a DNS name", []san{{2, "coaps://a.example"}}, "a.example", mismatch},
		{"address of 5 bytes", []san{{7, "\xc0\x00\x02\x01\x00"}}, "192.0.2.1", bad},
		{"address with a mask", []san{{7, "\xc0\x00\x02\x01\xff\xff\xff\xff"}}, "192.0.2.1", bad},
		{"the longest name", []san{{2, longest}}, longest, dtls.ReasonNone},
		{"a longer name", []san{{2, longest + "ample"}}, longest, mismatch},
		{"a label of 64", []san{{2, long + "a.example"}}, "a.example", mismatch},
		{"a megabyte no, 30 KB", []san{{2, string(bytes.Repeat([]byte("a."), 15000)) + "example"}}, "a.example", mismatch},
		{"a name behind many", append(slices.Repeat([]san{{2, "b.example"}, {6, "coaps://c.example"}, {7, "\xc0\x00\x02\x02"}}, 50), san{2, "a.example"}), "a.example", dtls.ReasonNone},
		{"none of many", slices.Repeat([]san{{2, "b.example"}, {6, "coaps://c.example"}, {7, "\xc0\x00\x02\x02"}}, 50), "a.example", mismatch},
		{"a kind that is not known", []san{{8, "\x2a\x03"}}, "a.example", mismatch},
		{"no name in it", nil, "a.example", mismatch},
	} {
		var list []byte
		for _, s := range test.sans {
			list = append(list, must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: int(s.tag), Bytes: []byte(s.data)}))...)
		}
		der := must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: list}))
		c := template(func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "a.example"} // must not count beside a SubjectAltName
			c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: der}}
		})
		// Made without sign, which reads what it has made.
		leaf := must(x509.CreateCertificate(nil, c, w.root.certificate, w.leafKey.Signer.Public(), w.root.key.Signer))
		parsed, err := x509.ParseCertificate(leaf)
		got := dtls.ReasonCertBad
		if err == nil {
			got = verdict(w.trust(), parsed, Authority{Host: test.host})
			_ = CertificateName(parsed)
			_ = presentedNames(parsed)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s (%v)", test.what, got, test.want, err)
		}
	}
}

// Constraints of an issuer bind URIs and addresses as they bind names.
func TestConstraintsOnAllNames(t *testing.T) {
	w := newWorld(t)
	network := &net.IPNet{IP: net.IPv4(192, 0, 2, 0).To4(), Mask: net.CIDRMask(24, 32)}
	for _, test := range []struct {
		what      string
		constrain func(*x509.Certificate)
		name      func(*x509.Certificate)
		host      string
		want      dtls.Reason
	}{
		{"URI within", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"a.example"} },
			func(c *x509.Certificate) { c.DNSNames, c.URIs = nil, []*url.URL{must(url.Parse("coaps://a.example"))} }, "a.example", dtls.ReasonNone},
		{"URI without", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"b.example"} },
			func(c *x509.Certificate) { c.DNSNames, c.URIs = nil, []*url.URL{must(url.Parse("coaps://a.example"))} }, "a.example", dtls.ReasonCertUnknownCA},
		{"address within", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} },
			func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(192, 0, 2, 9).To4()} }, "192.0.2.9", dtls.ReasonNone},
		{"address without", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} },
			func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(198, 51, 100, 9).To4()} }, "198.51.100.9", dtls.ReasonCertUnknownCA},
		{"address excluded", func(c *x509.Certificate) { c.ExcludedIPRanges = []*net.IPNet{network} },
			func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(192, 0, 2, 9).To4()} }, "192.0.2.9", dtls.ReasonCertUnknownCA},
	} {
		c := authority("Narrow", 300)
		test.constrain(c)
		narrow := issuer{key: mustNewKey(t, 31)}
		narrow.certificate = w.certify(w.root, narrow.key, c)
		leaf := w.certify(narrow, w.leafKey, node(9, test.name))
		err := w.trust().VerifyServer([]*x509.Certificate{leaf, narrow.certificate}, Authority{Host: test.host}, noon)
		checkVerdict(t, test.what, err, test.want, "")
	}
}
