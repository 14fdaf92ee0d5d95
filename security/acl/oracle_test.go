// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/security/acl"
)

// naive decides by looking at all rules, one after the other, and comparing
// decoded segments. It shares nothing with the package but the types.
func naive(rules []acl.Rule, s acl.Subject, m acl.Methods, segments []string) bool {
	var given, taken acl.Methods
	for _, r := range rules {
		if !naiveWho(r, s) || !naivePath(r, s, segments) {
			continue
		}
		if r.Deny {
			taken |= r.Methods
		} else {
			given |= r.Methods
		}
	}
	return m != 0 && m&^given == 0 && m&taken == 0
}

func naiveWho(r acl.Rule, s acl.Subject) bool {
	w := r.Who
	named := w.Device != "" || w.Group != "" || w.Tenant != "" || w.Authenticated
	if !s.Authenticated {
		s.Device, s.Tenant, s.Groups = "", "", nil
	}
	if w.Host != "" && w.Host != s.Host || w.Mode != acl.AnyMode && w.Mode != s.Mode {
		return false
	}
	if named && !s.Authenticated || w.Anonymous && s.Authenticated {
		return false
	}
	if !named && !w.Anonymous && !w.Anybody && w.Mode != acl.NoSec && !s.Authenticated {
		return false
	}
	if w.Device != "" && w.Device != s.Device || w.Group != "" && !slices.Contains(s.Groups, w.Group) {
		return false
	}
	switch w.Tenant {
	case "":
		// Names are those of no tenant, and a device's name in a path is one.
		byName := w.Device != "" || w.Group != "" ||
			strings.Contains(r.Path, "{device}") && !strings.Contains(r.Path, "{tenant}")
		return !byName || s.Tenant == ""
	case "*":
		return s.Tenant != ""
	}
	return w.Tenant == s.Tenant
}

func naivePath(r acl.Rule, s acl.Subject, segments []string) bool {
	if r.Path == "/" {
		return len(segments) == 0
	}
	parts := strings.Split(r.Path[1:], "/")
	for i, part := range parts {
		if part == "**" {
			return true
		}
		if i >= len(segments) {
			return false
		}
		want, err := url.PathUnescape(part)
		if err != nil {
			panic(err)
		}
		switch part {
		case "*":
			if segments[i] == "" {
				return false
			}
			continue
		case "{device}":
			want = s.Device
		case "{tenant}":
			want = s.Tenant
		}
		if segments[i] != want || strings.HasPrefix(part, "{") && (want == "" || !s.Authenticated) {
			return false
		}
	}
	return len(segments) == len(parts)
}

// Few words, so that rules and requests meet, and among them all that could be
// taken for something else.
var (
	names = []string{"", "a", "b", "*", "**", "a/b", "%2F", "%61", "{device}", "A", "é", "a b", ".", ".."}
	parts = []string{"", "a", "b", "*", "%2A", "%2a%2A", "a%2Fb", "a%2fb", "%252F", "%61", "%7Bdevice%7D", "{device}", "{tenant}", "A", "%C3%A9", "a%20b"}
	hosts = []string{"", "one.example", "two.example"}
)

func drawWho(t *rapid.T) acl.Who {
	name := rapid.SampledFrom(names)
	w := acl.Who{
		Mode: rapid.SampledFrom([]acl.Mode{0, 0, 0, acl.NoSec, acl.PSK, acl.Certificate, acl.Token}).Draw(t, "mode"),
		Host: rapid.SampledFrom(hosts).Draw(t, "host"),
	}
	switch rapid.IntRange(0, 6).Draw(t, "who") {
	case 0, 1:
		w.Device = name.Draw(t, "device")
	case 2:
		w.Group = name.Draw(t, "group")
	case 3:
		w.Authenticated = true
	case 4:
		w.Anonymous = true
	case 5:
		w.Anybody = true
	}
	if !w.Anybody && !w.Anonymous {
		w.Tenant = rapid.SampledFrom([]string{"", "", "a", "b", "*", "a/b"}).Draw(t, "tenant")
	}
	return w
}

func drawRule(t *rapid.T) (acl.Rule, bool) {
	path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 3).Draw(t, "parts"), "/")
	if rapid.IntRange(0, 3).Draw(t, "rest") == 0 {
		path = strings.TrimSuffix(path, "/") + "/**"
	}
	r := acl.Rule{
		Who:     drawWho(t),
		Deny:    rapid.IntRange(0, 3).Draw(t, "effect") == 0,
		Methods: acl.Methods(rapid.IntRange(1, 255).Draw(t, "methods")),
		Path:    path,
	}
	return r, r.Check() == nil
}

func drawSubject(t *rapid.T) acl.Subject {
	return acl.Subject{
		Device:        rapid.SampledFrom(names).Draw(t, "device"),
		Tenant:        rapid.SampledFrom([]string{"", "a", "b", "*", "a/b"}).Draw(t, "tenant"),
		Groups:        rapid.SliceOfN(rapid.SampledFrom(names[1:]), 0, 3).Draw(t, "groups"),
		Mode:          acl.Mode(rapid.IntRange(0, 5).Draw(t, "mode")),
		Host:          rapid.SampledFrom(hosts).Draw(t, "host"),
		Authenticated: rapid.IntRange(0, 3).Draw(t, "authenticated") > 0,
	}
}

func drawSegments(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.SampledFrom(names), 0, 4).Draw(t, "segments")
}

// subjectOf makes s somebody whom r is for, as far as one field each can.
func subjectOf(r acl.Rule, s acl.Subject) acl.Subject {
	w := r.Who
	s.Authenticated = !w.Anonymous && (!w.Anybody || s.Authenticated)
	s.Host = cmp.Or(w.Host, s.Host)
	s.Device = cmp.Or(w.Device, s.Device)
	if w.Mode != acl.AnyMode {
		s.Mode = w.Mode
	}
	if w.Group != "" {
		s.Groups = append(s.Groups, w.Group)
	}
	if w.Tenant != acl.AnyTenant {
		s.Tenant = w.Tenant
	}
	return s
}

// segmentsOf returns what the pattern of r is for s, with others for its stars.
func segmentsOf(r acl.Rule, s acl.Subject, others []string) (segments []string) {
	for i, part := range strings.Split(r.Path[1:], "/") {
		word := cmp.Or(append(slices.Clone(others), "a")[min(i, len(others))], "a")
		switch part {
		case "**":
			return append(segments, others...)
		case "*":
		case "{device}":
			word = s.Device
		case "{tenant}":
			word = s.Tenant
		default:
			word, _ = url.PathUnescape(part)
		}
		segments = append(segments, word)
	}
	return segments
}

// The trees decide as somebody would who reads all rules, whatever their order,
// and Explain names rules that lead to the same.
func TestDecideAsNaive(t *testing.T) {
	var allowed, denied int
	rapid.Check(t, func(t *rapid.T) {
		var rules []acl.Rule
		for range rapid.IntRange(0, 8).Draw(t, "count") {
			if r, ok := drawRule(t); ok {
				rules = append(rules, r)
			}
		}
		list, err := acl.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		backwards := slices.Clone(rules)
		slices.Reverse(backwards)
		reversed, err := acl.Compile(backwards)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			s, segments := drawSubject(t), drawSegments(t)
			if len(rules) > 0 && rapid.IntRange(0, 3).Draw(t, "meet") > 0 {
				r := rules[rapid.IntRange(0, len(rules)-1).Draw(t, "meets")]
				s = subjectOf(r, s)
				segments = segmentsOf(r, s, segments)
			}
			m, path := acl.Methods(rapid.SampledFrom([]int{1, 2, 4, 8, 16, 64, 129, 144, 0}).Draw(t, "m")), requestPath(segments...)
			want := naive(rules, s, m, segments)
			if len(segments) == 1 && segments[0] == "" {
				want = naive(rules, s, m, nil) // both are written "/"
			}
			if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
				want = false // RFC 7252 section 5.10.1
			}
			got := list.Decide(&s, m, path)
			if got.Allowed != want {
				t.Fatalf("%+v %v %s: allowed is %v by %s, want %v; rules:\n%v", s, m, path, got.Allowed, list.Label(got.Rule), want, rules)
			}
			if back := reversed.Decide(&s, m, path); back.Allowed != want {
				t.Fatalf("%+v %v %s: allowed is %v in reverse order, want %v; rules:\n%v", s, m, path, back.Allowed, want, rules)
			}
			checkExplained(t, list, &s, m, path, got)
			if want {
				allowed++
			} else {
				denied++
			}
		}
	})
	if allowed < denied/12 {
		t.Errorf("%d allowed and %d denied: the rules drawn hardly ever meet the requests", allowed, denied)
	}
}

// checkExplained holds Explain, which looks at rules one by one, against Decide.
func checkExplained(t *rapid.T, list *acl.List, s *acl.Subject, m acl.Methods, path string, d acl.Decision) {
	e := list.Explain(s, m, path)
	if e.Decision != d || e.Text == "" {
		t.Fatalf("Explain says %+v, Decide %+v", e, d)
	}
	var given, taken acl.Methods
	for _, i := range e.Matched {
		if r := list.Rule(i); r.Deny {
			taken |= r.Methods
		} else {
			given |= r.Methods
		}
	}
	if ok := m != 0 && m&^given == 0 && m&taken == 0; ok != d.Allowed {
		t.Fatalf("the rules %v that Explain found allow: %v, Decide says %+v", e.Matched, ok, d)
	}
	if d.Rule != acl.NoRule && !slices.Contains(e.Matched, d.Rule) {
		t.Fatalf("Decide names rule %d, Explain found %v", d.Rule, e.Matched)
	}
}
