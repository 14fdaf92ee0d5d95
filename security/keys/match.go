// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"strings"
)

// X.509 object identifiers.
var (
	oidSubjectAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidCommonName      = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSerialNumber    = asn1.ObjectIdentifier{2, 5, 4, 5}
)

// matchRules narrows what counts as the name in a certificate.
type matchRules struct {
	uriOnly bool // of a SubjectAltName, only the coaps URIs
	noCN    bool // no Common Name
}

// matches reports whether a certificate is that of the reference r. The
// presented identifiers are tried in this order:
//
//   - URI-ID: a coaps URI in the SubjectAltName with the same host and port
//     (RFC 7252 §9.1.3.3);
//   - DNS-ID and IP-ID: a dNSName or an iPAddress in the SubjectAltName with
//     the same host, valid for all its ports (RFC 7925 §4.4.1, RFC 6125 §6.4,
//     RFC 9525 §6.4);
//   - CN-ID: the Common Name, only if there is no SubjectAltName (RFC 7252
//     §9.1.3.3).
//
// None of them may hold a wildcard. This is not x509.VerifyHostname, which
// knows no URIs and takes wildcards.
func (r reference) matches(c *x509.Certificate, rules matchRules) bool {
	if !hasExtension(c, oidSubjectAltName) {
		return !rules.noCN && r.matchesCommonName(c)
	}
	return r.matchesURI(c) || !rules.uriOnly && (r.matchesDNS(c) || r.matchesIP(c))
}

// Names reports whether a certificate is for the server called serverName, as
// a server asks that has to choose among its own.
func Names(c *x509.Certificate, serverName string) bool {
	wanted := host{kind: hostDNS, name: normalServerName(serverName)}
	if !hasExtension(c, oidSubjectAltName) {
		name, ok := commonName(c)
		return ok && parseHost(name) == wanted
	}
	for _, u := range c.URIs {
		if h, _, ok := uriHost(u, "coaps"); ok && h == wanted {
			return true
		}
	}
	return reference{host: wanted}.matchesDNS(c)
}

func (r reference) matchesURI(c *x509.Certificate) bool {
	for _, u := range c.URIs {
		// RFC 6125 §6.5: the scheme, which is the type of the service, is
		// compared along with the host.
		if h, port, ok := uriHost(u, r.scheme); ok && port == r.port && r.sameHost(h) {
			return true
		}
	}
	return false
}

func (r reference) matchesDNS(c *x509.Certificate) bool {
	for _, name := range c.DNSNames {
		// An address does not become a name by standing in a dNSName.
		if h := parseHost(name); h.kind != hostIP && r.sameHost(h) {
			return true
		}
	}
	return false
}

func (r reference) matchesIP(c *x509.Certificate) bool {
	for _, raw := range c.IPAddresses {
		// RFC 9525 §6.4: octet for octet, so that 192.0.2.1 and
		// ::ffff:192.0.2.1 differ.
		if ip, ok := netip.AddrFromSlice(raw); ok && r.sameHost(host{kind: hostIP, ip: ip}) {
			return true
		}
	}
	return false
}

// matchesCommonName compares the one Common Name of the subject. With more
// than one nobody could say which of them the issuer looked at.
func (r reference) matchesCommonName(c *x509.Certificate) bool {
	name, ok := commonName(c)
	if eui, isEUI := parseEUI64(name); isEUI && r.kind == hostEUI64 {
		return eui == r.eui
	}
	return ok && r.sameHost(parseHost(name))
}

// sameHost reports whether h is the host that is wanted.
func (r reference) sameHost(h host) bool { return h.kind != hostNone && h == r.host }

func hasExtension(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return true
		}
	}
	return false
}

// commonName returns the Common Name of the subject if it has exactly one.
func commonName(c *x509.Certificate) (string, bool) { return subjectAttribute(c, oidCommonName) }

func subjectAttribute(c *x509.Certificate, id asn1.ObjectIdentifier) (string, bool) {
	value, count := "", 0
	for _, attribute := range c.Subject.Names {
		if attribute.Type.Equal(id) {
			value, _ = attribute.Value.(string)
			count++
		}
	}
	return value, count == 1 && value != ""
}

// CertificateName returns a printable name of the subject of a certificate, by
// which a client that proved it goes: the first of a URI, a DNS name and an IP
// address in the SubjectAltName, the Common Name, which RFC 7925 §4.4.2 wants
// to be an EUI-64, and the serial number in the subject; else the whole
// subject, else the ni name of the key. An EUI-64 comes out in one form
// whatever it was written in.
func CertificateName(c *x509.Certificate) string {
	name := ""
	switch common, ok := commonName(c); {
	case len(c.URIs) > 0:
		name = c.URIs[0].String()
	case len(c.DNSNames) > 0:
		name = c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		name = c.IPAddresses[0].String()
	case ok:
		name = common
	default:
		name, ok = subjectAttribute(c, oidSerialNumber)
		if !ok {
			name = subjectText(c)
		}
	}
	if eui, ok := parseEUI64(name); ok {
		return strings.ReplaceAll(fmt.Sprintf("% X", eui[:]), " ", "-")
	}
	if name == "" {
		return NameOf(c.RawSubjectPublicKeyInfo, SHA256_120).String()
	}
	return PrintableIdentity([]byte(name))
}

// subjectText returns the whole subject in the form of RFC 2253.
// pkix.Name.String would leave out all but one of several Common Names.
func subjectText(c *x509.Certificate) string {
	var subject pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawSubject, &subject); err != nil {
		return ""
	}
	return subject.String()
}

// presentedNames lists what a certificate claims to be, for the message that
// says why that was not enough.
func presentedNames(c *x509.Certificate) string {
	const most = 8
	var names []string
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if !hasExtension(c, oidSubjectAltName) {
		if name, ok := commonName(c); ok {
			names = append(names, "CN="+name)
		}
	}
	if len(names) == 0 {
		return "nobody"
	}
	for i, name := range names {
		names[i] = PrintableIdentity([]byte(name))
	}
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}
