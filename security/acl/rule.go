// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Rule says who may or may not do what on which path. It has a text form
// (see ParseRule) and a JSON form (see UnmarshalJSON).
type Rule struct {
	ID      string  // a name to remove it by, from whoever keeps it; may be empty
	Who     Who     //
	Deny    bool    // it takes the right away; otherwise it gives it
	Methods Methods // at least one
	Path    string  // a path pattern, see the package comment
}

var (
	errShape   = errors.New("a rule is: allow|deny WHO METHODS PATH")
	errMethods = errors.New("a rule needs at least one method")
)

// ParseRule reads the text form, four words with white space between:
//
//	allow|deny WHO METHODS PATH
//
// See ParseWho, ParseMethods and ParsePattern for each.
func ParseRule(s string) (Rule, error) {
	effect, rest := cutWord(s)
	who, rest := cutWord(rest)
	methods, rest := cutWord(rest)
	path, rest := cutWord(rest)
	if path == "" || rest != "" {
		return Rule{}, errShape
	}
	return newRule(effect, who, methods, path)
}

// newRule reads the four words of a rule.
func newRule(effect, who, methods, path string) (r Rule, err error) {
	if r.Deny, err = parseEffect(effect); err != nil {
		return Rule{}, err
	}
	if r.Who, err = ParseWho(who); err != nil {
		return Rule{}, err
	}
	if r.Methods, err = ParseMethods(methods); err != nil {
		return Rule{}, err
	}
	if r.Path, err = ParsePattern(path); err != nil {
		return Rule{}, err
	}
	return r, r.Check()
}

func parseEffect(s string) (deny bool, err error) {
	switch s {
	case "allow":
		return false, nil
	case "deny":
		return true, nil
	}
	return false, fmt.Errorf("a rule begins with allow or deny, not %q", s)
}

// cutWord returns the first word of s, which ends at white space that is not in
// quotation marks, and what follows.
func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ' ' || c == '\t'):
			return s[:i], strings.TrimLeft(s[i:], " \t")
		}
	}
	return s, ""
}

// Check returns why the rule could not be compiled, nil if it can.
func (r *Rule) Check() error {
	_, err := r.pattern()
	return err
}

// pattern checks the rule and reads its path.
func (r *Rule) pattern() (pattern, error) {
	if err := r.Who.check(); err != nil {
		return nil, err
	}
	if r.Methods&All == 0 || r.Methods&^All != 0 {
		return nil, errMethods
	}
	p, err := parsePattern(r.Path)
	if err != nil {
		return nil, err
	}
	return p, p.fits(&r.Who)
}

// Effect returns "allow" or "deny".
func (r *Rule) Effect() string {
	if r.Deny {
		return "deny"
	}
	return "allow"
}

// String returns the text form. It has no place for the ID.
func (r Rule) String() string {
	return r.Effect() + " " + r.Who.String() + " " + r.Methods.String() + " " + r.Path
}

// A RuleError says which rule is wrong, and why.
type RuleError struct {
	Index int    // among those given, from 0
	ID    string // the rule's, may be empty
	Err   error
}

func (e *RuleError) Error() string {
	return "rule " + label(e.ID, e.Index) + ": " + e.Err.Error()
}

func (e *RuleError) Unwrap() error { return e.Err }

// label is what a rule is called: its ID or, without one, its number from 1.
func label(id string, index int) string {
	if id != "" {
		return quoteName(id)
	}
	return strconv.Itoa(index + 1)
}
