// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Permission is an entry of the Authorization Information Format (AIF, RFC
// 9237) in its form for REST resources: what may be done on one path. A list of
// them is what one subject may do; all else is denied.
//
// Its JSON form is an array of two, ["/telemetry/sensor-7", 2]; the bits are
// those of Bits. The CBOR form has the same two elements.
type Permission struct {
	Path    string  // of a request: percent-encoded, with no pattern
	Methods Methods // OBSERVE among them is lost in the format
}

// aifMethods are the bits of a REST-method-set that have the same place in
// Methods (RFC 9237 section 3).
const aifMethods = All &^ OBSERVE

// aifDynamic are the rights on resources that the subject will create, Dynamic-GET
// to Dynamic-iPATCH: the methods, 32 places on (RFC 9237 section 2.3).
const aifDynamic = uint64(aifMethods) << 32

var (
	errPattern   = errors.New("RFC 9237 has no patterns: it allows * or ** paths, which cannot be listed")
	errDynamic   = errors.New("a right on resources that are yet to be created (Dynamic, RFC 9237 section 2.3) cannot be a rule")
	errBits      = errors.New("bits that RFC 9237 does not define")
	errNoMethods = errors.New("no method is permitted")
	errQuery     = errors.New("rules do not look at the query of a request")
	errEntry     = errors.New("an entry is an array of a path and a number")
)

// NewPermission returns the entry of the path, which may be percent-encoded in
// any way (see CanonicalPath), and the method set bits (see Permission.Bits). It
// refuses a path with a query, no methods, methods that RFC 7252 and RFC 8132 do
// not have, and the Dynamic bits (RFC 9237 section 2.3), which no rule can stand
// for.
func NewPermission(path string, bits uint64) (Permission, error) {
	p := Permission{Methods: Methods(bits & uint64(aifMethods))}
	var err error
	switch {
	case strings.ContainsAny(path, "?#"):
		err = errQuery
	case bits&aifDynamic != 0:
		err = errDynamic
	case bits&^uint64(aifMethods) != 0:
		err = errBits
	case bits == 0:
		err = errNoMethods
	default:
		p.Path, err = CanonicalPath(path)
	}
	if err != nil {
		return Permission{}, fmt.Errorf("%q: %w", path, err)
	}
	return p, nil
}

// Bits returns the REST-method-set of RFC 9237 section 3: two to the power of
// the method's code minus one, for each.
func (p Permission) Bits() uint64 { return uint64(p.Methods & aifMethods) }

// MarshalJSON returns the entry, without OBSERVE.
func (p Permission) MarshalJSON() ([]byte, error) { return json.Marshal([]any{p.Path, p.Bits()}) }

// UnmarshalJSON reads an entry, and checks it.
func (p *Permission) UnmarshalJSON(data []byte) error {
	var entry []json.RawMessage
	if err := json.Unmarshal(data, &entry); err != nil || len(entry) != 2 {
		return errEntry
	}
	var path string
	var bits uint64
	if json.Unmarshal(entry[0], &path) != nil || json.Unmarshal(entry[1], &bits) != nil ||
		bytes.Equal(entry[0], []byte("null")) || bytes.Equal(entry[1], []byte("null")) {
		return errEntry
	}
	var err error
	*p, err = NewPermission(path, bits)
	return err
}

// Permissions returns what a subject may do, path by path in the order of the
// rules, with its names in place of {device} and {tenant} and without what a
// rule denies. It is an error, a *RuleError, if a rule allows the subject a path
// with * or **.
func (l *List) Permissions(s *Subject) ([]Permission, error) {
	var permissions []Permission
	seen := map[string]bool{}
	for i := range l.Len() {
		r := &l.rules[i]
		p, err := parsePattern(r.Path)
		if err != nil {
			return nil, &RuleError{Index: i, ID: r.ID, Err: err}
		}
		if r.Deny || !r.covers(s, p) {
			continue
		}
		if p.has(anyOne) || p.has(anyRest) {
			return nil, &RuleError{Index: i, ID: r.ID, Err: errPattern}
		}
		path, ok := p.fill(s).path()
		if !ok || seen[path] {
			continue // not ok: the subject has no name to fill in
		}
		seen[path] = true
		if m := l.all(s, path); m != 0 {
			permissions = append(permissions, Permission{Path: path, Methods: m})
		}
	}
	return permissions, nil
}

// all returns everything that s may do on path.
func (l *List) all(s *Subject, path string) (set Methods) {
	for m := Methods(1); m < All; m <<= 1 {
		if l.Decide(s, m, path).Allowed {
			set |= m
		}
	}
	return set
}

// RulesOf returns a rule for each permission that allows it to who.
func RulesOf(who Who, permissions []Permission) ([]Rule, error) {
	rules := make([]Rule, 0, len(permissions))
	for i, p := range permissions {
		// A star in a path is a star, not a pattern.
		r := Rule{Who: who, Methods: p.Methods, Path: strings.ReplaceAll(p.Path, "*", "%2A")}
		if err := r.Check(); err != nil {
			return nil, &RuleError{Index: i, Err: err}
		}
		rules = append(rules, r)
	}
	return rules, nil
}
