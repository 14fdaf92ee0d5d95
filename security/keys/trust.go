// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// Trust is the list of root trust anchors of a node in Certificate mode
// (RFC 7252 §9). It judges the chains that peers show: path validation as in
// RFC 5280 §6 by crypto/x509, and who the certificate is for by the rules of
// RFC 7252 §9.1.3.3. It never asks the system's own anchors, and never the
// network: revocation is checked against the lists that it was given (WithCRLs)
// and the OCSP response that a server shows. A Trust does not change and may be
// used at the same time by many.
type Trust struct {
	pool    *x509.CertPool
	roots   []*x509.Certificate
	ends    []*x509.Certificate // the roots that no other certificate can have signed
	uriOnly bool

	crls        crlSet
	policy      RevocationPolicy
	requireOCSP bool
}

// NewTrust returns a Trust in the given anchors, and in nothing else. Without
// anchors it trusts nobody.
func NewTrust(roots []*x509.Certificate) *Trust {
	t := &Trust{pool: x509.NewCertPool(), roots: slices.Clone(roots)}
	for _, root := range roots {
		t.pool.AddCert(root)
		if selfSigned(root) {
			t.ends = append(t.ends, root)
		}
	}
	return t
}

// selfSigned reports whether a certificate's signature is by its own key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// URIOnly returns a Trust in the same anchors that keeps to the letter of RFC
// 7252 §9.1.3.3: where a server's certificate has a SubjectAltName, only its
// coaps URIs count. Without it a dNSName or an iPAddress that is the host will
// do as well, as in RFC 7925 §4.4.1, RFC 6125 and most certificates there are.
func (t *Trust) URIOnly() *Trust {
	with := *t
	with.uriOnly = true
	return &with
}

// Len returns the number of anchors.
func (t *Trust) Len() int {
	if t == nil {
		return 0
	}
	return len(t.roots)
}

// Authorities returns the DER distinguished names of the anchors, as a
// CertificateRequest carries them (RFC 5246 §7.4.4).
func (t *Trust) Authorities() [][]byte {
	var names [][]byte
	for i := range t.Len() {
		names = append(names, t.roots[i].RawSubject)
	}
	return names
}

// VerifyError tells why a certificate is not believed.
type VerifyError struct {
	Reason dtls.Reason // cert_expired, cert_unknown_ca, ...
	Err    error       // the particulars, for the operator
}

func (e *VerifyError) Error() string { return e.Reason.String() + ": " + e.Err.Error() }

// Unwrap returns the particulars.
func (e *VerifyError) Unwrap() error { return e.Err }

// ReasonOf returns the reason in an error of this package's Verify functions:
// ReasonNone for nil, ReasonCertBad for an error of another kind and for one
// without a reason: no error ever means that the peer is believed.
func ReasonOf(err error) dtls.Reason {
	if err == nil {
		return dtls.ReasonNone
	}
	if verify, ok := errors.AsType[*VerifyError](err); ok && verify.Reason != dtls.ReasonNone {
		return verify.Reason
	}
	return dtls.ReasonCertBad
}

func verifyError(reason dtls.Reason, format string, args ...any) *VerifyError {
	return &VerifyError{reason, fmt.Errorf(format, args...)}
}

// VerifyServer judges the chain that a server showed, leaf first, at the time
// now, for a client that wants to reach authority. The error is nil or a
// *VerifyError. It is for a client that got no OCSP response, having asked.
func (t *Trust) VerifyServer(chain []*x509.Certificate, authority Authority, now time.Time) error {
	return t.VerifyServerOCSP(chain, nil, authority, now)
}

// VerifyServerOCSP is VerifyServer with the OCSP response that the server showed
// beside its chain (RFC 6066 §8), in DER; nil says that it showed none.
func (t *Trust) VerifyServerOCSP(chain []*x509.Certificate, ocsp []byte, authority Authority, now time.Time) error {
	wanted, err := authority.reference()
	if err != nil {
		return verifyError(dtls.ReasonCertNameMismatch, "%w", err)
	}
	paths, err := t.paths(chain, x509.ExtKeyUsageServerAuth, now, stapled{asked: true, der: ocsp})
	if err != nil {
		return err
	}
	rules := matchRules{uriOnly: t.uriOnly, noCN: slices.ContainsFunc(paths, constrained)}
	if !wanted.matches(chain[0], rules) {
		return verifyError(dtls.ReasonCertNameMismatch, "the certificate is for %s, not for %s", presentedNames(chain[0]), authority)
	}
	return nil
}

// VerifyPinnedServer judges the chain that a server showed by the path, as
// VerifyServer does, and by its key instead of its name: the key of the leaf
// must be among pins (RFC 6125 §6.6.2).
func (t *Trust) VerifyPinnedServer(chain []*x509.Certificate, pins *Pins, now time.Time) error {
	return t.VerifyPinnedServerOCSP(chain, nil, pins, now)
}

// VerifyPinnedServerOCSP is VerifyPinnedServer with the OCSP response that the
// server showed, as in VerifyServerOCSP.
func (t *Trust) VerifyPinnedServerOCSP(chain []*x509.Certificate, ocsp []byte, pins *Pins, now time.Time) error {
	if _, err := t.paths(chain, x509.ExtKeyUsageServerAuth, now, stapled{asked: true, der: ocsp}); err != nil {
		return err
	}
	if !pins.Contains(chain[0].RawSubjectPublicKeyInfo) {
		return verifyError(dtls.ReasonCertNameMismatch, "the certificate's key is not pinned")
	}
	return nil
}

// VerifyClient judges the chain that a client showed, leaf first, at the time
// now. The error is nil or a *VerifyError.
func (t *Trust) VerifyClient(chain []*x509.Certificate, now time.Time) error {
	_, _, err := t.VerifyClientNames(chain, now)
	return err
}

// VerifyClientNames is VerifyClient for whoever goes on to find out whose the
// certificate is. bound reports that an issuer of it may name only some (RFC 5280
// §4.2.1.10). That binds its SubjectAltName and not its subject, in which such an
// issuer can call anybody anything. until is the last second at which the chain is
// good: a certificate is not longer so than its issuer's.
func (t *Trust) VerifyClientNames(chain []*x509.Certificate, now time.Time) (bound bool, until time.Time, err error) {
	paths, err := t.paths(chain, x509.ExtKeyUsageClientAuth, now, stapled{})
	return slices.ContainsFunc(paths, constrained), endOf(paths), err
}

// endOf is when the last of the paths ends. Each does with the first of its
// certificates, the anchor's included.
func endOf(paths [][]*x509.Certificate) (last time.Time) {
	for _, path := range paths {
		first := slices.MinFunc(path, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if first.NotAfter.After(last) {
			last = first.NotAfter
		}
	}
	return last
}

// constrained reports whether an issuer in the path limits the names that its
// certificates may hold. Such limits bind the SubjectAltName and not the
// Common Name (RFC 5280 §4.2.1.10), so that a Common Name would evade them.
func constrained(path []*x509.Certificate) bool {
	return slices.ContainsFunc(path[1:], func(issuer *x509.Certificate) bool {
		return hasExtension(issuer, oidNameConstraints)
	})
}

// paths finds the valid certification paths from the leaf of a chain to the
// anchors on which nothing is revoked. Without an error there is at least one.
func (t *Trust) paths(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time, staple stapled) ([][]*x509.Certificate, error) {
	if err := t.checkForm(chain, now); err != nil {
		return nil, err
	}
	options := x509.VerifyOptions{
		Roots:         t.pool,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	}
	for _, c := range chain[1:] {
		// Many peers show the anchor too. No path leads through it and on, and
		// crypto/x509 would verify the signature below it once more.
		if !slices.ContainsFunc(t.ends, c.Equal) {
			options.Intermediates.AddCert(c)
		}
	}
	paths, err := chain[0].Verify(options)
	if err != nil {
		return nil, t.explain(err, chain, now)
	}
	paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool {
		return slices.ContainsFunc(path, func(c *x509.Certificate) bool { return checkPublicKey(c.PublicKey) != nil })
	})
	if len(paths) == 0 {
		return nil, verifyError(dtls.ReasonCertUnsupported, "an issuer's key is of an unsupported kind")
	}
	return t.unrevoked(paths, now, staple)
}

// checkForm checks what crypto/x509 leaves to its caller.
func (t *Trust) checkForm(chain []*x509.Certificate, now time.Time) error {
	switch {
	case len(chain) == 0:
		return verifyError(dtls.ReasonNoPeerKey, "no certificate")
	case len(chain) > MaxChainLen:
		return verifyError(dtls.ReasonCertBad, "a chain of %d certificates, at most %d are taken", len(chain), MaxChainLen)
	case t.Len() == 0:
		return verifyError(dtls.ReasonCertUnknownCA, "no trust anchor is configured")
	case now.IsZero():
		// crypto/x509 would ask the clock itself.
		return verifyError(dtls.ReasonInternal, "the time is not known")
	}
	if err := checkPublicKey(chain[0].PublicKey); err != nil {
		return verifyError(dtls.ReasonCertUnsupported, "%w", err)
	}
	// RFC 7252 §9.1.3.3, RFC 5246 §7.4.2: the key signs, so a key usage
	// extension must allow digitalSignature.
	if usage := chain[0].KeyUsage; usage != 0 && usage&x509.KeyUsageDigitalSignature == 0 {
		return verifyError(dtls.ReasonCertBadUsage, "the key usage does not include digitalSignature")
	}
	return nil
}

// invalidReasons maps the ways in which crypto/x509 finds a certificate
// invalid; those that are not listed are ReasonCertBad.
var invalidReasons = map[x509.InvalidReason]dtls.Reason{
	x509.Expired:                       dtls.ReasonCertExpired,
	x509.NotAuthorizedToSign:           dtls.ReasonCertUnknownCA,
	x509.CANotAuthorizedForThisName:    dtls.ReasonCertUnknownCA,
	x509.UnconstrainedName:             dtls.ReasonCertUnknownCA,
	x509.TooManyIntermediates:          dtls.ReasonCertUnknownCA,
	x509.IncompatibleUsage:             dtls.ReasonCertBadUsage,
	x509.CANotAuthorizedForExtKeyUsage: dtls.ReasonCertBadUsage,
}

// explain gives an error of crypto/x509 its reason.
func (t *Trust) explain(err error, chain []*x509.Certificate, now time.Time) *VerifyError {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		reason, known := invalidReasons[invalid.Reason]
		switch {
		case !known:
			reason = dtls.ReasonCertBad
		case reason == dtls.ReasonCertExpired:
			reason = validityReason(invalid.Cert, now)
		}
		return &VerifyError{reason, err}
	}
	if _, ok := errors.AsType[x509.UnhandledCriticalExtension](err); ok {
		return &VerifyError{dtls.ReasonCertUnsupported, err}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &VerifyError{t.issuerReason(chain, now), err}
	}
	return &VerifyError{dtls.ReasonCertBad, err}
}

// issuerReason says why no path was found. An issuer whose time is over or has
// not come is a reason of its own; else the issuer is unknown. Names are enough
// for that: it only gives a word to what has been refused already.
func (t *Trust) issuerReason(chain []*x509.Certificate, now time.Time) dtls.Reason {
	for _, issuer := range slices.Concat(chain[1:], t.roots) {
		isIssuer := slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, issuer.RawSubject)
		})
		if reason := validityReason(issuer, now); isIssuer && reason != dtls.ReasonNone {
			return reason
		}
	}
	return dtls.ReasonCertUnknownCA
}

// validityReason returns how a certificate stands to the time.
func validityReason(c *x509.Certificate, now time.Time) dtls.Reason {
	switch {
	case now.Before(c.NotBefore):
		return dtls.ReasonCertNotYetValid
	case now.After(c.NotAfter):
		return dtls.ReasonCertExpired
	}
	return dtls.ReasonNone
}
