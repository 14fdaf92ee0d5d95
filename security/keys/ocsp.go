// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"golang.org/x/crypto/ocsp"
)

// stapled is what a server showed beside its chain. asked is false where no
// OCSP response could have come.
type stapled struct {
	asked bool
	der   []byte
}

// noNextUpdate is how long an OCSP response without nextUpdate counts: the
// responder has newer information at any time (RFC 6960 §4.2.2.1), and a
// response that was fetched to be shown for a while should say for how long.
const noNextUpdate = time.Hour

// checkStaple checks the OCSP response that a server showed, or that one had to
// be shown. known is true if the response says that the leaf is good.
func (t *Trust) checkStaple(path []*x509.Certificate, now time.Time, staple stapled) (known bool, err error) {
	leaf, issuer := path[0], path[min(1, len(path)-1)]
	switch {
	case !staple.asked:
		return false, nil
	case len(staple.der) > 0:
		return true, t.checkOCSP(staple.der, leaf, issuer, now)
	case t.requireOCSP:
		return false, verifyError(dtls.ReasonCertStatusMissing, "none came with its certificate, and one is required here")
	case MustStaple(leaf):
		return false, verifyError(dtls.ReasonCertStatusMissing, "none came with its certificate, which says itself that one must")
	}
	return false, nil
}

// oidTLSFeature is that of the extension of RFC 7633.
var oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// featureStatusRequest is the number of the TLS extension status_request.
const featureStatusRequest = 5

// MustStaple reports whether a certificate says that its server must show an
// OCSP response to clients that ask for one (RFC 7633). One that says something
// that cannot be read says so too.
func MustStaple(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidTLSFeature) {
			continue
		}
		var features []int
		rest, err := asn1.Unmarshal(e.Value, &features)
		return err != nil || len(rest) > 0 || slices.Contains(features, featureStatusRequest)
	}
	return false
}

// checkOCSP checks that an OCSP response says that leaf, issued by issuer, is
// good now. Who signed it is not checked if issuer is nil. "Clients ... MUST check the OCSP response and abort the handshake if
// the response is not satisfactory" (RFC 6066 §8).
func (t *Trust) checkOCSP(der []byte, leaf, issuer *x509.Certificate, now time.Time) error {
	response, err := parseOCSP(der, leaf, issuer)
	if err != nil {
		return verifyError(dtls.ReasonCertStatusBad, "%w", err)
	}
	if issuer != nil {
		if err := t.checkResponder(response, issuer, now); err != nil {
			return err
		}
	}
	return judgeOCSP(response, leaf, now)
}

// judgeOCSP judges what a response says of leaf, and when.
func judgeOCSP(response *ocsp.Response, leaf *x509.Certificate, now time.Time) error {
	source := "the OCSP response of " + response.ThisUpdate.UTC().Format("2006-01-02 15:04:05 MST")
	// What was revoked stays revoked: such a response cannot be too old.
	if response.Status == ocsp.Revoked {
		return revoked(leaf, response.RevokedAt, RevocationReason(response.RevocationReason), source)
	}
	if err := ocspFresh(response, now); err != nil {
		return verifyError(dtls.ReasonCertStatusBad, "%w", err)
	}
	if response.Status != ocsp.Good {
		return verifyError(dtls.ReasonCertStatusUnknown, "%s does not know certificate %x of %s", source, leaf.SerialNumber, CertificateName(leaf))
	}
	return nil
}

// ocspFresh checks the times of a response (RFC 6960 §3.2).
func ocspFresh(r *ocsp.Response, now time.Time) error {
	end := r.NextUpdate
	if end.IsZero() {
		end = r.ThisUpdate.Add(noNextUpdate)
	}
	switch {
	case now.Add(statusSkew).Before(r.ThisUpdate):
		return fmt.Errorf("the OCSP response is not valid before %s", r.ThisUpdate.UTC())
	case now.Add(-statusSkew).After(end):
		return fmt.Errorf("the OCSP response is not valid after %s", end.UTC())
	}
	return nil
}

// parseOCSP reads an OCSP response and finds in it what it says of leaf. The
// response's signature is verified if the response holds the responder's
// certificate, and by checkResponder else.
func parseOCSP(der []byte, leaf, issuer *x509.Certificate) (*ocsp.Response, error) {
	response, err := ocsp.ParseResponseForCert(der, leaf, nil)
	if err != nil {
		return nil, fmt.Errorf("the OCSP response: %w", err)
	}
	if weakSignature(response.SignatureAlgorithm) {
		return nil, fmt.Errorf("the OCSP response is signed with %v", response.SignatureAlgorithm)
	}
	if !ocspNames(response, leaf, issuer) {
		return nil, errors.New("the OCSP response is about another issuer's certificate")
	}
	return response, nil
}

// ocspData is as much of ResponseData (RFC 6960 §4.2.1) as package ocsp does not
// tell: which issuer a response is about.
type ocspData struct {
	Version     int `asn1:"optional,default:0,explicit,tag:0"`
	ResponderID asn1.RawValue
	ProducedAt  time.Time `asn1:"generalized"`
	Responses   []struct{ CertID ocspCertID }
}

type ocspCertID struct {
	HashAlgorithm     pkix.AlgorithmIdentifier
	NameHash, KeyHash []byte
	Serial            *big.Int
}

// ocspNames reports whether the first response for the leaf's serial number,
// which is the one that was parsed, is about a certificate of this issuer, or, if
// that is nil, of one of its name. Serial numbers of two issuers may be the same,
// and one responder may serve both.
func ocspNames(r *ocsp.Response, leaf, issuer *x509.Certificate) bool {
	var data ocspData
	if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil || !r.IssuerHash.Available() {
		return false
	}
	for _, single := range data.Responses {
		if id := single.CertID; id.Serial.Cmp(leaf.SerialNumber) == 0 {
			sameName := bytes.Equal(id.NameHash, digest(r.IssuerHash, leaf.RawIssuer))
			return sameName && (issuer == nil || bytes.Equal(id.KeyHash, digest(r.IssuerHash, publicKeyBits(issuer))))
		}
	}
	return false
}

func digest(h crypto.Hash, data []byte) []byte {
	hash := h.New()
	hash.Write(data)
	return hash.Sum(nil)
}

// publicKeyBits is the value of the subjectPublicKey, as CertID hashes it.
func publicKeyBits(c *x509.Certificate) []byte {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil // not of a certificate that was parsed
	}
	return spki.Key.RightAlign()
}

// checkResponder checks that a response was signed by who may speak for the
// issuer: the issuer itself, or a responder to which it gave, with a certificate
// of its own signing, the right to (RFC 6960 §4.2.2.2).
func (t *Trust) checkResponder(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	responder := r.Certificate
	if responder == nil || bytes.Equal(responder.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		if err := r.CheckSignatureFrom(issuer); err != nil {
			return verifyError(dtls.ReasonCertStatusBad, "the OCSP response is not signed by %s: %w", nameText(issuer.Subject), err)
		}
		return nil
	}
	if err := checkDelegate(responder, issuer, now); err != nil {
		return verifyError(dtls.ReasonCertStatusBad, "the OCSP responder %s: %w", CertificateName(responder), err)
	}
	// With id-pkix-ocsp-nocheck the issuer vouches for the responder for the
	// lifetime of its certificate (RFC 6960 §4.2.2.2.1).
	if hasExtension(responder, oidOCSPNoCheck) {
		return nil
	}
	return t.checkLists(responder, issuer, now, false)
}

var oidOCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// checkDelegate checks the certificate of a responder other than the issuer.
func checkDelegate(responder, issuer *x509.Certificate, now time.Time) error {
	if !bytes.Equal(responder.RawIssuer, issuer.RawSubject) {
		return errors.New("its certificate is not from the issuer of the certificate in question")
	}
	if err := responder.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("its certificate is not from the issuer of the certificate in question: %w", err)
	}
	switch {
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("its certificate does not allow to sign OCSP responses")
	case responder.KeyUsage != 0 && responder.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its key is not for signatures")
	case len(responder.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("its certificate has the critical extension %v, which is not known", responder.UnhandledCriticalExtensions[0])
	case validityReason(responder, now) != dtls.ReasonNone:
		return fmt.Errorf("its certificate is valid from %s to %s", responder.NotBefore.UTC(), responder.NotAfter.UTC())
	}
	return checkPublicKey(responder.PublicKey)
}
