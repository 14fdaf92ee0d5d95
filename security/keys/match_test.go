// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// noon is the time at which the tests judge.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pki is an authority that issues what it is told to.
type pki struct {
	t    testing.TB
	root *x509.Certificate
	key  *dtls.KeyPair // of the root
	leaf *dtls.KeyPair // of every node
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	ca := must(NewCA(seeded(10), "Test CA", noon, 24*time.Hour))
	return &pki{t: t, root: ca.Certificate, key: ca.Key, leaf: mustNewKey(t, 11)}
}

// template returns what a node's certificate has, as changed by edit.
func template(edit func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             noon.Add(-time.Hour),
		NotAfter:              noon.Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	edit(c)
	return c
}

// issue makes the certificate of a node, straight from the root. It returns nil
// if crypto/x509 cannot read it, so that no peer can show it.
func (p *pki) issue(edit func(*x509.Certificate)) *x509.Certificate {
	p.t.Helper()
	der := must(x509.CreateCertificate(nil, template(edit), p.root, p.leaf.Signer.Public(), p.key.Signer))
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return c
}

// names is what a certificate says of its subject.
type names struct {
	uris []string
	dns  []string
	ips  []string
	cn   []string // Common Names, in order
}

func (p *pki) named(n names) *x509.Certificate {
	p.t.Helper()
	return p.issue(func(c *x509.Certificate) {
		for _, u := range n.uris {
			c.URIs = append(c.URIs, must(url.Parse(u)))
		}
		c.DNSNames = n.dns
		for _, ip := range n.ips {
			address := net.ParseIP(ip)
			if four := address.To4(); four != nil && !strings.Contains(ip, ":") {
				address = four
			}
			c.IPAddresses = append(c.IPAddresses, address)
		}
		var subject pkix.RDNSequence
		for _, cn := range n.cn {
			subject = append(subject, pkix.RelativeDistinguishedNameSET{{Type: oidCommonName, Value: cn}})
		}
		c.RawSubject = must(asn1.Marshal(subject))
	})
}

func verdict(t *Trust, c *x509.Certificate, a Authority) dtls.Reason {
	return ReasonOf(t.VerifyServer([]*x509.Certificate{c}, a, noon))
}

// The authority of the request is compared with everything that a certificate
// can say of its subject.
//
// Pitfall L3: a certificate of the right authority for the wrong host is no
// good.
//
// Proves rfc7252 §9.1.3.3: "If the certificate contains a SubjectAltName, then
// the authority of the request URI MUST match at least one of the authorities
// of any CoAP URI found in a field of URI type in the SubjectAltName set."
// Proves rfc7252 §9.1.3.3: "If there is no SubjectAltName in the certificate,
// then the authority of the request URI MUST match the Common Name (CN) found
// in the certificate using the matching rules defined in [RFC3280] with the
// exception that certificates with wildcards are not allowed."
// Proves rfc6125 §6.4.1: "Each label MUST match in order for the names to be
// considered to match, except as supplemented by the rule about checking of
// wildcard labels (Section 6.4.3)."
// Proves rfc6125 §6.4.2: "In accordance with [IDNA-PROTO], A-labels MUST be
// compared as case-insensitive ASCII."
// Proves rfc6125 §6.4.4: "As noted, a client MUST NOT seek a match for a
// reference identifier of CN-ID if the presented identifiers include a DNS-ID,
// SRV-ID, URI-ID, or any application-specific identifier types supported by the
// client."
// Proves rfc6125 §6.5: "When a client checks identifiers of type SRV-ID and
// URI-ID, it MUST check not only the DNS domain name portion of the identifier
// but also the application service type portion."
// Proves rfc9525 §6.4: "Matching of an IP-ID is based on an octet-for-octet
// comparison of the bytes of the reference identity with the bytes contained in
// the iPAddress subjectAltName."
func TestServerNames(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	const eui = "00-1B-2C-FF-FE-3D-4E-5F"
	for _, test := range []struct {
		what    string
		has     names
		want    Authority
		ok, uri bool // without and with URIOnly
	}{
		// URI-ID.
		{"URI", names{uris: []string{"coaps://a.example"}}, Authority{Host: "a.example"}, true, true},
		{"URI, default port written", names{uris: []string{"coaps://a.example:5684"}}, Authority{Host: "a.example"}, true, true},
		{"URI, empty port", names{uris: []string{"coaps://a.example:"}}, Authority{Host: "a.example"}, true, true},
		{"URI, port", names{uris: []string{"coaps://a.example:7000"}}, Authority{Host: "a.example", Port: 7000}, true, true},
		{"URI, other port", names{uris: []string{"coaps://a.example:7000"}}, Authority{Host: "a.example"}, false, false},
		{"URI, port missing", names{uris: []string{"coaps://a.example"}}, Authority{Host: "a.example", Port: 7000}, false, false},
		{"URI, port 0", names{uris: []string{"coaps://a.example:0"}}, Authority{Host: "a.example"}, false, false},
		{"URI, port 65536", names{uris: []string{"coaps://a.example:71220"}}, Authority{Host: "a.example"}, false, false},
		{"URI, path and query", names{uris: []string{"coaps://a.example/x?y"}}, Authority{Host: "a.example"}, true, true},
		{"URI, upper case", names{uris: []string{"COAPS://A.Example"}}, Authority{Host: "a.eXample"}, true, true},
		{"URI, dot at the end", names{uris: []string{"coaps://a.example."}}, Authority{Host: "a.example"}, false, false}, // crypto/x509
		{"URI, dot in the request", names{uris: []string{"coaps://a.example"}}, Authority{Host: "a.example."}, true, true},
		{"URI, second of two", names{uris: []string{"coaps://b.example", "coaps://a.example"}}, Authority{Host: "a.example"}, true, true},
		{"URI of plain CoAP", names{uris: []string{"coap://a.example:5684"}}, Authority{Host: "a.example"}, false, false},
		{"URI of HTTP", names{uris: []string{"https://a.example:5684"}}, Authority{Host: "a.example"}, false, false},
		{"URI of CoAP over TCP", names{uris: []string{"coaps+tcp://a.example:5684"}}, Authority{Host: "a.example"}, false, false},
		{"URI with the host as user", names{uris: []string{"coaps://a.example@b.example"}}, Authority{Host: "a.example"}, false, false},
		{"URI with a user", names{uris: []string{"coaps://b.example@a.example"}}, Authority{Host: "a.example"}, false, false},
		{"URI without host", names{uris: []string{"coaps:a.example"}}, Authority{Host: "a.example"}, false, false},
		{"URI with the host in its path", names{uris: []string{"coaps://b.example/a.example"}}, Authority{Host: "a.example"}, false, false},
		{"URI, other host", names{uris: []string{"coaps://b.example"}}, Authority{Host: "a.example"}, false, false},
		{"URI, parent domain", names{uris: []string{"coaps://example"}}, Authority{Host: "a.example"}, false, false},
		{"URI, longer host", names{uris: []string{"coaps://a.example.org"}}, Authority{Host: "a.example"}, false, false},
		{"URI, IPv4", names{uris: []string{"coaps://192.0.2.1"}}, Authority{Host: "192.0.2.1"}, true, true},
		{"URI, IPv6", names{uris: []string{"coaps://[2001:db8::1]:7000"}}, Authority{Host: "2001:db8:0::1", Port: 7000}, true, true},
		{"URI, other IPv6", names{uris: []string{"coaps://[2001:db8::1]"}}, Authority{Host: "2001:db8::2"}, false, false},
		{"URI, IPv6 with zone", names{uris: []string{"coaps://[fe80::1%25eth0]"}}, Authority{Host: "fe80::1"}, false, false},
		{"URI and wildcard", names{uris: []string{"coaps://*.example"}}, Authority{Host: "a.example"}, false, false},
		{"A-label", names{uris: []string{"coaps://xn--bcher-kva.example"}}, Authority{Host: "XN--BCHER-KVA.example"}, true, true},

		// DNS-ID.
		{"DNS", names{dns: []string{"a.example"}}, Authority{Host: "a.example"}, true, false},
		{"DNS is for all ports", names{dns: []string{"a.example"}}, Authority{Host: "a.example", Port: 7000}, true, false},
		{"DNS, upper case", names{dns: []string{"A.EXAMPLE"}}, Authority{Host: "a.example"}, true, false},
		{"DNS beside a URI of another", names{uris: []string{"coaps://b.example"}, dns: []string{"a.example"}}, Authority{Host: "a.example"}, true, false},
		{"DNS, other", names{dns: []string{"b.example"}}, Authority{Host: "a.example"}, false, false},
		{"DNS wildcard", names{dns: []string{"*.example"}}, Authority{Host: "a.example"}, false, false},
		{"DNS wildcard for itself", names{dns: []string{"*.example"}}, Authority{Host: "*.example"}, false, false},
		{"DNS, partial wildcard", names{dns: []string{"a*.example"}}, Authority{Host: "ab.example"}, false, false},
		{"DNS, NUL", names{dns: []string{"a.example\x00.evil.example"}}, Authority{Host: "a.example"}, false, false},
		{"DNS, leading space", names{dns: []string{" a.example"}}, Authority{Host: "a.example"}, false, false},
		{"DNS, address for a name", names{dns: []string{"192.0.2.1"}}, Authority{Host: "192.0.2.1"}, false, false},
		{"DNS, one label", names{dns: []string{"localhost"}}, Authority{Host: "localhost"}, true, false},
		{"DNS, subdomain", names{dns: []string{"x.a.example"}}, Authority{Host: "a.example"}, false, false},

		// IP-ID.
		{"IPv4", names{ips: []string{"192.0.2.1"}}, Authority{Host: "192.0.2.1"}, true, false},
		{"IPv6", names{ips: []string{"2001:db8::1"}}, Authority{Host: "2001:DB8::1", Port: 1}, true, false},
		{"IPv6 with zone in the request", names{ips: []string{"fe80::1"}}, Authority{Host: "fe80::1%eth0"}, true, false},
		{"IPv4, other", names{ips: []string{"192.0.2.2"}}, Authority{Host: "192.0.2.1"}, false, false},
		{"IPv6 of IPv4", names{ips: []string{"192.0.2.1"}}, Authority{Host: "::ffff:192.0.2.1"}, false, false},
		{"IP beside a URI of a name", names{uris: []string{"coaps://localhost"}, ips: []string{"127.0.0.1"}}, Authority{Host: "127.0.0.1", Port: 7102}, true, false},

		// CN-ID.
		{"CN", names{cn: []string{"a.example"}}, Authority{Host: "a.example"}, true, true},
		{"CN, upper case", names{cn: []string{"A.Example"}}, Authority{Host: "a.example", Port: 7000}, true, true},
		{"CN, other", names{cn: []string{"b.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN beside a SubjectAltName of DNS", names{cn: []string{"a.example"}, dns: []string{"b.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN beside a SubjectAltName of URI", names{cn: []string{"a.example"}, uris: []string{"coaps://b.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN beside a SubjectAltName of HTTP", names{cn: []string{"a.example"}, uris: []string{"https://b.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN beside a SubjectAltName of IP", names{cn: []string{"a.example"}, ips: []string{"192.0.2.1"}}, Authority{Host: "a.example"}, false, false},
		{"CN wildcard", names{cn: []string{"*.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN, a person", names{cn: []string{"a.example Ltd"}}, Authority{Host: "a.example"}, false, false},
		{"CN with NUL", names{cn: []string{"a.example\x00.evil.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN, U-label", names{cn: []string{"bücher.example"}}, Authority{Host: "xn--bcher-kva.example"}, false, false},
		{"CN, Kelvin sign", names{cn: []string{"\u212a.example"}}, Authority{Host: "k.example"}, false, false},
		{"CN, long s", names{cn: []string{"coap\u017f.example"}}, Authority{Host: "coaps.example"}, false, false},
		{"two CNs, first", names{cn: []string{"a.example", "b.example"}}, Authority{Host: "a.example"}, false, false},
		{"two CNs, last", names{cn: []string{"b.example", "a.example"}}, Authority{Host: "a.example"}, false, false},
		{"CN is an address", names{cn: []string{"192.0.2.1"}}, Authority{Host: "192.0.2.1"}, true, true},
		{"no name at all", names{}, Authority{Host: "a.example"}, false, false},
		{"empty CN", names{cn: []string{""}}, Authority{Host: "a.example"}, false, false},

		// EUI-64, in whatever form.
		{"EUI-64 in the CN", names{cn: []string{eui}}, Authority{Host: eui}, true, true},
		{"EUI-64, lower case", names{cn: []string{eui}}, Authority{Host: "00-1b-2c-ff-fe-3d-4e-5f"}, true, true},
		{"EUI-64, plain", names{cn: []string{"001b2cfffe3d4e5f"}}, Authority{Host: eui}, true, true},
		{"EUI-64, colons", names{cn: []string{"00:1b:2c:ff:fe:3d:4e:5f"}}, Authority{Host: "001B2CFFFE3D4E5F"}, true, true},
		{"EUI-64 in a URI", names{uris: []string{"coaps://" + eui}}, Authority{Host: "001b2cfffe3d4e5f"}, true, true},
		{"EUI-64, other", names{cn: []string{"00-1B-2C-FF-FE-3D-4E-5E"}}, Authority{Host: eui}, false, false},
		{"EUI-64, colons in the request", names{cn: []string{eui}}, Authority{Host: "00:1b:2c:ff:fe:3d:4e:5f"}, false, false}, // an IPv6 address
		{"EUI-64, mixed separators", names{cn: []string{"00-1B-2C-FF-FE-3D:4E-5F"}}, Authority{Host: eui}, false, false},
		{"EUI-64, one byte short", names{cn: []string{"00-1B-2C-FF-FE-3D-4E"}}, Authority{Host: eui}, false, false},
		{"EUI-64 beside a SubjectAltName", names{cn: []string{eui}, dns: []string{"b.example"}}, Authority{Host: eui}, false, false},
	} {
		c := p.named(test.has)
		if c == nil {
			if test.ok {
				t.Errorf("%s: crypto/x509 does not read it", test.what)
			}
			continue
		}
		for _, rule := range []struct {
			trust *Trust
			ok    bool
		}{{trust, test.ok}, {trust.URIOnly(), test.uri}} {
			want := dtls.ReasonCertNameMismatch
			if rule.ok {
				want = dtls.ReasonNone
			}
			if got := verdict(rule.trust, c, test.want); got != want {
				t.Errorf("%s: %s, want %s (URIs only: %t)", test.what, got, want, rule.trust.uriOnly)
			}
		}
	}
}

// An IPv4 address and its image in IPv6 are two things. crypto/x509 would not
// write such a certificate, so this one is made by hand.
func TestMappedAddress(t *testing.T) {
	p := newPKI(t)
	mapped := net.ParseIP("::ffff:192.0.2.1").To16()
	san := append([]byte{0x30, 18, 0x87, 16}, mapped...)
	c := p.issue(func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: san}}
	})
	trust := NewTrust([]*x509.Certificate{p.root})
	if got := verdict(trust, c, Authority{Host: "192.0.2.1"}); got != dtls.ReasonCertNameMismatch {
		t.Errorf("as IPv4: %s", got)
	}
	if got := verdict(trust, c, Authority{Host: "::ffff:192.0.2.1"}); got != dtls.ReasonNone {
		t.Errorf("as it stands: %s", got)
	}
}

// Pitfall M7: without a name that could be compared nothing is accepted.
func TestServerNameIsNeeded(t *testing.T) {
	p := newPKI(t)
	trust := NewTrust([]*x509.Certificate{p.root})
	if (reference{}).sameHost(parseHost("*")) {
		t.Error("no host is equal to no host")
	}
	// Each of these stands in the certificate as it is asked for.
	for _, host := range []string{
		"", ".", "..", "*", "*.example", "a..example", ".a.example", "a b.example", "a.example\x00", "a.example\x00.b.example",
		"bücher.example", "a.example/x", "a.example:5684", "[::1]", "user@a.example", "127.1", "0x7f.1.2.3", "1.2.3.4.5", "256.0.0.1",
		"a.example%", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "example",
	} {
		a := Authority{Host: host}
		if err := a.Check(); err == nil {
			t.Errorf("%q: Check accepts it", host)
		}
		if a.ServerName() != "" {
			t.Errorf("%q: server name %q", host, a.ServerName())
		}
		c := p.named(names{cn: []string{host}})
		if got := verdict(trust, c, a); got != dtls.ReasonCertNameMismatch {
			t.Errorf("%q: %s", host, got)
		}
	}
}

// Proves rfc6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in
// "HostName"."
func TestAuthority(t *testing.T) {
	for _, test := range []struct {
		a        Authority
		uri, sni string
	}{
		{Authority{Host: "a.example"}, "coaps://a.example", "a.example"},
		{Authority{Host: "A.Example.", Port: 5684}, "coaps://A.Example.", "a.example"},
		{Authority{Scheme: "COAPS", Host: "a.example", Port: 7000}, "coaps://a.example:7000", "a.example"},
		{Authority{Host: "192.0.2.1", Port: 1}, "coaps://192.0.2.1:1", ""},
		{Authority{Host: "2001:db8::1"}, "coaps://[2001:db8::1]", ""},
		{Authority{Host: "2001:db8::1", Port: 9}, "coaps://[2001:db8::1]:9", ""},
		{Authority{Host: "00-1B-2C-FF-FE-3D-4E-5F"}, "coaps://00-1B-2C-FF-FE-3D-4E-5F", ""},
		{Authority{}, "coaps://", ""},
	} {
		if got := test.a.String(); got != test.uri {
			t.Errorf("%+v: URI %s, want %s", test.a, got, test.uri)
		}
		if got := test.a.ServerName(); got != test.sni {
			t.Errorf("%+v: server name %q, want %q", test.a, got, test.sni)
		}
	}
}

func TestNames(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		has  names
		name string
		want bool
	}{
		{names{dns: []string{"a.example"}}, "A.example.", true},
		{names{dns: []string{"b.example", "a.example"}}, "a.example", true},
		{names{uris: []string{"coaps://a.example:7000"}}, "a.example", true},
		{names{uris: []string{"https://a.example"}}, "a.example", false},
		{names{cn: []string{"a.example"}}, "a.example", true},
		{names{cn: []string{"a.example"}, dns: []string{"b.example"}}, "a.example", false},
		{names{dns: []string{"*.example"}}, "a.example", false},
		{names{ips: []string{"192.0.2.1"}}, "192.0.2.1", false},
		{names{dns: []string{"a.example"}}, "", false},
	} {
		if got := Names(p.named(test.has), test.name); got != test.want {
			t.Errorf("%+v for %q: %t", test.has, test.name, got)
		}
	}
}

func TestCertificateName(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		has  names
		want string
	}{
		{names{uris: []string{"coaps://a.example"}, dns: []string{"b.example"}, cn: []string{"c"}}, "coaps://a.example"},
		{names{dns: []string{"b.example"}, cn: []string{"c"}}, "b.example"},
		{names{ips: []string{"192.0.2.1"}, cn: []string{"c"}}, "192.0.2.1"},
		{names{cn: []string{"sensor 7"}}, "sensor 7"},
		{names{cn: []string{"001b2cfffe3d4e5f"}}, "00-1B-2C-FF-FE-3D-4E-5F"},
		{names{cn: []string{"00:1b:2c:ff:fe:3d:4e:5f"}}, "00-1B-2C-FF-FE-3D-4E-5F"},
		{names{cn: []string{"\x1b[31mred"}}, "0x1b5b33316d726564"},
		{names{cn: []string{"one", "two"}}, "CN=two,CN=one"},
		{names{}, NameOf(p.leaf.SPKI, SHA256_120).String()},
	} {
		if got := CertificateName(p.named(test.has)); got != test.want {
			t.Errorf("%+v: %s, want %s", test.has, got, test.want)
		}
	}
	serial := p.issue(func(c *x509.Certificate) { c.Subject = pkix.Name{SerialNumber: "A-17"} })
	if got := CertificateName(serial); got != "A-17" {
		t.Errorf("serial number: %s", got)
	}
}

func TestPresentedNamesAreFew(t *testing.T) {
	p := newPKI(t)
	many := slices.Repeat([]string{"b.example"}, 100)
	err := NewTrust([]*x509.Certificate{p.root}).VerifyServer([]*x509.Certificate{p.named(names{dns: many})}, Authority{Host: "a.example"}, noon)
	if err == nil || len(err.Error()) > 250 || !strings.Contains(err.Error(), "92 more") {
		t.Errorf("got %v", err)
	}
}

// Pitfall L3, L6: no host that a request or a certificate can hold breaks the
// comparison, and a host equals itself alone.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"a.example", "A.example.", "*.example", "::1", "fe80::1%eth0", "192.0.2.1", "00-1B-2C-FF-FE-3D-4E-5F", "001b2cfffe3d4e5f", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := parseHost(s)
		if h.kind == hostNone {
			return
		}
		if strings.ContainsAny(s, "*\x00 /@[]") && h.kind != hostIP {
			t.Fatalf("%q is a host", s)
		}
		if h.kind == hostDNS && parseHost(h.name) != h {
			t.Fatalf("%q: %q is not equal to itself", s, h.name)
		}
		if (Authority{Host: s}).Check() != nil {
			t.Fatalf("%q is a host that cannot be asked for", s)
		}
	})
}
