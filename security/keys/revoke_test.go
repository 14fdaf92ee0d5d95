// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto"
	crand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"golang.org/x/crypto/ocsp"
)

// world is two authorities, one below the other, that revoke, and nodes of both.
type world struct {
	t             testing.TB
	root, between issuer
	leafKey       *dtls.KeyPair
	direct        *x509.Certificate   // a.example, issued by the root
	below         []*x509.Certificate // a.example, issued by between, and between
}

// Serial numbers in a world.
const (
	serialBetween = 100 + iota
	serialDirect
	serialBelow
	serialResponder
	serialOther
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, leafKey: mustNewKey(t, 11)}
	w.root.key = mustNewKey(t, 10)
	w.root.certificate = must(sign(authority("Root", 1), authority("Root", 1), w.root.key, w.root.key))
	w.between.key = mustNewKey(t, 20)
	w.between.certificate = w.certify(w.root, w.between.key, authority("Between", serialBetween))
	w.direct = w.certify(w.root, w.leafKey, node(serialDirect))
	w.below = []*x509.Certificate{w.certify(w.between, w.leafKey, node(serialBelow)), w.between.certificate}
	return w
}

// authority is the certificate of one that issues and revokes.
func authority(name string, serial int64) *x509.Certificate {
	return template(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.ExtKeyUsage = pkix.Name{CommonName: name}, true, nil
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		c.SerialNumber = big.NewInt(serial)
		c.NotAfter = noon.AddDate(1, 0, 0)
	})
}

// node is the certificate of a server called a.example, as changed by edits.
func node(serial int64, edits ...func(*x509.Certificate)) *x509.Certificate {
	return template(func(c *x509.Certificate) {
		c.Subject, c.DNSNames = pkix.Name{CommonName: "a.example"}, []string{"a.example"}
		c.SerialNumber = big.NewInt(serial)
		for _, edit := range edits {
			edit(c)
		}
	})
}

func (w *world) certify(by issuer, key *dtls.KeyPair, c *x509.Certificate) *x509.Certificate {
	w.t.Helper()
	return must(sign(c, by.certificate, key, by.key))
}

func (w *world) trust() *Trust { return NewTrust([]*x509.Certificate{w.root.certificate}) }

// entry is one of a revocation list.
func entry(serial int64, reason int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: noon.Add(-10 * time.Minute), ReasonCode: reason}
}

// crl is a list of an authority, current at noon, as changed by edits.
func (w *world) crl(by issuer, entries []x509.RevocationListEntry, edits ...func(*x509.RevocationList)) *x509.RevocationList {
	w.t.Helper()
	list := &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour), RevokedCertificateEntries: entries,
	}
	for _, edit := range edits {
		edit(list)
	}
	signer := *by.certificate // crypto/x509 does not let everybody sign
	signer.KeyUsage |= x509.KeyUsageCRLSign
	der := must(x509.CreateRevocationList(crand.Reader, list, &signer, by.key.Signer))
	return must(x509.ParseRevocationList(der))
}

func (w *world) withCRLs(policy RevocationPolicy, lists ...*x509.RevocationList) *Trust {
	w.t.Helper()
	trust, err := w.trust().WithCRLs(lists, policy)
	if err != nil {
		w.t.Fatal(err)
	}
	return trust
}

// staple is an OCSP response by the key of an issuer, current at noon, as changed
// by edits.
func (w *world) staple(by issuer, serial int64, status int, edits ...func(*ocsp.Response)) []byte {
	w.t.Helper()
	return w.stapleBy(by.certificate, by.certificate, by.key.Signer, serial, status, edits...)
}

// stapleBy is a response about a certificate of issuer, signed by a responder.
func (w *world) stapleBy(issuer, responder *x509.Certificate, key crypto.Signer, serial int64, status int, edits ...func(*ocsp.Response)) []byte {
	w.t.Helper()
	r := ocsp.Response{
		Status: status, SerialNumber: big.NewInt(serial), ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour),
		RevokedAt: noon.Add(-10 * time.Minute), RevocationReason: ocsp.KeyCompromise,
	}
	for _, edit := range edits {
		edit(&r)
	}
	return must(ocsp.CreateResponse(issuer, responder, r, key))
}

// responder is one to whom an issuer leaves the signing of OCSP responses.
func (w *world) responder(by issuer, edits ...func(*x509.Certificate)) issuer {
	w.t.Helper()
	key := mustNewKey(w.t, 30)
	return issuer{w.certify(by, key, template(func(c *x509.Certificate) {
		c.Subject, c.SerialNumber = pkix.Name{CommonName: "Responder"}, big.NewInt(serialResponder)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		for _, edit := range edits {
			edit(c)
		}
	})), key}
}

// speaks has a responder say what it says of a certificate of another issuer, and
// add its own certificate.
func (w *world) speaks(responder, about issuer, serial int64, status int, edits ...func(*ocsp.Response)) []byte {
	edits = append(edits, func(r *ocsp.Response) { r.Certificate = responder.certificate })
	return w.stapleBy(about.certificate, responder.certificate, responder.key.Signer, serial, status, edits...)
}

// checkVerdict compares the reason of a verdict, and what the operator is told.
func checkVerdict(t *testing.T, what string, err error, want dtls.Reason, says string) {
	t.Helper()
	switch {
	case ReasonOf(err) != want:
		t.Errorf("%s: %v, want %s", what, err, want)
	case err != nil && !strings.Contains(err.Error(), says):
		t.Errorf("%s: %v, says nothing of %q", what, err, says)
	}
}

// Who was revoked, when, why and by what the operator can read, and a program
// find out.
func TestRevokedError(t *testing.T) {
	w := newWorld(t)
	trust := w.withCRLs(RevocationFresh, w.crl(w.root, []x509.RevocationListEntry{entry(serialDirect, 1)}))
	err := trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon)
	r, ok := errors.AsType[*RevokedError](err)
	if !ok || r.Serial.Cmp(big.NewInt(serialDirect)) != 0 || !r.At.Equal(noon.Add(-10*time.Minute)) || r.Reason != 1 || r.Subject != "a.example" {
		t.Fatalf("%+v", r)
	}
	const want = "cert_revoked: certificate 65 of a.example was revoked on 2026-03-01 11:50:00 UTC, keyCompromise, " +
		"says revocation list 7 of CN=Root, of 2026-03-01"
	if err.Error() != want {
		t.Errorf("%s", err)
	}
	for reason, name := range map[RevocationReason]string{0: "unspecified", 6: "certificateHold", 7: "reason 7", 10: "aACompromise", 11: "reason 11", -1: "reason -1"} {
		if reason.String() != name {
			t.Errorf("%d is %s", reason, reason)
		}
	}
}

// What a list says is revoked is refused by every policy. What the policies
// differ in is what is not known.
func TestRevocationPolicies(t *testing.T) {
	w := newWorld(t)
	old := func(l *x509.RevocationList) {
		l.ThisUpdate, l.NextUpdate = noon.Add(-2*time.Hour), noon.Add(-time.Hour)
	}
	revokes := []x509.RevocationListEntry{entry(serialDirect, 0)}
	const none, revoked, unknown = dtls.ReasonNone, dtls.ReasonCertRevoked, dtls.ReasonCertStatusUnknown
	for _, test := range []struct {
		what              string
		lists             []*x509.RevocationList
		fresh, soft, hard dtls.Reason
	}{
		{"no list", nil, none, none, unknown},
		{"a list of another", []*x509.RevocationList{w.crl(w.between, revokes)}, none, none, unknown},
		{"a current list", []*x509.RevocationList{w.crl(w.root, nil)}, none, none, none},
		{"a current list with it", []*x509.RevocationList{w.crl(w.root, revokes)}, revoked, revoked, revoked},
		{"an old list", []*x509.RevocationList{w.crl(w.root, nil, old)}, unknown, none, unknown},
		{"an old list with it", []*x509.RevocationList{w.crl(w.root, revokes, old)}, revoked, revoked, revoked},
		{"a list of tomorrow", []*x509.RevocationList{w.crl(w.root, nil, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = noon.Add(time.Hour), noon.Add(2*time.Hour)
		})}, unknown, none, unknown},
	} {
		for policy, want := range map[RevocationPolicy]dtls.Reason{RevocationFresh: test.fresh, RevocationSoft: test.soft, RevocationHard: test.hard} {
			trust := w.withCRLs(policy, test.lists...)
			err := trust.VerifyServer([]*x509.Certificate{w.direct}, aExample, noon)
			checkVerdict(t, test.what+", "+policy.String(), err, want, "")
		}
	}
	if got := RevocationPolicy(9).String(); got != "policy 9" {
		t.Error(got)
	}
}

// A good response in hand tells more than a list that has run out, and less than
// one that names the certificate.
func TestOCSPBesideCRL(t *testing.T) {
	w := newWorld(t)
	good := w.staple(w.root, serialDirect, ocsp.Good)
	chain := []*x509.Certificate{w.direct}
	for policy := range RevocationHard + 1 {
		old := w.crl(w.root, nil, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		})
		checkVerdict(t, "old list", w.withCRLs(policy, old).VerifyServerOCSP(chain, good, aExample, noon), dtls.ReasonNone, "")
		named := w.crl(w.root, []x509.RevocationListEntry{entry(serialDirect, 1)})
		checkVerdict(t, "named", w.withCRLs(policy, named).VerifyServerOCSP(chain, good, aExample, noon), dtls.ReasonCertRevoked, "list")
	}
}

// The names of a trust's own settings do not get lost on the way to another.
func TestTrustSettingsAdd(t *testing.T) {
	w := newWorld(t)
	trust := w.withCRLs(RevocationHard, w.crl(w.root, []x509.RevocationListEntry{entry(serialDirect, 1)})).URIOnly().RequireOCSP()
	if !trust.uriOnly || !trust.requireOCSP || trust.policy != RevocationHard || len(trust.crls) != 1 || trust.Len() != 1 {
		t.Errorf("%+v", trust)
	}
	if again, err := trust.WithCRLs(nil, RevocationFresh); err != nil || len(again.CRLs()) != 0 || !again.uriOnly {
		t.Errorf("lists cannot be taken away: %v", err)
	}
}
