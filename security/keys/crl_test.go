// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// extension is one of a list, of which DER is given in full.
func extension(id asn1.ObjectIdentifier, critical bool, der ...byte) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: der})
	}
}

func sequence(content ...byte) []byte { return append([]byte{0x30, byte(len(content))}, content...) }

// point is the DER of an issuingDistributionPoint with a URI.
func point(uri string, more ...byte) []byte {
	name := append([]byte{0x86, byte(len(uri))}, uri...)
	full := append([]byte{0xa0, byte(len(name))}, name...)
	return sequence(append(append([]byte{0xa0, byte(len(full))}, full...), more...)...)
}

// A list that cannot be used is refused when it is given, by the name of what is
// in the way.
//
// Proves rfc5280 §5.2: "If a CRL contains a critical extension that the
// application cannot process, then the application MUST NOT use that CRL to
// determine the status of certificates."
// Proves rfc5280 §5.3: "If a CRL contains a critical CRL entry extension that the
// application cannot process, then the application MUST NOT use that CRL to
// determine the status of any certificates."
// Proves rfc5280 §6.3.3: "If a key usage extension is present in the CRL issuer's
// certificate, verify that the cRLSign bit is set."
// Proves rfc5280 §6.3.3: "Validate the signature on the complete CRL using the
// public key validated in step (f)."
func TestCRLsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	list := func(edits ...func(*x509.RevocationList)) *x509.RevocationList { return w.crl(w.root, nil, edits...) }
	unknown := asn1.ObjectIdentifier{1, 2, 3}
	entryWith := func(id asn1.ObjectIdentifier, critical bool) *x509.RevocationList {
		e := entry(5, 0)
		e.ExtraExtensions = []pkix.Extension{{Id: id, Critical: critical, Value: []byte{0x30, 0}}}
		return w.crl(w.root, []x509.RevocationListEntry{e})
	}
	edited := func(edit func(*x509.RevocationList)) *x509.RevocationList { l := list(); edit(l); return l }
	silent := w.root
	silent.certificate = w.certify(w.root, w.root.key, template(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.ExtKeyUsage, c.KeyUsage = pkix.Name{CommonName: "Root"}, true, nil, x509.KeyUsageCertSign
	}))
	thief := issuer{w.root.certificate, mustNewKey(t, 99)}
	for _, test := range []struct {
		what  string
		list  *x509.RevocationList
		trust *Trust
		says  string // "" for a list that is taken
	}{
		{"plain", list(), w.trust(), ""},
		{"unknown extension", list(extension(unknown, false, 5, 0)), w.trust(), ""},
		{"unknown critical extension", list(extension(unknown, true, 5, 0)), w.trust(), "1.2.3"},
		{"delta", list(extension(oidDeltaCRL, true, 2, 1, 1)), w.trust(), "delta"},
		{"for user certificates", list(extension(oidIssuingPoint, true, sequence(0x81, 1, 0xff)...)), w.trust(), ""},
		{"for authorities", list(extension(oidIssuingPoint, true, sequence(0x82, 1, 0xff)...)), w.trust(), ""},
		{"for some reasons", list(extension(oidIssuingPoint, true, sequence(0x83, 2, 0, 0x40)...)), w.trust(), "some reasons"},
		{"indirect", list(extension(oidIssuingPoint, true, sequence(0x84, 1, 0xff)...)), w.trust(), "indirect"},
		{"for attribute certificates", list(extension(oidIssuingPoint, true, sequence(0x85, 1, 0xff)...)), w.trust(), "attribute"},
		{"for one point", list(extension(oidIssuingPoint, true, point("http://a/1.crl")...)), w.trust(), ""},
		{"for a point without URI", list(extension(oidIssuingPoint, true, sequence(0xa0, 4, 0xa0, 2, 0x82, 0)...)), w.trust(), "no URI"},
		{"for a relative point", list(extension(oidIssuingPoint, true, sequence(0xa0, 2, 0xa1, 0)...)), w.trust(), "full name"},
		{"scope cut short", list(extension(oidIssuingPoint, true, 0x30, 9)), w.trust(), "cannot be read"},
		{"entry with an unknown extension", entryWith(unknown, false), w.trust(), ""},
		{"entry with an unknown critical extension", entryWith(unknown, true), w.trust(), "1.2.3"},
		{"entry of another issuer", entryWith(oidCertIssuer, true), w.trust(), "indirect"},
		{"no nextUpdate", edited(func(l *x509.RevocationList) { l.NextUpdate = time.Time{} }), w.trust(), "nextUpdate"},
		{"SHA-1", edited(func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.ECDSAWithSHA1 }), w.trust(), "SHA1"},
		{"unknown algorithm", edited(func(l *x509.RevocationList) { l.SignatureAlgorithm = 0 }), w.trust(), "signed with"},
		{"forged by another key", w.crl(thief, nil), w.trust(), "verification"},
		{"one byte changed", edited(func(l *x509.RevocationList) { l.RawTBSRevocationList[len(l.RawTBSRevocationList)-1] ^= 1 }), w.trust(), "verification"},
		{"issuer may not sign lists", list(), NewTrust([]*x509.Certificate{silent.certificate}), "may not sign"},
		{"issuer not known yet", w.crl(w.between, nil), w.trust(), ""},
	} {
		_, err := test.trust.WithCRLs([]*x509.RevocationList{test.list}, RevocationFresh)
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", test.what, err)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v, want an error that says %q", test.what, err, test.says)
		}
	}
}

// A list speaks of the certificates in its scope, and of no others.
//
// Proves rfc5280 §6.3.3: "Otherwise, verify that the CRL issuer matches the
// certificate issuer."
// Proves rfc5280 §6.3.3: "(ii) If the onlyContainsUserCerts boolean is asserted in
// the IDP CRL extension, verify that the certificate does not include the basic
// constraints extension with the cA boolean asserted."
// Proves rfc5280 §6.3.3: "(iii) If the onlyContainsCACerts boolean is asserted in
// the IDP CRL extension, verify that the certificate includes the basic
// constraints extension with the cA boolean asserted."
func TestCRLScope(t *testing.T) {
	w := newWorld(t)
	const here, there = "http://a.example/here.crl", "http://a.example/there.crl"
	pointed := w.certify(w.root, w.leafKey, node(serialOther, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{there, here} }))
	scope := func(der ...byte) []func(*x509.RevocationList) {
		return []func(*x509.RevocationList){extension(oidIssuingPoint, true, der...)}
	}
	all := []x509.RevocationListEntry{entry(serialBetween, 2), entry(serialDirect, 1), entry(serialBelow, 1), entry(serialOther, 1)}
	direct, other := []*x509.Certificate{w.direct}, []*x509.Certificate{pointed}
	for _, test := range []struct {
		what  string
		by    issuer
		scope []func(*x509.RevocationList)
		chain []*x509.Certificate
		hit   bool
	}{
		{"all", w.root, nil, direct, true},
		{"all, an authority", w.root, nil, w.below, true},
		{"another issuer's", w.between, nil, direct, false},
		{"its issuer's", w.between, nil, w.below, true},
		{"users", w.root, scope(sequence(0x81, 1, 0xff)...), direct, true},
		{"users, an authority", w.root, scope(sequence(0x81, 1, 0xff)...), w.below, false},
		{"authorities", w.root, scope(sequence(0x82, 1, 0xff)...), direct, false},
		{"authorities, an authority", w.root, scope(sequence(0x82, 1, 0xff)...), w.below, true},
		{"a point", w.root, scope(point(here)...), other, true},
		{"a point, not of this certificate", w.root, scope(point(here)...), direct, false},
		{"another point", w.root, scope(point("http://a.example/else.crl")...), other, false},
	} {
		trust := w.withCRLs(RevocationSoft, w.crl(test.by, all, test.scope...))
		want := dtls.ReasonNone
		if test.hit {
			want = dtls.ReasonCertRevoked
		}
		checkVerdict(t, test.what, trust.VerifyServer(test.chain, aExample, noon), want, "")
		if !test.hit {
			hard := w.withCRLs(RevocationHard, w.crl(test.by, all, test.scope...))
			checkVerdict(t, test.what+", hard", hard.VerifyServer(test.chain, aExample, noon), dtls.ReasonCertStatusUnknown, "no revocation list")
		}
	}
}

// Of several lists of one issuer the newest counts, in whatever order they came.
//
// Proves rfc5280 §5.2.3: "This extension allows users to easily determine when a
// particular CRL supersedes another CRL."
// Proves rfc5280 §5.2.3: "CRL verifiers MUST be able to handle CRLNumber values
// up to 20 octets."
func TestNewestCRLCounts(t *testing.T) {
	w := newWorld(t)
	hold := []x509.RevocationListEntry{entry(serialDirect, 6)}
	first := w.crl(w.root, hold)
	second := w.crl(w.root, nil, func(l *x509.RevocationList) { l.Number = big.NewInt(8) })
	later := w.crl(w.root, nil, func(l *x509.RevocationList) { l.ThisUpdate = noon.Add(-time.Minute) })
	for i, lists := range [][]*x509.RevocationList{{first, second}, {second, first}, {first, later}, {later, first}, {first, first, second}} {
		trust := w.withCRLs(RevocationFresh, lists...)
		checkVerdict(t, fmt.Sprint("pair ", i), trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon), dtls.ReasonNone, "")
		if infos := trust.CRLs(); len(infos) != 1 || infos[0].Entries != 0 {
			t.Errorf("pair %d: %+v", i, infos)
		}
	}
	// Numbers are as long as they may be.
	long := func(n int64) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.Number = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 158), big.NewInt(n))
		}
	}
	trustLong := w.withCRLs(RevocationFresh, w.crl(w.root, nil, long(2)), w.crl(w.root, hold, long(1)))
	checkVerdict(t, "long numbers", trustLong.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon), dtls.ReasonNone, "")
	// Of another scope it is another list.
	users := w.crl(w.root, hold, extension(oidIssuingPoint, true, sequence(0x81, 1, 0xff)...))
	trust := w.withCRLs(RevocationFresh, users, second)
	checkVerdict(t, "two scopes", trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon), dtls.ReasonCertRevoked, "certificateHold")
	if len(trust.CRLs()) != 2 {
		t.Errorf("%+v", trust.CRLs())
	}
}

// A list of an authority of the same name is passed over if it says that its key
// is another; if it does not say so, nobody knows whether it was forged.
func TestCRLOfTheSameName(t *testing.T) {
	w := newWorld(t)
	namesake := issuer{key: mustNewKey(t, 55)}
	namesake.certificate = w.certify(w.root, namesake.key, authority("Between", 200))
	list := w.crl(namesake, []x509.RevocationListEntry{entry(serialBelow, 1)})
	trust := w.withCRLs(RevocationFresh, list)
	checkVerdict(t, "another key", trust.VerifyServer(w.below, aExample, noon), dtls.ReasonNone, "")
	both := w.withCRLs(RevocationHard, list, w.crl(w.between, nil), w.crl(w.root, nil))
	checkVerdict(t, "both lists", both.VerifyServer(w.below, aExample, noon), dtls.ReasonNone, "")
	thief := issuer{w.between.certificate, namesake.key}
	forged := w.withCRLs(RevocationSoft, w.crl(thief, nil))
	for range 2 { // the second time from memory
		checkVerdict(t, "forged", forged.VerifyServer(w.below, aExample, noon), dtls.ReasonCertStatusUnknown, "verification")
	}
	// Other certificates are not touched by it.
	checkVerdict(t, "forged, of another issuer", forged.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon), dtls.ReasonNone, "")
}

// A list counts from five minutes before it begins to five after it ends.
func TestCRLTimes(t *testing.T) {
	w := newWorld(t)
	trust := w.withCRLs(RevocationFresh, w.crl(w.root, nil, func(l *x509.RevocationList) {
		l.ThisUpdate, l.NextUpdate = noon.Add(-20*time.Minute), noon.Add(20*time.Minute)
	}))
	for offset, want := range map[time.Duration]dtls.Reason{
		-26 * time.Minute: dtls.ReasonCertStatusUnknown, -25 * time.Minute: dtls.ReasonNone, 0: dtls.ReasonNone,
		25 * time.Minute: dtls.ReasonNone, 26 * time.Minute: dtls.ReasonCertStatusUnknown,
	} {
		checkVerdict(t, offset.String(), trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon.Add(offset)), want, "run out")
	}
}

// Files of lists, in both forms.
func TestParseCRLs(t *testing.T) {
	w := newWorld(t)
	a, b := w.crl(w.root, nil), w.crl(w.between, []x509.RevocationListEntry{entry(1, 0)})
	text := append(block("X509 CRL", a.Raw), block("CERTIFICATE", w.direct.Raw)...)
	text = append(text, block("X509 CRL", b.Raw)...)
	lists, err := ParseCRLs(text)
	if err != nil || len(lists) != 2 || !bytes.Equal(lists[1].Raw, b.Raw) {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	if lists, err = ParseCRLs(a.Raw); err != nil || len(lists) != 1 {
		t.Errorf("DER: %d lists, %v", len(lists), err)
	}
	for what, data := range map[string][]byte{
		"nothing": nil, "no list": block("CERTIFICATE", w.direct.Raw), "junk": []byte("junk"),
		"second cut":  append(block("X509 CRL", a.Raw), block("X509 CRL", b.Raw[:40])...),
		"half a file": text[:len(text)-100],
	} {
		if lists, err := ParseCRLs(data); err == nil {
			t.Errorf("%s: %d lists", what, len(lists))
		}
	}
	path := filepath.Join(t.TempDir(), "crl.pem")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if lists, err := LoadCRLs(path); err != nil || len(lists) != 2 {
		t.Errorf("%d lists, %v", len(lists), err)
	}
	if _, err := LoadCRLs(path + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// CRLs tells what is in use, what needs renewing first.
func TestCRLInfo(t *testing.T) {
	w := newWorld(t)
	soon := func(l *x509.RevocationList) { l.NextUpdate = noon.Add(time.Minute) }
	infos := w.withCRLs(RevocationFresh, w.crl(w.root, nil), w.crl(w.between, []x509.RevocationListEntry{entry(1, 0), entry(2, 0)}, soon)).CRLs()
	if len(infos) != 2 || infos[0].Issuer != "CN=Between" || infos[0].Entries != 2 || !infos[0].NextUpdate.Equal(noon.Add(time.Minute)) || infos[0].Number.Int64() != 7 || infos[0].Anchored || !infos[1].Anchored {
		t.Errorf("%+v", infos)
	}
	if (*Trust)(nil).CRLs() != nil {
		t.Error("lists out of nowhere")
	}
}

// Pitfall L6: a list can hold anything; what is taken is looked up without harm.
func FuzzParseCRLs(f *testing.F) {
	w := newWorld(f)
	for _, list := range []*x509.RevocationList{
		w.crl(w.root, []x509.RevocationListEntry{entry(serialDirect, 1)}),
		w.crl(w.root, nil, extension(oidIssuingPoint, true, point("http://a/1.crl")...)),
		w.crl(w.root, nil, extension(oidIssuingPoint, true, sequence(0x81, 1, 0xff, 0x84, 1, 0)...)),
	} {
		f.Add(list.Raw)
		f.Add(block("X509 CRL", list.Raw))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := ParseCRLs(data)
		if err != nil {
			return
		}
		for _, list := range lists {
			if c, err := newCRL(list); err == nil {
				_, _ = c.signedBy(w.root.certificate), c.covers(w.direct)
				_, _ = c.String(), c.current(noon)
			}
		}
		if trust, err := w.trust().WithCRLs(lists, RevocationFresh); err == nil {
			_ = trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon)
		}
	})
}

// FuzzCRLScope reads anything as an issuingDistributionPoint.
func FuzzCRLScope(f *testing.F) {
	f.Add(point("http://a/1.crl"))
	f.Add(sequence(0x81, 1, 0xff, 0x82, 1, 0))
	f.Add(sequence(0xa0, 4, 0xa0, 2, 0x82, 0))
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := parseScope(der)
		if err != nil && (s.points != nil && len(s.points) == 0) {
			t.Error("points of nothing")
		}
		for _, p := range s.points {
			if !bytes.Contains(der, []byte(p)) {
				t.Errorf("%q is not in %x", p, der)
			}
		}
	})
}

// bigCRL is a list of n certificates with serial numbers of 16 bytes.
func bigCRL(w *world, n int) *x509.RevocationList {
	entries := make([]x509.RevocationListEntry, n)
	for i := range entries {
		serial := new(big.Int).Lsh(big.NewInt(int64(i+1000)), 100)
		entries[i] = x509.RevocationListEntry{SerialNumber: serial, RevocationTime: noon, ReasonCode: 1}
	}
	return w.crl(w.root, entries)
}

// To look a certificate up takes no longer in a list of a hundred thousand than
// in a list of ten.
func BenchmarkCRLLookup(b *testing.B) {
	w := newWorld(b)
	for _, n := range []int{10, 1000, 100_000} {
		trust := w.withCRLs(RevocationFresh, bigCRL(w, n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := trust.checkLists(w.direct, w.root.certificate, noon, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCRLLoad is what a reload costs: parsing, verifying, and the index.
func BenchmarkCRLLoad(b *testing.B) {
	w := newWorld(b)
	data := bigCRL(w, 100_000).Raw
	b.ReportAllocs()
	for b.Loop() {
		lists := must(ParseCRLs(data))
		must(w.trust().WithCRLs(lists, RevocationFresh))
	}
}
