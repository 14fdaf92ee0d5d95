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
	"math/big"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// CA is a small certification authority, for a plant or a desk. It keeps no
// record of what it issued: whoever wants to revoke certificates keeps one and
// asks RevocationList for the list.
type CA struct {
	Certificate *x509.Certificate
	Key         *dtls.KeyPair
	// Above holds the authorities between this one and the root, nearest
	// first and without the root: what its nodes have to show besides their
	// own certificate and this one. It is nil for a root.
	Above []*x509.Certificate
}

// clockSkew is how far the clocks of a new certificate's users may be behind.
const clockSkew = time.Minute

// CASpec says what the certificate of an authority is to hold.
type CASpec struct {
	Name      string // the Common Name
	NotBefore time.Time
	NotAfter  time.Time
	// PathLen is how many authorities may stand between this one and a node;
	// 0: it issues to nodes only. Negative: any number.
	PathLen int
}

// NewCA makes a certification authority called name, with a self-signed
// certificate that is valid from a minute before now and for life. It issues
// to nodes, not to other authorities. The key, on P-256, and the serial number
// are drawn from rand.
func NewCA(rand io.Reader, name string, now time.Time, life time.Duration) (*CA, error) {
	key, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	return NewRoot(rand, key, CASpec{Name: name, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(life)})
}

// NewRoot makes a certification authority with the given key and a self-signed
// certificate.
func NewRoot(rand io.Reader, key *dtls.KeyPair, spec CASpec) (*CA, error) {
	template, err := spec.template(rand)
	if err != nil {
		return nil, err
	}
	certificate, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &CA{Certificate: certificate, Key: key}, nil
}

// IssueCA makes an authority below ca with the given key. The time is cut to
// that of ca, and the path length to what ca leaves.
func (ca *CA) IssueCA(rand io.Reader, key *dtls.KeyPair, spec CASpec) (*CA, error) {
	if left, limited := ca.pathLen(); limited {
		if left == 0 {
			return nil, errors.New("keys: this authority may issue to nodes only (its path length is 0)")
		}
		if spec.PathLen < 0 || spec.PathLen >= left {
			spec.PathLen = left - 1
		}
	}
	template, err := spec.template(rand)
	if err != nil {
		return nil, err
	}
	if err := ca.clamp(template); err != nil {
		return nil, err
	}
	certificate, err := sign(template, ca.Certificate, key, ca.Key)
	if err != nil {
		return nil, err
	}
	return &CA{Certificate: certificate, Key: key, Above: ca.chainAbove()}, nil
}

// pathLen returns the path length of the authority, if it has one.
func (ca *CA) pathLen() (n int, limited bool) {
	c := ca.Certificate
	return max(c.MaxPathLen, 0), c.MaxPathLen > 0 || c.MaxPathLen == 0 && c.MaxPathLenZero
}

// chainAbove is what a node of this authority shows behind its certificate.
func (ca *CA) chainAbove() []*x509.Certificate {
	if selfSigned(ca.Certificate) {
		return nil
	}
	return append([]*x509.Certificate{ca.Certificate}, ca.Above...)
}

func (s CASpec) template(rand io.Reader) (*x509.Certificate, error) {
	switch {
	case s.Name == "":
		return nil, errors.New("keys: an authority needs a name")
	case !s.NotBefore.Before(s.NotAfter):
		return nil, errors.New("keys: the certificate would end before it begins")
	}
	if err := checkCommonName(s.Name); err != nil {
		return nil, err
	}
	number, err := newSerial(rand, 16)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{CommonName: s.Name},
		NotBefore:             s.NotBefore,
		NotAfter:              s.NotAfter,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            max(s.PathLen, -1),
		MaxPathLenZero:        s.PathLen == 0,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil
}

// OpenCA joins the certificate of an authority, which may be followed by those
// above it, with its key. It fails if the certificate is not one of an
// authority or not of this key.
func OpenCA(certificates []*x509.Certificate, key *dtls.KeyPair) (*CA, error) {
	if len(certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	c := certificates[0]
	switch {
	case !bytes.Equal(c.RawSubjectPublicKeyInfo, key.SPKI):
		return nil, errors.New("the certificate is not that of the private key")
	case !c.BasicConstraintsValid || !c.IsCA:
		return nil, errors.New("this is the certificate of a node, not of an authority")
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("the key usage does not include keyCertSign")
	}
	for i, above := range certificates[1:] {
		if !bytes.Equal(certificates[i].RawIssuer, above.RawSubject) {
			return nil, fmt.Errorf("certificate %d did not issue certificate %d", i+2, i+1)
		}
	}
	above := slices.DeleteFunc(slices.Clone(certificates[1:]), selfSigned)
	return &CA{Certificate: c, Key: key, Above: above}, nil
}

// clamp cuts the time of a certificate to that of its issuer, beyond which it
// could not be verified.
func (ca *CA) clamp(template *x509.Certificate) error {
	if template.NotBefore.Before(ca.Certificate.NotBefore) {
		template.NotBefore = ca.Certificate.NotBefore
	}
	if template.NotAfter.After(ca.Certificate.NotAfter) {
		template.NotAfter = ca.Certificate.NotAfter
	}
	if !template.NotBefore.Before(template.NotAfter) {
		return fmt.Errorf("keys: the authority's own certificate ends on %s", ca.Certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// newSerial draws a serial number of n bytes, at most 20 (RFC 5280 §4.1.2.2),
// positive and with no leading zero.
func newSerial(rand io.Reader, n int) (*big.Int, error) {
	serial := make([]byte, n)
	if _, err := io.ReadFull(rand, serial); err != nil {
		return nil, fmt.Errorf("keys: drawing a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	return new(big.Int).SetBytes(serial), nil
}

// sign makes a certificate for the key pair subject. The signature is
// deterministic (RFC 6979), which is why it needs no randomness.
func sign(template, parent *x509.Certificate, subject, issuer *dtls.KeyPair) (*x509.Certificate, error) {
	return signPublic(template, parent, subject.Signer.Public(), issuer)
}

// signKey is sign for a public key alone, a DER SubjectPublicKeyInfo.
func signKey(template, parent *x509.Certificate, spki []byte, issuer *dtls.KeyPair) (*x509.Certificate, error) {
	if err := CheckPublicKey(spki); err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	return signPublic(template, parent, public, issuer)
}

func signPublic(template, parent *x509.Certificate, public any, issuer *dtls.KeyPair) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(nil, template, parent, public, issuer.Signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Revocation is a certificate that was revoked.
type Revocation struct {
	Serial *big.Int
	At     time.Time
	Reason RevocationReason
}

// RevocationList makes the authority's list (RFC 5280 §5). The number must grow
// from list to list; nextUpdate is when the next one comes at the latest. A
// serial number that occurs twice stands in the list once, as it came first.
func (ca *CA) RevocationList(number *big.Int, revoked []Revocation, thisUpdate, nextUpdate time.Time) (*x509.RevocationList, error) {
	if !thisUpdate.Before(nextUpdate) {
		return nil, errors.New("keys: the list would end before it begins")
	}
	template := &x509.RevocationList{Number: number, ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
	seen := map[string]bool{}
	for _, r := range revoked {
		if seen[serialKey(r.Serial)] {
			continue
		}
		seen[serialKey(r.Serial)] = true
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.At, ReasonCode: int(r.Reason)})
	}
	der, err := x509.CreateRevocationList(nil, template, ca.Certificate, ca.Key.Signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(der)
}
