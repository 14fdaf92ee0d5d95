// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security/acl"
)

// Whatever is read is a rule that compiles and that its text and JSON forms
// bring back.
func FuzzParseRule(f *testing.F) {
	for _, s := range []string{
		"allow group:sensors POST,OBSERVE /telemetry/{device}", "deny device:\"a b\",tenant:* * /{tenant}/*/**",
		"allow anybody,mode:nosec GET /%7e/%2A", "allow device:\"\\xff\" GET /", "allow anonymous get //", "", "allow \"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := acl.ParseRule(s)
		if err != nil {
			return
		}
		if again, err := acl.ParseRule(r.String()); err != nil || again != r {
			t.Fatalf("%q: %+v becomes %+v, %v", s, r, again, err)
		}
		if _, err := acl.Compile([]acl.Rule{r}); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		// JSON has no place for octets that are no text, except escaped in the
		// quotation marks of a name.
		text, err := json.Marshal(r)
		var again acl.Rule
		if err != nil || json.Unmarshal(text, &again) != nil || again != r {
			t.Fatalf("%q: %+v becomes %s and %+v, %v", s, r, text, again, err)
		}
	})
}

func FuzzRuleJSON(f *testing.F) {
	for _, s := range []string{
		`{"id":"1","effect":"allow","who":"group:sensors","methods":["POST","OBSERVE"],"path":"/telemetry/{device}"}`,
		`"deny anybody * /**"`, `{}`, `{"effect":null,"who":null,"methods":["*"],"path":""}`, `[`, `{"id"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r acl.Rule
		if json.Unmarshal(data, &r) != nil {
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(data)) == "null" {
			return // encoding/json leaves the value alone
		}
		var again acl.Rule
		if err := json.Unmarshal(text, &again); err != nil || again != r {
			t.Fatalf("%s becomes %s and %+v, %v", data, text, again, err)
		}
	})
}

// A pattern has one form, and one without wildcards matches the request that it
// spells, and no other.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"/", "//", "/a/%2f/**", "/{device}/{tenant}", "/%2A%2a", "/*/%00", "/a/", "/%", "/..", "/%2e%2e"} {
		f.Add(s, "/a/b")
	}
	f.Fuzz(func(t *testing.T, s, path string) {
		p, err := acl.ParsePattern(s)
		if err != nil {
			return
		}
		if again, err := acl.ParsePattern(p); err != nil || again != p {
			t.Fatalf("%q becomes %q and %q, %v", s, p, again, err)
		}
		if path, err = acl.CanonicalPath(path); err != nil {
			return
		}
		list, err := acl.Compile([]acl.Rule{{Who: acl.Who{Anybody: true}, Methods: acl.GET, Path: p}})
		if err != nil {
			t.Fatal(err)
		}
		allowed := list.Decide(named("me"), acl.GET, path).Allowed
		if strings.ContainsAny(p, "*{") {
			return
		}
		if own, err := acl.CanonicalPath(p); err != nil || allowed != (own == path) {
			t.Fatalf("%q on %q: allowed is %v, %v", p, path, allowed, err)
		}
	})
}

// CanonicalPath and the library agree on how a path is written, and Decide takes
// every path that the library makes.
func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"a/b", "", "%2F", "..", "a b", "\xff", "é"} {
		f.Add(s, s)
	}
	list := compile("allow anybody GET /**")
	f.Fuzz(func(t *testing.T, first, second string) {
		if len(first) > 255 || len(second) > 255 {
			return
		}
		var options coap.OptionList
		options.AddString(coap.URIPath, first)
		options.AddString(coap.URIPath, second)
		path := options.Encode(nil).Path()
		dots := first == "." || first == ".." || second == "." || second == ".."
		if got, err := acl.CanonicalPath(path); (err != nil) != dots || err == nil && got != path {
			t.Fatalf("%q becomes %q, %v", path, got, err)
		}
		if list.Decide(named("me"), acl.GET, path).Allowed == dots {
			t.Fatalf("%q: allowed is %v", path, dots)
		}
	})
}

func FuzzPermission(f *testing.F) {
	for _, s := range []string{`["/s/temp",1]`, `["/a/make-coffee",38654705666]`, `["/*",5]`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p acl.Permission
		if json.Unmarshal(data, &p) != nil || p.Path == "" {
			return
		}
		r, err := acl.RulesOf(acl.Who{Device: "me"}, []acl.Permission{p})
		if err != nil {
			if strings.Count(p.Path, "/") > 64 {
				return
			}
			t.Fatalf("%s: %v", data, err)
		}
		list, err := acl.Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := list.Permissions(named("me")); err != nil || len(got) != 1 || got[0] != p {
			t.Fatalf("%s: %v becomes %v and %v, %v", data, p, r, got, err)
		}
	})
}
