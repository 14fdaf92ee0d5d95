// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// CertificateNames is all that a certificate calls its subject, in the form in
// which a list of known devices is compared with it: octet for octet.
type CertificateNames struct {
	Pin     Name     // of its public key, sha-256-120
	URIs    []string // of the SubjectAltName, as they stand there
	DNS     []string // of the SubjectAltName, valid host names without wildcard, in lower case
	EUI64   []string // in the subject, see CanonicalEUI64
	Subject string   // the whole subject (RFC 4514), "" if it is empty or no printable text
	Issuer  string   // the whole issuer
}

// maxCertificateNames bounds the names of one kind that are taken from a
// certificate.
const maxCertificateNames = 8

// NamesOf returns the names in a certificate. Of each kind it takes the first 8.
// What could be read in two ways, such as a DNS name with a wildcard or a NUL,
// is left out.
func NamesOf(c *x509.Certificate) CertificateNames {
	names := CertificateNames{
		Pin:     NameOf(c.RawSubjectPublicKeyInfo, SHA256_120),
		Subject: distinguishedName(c.RawSubject),
		Issuer:  distinguishedName(c.RawIssuer),
	}
	for _, u := range c.URIs {
		if text := u.String(); printable(text) {
			names.URIs = append(names.URIs, text)
		}
	}
	for _, name := range c.DNSNames {
		if canonical, ok := CanonicalDNS(name); ok {
			names.DNS = append(names.DNS, canonical)
		}
	}
	for _, attribute := range c.Subject.Names {
		value, _ := attribute.Value.(string)
		if !attribute.Type.Equal(oidCommonName) && !attribute.Type.Equal(oidSerialNumber) {
			continue
		}
		if eui, ok := CanonicalEUI64(value); ok {
			names.EUI64 = append(names.EUI64, eui)
		}
	}
	names.URIs = names.URIs[:min(len(names.URIs), maxCertificateNames)]
	names.DNS = names.DNS[:min(len(names.DNS), maxCertificateNames)]
	names.EUI64 = names.EUI64[:min(len(names.EUI64), maxCertificateNames)]
	return names
}

// CanonicalEUI64 returns an EUI-64, which may be written as sixteen hexadecimal
// digits with "-", ":" or nothing between octets, as 01-23-45-67-89-AB-CD-EF.
func CanonicalEUI64(s string) (string, bool) {
	eui, ok := parseEUI64(s)
	if !ok {
		return "", false
	}
	return strings.ReplaceAll(fmt.Sprintf("% X", eui[:]), " ", "-"), true
}

// CanonicalDNS returns a host name in lower case and without a dot at the end,
// and false for anything else: an address, a wildcard, an EUI-64.
func CanonicalDNS(s string) (string, bool) {
	h := parseHost(s)
	return h.name, h.kind == hostDNS
}

// distinguishedName returns the text of a DER name (RFC 4514). pkix.Name.String
// would leave out all but one of several attributes of a kind.
func distinguishedName(der []byte) string {
	var name pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &name)
	if err != nil || len(rest) > 0 {
		return ""
	}
	if text := name.String(); printable(text) {
		return text
	}
	return ""
}
