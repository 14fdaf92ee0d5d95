// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// crlScope is which certificates of its issuer a revocation list covers: all, or
// what an issuingDistributionPoint leaves of them (RFC 5280 §5.2.5).
type crlScope struct {
	points            []string // URIs of the distribution point, nil for any
	onlyUser, onlyCAs bool
}

func (s *crlScope) equal(other *crlScope) bool {
	return slices.Equal(s.points, other.points) && s.onlyUser == other.onlyUser && s.onlyCAs == other.onlyCAs
}

// errBadScope says that an extension does not have its form.
var errBadScope = errors.New("its issuingDistributionPoint cannot be read")

// Context tags in IssuingDistributionPoint and below (RFC 5280 §5.2.5, §4.2.1.6).
var (
	tagPoint         = casn1.Tag(0).Constructed().ContextSpecific()
	tagOnlyUser      = casn1.Tag(1).ContextSpecific()
	tagOnlyCA        = casn1.Tag(2).ContextSpecific()
	tagSomeReasons   = casn1.Tag(3).ContextSpecific()
	tagIndirect      = casn1.Tag(4).ContextSpecific()
	tagOnlyAttribute = casn1.Tag(5).ContextSpecific()
	tagFullName      = casn1.Tag(0).Constructed().ContextSpecific()
	tagURI           = casn1.Tag(6).ContextSpecific()
)

// parseScope reads an issuingDistributionPoint, and refuses by name what is not
// served.
func parseScope(der []byte) (s crlScope, err error) {
	input := cryptobyte.String(der)
	var body, point, reasons cryptobyte.String
	var hasPoint, someReasons, indirect, attributes bool
	if !input.ReadASN1(&body, casn1.SEQUENCE) || !input.Empty() ||
		!body.ReadOptionalASN1(&point, &hasPoint, tagPoint) ||
		!readFlag(&body, &s.onlyUser, tagOnlyUser) || !readFlag(&body, &s.onlyCAs, tagOnlyCA) ||
		!body.ReadOptionalASN1(&reasons, &someReasons, tagSomeReasons) ||
		!readFlag(&body, &indirect, tagIndirect) || !readFlag(&body, &attributes, tagOnlyAttribute) || !body.Empty() {
		return s, errBadScope
	}
	switch {
	case indirect:
		return s, errors.New("it is an indirect list, with entries of other issuers")
	case someReasons:
		return s, errors.New("it lists certificates that were revoked for some reasons only")
	case attributes:
		return s, errors.New("it lists attribute certificates")
	case hasPoint:
		s.points, err = parsePoint(point)
	}
	return s, err
}

// readFlag reads a BOOLEAN DEFAULT FALSE with an implicit tag.
func readFlag(s *cryptobyte.String, out *bool, tag casn1.Tag) bool {
	var value cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&value, &present, tag) {
		return false
	}
	*out = present && len(value) == 1 && value[0] != 0
	return !present || len(value) == 1
}

// parsePoint reads a DistributionPointName, of which only URIs are served: a
// name relative to the issuer is in nobody's certificates.
func parsePoint(point cryptobyte.String) (uris []string, err error) {
	var names cryptobyte.String
	if !point.ReadASN1(&names, tagFullName) || !point.Empty() {
		return nil, errors.New("its distribution point has no full name")
	}
	for !names.Empty() {
		var name cryptobyte.String
		var tag casn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return nil, errBadScope
		}
		if tag == tagURI {
			uris = append(uris, string(name))
		}
	}
	if uris == nil {
		return nil, errors.New("its distribution point is no URI")
	}
	return uris, nil
}

// covers reports whether a certificate is within the scope (RFC 5280 §6.3.3 (b)
// (2)).
func (c *crl) covers(cert *x509.Certificate) bool {
	s := &c.scope
	if s.onlyUser && cert.IsCA || s.onlyCAs && !cert.IsCA {
		return false
	}
	return s.points == nil || slices.ContainsFunc(cert.CRLDistributionPoints, func(uri string) bool {
		return slices.Contains(s.points, uri)
	})
}
