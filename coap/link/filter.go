// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package link

import "strings"

// Matches reports whether the link meets one filter, the decoded value of a
// Uri-Query option such as "rt=temperature*" (RFC 6690 section 4.1).
//
// The name is that of an attribute, or href for the target. The value has to
// be equal, or with an asterisk at its end to be the beginning. Of an attribute
// that is a list (rt, if, rel, rev, ct), one element has to match. A filter
// without an equals sign asks for the presence of an attribute.
func (l *Link) Matches(filter string) bool {
	name, pattern, hasPattern := strings.Cut(filter, "=")
	if name == "href" {
		return !hasPattern || matchOne(l.Target, pattern)
	}
	for _, a := range l.Attrs {
		if a.Name == name && (!hasPattern || a.matches(pattern)) {
			return true
		}
	}
	return false
}

func (a Attr) matches(pattern string) bool {
	switch a.Name {
	case "rt", "if", "rel", "rev", "ct":
		for element := range strings.FieldsSeq(a.Value) {
			if matchOne(element, pattern) {
				return true
			}
		}
		return false
	}
	return matchOne(a.Value, pattern)
}

func matchOne(value, pattern string) bool {
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(value, beginning)
	}
	return value == pattern
}

// Filter returns the links that meet all filters, as RFC 9176 section 6.2 has
// it for several; all links if there are none. It does not change links.
func Filter(links []Link, filters []string) []Link {
	var met []Link
	for i := range links {
		if links[i].meets(filters) {
			met = append(met, links[i])
		}
	}
	return met
}

func (l *Link) meets(filters []string) bool {
	for _, f := range filters {
		if !l.Matches(f) {
			return false
		}
	}
	return true
}
