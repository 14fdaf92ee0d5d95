// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coaps-go/coaps/dtls"
)

// Profile is a set of rules for the certificates of nodes.
type Profile uint8

const (
	// ProfileFull puts the name of a server into the certificate in each form
	// that some client looks for: the coaps URI of RFC 7252 §9.1.3.3, and a
	// dNSName or iPAddress.
	ProfileFull Profile = iota
	// ProfileIoT keeps to RFC 7925 §4.4: one name, in the SubjectAltName for
	// a server and an EUI-64 for a client, ECDSA, and no element that the RFC
	// does not list. It is also the shortest.
	ProfileIoT
)

func (p Profile) String() string {
	if p == ProfileIoT {
		return "iot"
	}
	return "full"
}

// Leaf says what the certificate of a node is to hold.
type Leaf struct {
	CommonName     string
	URIs           []*url.URL
	DNSNames       []string
	IPs            []net.IP
	Server, Client bool // serverAuth, clientAuth
	Profile        Profile
	NotBefore      time.Time
	NotAfter       time.Time // cut to the issuer's
	CRL, OCSP      []string  // where revocation can be asked for: URLs
}

// AddServer adds the names of a server in the forms that the profile has. An
// EUI-64 becomes the Common Name.
func (l *Leaf) AddServer(a Authority) error {
	r, err := a.reference()
	if err != nil {
		return err
	}
	l.Server = true
	if r.kind == hostEUI64 {
		return l.setCommonName(euiText(r.eui))
	}
	if l.Profile != ProfileIoT {
		uri, err := url.Parse(a.String())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(l.URIs, func(u *url.URL) bool { return strings.EqualFold(u.String(), uri.String()) }) {
			l.URIs = append(l.URIs, uri)
		}
	}
	ip := net.IP(r.ip.AsSlice())
	switch {
	case r.kind == hostDNS && !slices.Contains(l.DNSNames, r.name):
		l.DNSNames = append(l.DNSNames, r.name)
	case r.kind == hostIP && !slices.ContainsFunc(l.IPs, ip.Equal):
		l.IPs = append(l.IPs, ip)
	}
	return nil
}

// AddClient adds the name of a client: a URI, such as urn:dev:os:32473-7,
// becomes one in the SubjectAltName, anything else the Common Name, an EUI-64
// in the form with "-".
func (l *Leaf) AddClient(name string) error {
	l.Client = true
	if uri, err := url.Parse(name); err == nil && uri.Scheme != "" && (uri.Opaque != "" || uri.Host != "") && !isEUI64(name) {
		l.URIs = append(l.URIs, uri)
		return nil
	}
	if eui, ok := parseEUI64(name); ok {
		name = euiText(eui)
	}
	return l.setCommonName(name)
}

func (l *Leaf) setCommonName(name string) error {
	if l.CommonName != "" && l.CommonName != name {
		return fmt.Errorf("the certificate would have two Common Names, %q and %q", l.CommonName, name)
	}
	l.CommonName = name
	return nil
}

func isEUI64(s string) bool {
	_, ok := parseEUI64(s)
	return ok
}

func euiText(eui [8]byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", eui[:]), " ", "-") }

// maxCommonName is ub-common-name (RFC 5280 appendix A.1), in characters.
const maxCommonName = 64

func checkCommonName(name string) error {
	switch {
	case name == "":
		return nil
	case !utf8.ValidString(name) || PrintableIdentity([]byte(name)) != name:
		return fmt.Errorf("a Common Name of unprintable characters: %q", name)
	case utf8.RuneCountInString(name) > maxCommonName:
		return fmt.Errorf("a Common Name of more than %d characters", maxCommonName)
	}
	return nil
}

// Check returns an error unless the certificate would be of use: with a purpose
// and a name that can be compared, and none that could mislead.
func (l *Leaf) Check() error {
	switch {
	case !l.Server && !l.Client:
		return errors.New("the certificate would be neither for a server nor for a client")
	case !l.NotBefore.Before(l.NotAfter):
		return errors.New("the certificate would end before it begins")
	case l.CommonName == "" && !l.hasAltName():
		return errors.New("the certificate would have no name")
	}
	if err := checkCommonName(l.CommonName); err != nil {
		return err
	}
	for _, name := range l.DNSNames {
		if parseHost(name).kind != hostDNS {
			return fmt.Errorf("%q is no name of a host, or has a wildcard (RFC 7252 section 9.1.3.3)", name)
		}
	}
	for _, ip := range l.IPs {
		if _, ok := netip.AddrFromSlice(ip); !ok {
			return fmt.Errorf("%v is no address", ip)
		}
	}
	for _, uri := range l.URIs {
		if err := checkURI(uri); err != nil {
			return err
		}
	}
	if l.Profile == ProfileIoT {
		return l.checkIoT()
	}
	return nil
}

func (l *Leaf) hasAltName() bool { return len(l.URIs)+len(l.DNSNames)+len(l.IPs) > 0 }

// checkURI takes what RFC 5280 §4.2.1.6 allows, and for coap and coaps URIs only
// those that a client can compare.
func checkURI(uri *url.URL) error {
	text := uri.String()
	if uri.Scheme == "" || PrintableIdentity([]byte(text)) != text || strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
		return fmt.Errorf("%q is no URI of ASCII characters with a scheme", text)
	}
	if !strings.EqualFold(uri.Scheme, "coaps") && !strings.EqualFold(uri.Scheme, "coap") {
		return nil
	}
	if host, _, ok := uriHost(uri, uri.Scheme); !ok || host.kind == hostNone {
		return fmt.Errorf("%q has no host that could be compared", text)
	}
	return nil
}

// checkIoT holds the names against RFC 7925 §4.4.1 and §4.4.2.
func (l *Leaf) checkIoT() error {
	switch {
	case isEUI64(l.CommonName) && !l.hasAltName():
		return nil // a client, or a server that has no domain name
	case l.Client:
		return errors.New("RFC 7925 section 4.4.2: the name of a client is an EUI-64, such as 02-00-5E-FF-FE-10-00-01")
	case len(l.IPs) > 0 || len(l.URIs) > 0:
		return errors.New("RFC 7925 section 4.4.1: the name of a server is a domain name or an EUI-64")
	case l.CommonName != "":
		return errors.New("RFC 7925 section 4.4.1: a domain name stands in the SubjectAltName and not in the Common Name")
	case len(l.DNSNames) != 1:
		return errors.New("RFC 7925 section 4.4.1: a certificate has one name")
	}
	return nil
}

// utcTimeEnd is the end of what UTCTime can say (RFC 5280 §4.1.2.5).
var utcTimeEnd = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)

// Issue makes the certificate of a node whose public key is spki, a DER
// SubjectPublicKeyInfo. Its key signs and does nothing else (RFC 7252
// §9.1.3.3). The serial number is drawn from rand.
func (ca *CA) Issue(rand io.Reader, spki []byte, leaf Leaf) (*x509.Certificate, error) {
	if err := leaf.Check(); err != nil {
		return nil, err
	}
	template, err := leaf.template(rand)
	if err != nil {
		return nil, err
	}
	if err := ca.clamp(template); err != nil {
		return nil, err
	}
	parent := ca.Certificate
	if leaf.Profile == ProfileIoT {
		if parent, err = ca.iotParent(template, spki); err != nil {
			return nil, err
		}
	}
	return signKey(template, parent, spki, ca.Key)
}

func (l *Leaf) template(rand io.Reader) (*x509.Certificate, error) {
	size := 16
	if l.Profile == ProfileIoT {
		size = 8
	}
	serial, err := newSerial(rand, size)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: l.CommonName},
		NotBefore:    l.NotBefore,
		NotAfter:     l.NotAfter,
		URIs:         l.URIs,
		DNSNames:     l.DNSNames,
		IPAddresses:  l.IPs,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  l.usages(),

		BasicConstraintsValid: l.Profile != ProfileIoT, // RFC 7925 §4.4.4: of authorities only
		CRLDistributionPoints: l.CRL,
		OCSPServer:            l.OCSP,
	}
	return template, nil
}

func (l *Leaf) usages() []x509.ExtKeyUsage {
	var usages []x509.ExtKeyUsage
	if l.Server {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	if l.Client {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	return usages
}

// iotParent checks what RFC 7925 §4.4.4 says of keys and times, and returns the
// issuer without its key identifier: table 1 has no authorityKeyIdentifier.
func (ca *CA) iotParent(template *x509.Certificate, spki []byte) (*x509.Certificate, error) {
	for _, key := range [][]byte{spki, ca.Certificate.RawSubjectPublicKeyInfo} {
		if parts, err := PartsOf(key); err != nil || parts.Curve == CurveEd25519 {
			return nil, errors.New("RFC 7925 section 4.4.4: the keys of a certificate and of its issuer are for ECDSA")
		}
	}
	if !template.NotAfter.Before(utcTimeEnd) {
		return nil, errors.New("RFC 7925 section 4.4.4: the certificate ends before 2050, as UTCTime has it")
	}
	if len(template.CRLDistributionPoints)+len(template.OCSPServer) > 0 {
		return nil, errors.New("RFC 7925 section 4.4.4: the certificate has no place for URLs of revocation")
	}
	parent := *ca.Certificate
	parent.SubjectKeyId = nil
	return &parent, nil
}

// Chain joins a certificate that the authority issued with the key pair of the
// node and what the node shows besides.
func (ca *CA) Chain(certificate *x509.Certificate, pair *dtls.KeyPair) (dtls.Chain, error) {
	return NewChain(ca.Certificates(certificate), pair)
}

// Certificates returns a certificate that the authority issued and what the node
// shows behind it: the authorities up to the root, without the root.
func (ca *CA) Certificates(certificate *x509.Certificate) []*x509.Certificate {
	return append([]*x509.Certificate{certificate}, ca.chainAbove()...)
}

// IssueServer makes the certificate of a server with the given key, good for
// serverAuth. Each authority becomes a coaps URI in the SubjectAltName
// (RFC 7252 §9.1.3.3), and its host a dNSName or an iPAddress besides, for
// clients that look for these (RFC 7925 §4.4.1).
func (ca *CA) IssueServer(rand io.Reader, pair *dtls.KeyPair, authorities []Authority, now time.Time, life time.Duration) (dtls.Chain, error) {
	if len(authorities) == 0 {
		return dtls.Chain{}, errors.New("keys: a server certificate needs a name")
	}
	leaf := Leaf{NotBefore: now.Add(-clockSkew), NotAfter: now.Add(life)}
	for _, a := range authorities {
		if err := leaf.AddServer(a); err != nil {
			return dtls.Chain{}, err
		}
	}
	if leaf.CommonName == "" && len(authorities[0].Host) <= maxCommonName {
		leaf.CommonName = authorities[0].Host
	}
	return ca.issue(rand, pair, leaf)
}

// IssueClient makes the certificate of a client with the given key, good for
// clientAuth, whose Common Name is name. RFC 7925 §4.4.2 wants an EUI-64.
func (ca *CA) IssueClient(rand io.Reader, pair *dtls.KeyPair, name string, now time.Time, life time.Duration) (dtls.Chain, error) {
	leaf := Leaf{CommonName: name, Client: true, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(life)}
	return ca.issue(rand, pair, leaf)
}

func (ca *CA) issue(rand io.Reader, pair *dtls.KeyPair, leaf Leaf) (dtls.Chain, error) {
	certificate, err := ca.Issue(rand, pair.SPKI, leaf)
	if err != nil {
		return dtls.Chain{}, err
	}
	return ca.Chain(certificate, pair)
}

// Owns reports whether the authority signed a certificate.
func (ca *CA) Owns(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, ca.Certificate.RawSubject) && c.CheckSignatureFrom(ca.Certificate) == nil
}
