// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/google/go-cmp/cmp"
)

// issuer is an authority below another one.
type issuer struct {
	certificate *x509.Certificate
	key         *dtls.KeyPair
}

// newDeepPKI is one whose root may have authorities below it; that of NewCA
// issues to nodes only.
func newDeepPKI(t testing.TB) *pki {
	p := newPKI(t)
	p.root = must(sign(template(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.ExtKeyUsage, c.KeyUsage = pkix.Name{CommonName: "Root"}, true, nil, x509.KeyUsageCertSign
	}), template(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "Root"} }), p.key, p.key))
	return p
}

// intermediate makes an authority below the root.
func (p *pki) intermediate(edit func(*x509.Certificate)) issuer {
	p.t.Helper()
	key := mustNewKey(p.t, 20)
	c := template(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Intermediate"}
		c.IsCA = true
		c.ExtKeyUsage = nil
		c.KeyUsage = x509.KeyUsageCertSign
		edit(c)
	})
	return issuer{must(sign(c, p.root, key, p.key)), key}
}

// issue makes the certificate of a node called a.example.
func (i issuer) issue(t testing.TB, leaf *dtls.KeyPair, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	return must(sign(template(func(c *x509.Certificate) {
		c.DNSNames = []string{"a.example"}
		edit(c)
	}), i.certificate, leaf, i.key))
}

func unchanged(*x509.Certificate) {}

// certify gives the key of the pki the certificate of a node called a.example.
func (p *pki) certify(edit func(*x509.Certificate)) *x509.Certificate {
	return issuer{p.root, p.key}.issue(p.t, p.leaf, edit)
}

var aExample = Authority{Host: "a.example"}

// Each way in which a certificate can be unfit has its own reason.
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
func TestPathOfOne(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	edit := func(f func(*x509.Certificate)) *x509.Certificate { return p.certify(f) }
	stranger := newPKI(t)
	strangerCA := must(NewCA(seeded(99), "Test CA", noon, time.Hour)) // same name, other key
	stranger.root, stranger.key = strangerCA.Certificate, strangerCA.Key
	for _, test := range []struct {
		what  string
		chain []*x509.Certificate
		want  dtls.Reason
	}{
		{"good", []*x509.Certificate{edit(unchanged)}, dtls.ReasonNone},
		{"with the root", []*x509.Certificate{edit(unchanged), p.root}, dtls.ReasonNone},
		{"no chain", nil, dtls.ReasonNoPeerKey},
		{"too long", slices.Repeat([]*x509.Certificate{edit(unchanged)}, MaxChainLen+1), dtls.ReasonCertBad},
		{"expired", []*x509.Certificate{edit(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) })}, dtls.ReasonCertExpired},
		{"last second", []*x509.Certificate{edit(func(c *x509.Certificate) { c.NotAfter = noon })}, dtls.ReasonNone},
		{"not yet valid", []*x509.Certificate{edit(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) })}, dtls.ReasonCertNotYetValid},
		{"first second", []*x509.Certificate{edit(func(c *x509.Certificate) { c.NotBefore = noon })}, dtls.ReasonNone},
		{"of another authority of the same name", []*x509.Certificate{stranger.certify(unchanged)}, dtls.ReasonCertUnknownCA},
		{"with another authority at hand", []*x509.Certificate{stranger.certify(unchanged), stranger.root}, dtls.ReasonCertUnknownCA},
		{"for clients", []*x509.Certificate{edit(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })}, dtls.ReasonCertBadUsage},
		{"for code", []*x509.Certificate{edit(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} })}, dtls.ReasonCertBadUsage},
		{"for both", []*x509.Certificate{edit(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		})}, dtls.ReasonNone},
		{"for anything", []*x509.Certificate{edit(func(c *x509.Certificate) { c.ExtKeyUsage = nil })}, dtls.ReasonNone},
		{"key that does not sign", []*x509.Certificate{edit(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })}, dtls.ReasonCertBadUsage},
		{"key for anything", []*x509.Certificate{edit(func(c *x509.Certificate) { c.KeyUsage = 0 })}, dtls.ReasonNone},
		{"unknown critical extension", []*x509.Certificate{edit(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})}, dtls.ReasonCertUnsupported},
		{"unknown extension", []*x509.Certificate{edit(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}}
		})}, dtls.ReasonNone},
		{"other name", []*x509.Certificate{edit(func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} })}, dtls.ReasonCertNameMismatch},
	} {
		err := trust.VerifyServer(test.chain, aExample, noon)
		if got := ReasonOf(err); got != test.want {
			t.Errorf("%s: %v, want %s", test.what, err, test.want)
		}
		if _, ok := errors.AsType[*VerifyError](err); err != nil && !ok {
			t.Errorf("%s: error of type %T", test.what, err)
		}
	}
}

// Proves rfc5280 §6.1.4: "(n) If a key usage extension is present, verify that
// the keyCertSign bit is set."
// Proves rfc5280 §6.1.4: "(m) If pathLenConstraint is present in the certificate
// and is less than max_path_length, set max_path_length to the value of
// pathLenConstraint."
func TestPathOfTwo(t *testing.T) {
	p := newDeepPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	for _, test := range []struct {
		what string
		edit func(*x509.Certificate)
		want dtls.Reason
	}{
		{"good", unchanged, dtls.ReasonNone},
		{"not an authority", func(c *x509.Certificate) { c.IsCA = false }, dtls.ReasonCertUnknownCA},
		{"says nothing of authority", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false }, dtls.ReasonCertUnknownCA},
		{"may not sign certificates", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, dtls.ReasonCertUnknownCA},
		{"expired", func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }, dtls.ReasonCertExpired},
		{"not yet valid", func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }, dtls.ReasonCertNotYetValid},
		{"authority over clients", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, dtls.ReasonCertBadUsage},
		{"unknown critical extension", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}, dtls.ReasonCertUnsupported},
		{"may name a.example", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"a.example"}, true
		}, dtls.ReasonNone},
		{"may name b.example", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"b.example"}, true
		}, dtls.ReasonCertUnknownCA},
		{"may not name a.example", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"a.example"} }, dtls.ReasonCertUnknownCA},
	} {
		i := p.intermediate(test.edit)
		leaf := i.issue(t, p.leaf, unchanged)
		for _, chain := range [][]*x509.Certificate{{leaf, i.certificate}, {leaf, i.certificate, p.root}} {
			if err := trust.VerifyServer(chain, aExample, noon); ReasonOf(err) != test.want {
				t.Errorf("%s: %v, want %s", test.what, err, test.want)
			}
		}
		if err := trust.VerifyServer([]*x509.Certificate{leaf}, aExample, noon); ReasonOf(err) != dtls.ReasonCertUnknownCA {
			t.Errorf("%s: without the intermediate: %v", test.what, err)
		}
	}
	// NewCA's authority has a path length of 0.
	q := newPKI(t)
	i := q.intermediate(unchanged)
	err := NewTrust([]*x509.Certificate{q.root}).VerifyServer([]*x509.Certificate{i.issue(t, q.leaf, unchanged), i.certificate}, aExample, noon)
	if ReasonOf(err) != dtls.ReasonCertUnknownCA {
		t.Errorf("path too long: %v", err)
	}
}

// An authority that may only name b.example cannot have a.example as a Common
// Name either, where no constraint would reach it.
//
// Proves rfc5280 §4.2.1.10: "Restrictions apply only when the specified name
// form is present."
func TestCommonNameEvadesNoConstraint(t *testing.T) {
	p := newPKI(t)
	p.root = must(sign(template(func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.ExtKeyUsage, c.KeyUsage = pkix.Name{CommonName: "Root"}, true, nil, x509.KeyUsageCertSign
	}), template(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "Root"} }), p.key, p.key))
	trust := NewTrust([]*x509.Certificate{p.root})
	common := func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{CommonName: "a.example"} }
	free := p.intermediate(unchanged)
	if err := trust.VerifyServer([]*x509.Certificate{free.issue(t, p.leaf, common), free.certificate}, aExample, noon); err != nil {
		t.Errorf("without constraints: %v", err)
	}
	bound := p.intermediate(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"b.example"}, true
	})
	err := trust.VerifyServer([]*x509.Certificate{bound.issue(t, p.leaf, common), bound.certificate}, aExample, noon)
	if ReasonOf(err) != dtls.ReasonCertNameMismatch {
		t.Errorf("with constraints: %v", err)
	}
	uri := func(c *x509.Certificate) { c.DNSNames, c.URIs = nil, []*url.URL{must(url.Parse("coaps://a.example"))} }
	bound = p.intermediate(func(c *x509.Certificate) {
		c.PermittedURIDomains, c.PermittedDNSDomainsCritical = []string{"b.example"}, true
	})
	err = trust.VerifyServer([]*x509.Certificate{bound.issue(t, p.leaf, uri), bound.certificate}, aExample, noon)
	if ReasonOf(err) != dtls.ReasonCertUnknownCA {
		t.Errorf("with constraints on URIs: %v", err)
	}
}

// A certificate that is its own anchor is believed, and cannot lend its trust
// to others.
func TestSelfSignedAnchor(t *testing.T) {
	p := newPKI(t)
	self := must(sign(template(func(c *x509.Certificate) { c.DNSNames = []string{"a.example"}; c.Subject.CommonName = "self" }),
		template(func(c *x509.Certificate) { c.Subject.CommonName = "self" }), p.leaf, p.leaf))
	trust := NewTrust([]*x509.Certificate{self})
	if err := trust.VerifyServer([]*x509.Certificate{self}, aExample, noon); err != nil {
		t.Error(err)
	}
	if err := trust.VerifyServer([]*x509.Certificate{self}, Authority{Host: "b.example"}, noon); ReasonOf(err) != dtls.ReasonCertNameMismatch {
		t.Errorf("for another name: %v", err)
	}
	lent := issuer{self, p.leaf}.issue(t, mustNewKey(t, 30), func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} })
	if err := trust.VerifyServer([]*x509.Certificate{lent, self}, Authority{Host: "b.example"}, noon); ReasonOf(err) != dtls.ReasonCertUnknownCA {
		t.Errorf("signed by a node: %v", err)
	}
	if err := trust.VerifyServer([]*x509.Certificate{p.certify(unchanged)}, aExample, noon); ReasonOf(err) != dtls.ReasonCertUnknownCA {
		t.Errorf("the same key in a certificate of another: %v", err)
	}
}

// Pitfall M7: no anchor, no time, nothing is believed.
func TestTrustOfNothing(t *testing.T) {
	p := newPKI(t)
	chain := []*x509.Certificate{p.certify(unchanged)}
	for _, trust := range []*Trust{nil, {}, NewTrust(nil)} {
		if err := trust.VerifyServer(chain, aExample, noon); ReasonOf(err) != dtls.ReasonCertUnknownCA {
			t.Errorf("no anchor: %v", err)
		}
		if trust.Len() != 0 || trust.Authorities() != nil {
			t.Error("anchors out of nowhere")
		}
	}
	trust := NewTrust([]*x509.Certificate{p.root})
	if err := trust.VerifyServer(chain, aExample, time.Time{}); ReasonOf(err) != dtls.ReasonInternal {
		t.Errorf("no time: %v", err)
	}
	if diff := cmp.Diff([][]byte{p.root.RawSubject}, trust.Authorities()); diff != "" {
		t.Error(diff)
	}
	if ReasonOf(errors.New("x")) != dtls.ReasonCertBad || ReasonOf(nil) != dtls.ReasonNone {
		t.Error("ReasonOf is wrong")
	}
}

// Proves rfc7252 §9.1.3.3: "When a new connection is formed, the certificate
// from the remote device needs to be verified."
func TestVerifyClient(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	usage := func(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = u }
	}
	for _, test := range []struct {
		what string
		leaf *x509.Certificate
		want dtls.Reason
	}{
		{"good", p.certify(usage(x509.ExtKeyUsageClientAuth)), dtls.ReasonNone},
		{"a server", p.certify(usage(x509.ExtKeyUsageServerAuth)), dtls.ReasonCertBadUsage},
		{"anything", p.certify(usage()), dtls.ReasonNone},
		{"expired", p.certify(func(c *x509.Certificate) { c.NotAfter, c.ExtKeyUsage = noon.Add(-1), nil }), dtls.ReasonCertExpired},
	} {
		if err := trust.VerifyClient([]*x509.Certificate{test.leaf}, noon); ReasonOf(err) != test.want {
			t.Errorf("%s: %v, want %s", test.what, err, test.want)
		}
	}
	if err := trust.VerifyClient(nil, noon); ReasonOf(err) != dtls.ReasonNoPeerKey {
		t.Errorf("nothing: %v", err)
	}
}

// Proves rfc6125 §6.6.2: "If the client does not find a presented identifier
// matching any of the reference identifiers but the client has previously
// pinned the application service's certificate to one of the reference
// identifiers in the list it constructed for this communication attempt (as
// "pinning" is explained under Section 1.8), and the presented certificate
// matches the pinned certificate (including the context as described under
// Section 7.1), then the service identity check has succeeded."
func TestVerifyPinnedServer(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	var pins, others Pins
	pins.AddKey(p.leaf.SPKI)
	others.AddKey(p.key.SPKI)
	good := []*x509.Certificate{p.certify(unchanged)}
	expired := []*x509.Certificate{p.certify(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) })}
	for _, test := range []struct {
		what  string
		chain []*x509.Certificate
		pins  *Pins
		want  dtls.Reason
	}{
		{"pinned", good, &pins, dtls.ReasonNone},
		{"the issuer is pinned", good, &others, dtls.ReasonCertNameMismatch},
		{"nothing is pinned", good, nil, dtls.ReasonCertNameMismatch},
		{"pinned and expired", expired, &pins, dtls.ReasonCertExpired},
	} {
		if err := trust.VerifyPinnedServer(test.chain, test.pins, noon); ReasonOf(err) != test.want {
			t.Errorf("%s: %v, want %s", test.what, err, test.want)
		}
	}
}

// resign replaces the signature algorithm of a certificate, and signs it again
// over the digest that the algorithm calls for.
func resign(t testing.TB, c *x509.Certificate, algorithm asn1.ObjectIdentifier, digest func([]byte) []byte, key crypto.Signer) []byte {
	t.Helper()
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &outer); err != nil {
		t.Fatal(err)
	}
	old := must(asn1.Marshal(outer.Algorithm))
	outer.Algorithm = pkix.AlgorithmIdentifier{Algorithm: algorithm}
	contents := bytes.Replace(outer.TBS.Bytes, old, must(asn1.Marshal(outer.Algorithm)), 1)
	outer.TBS = asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: contents}
	hashed := digest(must(asn1.Marshal(outer.TBS)))
	signature := must(ecdsa.SignASN1(crand.Reader, key.(*ecdsa.PrivateKey), hashed))
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return must(asn1.Marshal(outer))
}

// Pitfall W22: the digest and the object identifier of a signature count: SHA-1,
// a digest cut short, or the identifier of another kind of key are refused.
//
// Pitfall A3: no weak digest in a certificate.
func TestSignatureAlgorithms(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	good := p.certify(unchanged)
	sha := func(h crypto.Hash, n int) func([]byte) []byte {
		return func(b []byte) []byte {
			hash := h.New()
			hash.Write(b)
			return hash.Sum(nil)[:n]
		}
	}
	_ = sha1.Size // crypto.SHA1 must be linked
	ecdsaWith := func(n ...int) asn1.ObjectIdentifier { return append(asn1.ObjectIdentifier{1, 2, 840, 10045, 4}, n...) }
	for _, test := range []struct {
		what string
		der  []byte
		want dtls.Reason
	}{
		{"ECDSA with SHA-256", resign(t, good, ecdsaWith(3, 2), sha(crypto.SHA256, 32), p.key.Signer), dtls.ReasonNone},
		{"ECDSA with SHA-1", resign(t, good, ecdsaWith(1), sha(crypto.SHA1, 20), p.key.Signer), dtls.ReasonCertUnknownCA},
		{"ECDSA with SHA-256, cut to 20 bytes", resign(t, good, ecdsaWith(3, 2), sha(crypto.SHA256, 20), p.key.Signer), dtls.ReasonCertUnknownCA},
		{"said to be SHA-384, is SHA-256", resign(t, good, ecdsaWith(3, 3), sha(crypto.SHA256, 32), p.key.Signer), dtls.ReasonCertUnknownCA},
		{"said to be Ed25519", resign(t, good, asn1.ObjectIdentifier{1, 3, 101, 112}, sha(crypto.SHA256, 32), p.key.Signer), dtls.ReasonCertUnknownCA},
		{"unknown algorithm", resign(t, good, asn1.ObjectIdentifier{1, 2, 3}, sha(crypto.SHA256, 32), p.key.Signer), dtls.ReasonCertUnknownCA},
		{"signed by the wrong key", resign(t, good, ecdsaWith(3, 2), sha(crypto.SHA256, 32), p.leaf.Signer), dtls.ReasonCertUnknownCA},
	} {
		c, err := x509.ParseCertificate(test.der)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		if err := trust.VerifyServer([]*x509.Certificate{c}, aExample, noon); ReasonOf(err) != test.want {
			t.Errorf("%s: %v, want %s", test.what, err, test.want)
		}
	}
}

// The keys of leaves and of issuers are of the kinds we have, or the
// certificate is no use.
func TestKeysInCertificates(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	kinds := signers(t)
	kinds["P-521"] = must(ecdsa.GenerateKey(elliptic.P521(), crand.Reader))
	kinds["P-224"] = must(ecdsa.GenerateKey(elliptic.P224(), crand.Reader))
	for kind, signer := range kinds {
		want := dtls.ReasonNone
		if checkPublicKey(signer.Public()) != nil {
			want = dtls.ReasonCertUnsupported
		}
		key := &dtls.KeyPair{Signer: signer}
		leaf := must(sign(template(func(c *x509.Certificate) { c.DNSNames = []string{"a.example"} }), p.root, key, p.key))
		if err := trust.VerifyServer([]*x509.Certificate{leaf}, aExample, noon); ReasonOf(err) != want {
			t.Errorf("leaf with %s: %v, want %s", kind, err, want)
		}
		root := must(sign(template(func(c *x509.Certificate) { c.IsCA, c.ExtKeyUsage, c.KeyUsage = true, nil, x509.KeyUsageCertSign }),
			template(unchanged), key, key))
		leaf = must(sign(template(func(c *x509.Certificate) { c.DNSNames = []string{"a.example"} }), root, p.leaf, key))
		if err := NewTrust([]*x509.Certificate{root}).VerifyServer([]*x509.Certificate{leaf}, aExample, noon); ReasonOf(err) != want {
			t.Errorf("issuer with %s: %v, want %s", kind, err, want)
		}
	}
}

// A failure costs no more public-key work than a success: names explain it.
func TestExplanationIsCheap(t *testing.T) {
	p := newPKI(t)
	other := must(NewCA(seeded(77), "Other CA", noon, time.Hour))
	trust := NewTrust([]*x509.Certificate{other.Certificate})
	chain := []*x509.Certificate{p.certify(unchanged)}
	for n := range byte(MaxChainLen - 1) {
		ca := must(NewCA(seeded(100+n), "Test CA", noon, time.Hour))
		chain = append(chain, ca.Certificate)
	}
	start := time.Now()
	if err := trust.VerifyServer(chain, aExample, noon); ReasonOf(err) != dtls.ReasonCertUnknownCA {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

// Proves rfc7252 §9.1.3.3: "Certificates MUST be signed with ECDSA using
// secp256r1, and the signature MUST use SHA-256."
// Proves rfc7252 §9.1.3.3: "The key used MUST be ECDSA capable."
// Proves rfc5280 §4.1.2.2: "CAs MUST force the serialNumber to be a non-negative
// integer."
// Proves rfc5280 §4.1.2.2: "Conforming CAs MUST NOT use serialNumber values
// longer than 20 octets."
func TestCA(t *testing.T) {
	ca := must(NewCA(seeded(1), "Demo CA", noon, 24*time.Hour))
	again := must(NewCA(seeded(1), "Demo CA", noon, 24*time.Hour))
	if !bytes.Equal(ca.Certificate.Raw, again.Certificate.Raw) {
		t.Error("the same randomness and time gave another certificate")
	}
	trust := NewTrust([]*x509.Certificate{ca.Certificate})
	serverKey, clientKey := mustNewKey(t, 2), mustNewKey(t, 3)
	authorities := []Authority{{Host: "localhost", Port: 7000}, {Host: "127.0.0.1", Port: 7000}, {Host: "::1", Port: 7000}}
	server := must(ca.IssueServer(seeded(4), serverKey, authorities, noon, time.Hour))
	if got := []string{server.Leaf.URIs[0].String(), server.Leaf.URIs[2].String(), server.Leaf.DNSNames[0], server.Leaf.IPAddresses[0].String(), server.Leaf.IPAddresses[1].String()}; !cmp.Equal(got,
		[]string{"coaps://localhost:7000", "coaps://[::1]:7000", "localhost", "127.0.0.1", "::1"}) {
		t.Errorf("names %v", got)
	}
	for _, a := range authorities {
		if err := trust.URIOnly().VerifyServer([]*x509.Certificate{server.Leaf}, a, noon); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		a.Port++
		if err := trust.VerifyServer([]*x509.Certificate{server.Leaf}, a, noon); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if err := trust.URIOnly().VerifyServer([]*x509.Certificate{server.Leaf}, a, noon); ReasonOf(err) != dtls.ReasonCertNameMismatch {
			t.Errorf("%s by URI alone: %v", a, err)
		}
	}
	client := must(ca.IssueClient(seeded(5), clientKey, "demo-client", noon, time.Hour))
	if err := trust.VerifyClient([]*x509.Certificate{client.Leaf}, noon); err != nil {
		t.Error(err)
	}
	if err := trust.VerifyServer([]*x509.Certificate{client.Leaf}, Authority{Host: "demo-client"}, noon); ReasonOf(err) != dtls.ReasonCertBadUsage {
		t.Errorf("a client as server: %v", err)
	}
	if CertificateName(client.Leaf) != "demo-client" || client.Leaf.SerialNumber.Cmp(big.NewInt(0)) <= 0 || client.Leaf.SerialNumber.BitLen() > 159 {
		t.Errorf("client %s, serial number %v", CertificateName(client.Leaf), client.Leaf.SerialNumber)
	}
	if key, ok := ca.Certificate.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the authority's key is %T", ca.Certificate.PublicKey)
	}
	if client.Leaf.SignatureAlgorithm != x509.ECDSAWithSHA256 || client.Leaf.KeyUsage != x509.KeyUsageDigitalSignature || client.Leaf.IsCA {
		t.Errorf("signature %v, usage %b", client.Leaf.SignatureAlgorithm, client.Leaf.KeyUsage)
	}
	if _, err := ca.IssueServer(seeded(4), serverKey, nil, noon, time.Hour); err == nil {
		t.Error("a server without a name got a certificate")
	}
	if _, err := ca.IssueServer(seeded(4), serverKey, []Authority{{Host: "*.example"}}, noon, time.Hour); err == nil {
		t.Error("a wildcard got a certificate")
	}
	if _, err := NewCA(bytes.NewReader(make([]byte, 3)), "x", noon, time.Hour); err == nil {
		t.Error("an authority was made of three bytes of randomness")
	}
}

func TestChains(t *testing.T) {
	p := newPKI(t)
	i := p.intermediate(unchanged)
	leaf := i.issue(t, p.leaf, unchanged)
	key := must(MarshalPrivate(p.leaf))
	file := MarshalCertificates(leaf, i.certificate, p.root)
	chain, err := ParseChain(file, key)
	if err != nil || len(chain.DER) != 3 || chain.Leaf.DNSNames[0] != "a.example" || !bytes.Equal(chain.DER[1], i.certificate.Raw) {
		t.Fatalf("got %d certificates, %v", len(chain.DER), err)
	}
	both := append(slices.Clone(key), file...)
	if chain, err := ParseChain(both, both); err != nil || len(chain.DER) != 3 {
		t.Errorf("one file: %v", err)
	}
	if chain, err := ParseChain(leaf.Raw, key); err != nil || len(chain.DER) != 1 {
		t.Errorf("DER: %v", err)
	}
	if spki, err := ParsePublicKey(file); err != nil || !bytes.Equal(spki, p.leaf.SPKI) {
		t.Errorf("public key of a chain: %v", err)
	}
	ed := ed25519.NewKeyFromSeed(make([]byte, 32))
	for want, data := range map[string][2][]byte{
		"not that of the private key": {file, must(MarshalPrivate(p.key))},
		"put each one before":         {MarshalCertificates(leaf, p.root, i.certificate), key},
		"2 did not issue":             {MarshalCertificates(leaf, p.root), key},
		"no certificate":              {key, key},
		"at most 10":                  {bytes.Repeat(MarshalCertificates(leaf), 11), key},
		"certificate 2:":              {append(MarshalCertificates(leaf), block(pemCertificate, leaf.Raw[:100])...), key},
		"certificate request":         {block("CERTIFICATE REQUEST", []byte{1}), key},
		"the first certificate":       {file, must(MarshalPrivate(&dtls.KeyPair{Signer: ed}))},
		"no private key":              {file, file},
	} {
		if _, err := ParseChain(data[0], data[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// Pitfall L6: a file of certificates can hold anything.
func FuzzParseChain(f *testing.F) {
	p := newPKI(f)
	leaf := p.certify(unchanged)
	key := must(MarshalPrivate(p.leaf))
	f.Add(MarshalCertificates(leaf, p.root), key)
	f.Add(leaf.Raw, key)
	f.Add(append(slices.Clone(key), MarshalCertificates(leaf)...), key)
	trust := NewTrust([]*x509.Certificate{p.root})
	f.Fuzz(func(t *testing.T, certificates, key []byte) {
		chain, err := ParseChain(certificates, key)
		if err != nil {
			return
		}
		if CertificateName(chain.Leaf) == "" {
			t.Fatal("a certificate without a name")
		}
		_ = trust.VerifyServer([]*x509.Certificate{chain.Leaf}, aExample, noon)
		_ = presentedNames(chain.Leaf)
	})
}

// An error that has lost its reason must not read as "believed".
func TestReasonOfFailsClosed(t *testing.T) {
	for err, want := range map[error]dtls.Reason{
		nil:                   dtls.ReasonNone,
		errors.New("other"):   dtls.ReasonCertBad,
		error(&VerifyError{}): dtls.ReasonCertBad,
		error(&VerifyError{Reason: dtls.ReasonCertExpired}): dtls.ReasonCertExpired,
	} {
		if got := ReasonOf(err); got != want {
			t.Errorf("%v: %v, want %v", err != nil, got, want)
		}
	}
}
