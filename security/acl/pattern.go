// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"errors"
	"fmt"
	"strings"
)

// A part is one segment of a pattern.
type part struct {
	kind partKind
	text string // of a literal: as it stands in the path of a request
}

type partKind uint8

const (
	literal partKind = iota
	anyOne           // *
	device           // {device}
	tenant           // {tenant}
	anyRest          // **, at the end
)

// partWords is how the kinds that are not literal are written.
var partWords = [...]string{anyOne: "*", device: "{device}", tenant: "{tenant}", anyRest: "**"}

// A pattern is a path pattern, read.
type pattern []part

// maxParts bounds how deep a pattern may go; a request with ever so many
// segments is compared no further than the rules go.
const maxParts = 64

var (
	errDeep       = fmt.Errorf("a pattern has at most %d segments", maxParts)
	errRest       = errors.New("** stands at the end of a pattern")
	errStar       = errors.New("* stands for a whole segment: a star within one is written %2A")
	errBrace      = errors.New("the placeholders are {device} and {tenant}, each a whole segment: a brace is written %7B or %7D")
	errNameless   = errors.New("an anonymous peer has no device name and no tenant to fill {device} and {tenant}")
	errAllTenants = errors.New("devices of several tenants may have the same name: write {tenant} into the path besides {device}, or name one tenant")
	errNoTenant   = errors.New("{tenant} is never filled for a device or group without tenant: write tenant:NAME or tenant:* besides it")
)

// ParsePattern checks a path pattern and returns it in its one canonical form.
func ParsePattern(s string) (string, error) {
	p, err := parsePattern(s)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

func parsePattern(s string) (pattern, error) {
	if s == "" || s[0] != '/' {
		return nil, fmt.Errorf("%q: %w", s, errNoSlash)
	}
	if s == "/" {
		return pattern{}, nil
	}
	var p pattern
	for segment := range strings.SplitSeq(s[1:], "/") {
		part, err := parsePart(segment)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q in %q: %w", segment, s, err)
		case len(p) > 0 && p[len(p)-1].kind == anyRest:
			return nil, fmt.Errorf("%q: %w", s, errRest)
		case len(p) == maxParts:
			return nil, errDeep
		}
		p = append(p, part)
	}
	return p, nil
}

func parsePart(segment string) (part, error) {
	for kind, word := range partWords {
		if word != "" && segment == word {
			return part{kind: partKind(kind)}, nil
		}
	}
	switch {
	case strings.Contains(segment, "*"):
		return part{}, errStar
	case strings.ContainsAny(segment, "{}"):
		return part{}, errBrace
	}
	for i := range len(segment) {
		if c := segment[i]; c != '%' && !plain[c] {
			return part{}, fmt.Errorf("%q must be written %%%02X", c, c)
		}
	}
	name, err := decodeSegment(segment)
	return part{text: string(appendSegment(nil, name))}, err
}

// String returns the pattern as it is written. A star in a literal, which
// stands for itself in the path of a request, is encoded.
func (p pattern) String() string {
	if len(p) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, part := range p {
		b.WriteByte('/')
		if part.kind != literal {
			b.WriteString(partWords[part.kind])
			continue
		}
		b.WriteString(strings.ReplaceAll(part.text, "*", "%2A"))
	}
	return b.String()
}

// has reports whether the pattern has a part of this kind.
func (p pattern) has(kind partKind) bool {
	for _, part := range p {
		if part.kind == kind {
			return true
		}
	}
	return false
}

// fits refuses patterns that make no sense, or too much, for those whom the
// rule is for.
func (p pattern) fits(w *Who) error {
	switch {
	case !p.has(device) && !p.has(tenant):
		return nil
	case w.Anonymous || w.Mode == NoSec:
		return errNameless
	case p.has(tenant) && w.Tenant == "" && (w.Device != "" || w.Group != ""):
		return errNoTenant
	case p.has(device) && !p.has(tenant) && w.Tenant == AnyTenant:
		return errAllTenants
	}
	return nil
}

// tenantless reports whether the rule is for peers without a tenant only: the
// names it goes by are those of no tenant.
func (p pattern) tenantless(w *Who) bool {
	if w.Tenant != "" {
		return false
	}
	return w.Device != "" || w.Group != "" || p.has(device) && !p.has(tenant)
}
