// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"
)

const pemCRL = "X509 CRL"

// statusSkew is how far the clock of who signs a statement on revocation may be
// ahead of ours, and how long after its end it still counts.
const statusSkew = 5 * time.Minute

// ParseCRLs reads certificate revocation lists (RFC 5280 §5) as PEM, or one as
// DER. Other PEM blocks are passed over. It fails if there is no list.
func ParseCRLs(data []byte) ([]*x509.RevocationList, error) {
	var lists []*x509.RevocationList
	ders, err := crlBlocks(data)
	if err != nil {
		return nil, err
	}
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("revocation list %d: %w", len(lists)+1, err)
		}
		lists = append(lists, list)
	}
	if lists == nil {
		return nil, errors.New("no revocation list")
	}
	return lists, nil
}

// crlBlocks is the lists in PEM, or the whole if there is no PEM in it. Half of a
// file is an error and not fewer lists.
func crlBlocks(data []byte) (ders [][]byte, err error) {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return [][]byte{data}, nil
	}
	begun := bytes.Count(data, []byte("-----BEGIN "+pemCRL))
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == pemCRL {
			ders = append(ders, block.Bytes)
		}
	}
	if len(ders) != begun {
		return nil, errors.New("damaged PEM data")
	}
	return ders, nil
}

// LoadCRLs reads the revocation lists of a file, see ParseCRLs.
func LoadCRLs(path string) ([]*x509.RevocationList, error) {
	return load(path, ReadFile, ParseCRLs)
}

// CRLInfo describes a revocation list that a Trust uses.
type CRLInfo struct {
	Issuer                 string // printable
	Number                 *big.Int
	ThisUpdate, NextUpdate time.Time
	Entries                int
	// Anchored says that an anchor has signed it. One that is not is that of an
	// authority below the anchors, or it is of no use here.
	Anchored bool
}

// CRLs describes the revocation lists in use, those that run out first first.
func (t *Trust) CRLs() (infos []CRLInfo) {
	if t == nil {
		return nil
	}
	for _, lists := range t.crls {
		for _, c := range lists {
			infos = append(infos, CRLInfo{
				Issuer: nameText(c.list.Issuer), Number: c.list.Number, ThisUpdate: c.list.ThisUpdate, NextUpdate: c.list.NextUpdate,
				Entries: len(c.entries), Anchored: slices.ContainsFunc(t.roots, c.of),
			})
		}
	}
	slices.SortFunc(infos, func(a, b CRLInfo) int { return a.NextUpdate.Compare(b.NextUpdate) })
	return infos
}

// crlSet is the lists that are in use, by the raw name of their issuer.
type crlSet map[string][]*crl

// add adds a list, or puts it in the place of an older one of the same issuer,
// key and scope.
func (s *crlSet) add(c *crl) {
	if *s == nil {
		*s = crlSet{}
	}
	issuer := string(c.list.RawIssuer)
	for i, other := range (*s)[issuer] {
		if bytes.Equal(c.list.AuthorityKeyId, other.list.AuthorityKeyId) && c.scope.equal(&other.scope) {
			if c.newer(other) {
				(*s)[issuer][i] = c
			}
			return
		}
	}
	(*s)[issuer] = append((*s)[issuer], c)
}

// crl is a revocation list in which a certificate is found at once.
type crl struct {
	list    *x509.RevocationList // without its entries, which take many times the room
	scope   crlScope
	entries map[string]revocation // by serialKey

	// What came of verifying the signature with each issuer's key. There are as
	// many as the issuer has keys: only issuers of valid paths are asked for.
	mu      sync.Mutex
	signers map[string]error // by the raw SubjectPublicKeyInfo
}

// revocation is an entry of a list: when, in seconds of Unix time, and why.
type revocation struct {
	at     int64
	reason uint8
}

// serialKey is a serial number as a key. The sign is of no account: a negative
// one is no valid serial number.
func serialKey(serial *big.Int) string { return string(serial.Bytes()) }

func newCRL(list *x509.RevocationList) (*crl, error) {
	scope, err := checkCRL(list)
	if err != nil {
		return nil, err
	}
	c := &crl{scope: scope, entries: make(map[string]revocation, len(list.RevokedCertificateEntries)), signers: map[string]error{}}
	for _, e := range list.RevokedCertificateEntries {
		if err := checkEntry(&e); err != nil {
			return nil, err
		}
		c.entries[serialKey(e.SerialNumber)] = revocation{e.RevocationTime.Unix(), uint8(e.ReasonCode)}
	}
	c.list = &x509.RevocationList{
		RawTBSRevocationList: list.RawTBSRevocationList, Signature: list.Signature, SignatureAlgorithm: list.SignatureAlgorithm,
		RawIssuer: list.RawIssuer, Issuer: list.Issuer, AuthorityKeyId: list.AuthorityKeyId,
		Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate,
	}
	return c, nil
}

// OIDs of the extensions of lists and of their entries (RFC 5280 §5.2, §5.3).
var (
	oidCRLNumber        = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode       = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate   = asn1.ObjectIdentifier{2, 5, 29, 24}
	oidDeltaCRL         = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingPoint     = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertIssuer       = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	knownCRLExtensions  = []asn1.ObjectIdentifier{oidCRLNumber, oidIssuingPoint, oidAuthorityKeyID}
	knownEntryExtension = []asn1.ObjectIdentifier{oidReasonCode, oidInvalidityDate}
)

// checkCRL refuses a list that cannot be used, and returns what it covers. "If a
// CRL contains a critical extension that the application cannot process, then
// the application MUST NOT use that CRL to determine the status of
// certificates" (RFC 5280 §5.2).
func checkCRL(list *x509.RevocationList) (scope crlScope, err error) {
	switch {
	case weakSignature(list.SignatureAlgorithm):
		return scope, fmt.Errorf("it is signed with %v, which is broken", list.SignatureAlgorithm)
	case list.NextUpdate.IsZero():
		return scope, errors.New("it has no nextUpdate, so that nobody could tell when it has run out")
	}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDeltaCRL):
			return scope, errors.New("it is a delta list; give the complete one")
		case e.Id.Equal(oidIssuingPoint):
			if scope, err = parseScope(e.Value); err != nil {
				return scope, err
			}
		case e.Critical && !slices.ContainsFunc(knownCRLExtensions, e.Id.Equal):
			return scope, fmt.Errorf("it has the critical extension %v, which is not known", e.Id)
		}
	}
	return scope, nil
}

// checkEntry refuses a list for what one of its entries holds (RFC 5280 §5.3).
func checkEntry(entry *x509.RevocationListEntry) error {
	for _, e := range entry.Extensions {
		switch {
		case e.Id.Equal(oidCertIssuer):
			return errors.New("it is an indirect list, with entries of other issuers")
		case e.Critical && !slices.ContainsFunc(knownEntryExtension, e.Id.Equal):
			return fmt.Errorf("its entry for %x has the critical extension %v, which is not known", entry.SerialNumber, e.Id)
		}
	}
	if entry.ReasonCode < 0 || entry.ReasonCode > 255 {
		return fmt.Errorf("its entry for %x has the reason %d", entry.SerialNumber, entry.ReasonCode)
	}
	return nil
}

// weakSignature reports whether a signature is over a digest for which others
// can be found, or of a kind that is not known.
func weakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA,
		x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// newer reports whether c replaces other: by its number, then by its time (RFC
// 5280 §5.2.3).
func (c *crl) newer(other *crl) bool {
	if c.list.Number != nil && other.list.Number != nil {
		if order := c.list.Number.Cmp(other.list.Number); order != 0 {
			return order > 0
		}
	}
	return c.list.ThisUpdate.After(other.list.ThisUpdate)
}

// current reports whether the list holds at a time (RFC 5280 §6.3.3 (a)).
func (c *crl) current(now time.Time) bool {
	return !now.Add(statusSkew).Before(c.list.ThisUpdate) && !now.Add(-statusSkew).After(c.list.NextUpdate)
}

func (c *crl) String() string {
	number := ""
	if c.list.Number != nil {
		number = fmt.Sprintf(" %d", c.list.Number)
	}
	return fmt.Sprintf("revocation list%s of %s, of %s", number, nameText(c.list.Issuer), c.list.ThisUpdate.UTC().Format("2006-01-02"))
}

// errOtherKey says that a list is of an issuer with the same name and another
// key.
var errOtherKey = errors.New("signed with another key")

// checkAnchors verifies the signature now if the issuer is an anchor, so that
// whoever gives a wrong list hears of it at once.
func (c *crl) checkAnchors(roots []*x509.Certificate) error {
	err := error(nil)
	for _, root := range roots {
		if !bytes.Equal(root.RawSubject, c.list.RawIssuer) {
			continue
		}
		switch err = c.signedBy(root); err {
		case nil, errOtherKey:
			return nil
		}
	}
	return err
}

// of reports whether the list is that of an issuer.
func (c *crl) of(issuer *x509.Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.list.RawIssuer) && c.signedBy(issuer) == nil
}

// signedBy verifies that the list was signed by an issuer that has its name,
// and may sign lists (RFC 5280 §6.3.3 (f), (g)). To hash a long list takes
// milliseconds, so it is done once.
func (c *crl) signedBy(issuer *x509.Certificate) error {
	if a, b := c.list.AuthorityKeyId, issuer.SubjectKeyId; len(a) > 0 && len(b) > 0 && !bytes.Equal(a, b) {
		return errOtherKey
	}
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return errors.New("its issuer may not sign revocation lists")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err, done := c.signers[string(issuer.RawSubjectPublicKeyInfo)]
	if !done {
		err = issuer.CheckSignature(c.list.SignatureAlgorithm, c.list.RawTBSRevocationList, c.list.Signature)
		c.signers[string(issuer.RawSubjectPublicKeyInfo)] = err
	}
	return err
}

// nameText is a name of an issuer for people.
func nameText(n pkix.Name) string { return PrintableIdentity([]byte(n.String())) }
