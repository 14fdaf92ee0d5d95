// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// named is a certificate with this subject, as it comes from a parser.
func named(t *testing.T, subject pkix.RDNSequence) *x509.Certificate {
	t.Helper()
	der, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{RawSubject: der, RawIssuer: der}
	c.Subject.FillFromRDNSequence(&subject)
	return c
}

func attribute(id asn1.ObjectIdentifier, value string) pkix.RelativeDistinguishedNameSET {
	return pkix.RelativeDistinguishedNameSET{{Type: id, Value: value}}
}

// Proves rfc7925 §4.4.2: "For client certificates the identifier used in the
// SubjectAltName or in the leftmost CN component of subject name MUST be an
// EUI-64."
//
// Pitfall L3: what could be read in two ways is no name.
func TestNamesOf(t *testing.T) {
	c := named(t, pkix.RDNSequence{
		attribute(oidCommonName, "0123456789abcdef"), attribute(oidCommonName, "x,y=z"), attribute(oidSerialNumber, "01:23:45:67:89:AB:CD:EE"),
		attribute(asn1.ObjectIdentifier{2, 5, 4, 10}, "01-23-45-67-89-AB-CD-ED"),
	})
	c.URIs = []*url.URL{{Scheme: "urn", Opaque: "dev:7"}, {Scheme: "urn", Opaque: "a\x00b"}}
	c.DNSNames = []string{"A.Example.", "*.example", "a\x00.example", "192.0.2.1", "0123456789abcdef", "bücher.example", "b.example"}
	want := CertificateNames{
		URIs: []string{"urn:dev:7"}, DNS: []string{"a.example", "b.example"}, EUI64: []string{"01-23-45-67-89-AB-CD-EF", "01-23-45-67-89-AB-CD-EE"},
		Subject: `O=01-23-45-67-89-AB-CD-ED,SERIALNUMBER=01:23:45:67:89:AB:CD:EE,CN=x\,y=z,CN=0123456789abcdef`,
		Issuer:  `O=01-23-45-67-89-AB-CD-ED,SERIALNUMBER=01:23:45:67:89:AB:CD:EE,CN=x\,y=z,CN=0123456789abcdef`,
	}
	if diff := cmp.Diff(want, NamesOf(c), cmpopts.IgnoreFields(CertificateNames{}, "Pin")); diff != "" {
		t.Error(diff)
	}
	if hidden := NamesOf(named(t, pkix.RDNSequence{attribute(oidCommonName, "a\x00b")})); hidden.Subject != "" {
		t.Errorf("got %q", hidden.Subject)
	}
	many := named(t, nil)
	many.DNSNames = strings.Split(strings.Repeat("a.example,", 100), ",")
	if got := NamesOf(many); len(got.DNS) != maxCertificateNames || got.Subject != "" {
		t.Errorf("%d names, subject %q", len(got.DNS), got.Subject)
	}
}

func TestCanonicalNames(t *testing.T) {
	for s, want := range map[string]string{"0123456789ABCDEF": "01-23-45-67-89-AB-CD-EF", "01:23:45:67:89:ab:cd:ef": "01-23-45-67-89-AB-CD-EF", "01-23:45-67-89-ab-cd-ef": "", "": ""} {
		if got, ok := CanonicalEUI64(s); got != want || ok != (want != "") {
			t.Errorf("%q: %q", s, got)
		}
	}
	for s, want := range map[string]string{"A.example.": "a.example", "*.example": "", "::1": "", "a b": "", "": ""} {
		if got, ok := CanonicalDNS(s); got != want || ok != (want != "") {
			t.Errorf("%q: %q", s, got)
		}
	}
}
