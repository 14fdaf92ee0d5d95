// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"slices"
	"strings"
)

// What follows judges one rule at a time, for people who ask why. Decide has
// its own way, and the tests hold one against the other.

// covers reports whether the rule, of this pattern, is for s.
func (r *Rule) covers(s *Subject, p pattern) bool {
	w := &r.Who
	switch {
	case w.Host != "" && w.Host != s.Host:
		return false
	case peersOf(w, p)&peerBit(s.Mode, s.Authenticated, s.Authenticated && s.Tenant != "") == 0:
		return false
	case w.Tenant != "" && w.Tenant != AnyTenant && w.Tenant != s.Tenant:
		return false
	case w.Device != "":
		return w.Device == s.Device
	case w.Group != "":
		return slices.Contains(s.Groups, w.Group)
	}
	return true
}

// matches reports whether path, which is canonical, is one of the pattern's for
// this subject.
func (p pattern) matches(s *Subject, path string) bool {
	var segments []string
	if path != "/" {
		segments = strings.Split(path[1:], "/")
	}
	for i, part := range p {
		if part.kind == anyRest {
			return true
		}
		if i >= len(segments) || !part.matches(s, segments[i]) {
			return false
		}
	}
	return len(segments) == len(p)
}

func (part part) matches(s *Subject, segment string) bool {
	switch part.kind {
	case literal:
		return segment == part.text
	case anyOne:
		return segment != ""
	case device:
		return s.Authenticated && encodes(segment, s.Device)
	case tenant:
		return s.Authenticated && encodes(segment, s.Tenant)
	}
	return false
}

// fill returns the pattern with the subject's names in place of {device} and
// {tenant}. A name that it has not stays a placeholder.
func (p pattern) fill(s *Subject) pattern {
	filled := slices.Clone(p)
	for i, part := range p {
		var name string
		switch {
		case part.kind == device && s.Authenticated:
			name = s.Device
		case part.kind == tenant && s.Authenticated:
			name = s.Tenant
		}
		if name != "" && name != "." && name != ".." {
			filled[i].kind, filled[i].text = literal, string(appendSegment(nil, name))
		}
	}
	return filled
}

// path returns the path that the pattern is, if it is one and no more.
func (p pattern) path() (string, bool) {
	path := ""
	for _, part := range p {
		if part.kind != literal {
			return "", false
		}
		path += "/" + part.text
	}
	if path == "" {
		path = "/"
	}
	return path, true
}
