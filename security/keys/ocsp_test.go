// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"golang.org/x/crypto/ocsp"
)

// mustStaple gives a certificate the extension of RFC 7633 with some features.
func mustStaple(features ...int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidTLSFeature, Value: must(asn1.Marshal(features))})
	}
}

// from has a response hold from one time to another, in minutes after noon.
func from(this, next int) func(*ocsp.Response) {
	return func(r *ocsp.Response) {
		r.ThisUpdate, r.NextUpdate = noon.Add(time.Duration(this)*time.Minute), noon.Add(time.Duration(next)*time.Minute)
	}
}

func noEnd(age time.Duration) func(*ocsp.Response) {
	return func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = noon.Add(-age), time.Time{} }
}

// What a response must be to say that a certificate is good.
//
// Proves rfc6066 §8: "Clients requesting an OCSP response and receiving an OCSP
// response in a "CertificateStatus" message MUST check the OCSP response and
// abort the handshake if the response is not satisfactory with
// bad_certificate_status_response(113) alert."
// Proves rfc6960 §3.2: "The certificate identified in a received response
// corresponds to the certificate that was identified in the corresponding
// request;"
// Proves rfc6960 §3.2: "The signature on the response is valid;"
// Proves rfc6960 §4.2.2.2: "They MUST reject the response if the certificate
// required to validate the signature on the response does not meet at least one
// of the following criteria:"
// Proves rfc6960 §4.2.2.2: "Systems relying on OCSP responses MUST recognize a
// delegation certificate as being issued by the CA that issued the certificate in
// question only if the delegation certificate and the certificate being checked
// for revocation were signed by the same key."
// Proves rfc6960 §4.2.2.2: "Systems or applications that rely on OCSP responses
// MUST be capable of detecting and enforcing the use of the id-kp-OCSPSigning
// value as described above."
func TestOCSPResponses(t *testing.T) {
	w := newWorld(t)
	root, other := w.root, issuer{key: mustNewKey(t, 77)}
	other.certificate = must(sign(authority("Other", 9), authority("Other", 9), other.key, other.key))
	namesake := issuer{key: mustNewKey(t, 78)}
	namesake.certificate = must(sign(authority("Root", 9), authority("Root", 9), namesake.key, namesake.key))
	says := func(edits ...func(*ocsp.Response)) []byte { return w.staple(root, serialDirect, ocsp.Good, edits...) }
	delegated := func(by issuer, edits ...func(*x509.Certificate)) []byte {
		return w.speaks(w.responder(by, edits...), root, serialDirect, ocsp.Good)
	}
	changed := bytes.Clone(says())
	changed[len(changed)-1] ^= 1
	const good, bad, unknown = dtls.ReasonNone, dtls.ReasonCertStatusBad, dtls.ReasonCertStatusUnknown
	for _, test := range []struct {
		what string
		der  []byte
		want dtls.Reason
		says string
	}{
		{"good", says(), good, ""},
		{"revoked", w.staple(root, serialDirect, ocsp.Revoked), dtls.ReasonCertRevoked, "keyCompromise, says the OCSP response of 2026-03-01"},
		{"revoked, and old", w.staple(root, serialDirect, ocsp.Revoked, from(-99, -60)), dtls.ReasonCertRevoked, "certificate 65 of a.example"},
		{"unknown", w.staple(root, serialDirect, ocsp.Unknown), unknown, "does not know certificate 65"},
		{"about certificates hashed with SHA-256", says(func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 }), good, ""},

		{"ended", says(from(-99, -6)), bad, "not valid after"},
		{"ended just now", says(from(-99, -5)), good, ""},
		{"begins just now", says(from(5, 99)), good, ""},
		{"of tomorrow", says(from(6, 99)), bad, "not valid before"},
		{"without end, new", says(noEnd(time.Minute)), good, ""},
		{"without end, old", says(noEnd(2 * time.Hour)), bad, "not valid after"},

		{"of another certificate", w.staple(root, serialOther, ocsp.Good), bad, "no response matching"},
		{"of another issuer, who signs", w.staple(other, serialDirect, ocsp.Good), bad, "another issuer"},
		{"of another issuer, of the same name", w.staple(namesake, serialDirect, ocsp.Good), bad, "another issuer"},
		{"signed by a stranger", w.stapleBy(root.certificate, other.certificate, other.key.Signer, serialDirect, ocsp.Good), bad, "not signed by CN=Root"},
		{"signed by the node itself", w.stapleBy(root.certificate, w.direct, w.leafKey.Signer, serialDirect, ocsp.Good), bad, "not signed by"},
		{"a bit changed", changed, bad, "not signed by"},
		{"cut short", says()[:100], bad, "OCSP response"},
		{"bytes after it", append(says(), 0), bad, "trailing"},
		{"try later", ocsp.TryLaterErrorResponse, bad, "try later"},
		{"unauthorized", ocsp.UnauthorizedErrorResponse, bad, "unauthorized"},
		{"junk", []byte("junk"), bad, "OCSP response"},

		{"by a responder", delegated(root), good, ""},
		{"by a responder that says revoked", w.speaks(w.responder(root), root, serialDirect, ocsp.Revoked), dtls.ReasonCertRevoked, ""},
		{"by the issuer, with its certificate", w.speaks(root, root, serialDirect, ocsp.Good), good, ""},
		{"by a node of the issuer", delegated(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), bad, "does not allow"},
		{"by one that may do anything", delegated(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), bad, "does not allow"},
		{"by one with no extended key usage", delegated(root, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), bad, "does not allow"},
		{"by one whose key does not sign", delegated(root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), bad, "not for signatures"},
		{"by a responder of another issuer", delegated(other), bad, "not from the issuer"},
		{"by a responder of an issuer of the same name", delegated(namesake), bad, "not from the issuer"},
		{"by a responder of an authority below", delegated(w.between), bad, "not from the issuer"},
		{"by a responder whose time is over", delegated(root, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), bad, "valid from"},
		{"by a responder of tomorrow", delegated(root, func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), bad, "valid from"},
		{"by a responder with an unknown critical extension", delegated(root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), bad, "1.2.3"},
	} {
		err := w.trust().VerifyServerOCSP([]*x509.Certificate{w.direct}, test.der, aExample, noon)
		checkVerdict(t, test.what, err, test.want, test.says)
	}
}

// A responder's certificate can be revoked like any other, unless the issuer
// vouches for it.
func TestRevokedResponder(t *testing.T) {
	w := newWorld(t)
	noCheck := func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oidOCSPNoCheck, Value: []byte{5, 0}}}
	}
	trust := w.withCRLs(RevocationFresh, w.crl(w.root, []x509.RevocationListEntry{entry(serialResponder, 1)}))
	chain := []*x509.Certificate{w.direct}
	plain := w.speaks(w.responder(w.root), w.root, serialDirect, ocsp.Good)
	checkVerdict(t, "revoked", trust.VerifyServerOCSP(chain, plain, aExample, noon), dtls.ReasonCertRevoked, "of Responder")
	vouched := w.speaks(w.responder(w.root, noCheck), w.root, serialDirect, ocsp.Good)
	checkVerdict(t, "vouched for", trust.VerifyServerOCSP(chain, vouched, aExample, noon), dtls.ReasonNone, "")
	hard := w.withCRLs(RevocationHard, w.crl(w.root, nil))
	checkVerdict(t, "in no list", hard.VerifyServerOCSP(chain, plain, aExample, noon), dtls.ReasonNone, "")
}

// One key pair may be the responder's of two issuers. What it says of the
// certificate 102 of one does not count for the certificate 102 of the other,
// whichever of its own certificates somebody puts beside it.
func TestResponderOfTwoIssuers(t *testing.T) {
	w := newWorld(t)
	shared := w.responder(w.root)
	forBetween := w.responder(w.between)
	victim := w.certify(w.between, w.leafKey, node(serialDirect))
	swapped := w.stapleBy(w.root.certificate, forBetween.certificate, shared.key.Signer, serialDirect, ocsp.Good,
		func(r *ocsp.Response) { r.Certificate = forBetween.certificate })
	err := w.trust().VerifyServerOCSP([]*x509.Certificate{victim, w.between.certificate}, swapped, aExample, noon)
	checkVerdict(t, "swapped", err, dtls.ReasonCertStatusBad, "another issuer")
}

// A certificate that says that it comes with a response does not come without,
// and RequireOCSP asks it of every certificate. Clients have no way to show one.
func TestMustStaple(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		what string
		edit func(*x509.Certificate)
		must bool
	}{
		{"says nothing", unchanged, false},
		{"status_request", mustStaple(5), true},
		{"several", mustStaple(10, 5, 17), true},
		{"another feature", mustStaple(17), false},
		{"none", mustStaple(), false},
		{"unreadable", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidTLSFeature, Value: []byte{0x30, 9}}}
		}, true},
	} {
		leaf := w.certify(w.root, w.leafKey, node(serialDirect, test.edit, func(c *x509.Certificate) { c.ExtKeyUsage = nil }))
		if MustStaple(leaf) != test.must {
			t.Errorf("%s: %t", test.what, !test.must)
		}
		chain := []*x509.Certificate{leaf}
		without := dtls.ReasonNone
		if test.must {
			without = dtls.ReasonCertStatusMissing
		}
		var pins Pins
		pins.AddKey(w.leafKey.SPKI)
		good := w.staple(w.root, serialDirect, ocsp.Good)
		checkVerdict(t, test.what+", absent", w.trust().VerifyServer(chain, aExample, noon), without, "says itself that one must")
		checkVerdict(t, test.what+", absent, pinned", w.trust().VerifyPinnedServer(chain, &pins, noon), without, "says itself that one must")
		checkVerdict(t, test.what+", shown", w.trust().VerifyServerOCSP(chain, good, aExample, noon), dtls.ReasonNone, "")
		checkVerdict(t, test.what+", shown, pinned", w.trust().VerifyPinnedServerOCSP(chain, good, &pins, noon), dtls.ReasonNone, "")
		strict := w.trust().RequireOCSP()
		checkVerdict(t, test.what+", required", strict.VerifyServer(chain, aExample, noon), dtls.ReasonCertStatusMissing, "required here")
		checkVerdict(t, test.what+", required and shown", strict.VerifyServerOCSP(chain, good, aExample, noon), dtls.ReasonNone, "")
		checkVerdict(t, test.what+", of a client", strict.VerifyClient(chain, noon), dtls.ReasonNone, "")
	}
}

// A response is of the leaf alone. Its issuer is that of the path, wherever the
// anchor is.
func TestOCSPBelow(t *testing.T) {
	w := newWorld(t)
	good := w.staple(w.between, serialBelow, ocsp.Good)
	checkVerdict(t, "by its issuer", w.trust().VerifyServerOCSP(w.below, good, aExample, noon), dtls.ReasonNone, "")
	above := w.staple(w.root, serialBelow, ocsp.Good)
	checkVerdict(t, "by the root", w.trust().VerifyServerOCSP(w.below, above, aExample, noon), dtls.ReasonCertStatusBad, "another issuer")
	near := NewTrust([]*x509.Certificate{w.between.certificate})
	checkVerdict(t, "anchor below", near.VerifyServerOCSP(w.below[:1], good, aExample, noon), dtls.ReasonNone, "")
	self := NewTrust([]*x509.Certificate{w.direct})
	checkVerdict(t, "the leaf is the anchor", self.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon), dtls.ReasonNone, "")
}

// A server shows what a client will take, and nothing when that has run out.
func TestStaple(t *testing.T) {
	w := newWorld(t)
	now := noon
	clock := func() time.Time { return now }
	chain := dtls.Chain{DER: [][]byte{w.below[0].Raw, w.below[1].Raw}, Leaf: w.below[0], Signer: w.leafKey.Signer}
	staple, err := NewStaple(&chain, nil, clock)
	if err != nil {
		t.Fatal(err)
	}
	if from, to := staple.Validity(); chain.OCSP() != nil || !from.IsZero() || !to.IsZero() {
		t.Error("a response out of nowhere")
	}
	good := w.staple(w.between, serialBelow, ocsp.Good)
	if err := staple.Set(good); err != nil || !bytes.Equal(chain.OCSP(), good) {
		t.Fatalf("%v", err)
	}
	for what, der := range map[string][]byte{
		"junk": []byte("junk"), "revoked": w.staple(w.between, serialBelow, ocsp.Revoked), "old": w.staple(w.between, serialBelow, ocsp.Good, from(-99, -60)),
		"of another": w.staple(w.between, serialOther, ocsp.Good), "unknown": w.staple(w.between, serialBelow, ocsp.Unknown),
		"by another": w.staple(w.root, serialBelow, ocsp.Good), "nothing": nil, "too long": append(bytes.Clone(good), make([]byte, dtls.MaxOCSP)...),
	} {
		if err := staple.Set(der); err == nil || !bytes.Equal(chain.OCSP(), good) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if from, to := staple.Validity(); !from.Equal(noon.Add(-time.Hour)) || !to.Equal(noon.Add(time.Hour)) {
		t.Errorf("from %v to %v", from, to)
	}
	now = noon.Add(2 * time.Hour)
	if chain.OCSP() != nil {
		t.Error("shown when it has run out")
	}
	if err := staple.Set(w.staple(w.between, serialBelow, ocsp.Good, from(60, 200))); err != nil || chain.OCSP() == nil {
		t.Errorf("not renewed: %v", err)
	}
	if err := staple.Set(w.staple(w.between, serialBelow, ocsp.Good, noEnd(-2*time.Hour))); err != nil || chain.OCSP() == nil {
		t.Errorf("without an end: %v", err)
	}
}

// The issuer must be known, and be the issuer.
func TestNewStaple(t *testing.T) {
	w := newWorld(t)
	alone := func() *dtls.Chain {
		return &dtls.Chain{DER: [][]byte{w.direct.Raw}, Leaf: w.direct, Signer: w.leafKey.Signer}
	}
	if _, err := NewStaple(alone(), w.root.certificate, time.Now); err != nil {
		t.Error(err)
	}
	// Without the issuer all is checked but the signature.
	staple := must(NewStaple(alone(), nil, func() time.Time { return noon }))
	if err := staple.Set(w.staple(w.root, serialDirect, ocsp.Good)); err != nil {
		t.Error(err)
	}
	for what, der := range map[string][]byte{
		"of another issuer": w.staple(w.between, serialDirect, ocsp.Good), "of another": w.staple(w.root, serialOther, ocsp.Good),
		"revoked": w.staple(w.root, serialDirect, ocsp.Revoked), "old": w.staple(w.root, serialDirect, ocsp.Good, from(-99, -60)),
	} {
		if staple.Set(der) == nil {
			t.Errorf("%s: taken", what)
		}
	}
	for want, f := range map[string]func() error{
		"did not issue":  func() error { return must2(NewStaple(alone(), w.between.certificate, time.Now)) },
		"no certificate": func() error { return must2(NewStaple(&dtls.Chain{}, nil, time.Now)) },
		"x509": func() error {
			return must2(NewStaple(&dtls.Chain{DER: [][]byte{w.direct.Raw, {1}}, Leaf: w.direct}, nil, time.Now))
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that says %q", err, want)
		}
	}
}

// Pitfall L6: a response can hold anything; what is not signed is never good.
func FuzzOCSP(f *testing.F) {
	w := newWorld(f)
	good := w.staple(w.root, serialDirect, ocsp.Good)
	f.Add(good)
	f.Add(w.speaks(w.responder(w.root), w.root, serialDirect, ocsp.Good))
	f.Add(w.staple(w.root, serialDirect, ocsp.Revoked))
	f.Add(ocsp.TryLaterErrorResponse)
	trust := w.trust()
	f.Fuzz(func(t *testing.T, der []byte) {
		err := trust.VerifyServerOCSP([]*x509.Certificate{w.direct}, der, aExample, noon)
		if err == nil && len(der) > 0 && !bytes.Contains(der, must(ocsp.ParseResponse(good, nil)).TBSResponseData) {
			r, err := ocsp.ParseResponse(der, w.root.certificate)
			if err != nil || r.SerialNumber.Cmp(big.NewInt(serialDirect)) != 0 {
				t.Fatalf("a response that nobody signed is good: %v", err)
			}
		}
	})
}

func BenchmarkVerifyServerOCSP(b *testing.B) {
	w := newWorld(b)
	for _, test := range []struct {
		name string
		der  []byte
	}{{"none", nil}, {"by the issuer", w.staple(w.root, serialDirect, ocsp.Good)}, {"by a responder", w.speaks(w.responder(w.root), w.root, serialDirect, ocsp.Good)}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			trust := w.trust()
			for b.Loop() {
				if err := trust.VerifyServerOCSP([]*x509.Certificate{w.direct}, test.der, aExample, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
