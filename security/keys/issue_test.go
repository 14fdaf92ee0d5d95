// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
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

// leafOf is a certificate for noon and the year after it.
func leafOf(edit func(*Leaf)) Leaf {
	leaf := Leaf{NotBefore: noon.Add(-clockSkew), NotAfter: noon.AddDate(1, 0, 0)}
	edit(&leaf)
	return leaf
}

func newPlantCA(t testing.TB) *CA {
	t.Helper()
	return must(NewRoot(seeded(30), mustNewKey(t, 31), CASpec{Name: "Plant CA", NotBefore: noon.Add(-time.Hour), NotAfter: noon.AddDate(10, 0, 0)}))
}

// Proves rfc7252 §9.1.3.3: "Certificates MUST be signed with ECDSA using
// secp256r1, and the signature MUST use SHA-256."
func TestIssuedServer(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	leaf := leafOf(func(l *Leaf) {
		for _, a := range []Authority{{Host: "GW.plant.example"}, {Host: "gw.plant.example", Port: 7777}, {Host: "gw.plant.example", Port: 5684}, {Host: "192.0.2.1"}, {Host: "2001:db8::1"}} {
			if err := l.AddServer(a); err != nil {
				t.Fatal(err)
			}
		}
	})
	c := must(ca.Issue(seeded(33), pair.SPKI, leaf))
	if c.SignatureAlgorithm != x509.ECDSAWithSHA256 || ca.Certificate.PublicKey.(*ecdsa.PublicKey).Params().Name != "P-256" {
		t.Errorf("signed with %v", c.SignatureAlgorithm)
	}
	if len(c.URIs) != 4 || !slices.Equal(c.DNSNames, []string{"gw.plant.example"}) || len(c.IPAddresses) != 2 {
		t.Errorf("names %v %v %v", c.URIs, c.DNSNames, c.IPAddresses)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || c.IsCA {
		t.Errorf("usage %v %v, CA %v", c.KeyUsage, c.ExtKeyUsage, c.IsCA)
	}
	trust := NewTrust([]*x509.Certificate{ca.Certificate})
	chain := []*x509.Certificate{c}
	for host, want := range map[Authority]bool{{Host: "gw.plant.example"}: true, {Host: "gw.plant.example", Port: 7777}: true,
		{Host: "2001:db8::1"}: true, {Host: "plant.example"}: false} {
		if err := trust.VerifyServer(chain, host, noon); (err == nil) != want {
			t.Errorf("%v: %v", host, err)
		}
	}
	if err := trust.URIOnly().VerifyServer(chain, Authority{Host: "gw.plant.example", Port: 7778}, noon); err == nil {
		t.Error("another port is not in a URI")
	}
	if trust.VerifyClient(chain, noon) == nil {
		t.Error("a server's certificate is a client's")
	}
}

// TestIssuedClient finds the client's name again, by which it is known here.
func TestIssuedClient(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	for name, want := range map[string]string{
		"02-00-5E-FF-FE-10-00-07": "02-00-5E-FF-FE-10-00-07",
		"02005efffe100007":        "02-00-5E-FF-FE-10-00-07",
		"02:00:5e:ff:fe:10:00:07": "02-00-5E-FF-FE-10-00-07",
		"urn:dev:os:32473-7":      "urn:dev:os:32473-7",
		"coaps://s7.example":      "coaps://s7.example",
		"sensor 7":                "sensor 7",
		"id@tenant":               "id@tenant",
		"Pumpe Süd":               "Pumpe Süd",
	} {
		leaf := leafOf(func(l *Leaf) {
			if err := l.AddClient(name); err != nil {
				t.Fatal(err)
			}
		})
		c, err := ca.Issue(seeded(33), pair.SPKI, leaf)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := CertificateName(c); got != want {
			t.Errorf("%s goes by %s, want %s", name, got, want)
		}
		if err := NewTrust([]*x509.Certificate{ca.Certificate}).VerifyClient([]*x509.Certificate{c}, noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBadLeaves is what no certificate of ours holds.
func TestBadLeaves(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	uri := func(s string) []*url.URL { return []*url.URL{must(url.Parse(s))} }
	for name, edit := range map[string]func(*Leaf){
		"no purpose":             func(l *Leaf) { l.CommonName = "x" },
		"no name":                func(l *Leaf) { l.Server = true },
		"ends first":             func(l *Leaf) { l.CommonName, l.Client, l.NotAfter = "x", true, l.NotBefore },
		"a long name":            func(l *Leaf) { l.CommonName, l.Client = strings.Repeat("x", 65), true },
		"a NUL":                  func(l *Leaf) { l.CommonName, l.Client = "x\x00y", true },
		"a line end":             func(l *Leaf) { l.CommonName, l.Client = "x\ny", true },
		"not UTF-8":              func(l *Leaf) { l.CommonName, l.Client = "\xff", true },
		"a wildcard":             func(l *Leaf) { l.DNSNames, l.Server = []string{"*.example"}, true },
		"a NUL in a host":        func(l *Leaf) { l.DNSNames, l.Server = []string{"a\x00.example"}, true },
		"no A-label":             func(l *Leaf) { l.DNSNames, l.Server = []string{"bücher.example"}, true },
		"an address as a host":   func(l *Leaf) { l.DNSNames, l.Server = []string{"192.0.2.1"}, true },
		"an empty host":          func(l *Leaf) { l.DNSNames, l.Server = []string{""}, true },
		"half an address":        func(l *Leaf) { l.IPs, l.Server = []net.IP{{1, 2}}, true },
		"a URI without scheme":   func(l *Leaf) { l.URIs, l.Server = uri("//a.example"), true },
		"a URI without host":     func(l *Leaf) { l.URIs, l.Server = uri("coaps:a"), true },
		"a URI with a user":      func(l *Leaf) { l.URIs, l.Server = uri("coaps://evil@a.example"), true },
		"a URI with a wildcard":  func(l *Leaf) { l.URIs, l.Server = uri("coaps://*.example"), true },
		"a URI outside of ASCII": func(l *Leaf) { l.URIs, l.Server = []*url.URL{{Scheme: "urn", Opaque: "ü"}}, true },
	} {
		if c, err := ca.Issue(seeded(33), pair.SPKI, leafOf(edit)); err == nil {
			t.Errorf("%s: %v %v", name, c.Subject, presentedNames(c))
		}
	}
	if _, err := ca.Issue(seeded(33), []byte("no key"), leafOf(func(l *Leaf) { l.CommonName, l.Client = "x", true })); err == nil {
		t.Error("no key")
	}
	leaf := leafOf(func(l *Leaf) {})
	if err := leaf.AddClient("a"); err != nil {
		t.Fatal(err)
	}
	if leaf.AddClient("b") == nil {
		t.Error("two Common Names")
	}
	for _, a := range []Authority{{}, {Host: "*.example"}, {Host: "a b"}} {
		if leaf.AddServer(a) == nil {
			t.Errorf("a server called %v", a)
		}
	}
}

// oidsOf lists the extensions of a certificate.
func oidsOf(c *x509.Certificate) (ids []string) {
	for _, e := range c.Extensions {
		ids = append(ids, e.Id.String())
	}
	slices.Sort(ids)
	return ids
}

// Proves rfc7925 §4.4.1: "Certificates MUST NOT use DNS domain names in the Common
// Name of certificates and instead use the subjectAltName attribute, as described
// in the previous paragraph."
// Proves rfc7925 §4.4.1: "Certificates MUST NOT contain domain names with wildcard
// characters."
// Proves rfc7925 §4.4.1: "Certificates MUST NOT contain multiple names (e.g., more
// than one dNSName field)."
// Proves rfc7925 §4.4.2: "For client certificates the identifier used in the
// SubjectAltName or in the leftmost CN component of subject name MUST be an
// EUI-64."
func TestProfileIoT(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	const keyUsage, extKeyUsage, altName = "2.5.29.15", "2.5.29.37", "2.5.29.17"
	iot := func(edit func(*Leaf)) Leaf { return leafOf(func(l *Leaf) { l.Profile = ProfileIoT; edit(l) }) }
	server := must(ca.Issue(seeded(33), pair.SPKI, iot(func(l *Leaf) { _ = l.AddServer(Authority{Host: "gw.plant.example"}) })))
	if server.Subject.String() != "" || !slices.Equal(server.DNSNames, []string{"gw.plant.example"}) || len(server.URIs) != 0 {
		t.Errorf("subject %q, names %s", server.Subject, presentedNames(server))
	}
	if got, want := oidsOf(server), []string{keyUsage, altName, extKeyUsage}; !slices.Equal(got, want) {
		t.Errorf("extensions %v, RFC 7925 table 1 has %v of them", got, want)
	}
	// RFC 5280 §4.1.2.6: without a subject the alternative name is critical.
	for _, e := range server.Extensions {
		if e.Id.Equal(oidSubjectAltName) && !e.Critical {
			t.Error("the only name is not critical")
		}
	}
	client := must(ca.Issue(seeded(33), pair.SPKI, iot(func(l *Leaf) { _ = l.AddClient("02005efffe100007") })))
	if got, want := oidsOf(client), []string{keyUsage, extKeyUsage}; client.Subject.CommonName != "02-00-5E-FF-FE-10-00-07" || !slices.Equal(got, want) {
		t.Errorf("subject %q, extensions %v", client.Subject, got)
	}
	full := must(ca.Issue(seeded(33), pair.SPKI, leafOf(func(l *Leaf) { _ = l.AddServer(Authority{Host: "gw.plant.example"}) })))
	if len(server.Raw) >= len(full.Raw) || server.SerialNumber.BitLen() < 62 {
		t.Errorf("%d bytes, in full %d; serial %x", len(server.Raw), len(full.Raw), server.SerialNumber)
	}
	trust := NewTrust([]*x509.Certificate{ca.Certificate})
	if err := trust.VerifyServer([]*x509.Certificate{server}, Authority{Host: "gw.plant.example"}, noon); err != nil {
		t.Error(err)
	}
	if err := trust.VerifyClient([]*x509.Certificate{client}, noon); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*Leaf){
		"a client by name":    func(l *Leaf) { _ = l.AddClient("sensor-7") },
		"a client by URI":     func(l *Leaf) { _ = l.AddClient("urn:dev:os:32473-7") },
		"two hosts":           func(l *Leaf) { l.Server, l.DNSNames = true, []string{"a.example", "b.example"} },
		"a host twice over":   func(l *Leaf) { l.Server, l.DNSNames, l.CommonName = true, []string{"a.example"}, "a.example" },
		"a host as CN":        func(l *Leaf) { l.Server, l.CommonName = true, "a.example" },
		"a wildcard":          func(l *Leaf) { l.Server, l.DNSNames = true, []string{"*.example"} },
		"an address":          func(l *Leaf) { _ = l.AddServer(Authority{Host: "192.0.2.1"}) },
		"an EUI-64 and a DNS": func(l *Leaf) { _ = l.AddClient("02005efffe100007"); _ = l.AddServer(Authority{Host: "a.example"}) },
		"a CRL":               func(l *Leaf) { _ = l.AddClient("02005efffe100007"); l.CRL = []string{"http://a.example"} },
		"after 2049":          func(l *Leaf) { _ = l.AddClient("02005efffe100007"); l.NotAfter = noon.AddDate(60, 0, 0) },
	} {
		long := *ca
		if name == "after 2049" {
			long = *must(NewRoot(seeded(30), mustNewKey(t, 31), CASpec{Name: "Plant CA", NotBefore: noon, NotAfter: noon.AddDate(90, 0, 0)}))
		}
		if c, err := long.Issue(seeded(33), pair.SPKI, iot(edit)); err == nil {
			t.Errorf("%s: %s, %s", name, c.Subject, presentedNames(c))
		}
	}
	for _, spki := range [][]byte{must(NewKeyOn(CurveEd25519, seeded(1))).SPKI, must(NewKeyPair(rsaKey())).SPKI} {
		if _, err := ca.Issue(seeded(33), spki, iot(func(l *Leaf) { _ = l.AddClient("02005efffe100007") })); err == nil {
			t.Error("a key that is not for ECDSA")
		}
	}
}

// TestValidityIsClamped: what a certificate holds beyond its issuer's end could
// not be verified.
func TestValidityIsClamped(t *testing.T) {
	pair := mustNewKey(t, 32)
	ca := must(NewRoot(seeded(30), mustNewKey(t, 31), CASpec{Name: "short", NotBefore: noon, NotAfter: noon.Add(time.Hour)}))
	c := must(ca.Issue(seeded(33), pair.SPKI, leafOf(func(l *Leaf) { l.CommonName, l.Client = "x", true })))
	if !c.NotBefore.Equal(noon) || !c.NotAfter.Equal(noon.Add(time.Hour)) {
		t.Errorf("valid from %v to %v", c.NotBefore, c.NotAfter)
	}
	late := leafOf(func(l *Leaf) {
		l.CommonName, l.Client, l.NotBefore, l.NotAfter = "x", true, noon.AddDate(1, 0, 0), noon.AddDate(2, 0, 0)
	})
	if _, err := ca.Issue(seeded(33), pair.SPKI, late); err == nil {
		t.Error("a certificate that begins after its issuer's end")
	}
}

// TestAuthorityBelow builds a chain of three and keeps to the path length.
func TestAuthorityBelow(t *testing.T) {
	year := func(name string, length int) CASpec {
		return CASpec{Name: name, NotBefore: noon.Add(-clockSkew), NotAfter: noon.AddDate(1, 0, 0), PathLen: length}
	}
	root := must(NewRoot(seeded(40), mustNewKey(t, 41), year("Root", 2)))
	plant := must(root.IssueCA(seeded(42), mustNewKey(t, 43), year("Plant", -1)))
	line := must(plant.IssueCA(seeded(44), mustNewKey(t, 45), year("Line", 0)))
	if n, limited := plant.pathLen(); n != 1 || !limited {
		t.Errorf("the authority below a path length of 2 has %d, %v", n, limited)
	}
	if _, err := line.IssueCA(seeded(46), mustNewKey(t, 47), year("Cell", 0)); err == nil {
		t.Error("an authority below one whose path length is 0")
	}
	pair := mustNewKey(t, 48)
	c := must(line.Issue(seeded(49), pair.SPKI, leafOf(func(l *Leaf) { l.CommonName, l.Client = "x", true })))
	chain := must(line.Chain(c, pair))
	if len(chain.DER) != 3 {
		t.Fatalf("the node shows %d certificates, want its own and those of two authorities", len(chain.DER))
	}
	trust := NewTrust([]*x509.Certificate{root.Certificate})
	if err := trust.VerifyClient(line.Certificates(c), noon); err != nil {
		t.Error(err)
	}
	// Opened again from its files, with and without the root at the end.
	for _, file := range [][]*x509.Certificate{
		{line.Certificate, plant.Certificate}, {line.Certificate, plant.Certificate, root.Certificate},
	} {
		again, err := OpenCA(file, line.Key)
		if err != nil || len(again.Certificates(c)) != 3 {
			t.Errorf("%v: %v", again, err)
		}
	}
	if !line.Owns(c) || plant.Owns(c) {
		t.Error("who issued the certificate is not known")
	}
	unlimited := must(NewRoot(seeded(50), mustNewKey(t, 51), year("Any", -1)))
	if _, limited := unlimited.pathLen(); limited || unlimited.Certificate.MaxPathLen != -1 {
		t.Error("a root without path length has one")
	}
}

func TestOpenCARefuses(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	leaf := must(ca.Issue(seeded(33), pair.SPKI, leafOf(func(l *Leaf) { l.CommonName, l.Client = "x", true })))
	other := must(NewCA(seeded(60), "Other", noon, time.Hour))
	listsOnly := must(sign(&x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon.Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCRLSign}, ca.Certificate, pair, ca.Key))
	for name, test := range map[string]struct {
		certificates []*x509.Certificate
		key          *dtls.KeyPair
	}{
		"nothing":               {nil, ca.Key},
		"another's key":         {[]*x509.Certificate{ca.Certificate}, pair},
		"a node's certificate":  {[]*x509.Certificate{leaf}, pair},
		"one that signs lists":  {[]*x509.Certificate{listsOnly}, pair},
		"an unrelated one next": {[]*x509.Certificate{ca.Certificate, other.Certificate}, ca.Key},
	} {
		if _, err := OpenCA(test.certificates, test.key); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, spec := range map[string]CASpec{
		"no name":    {NotBefore: noon, NotAfter: noon.Add(1)},
		"ends first": {Name: "x", NotBefore: noon, NotAfter: noon},
		"odd name":   {Name: "x\ny", NotBefore: noon, NotAfter: noon.Add(time.Hour)},
	} {
		if _, err := NewRoot(seeded(1), pair, spec); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// TestRevocationList makes a list and has a Trust believe it.
func TestRevocationList(t *testing.T) {
	ca, pair := newPlantCA(t), mustNewKey(t, 32)
	client := func(name string, seed byte) *x509.Certificate {
		return must(ca.Issue(seeded(seed), pair.SPKI, leafOf(func(l *Leaf) { l.CommonName, l.Client = name, true })))
	}
	good, bad := client("good", 70), client("bad", 71)
	revoked := []Revocation{{bad.SerialNumber, noon.Add(-time.Minute), 1}, {bad.SerialNumber, noon, 4}}
	list := must(ca.RevocationList(big.NewInt(7), revoked, noon, noon.Add(time.Hour)))
	if len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].ReasonCode != 1 || list.Number.Int64() != 7 {
		t.Errorf("entries %v, number %v", list.RevokedCertificateEntries, list.Number)
	}
	trust := must(NewTrust([]*x509.Certificate{ca.Certificate}).WithCRLs([]*x509.RevocationList{list}, RevocationHard))
	if err := trust.VerifyClient([]*x509.Certificate{good}, noon); err != nil {
		t.Error(err)
	}
	if err := trust.VerifyClient([]*x509.Certificate{bad}, noon); ReasonOf(err) != dtls.ReasonCertRevoked {
		t.Errorf("the revoked one: %v", err)
	}
	if _, err := ca.RevocationList(big.NewInt(8), nil, noon, noon); err == nil {
		t.Error("a list that ends as it begins")
	}
}

// TestRequest asks for a certificate and reads what was asked.
func TestRequest(t *testing.T) {
	for _, curve := range []Curve{CurveP256, CurveP384, CurveEd25519} {
		pair := must(NewKeyOn(curve, seeded(1)))
		leaf := Leaf{CommonName: "x", Client: true}
		if err := leaf.AddServer(Authority{Host: "gw.example"}); err != nil {
			t.Fatal(err)
		}
		request := must(NewRequest(pair, leaf))
		for form, data := range map[string][]byte{"PEM": MarshalRequest(request), "DER": request.Raw, "old": block(pemOldRequest, request.Raw)} {
			read, err := ParseRequest(data)
			if err != nil {
				t.Errorf("%v, %s: %v", curve, form, err)
				continue
			}
			got := Requested(read)
			if got.CommonName != "x" || !got.Client || !got.Server || !slices.Equal(got.DNSNames, leaf.DNSNames) || len(got.URIs) != 1 {
				t.Errorf("%v, %s: asks for %+v", curve, form, got)
			}
		}
	}
	none := Requested(must(NewRequest(mustNewKey(t, 1), Leaf{CommonName: "x"})))
	if none.Server || none.Client {
		t.Error("a request that asks for no purpose has one")
	}
}

func TestBadRequests(t *testing.T) {
	pair := mustNewKey(t, 1)
	request := must(NewRequest(pair, Leaf{CommonName: "x", Client: true}))
	forged := slices.Clone(request.Raw)
	forged[len(forged)-1] ^= 1
	ca := newPlantCA(t)
	for name, data := range map[string][]byte{
		"nothing":           nil,
		"forged":            forged,
		"a byte behind":     append(slices.Clone(request.Raw), 0),
		"cut":               request.Raw[:len(request.Raw)-1],
		"a certificate":     MarshalCertificates(ca.Certificate),
		"a certificate DER": ca.Certificate.Raw,
		"a key":             must(MarshalPrivate(pair)),
		"two":               append(MarshalRequest(request), MarshalRequest(request)...),
		"long":              make([]byte, maxRequest+1),
		"damaged PEM":       []byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"),
	} {
		if _, err := ParseRequest(data); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "PRIVATE KEY-----") {
			t.Errorf("%s: the error shows what it should not: %v", name, err)
		}
	}
	strange := must(ecdsa.GenerateKey(elliptic.P521(), crand.Reader))
	request521 := must(x509.CreateCertificateRequest(nil, &x509.CertificateRequest{}, strange))
	if _, err := ParseRequest(request521); err == nil {
		t.Error("a key on P-521")
	}
	// Another's public key in the place of the signer's.
	other := mustNewKey(t, 2)
	stolen := []byte(strings.Replace(string(request.Raw), string(pair.SPKI), string(other.SPKI), 1))
	if _, err := ParseRequest(stolen); err == nil {
		t.Error("a request for a key that its sender does not hold")
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(MarshalRequest(must(NewRequest(mustNewKey(f, 1), Leaf{CommonName: "x", Server: true, DNSNames: []string{"a.example"}}))))
	f.Add(must(NewRequest(must(NewKeyOn(CurveEd25519, seeded(1))), Leaf{CommonName: "y"})).Raw)
	f.Add([]byte{0x30, 0x80})
	ca, at := newPlantCA(f), noon
	f.Fuzz(func(t *testing.T, data []byte) {
		request, err := ParseRequest(data)
		if err != nil {
			return
		}
		leaf := Requested(request)
		leaf.NotBefore, leaf.NotAfter, leaf.Client = at, at.Add(time.Hour), true
		c, err := ca.Issue(seeded(1), request.RawSubjectPublicKeyInfo, leaf)
		if err != nil {
			return
		}
		if c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return u > x509.ExtKeyUsageClientAuth }) {
			t.Fatalf("a certificate for %v %v", c.KeyUsage, c.ExtKeyUsage)
		}
		for _, e := range c.Extensions {
			if !slices.ContainsFunc([]asn1.ObjectIdentifier{{2, 5, 29, 15}, {2, 5, 29, 37}, {2, 5, 29, 19}, {2, 5, 29, 35}, {2, 5, 29, 17}}, e.Id.Equal) {
				t.Fatalf("extension %v was taken over", e.Id)
			}
		}
	})
}
