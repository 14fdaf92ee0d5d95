// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// RevocationPolicy says what becomes of a certificate when the revocation lists
// at hand do not tell whether it was revoked. Whatever the policy, what a list
// or an OCSP response says is revoked is refused, for however long nobody has
// renewed the list.
type RevocationPolicy uint8

const (
	// RevocationFresh refuses the certificates of an issuer whose lists have
	// all run out, and takes those of an issuer that has no list at all. RFC
	// 5280 §6.3.3 leaves the status undetermined in both cases; but who gave a
	// list wants it kept up to date, and a list that nobody renews would
	// otherwise end revocation without anybody noticing.
	RevocationFresh RevocationPolicy = iota
	// RevocationSoft goes on with a list that has run out, for nodes that must
	// keep serving when their lists cannot be renewed.
	RevocationSoft
	// RevocationHard also refuses the certificates of an issuer that has no
	// list.
	RevocationHard
)

func (p RevocationPolicy) String() string {
	switch p {
	case RevocationFresh:
		return "fresh"
	case RevocationSoft:
		return "soft"
	case RevocationHard:
		return "hard"
	}
	return "policy " + strconv.Itoa(int(p))
}

// RevocationReason is why a certificate was revoked (RFC 5280 §5.3.1).
type RevocationReason int

var revocationReasons = [...]string{
	0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
	5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}

func (r RevocationReason) String() string {
	if r >= 0 && int(r) < len(revocationReasons) && revocationReasons[r] != "" {
		return revocationReasons[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// RevokedError is the particulars of cert_revoked.
type RevokedError struct {
	Serial  *big.Int
	Subject string // of the certificate, printable
	At      time.Time
	Reason  RevocationReason
	Source  string // which list or response says so
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate %x of %s was revoked on %s, %s, says %s",
		e.Serial, e.Subject, e.At.UTC().Format("2006-01-02 15:04:05 MST"), e.Reason, e.Source)
}

// revoked is the refusal of a certificate that source says was revoked.
func revoked(c *x509.Certificate, at time.Time, reason RevocationReason, source string) *VerifyError {
	return &VerifyError{dtls.ReasonCertRevoked, &RevokedError{
		Serial: c.SerialNumber, Subject: CertificateName(c), At: at, Reason: reason, Source: source,
	}}
}

// WithCRLs returns a Trust in the same anchors that also looks certificates up
// in revocation lists (RFC 5280 §5, §6.3): each one of a path but the anchor, in
// the lists of its issuer. It replaces lists that were given before. Of several
// lists of one issuer and scope the newest counts.
//
// It refuses a list that is not signed by the anchor that it names as its
// issuer, and one that it could not use: delta and indirect lists, lists for
// some reasons only, those without nextUpdate or signed with SHA-1, and those
// with a critical extension that is not known. A list of an issuer below the
// anchors is verified when the issuer's certificate is seen.
func (t *Trust) WithCRLs(lists []*x509.RevocationList, policy RevocationPolicy) (*Trust, error) {
	var crls crlSet
	for i, list := range lists {
		c, err := newCRL(list)
		if err == nil {
			err = c.checkAnchors(t.roots)
		}
		if err != nil {
			return nil, fmt.Errorf("revocation list %d of %s: %w", i+1, nameText(list.Issuer), err)
		}
		crls.add(c)
	}
	with := *t
	with.crls, with.policy = crls, policy
	return &with, nil
}

// RequireOCSP returns a Trust in the same anchors that takes a server's
// certificate only with an OCSP response beside it. Without it, only one that
// says itself that it must not come without is refused (RFC 7633).
func (t *Trust) RequireOCSP() *Trust {
	with := *t
	with.requireOCSP = true
	return &with
}

// unrevoked drops the paths in which a certificate is revoked or, as far as
// the policy wants to know it, of unknown status. Without an error there is at
// least one left.
func (t *Trust) unrevoked(paths [][]*x509.Certificate, now time.Time, staple stapled) ([][]*x509.Certificate, error) {
	var first error
	paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool {
		err := t.checkStatus(path, now, staple)
		if first == nil {
			first = err
		}
		return err != nil
	})
	if len(paths) == 0 {
		return nil, first
	}
	return paths, nil
}

// checkStatus checks the certificates of one path, leaf first. The anchor is
// believed whatever a list says: it is for who configured it to take it back.
func (t *Trust) checkStatus(path []*x509.Certificate, now time.Time, staple stapled) error {
	known, err := t.checkStaple(path, now, staple)
	if err != nil {
		return err
	}
	for i, c := range path[:len(path)-1] {
		if err := t.checkLists(c, path[i+1], now, known && i == 0); err != nil {
			return err
		}
	}
	return nil
}

// checkLists looks a certificate up in the lists of its issuer. known says that
// its status has been found out already: then only a list that names it counts.
func (t *Trust) checkLists(c, issuer *x509.Certificate, now time.Time, known bool) error {
	usable, current := 0, 0
	for _, list := range t.crls[string(issuer.RawSubject)] {
		switch err := list.signedBy(issuer); {
		case err == errOtherKey || !list.covers(c):
			continue
		case err != nil:
			return verifyError(dtls.ReasonCertStatusUnknown, "%s: %w", list, err)
		}
		if e, ok := list.entries[serialKey(c.SerialNumber)]; ok {
			return revoked(c, time.Unix(e.at, 0), RevocationReason(e.reason), list.String())
		}
		usable++
		if list.current(now) {
			current++
		}
	}
	switch {
	case known || current > 0:
		return nil
	case usable > 0 && t.policy != RevocationSoft:
		return verifyError(dtls.ReasonCertStatusUnknown, "every revocation list of %s has run out", nameText(issuer.Subject))
	case usable == 0 && t.policy == RevocationHard:
		return verifyError(dtls.ReasonCertStatusUnknown, "there is no revocation list of %s for %s", nameText(issuer.Subject), CertificateName(c))
	}
	return nil
}
