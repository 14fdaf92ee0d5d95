// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security/acl"
)

// named is an authenticated device without tenant or groups.
func named(device string) *acl.Subject {
	return &acl.Subject{Device: device, Mode: acl.PSK, Authenticated: true}
}

// requestPath is the path of a request with these Uri-Path options.
func requestPath(segments ...string) string {
	var options coap.OptionList
	for _, s := range segments {
		options.AddString(coap.URIPath, s)
	}
	return options.Encode(nil).Path()
}

// A device's name is one segment, whatever is in it.
func TestHostileNames(t *testing.T) {
	list := compile(
		"allow authenticated POST /telemetry/{device}",
		"allow authenticated,tenant:* POST /{tenant}/{device}/up",
	)
	for _, name := range []string{"*", "**", "a/b", "/", "%2F", "%2f", "a%2Fb", "{device}", "{tenant}", "...", "a b", "é", "\x00", "\xff", "A", "a?b#c", "%"} {
		d := named(name)
		own := requestPath("telemetry", name)
		if !list.Decide(d, acl.POST, own).Allowed {
			t.Errorf("%q is denied its own %s", name, own)
		}
		others := [][]string{
			{"telemetry"}, {"telemetry", ""}, {"telemetry", "b"}, {"telemetry", name, ""}, {"telemetry", name, "b"},
			append([]string{"telemetry"}, strings.Split(name, "/")...), {"telemetry", strings.ToLower(name) + strings.ToUpper(name)},
		}
		if !strings.Contains(name, "/") {
			others = others[:5]
		}
		for _, path := range others {
			if d := list.Decide(d, acl.POST, requestPath(path...)); d.Allowed {
				t.Errorf("%q is allowed %q by %s", name, path, list.Label(d.Rule))
			}
		}
		d.Tenant = name
		if !list.Decide(d, acl.POST, requestPath(name, name, "up")).Allowed {
			t.Errorf("%q of tenant %q is denied", name, name)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		for _, path := range []string{"/telemetry/", "/telemetry//", "/telemetry/" + name, "/telemetry/x", "/telemetry"} {
			if list.Decide(named(name), acl.POST, path).Allowed {
				t.Errorf("%q is allowed %s", name, path)
			}
		}
	}
}

// Upper and lower case apart, of letters as of percent-encodings.
func TestCase(t *testing.T) {
	list := compile("allow anybody GET /Time", "allow anybody GET /a%2fb/%c3%A9")
	for path, want := range map[string]bool{
		"/Time": true, "/time": false, "/TIME": false,
		"/a%2Fb/%C3%A9": true, "/a/b/%C3%A9": false, "/a%252Fb/%C3%A9": false,
	} {
		if got := list.Decide(named("a"), acl.GET, path).Allowed; got != want {
			t.Errorf("%s: allowed is %v, want %v", path, got, want)
		}
	}
}

// A path that no request has is denied, so that no spelling evades a rule that
// denies.
//
// Proves rfc7252 §11.1: "CoAP access control implementations need to ensure they
// don't introduce vulnerabilities through discrepancies between the code deriving
// access control decisions from a URI and the code finally serving up the
// resource addressed by the URI."
func TestNotCanonical(t *testing.T) {
	list := compile("allow anybody * /**", "deny anybody * /secret/a%2Fb")
	for _, path := range []string{
		"", "secret", "/secret/a%2fb", "/%73ecret", "/secret/a%", "/secret/a%2", "/secret/é", "/a b", "/a?b", "/a#b",
		"/.", "/..", "/./a", "/../a", "/a/.", "/a/..", "/a/../b", "/a/./b", "/%2E%2E", "/secret/\x00", "/%zz", "/%2G", "/{device}",
	} {
		if d := list.Decide(named("a"), acl.GET, path); d.Allowed || d.Rule != acl.NoRule {
			t.Errorf("%q: %+v", path, d)
		}
	}
	for _, path := range []string{"/", "//", "/a//b/", "/...", "/.a", "/a.", "/a/..b", "/%2F", "/%25", "/%00", "/*", "/secret/a/b"} {
		if !list.Decide(named("a"), acl.GET, path).Allowed {
			t.Errorf("%q is denied", path)
		}
		if got, err := acl.CanonicalPath(path); err != nil || got != path {
			t.Errorf("%q becomes %q, %v", path, got, err)
		}
	}
	if list.Decide(named("a"), acl.GET, "/secret/a%2Fb").Allowed {
		t.Error("the secret is allowed")
	}
}

func TestCanonicalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/%73ecret": "/secret", "/a%2fb": "/a%2Fb", "/é": "/%C3%A9", "/a b": "/a%20b", "/%7e": "/~", "/{x}": "/%7Bx%7D", "/%2a": "/*",
	} {
		if got, err := acl.CanonicalPath(path); err != nil || got != want {
			t.Errorf("%q becomes %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"", "x", "/%", "/%4", "/%xx", "/..", "/a/./b", "/%2e", "/" + strings.Repeat("x", 256)} {
		if got, err := acl.CanonicalPath(path); err == nil {
			t.Errorf("%q becomes %q", path, got)
		}
	}
}

// Where patterns begin and end.
func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"/", []string{"/"}, []string{"//", "/a"}},
		{"/a", []string{"/a"}, []string{"/a/", "/", "/a/b", "/aa"}},
		{"/a/", []string{"/a/"}, []string{"/a", "/a//", "/a/b"}},
		{"/*", []string{"/a", "/*", "/%2F"}, []string{"/", "//", "/a/b", "/a/"}},
		{"/a/*/c", []string{"/a/b/c"}, []string{"/a/c", "/a//c", "/a/b/b/c", "/a/b/c/"}},
		{"/**", []string{"/", "//", "/a", "/a/b/c"}, nil},
		{"/a/**", []string{"/a", "/a/", "/a/b", "/a/b/c"}, []string{"/", "/aa", "/b/a"}},
		{"/a/*/**", []string{"/a/b", "/a/b/", "/a/b/c"}, []string{"/a", "/a/", "/a//b"}},
		{"/%2A", []string{"/*"}, []string{"/a", "/%2A"}},
		{"/%2A%2A", []string{"/**"}, []string{"/a/b", "/"}},
		{"/{device}", []string{"/me"}, []string{"/you", "/", "/me/", "/%7Bdevice%7D"}},
	} {
		list := compile("allow anybody GET " + test.pattern)
		for _, path := range test.yes {
			if !list.Decide(named("me"), acl.GET, path).Allowed {
				t.Errorf("%s does not match %s", test.pattern, path)
			}
		}
		for _, path := range test.no {
			if list.Decide(named("me"), acl.GET, path).Allowed {
				t.Errorf("%s matches %s", test.pattern, path)
			}
		}
	}
}

// Who meets which rule.
func TestWho(t *testing.T) {
	anonymous := acl.Subject{Mode: acl.NoSec}
	quiet := acl.Subject{Mode: acl.Certificate} // DTLS, and the client showed no key
	device := acl.Subject{Device: "d", Groups: []string{"g", "h"}, Mode: acl.PSK, Authenticated: true}
	member := acl.Subject{Groups: []string{"g"}, Mode: acl.PSK, Authenticated: true}
	tenants := acl.Subject{Device: "d", Tenant: "t", Groups: []string{"g"}, Mode: acl.Certificate, Host: "gw", Authenticated: true}
	token := acl.Subject{Device: "d", Mode: acl.Token, Authenticated: true}
	liar := acl.Subject{Device: "d", Tenant: "t", Groups: []string{"g"}, Mode: acl.NoSec, Host: "gw"}
	strange := acl.Subject{Device: "d", Mode: 200, Authenticated: true}
	all := []acl.Subject{anonymous, quiet, device, member, tenants, token, liar}
	for who, want := range map[string]string{
		"anybody":                     "yyyyyyy",
		"anonymous":                   "yy----y",
		"authenticated":               "--yyyy-",
		"mode:nosec":                  "y-----y",
		"mode:psk":                    "--yy---",
		"mode:certificate":            "----y--",
		"mode:certificate,anonymous":  "-y-----",
		"mode:certificate,anybody":    "-y--y--",
		"mode:token":                  "-----y-",
		"device:d":                    "--y--y-",
		"device:d,mode:psk":           "--y----",
		"device:d,tenant:t":           "----y--",
		"device:d,tenant:*":           "----y--",
		"device:d,tenant:u":           "-------",
		"group:g":                     "--yy---",
		"group:h":                     "--y----",
		"group:g,tenant:t":            "----y--",
		"group:g,tenant:*":            "----y--",
		"tenant:t":                    "----y--",
		"tenant:t,mode:psk":           "-------",
		"tenant:*":                    "----y--",
		"anybody,host:gw":             "----y-y",
		"tenant:t,host:gw":            "----y--",
		"tenant:t,host:other":         "-------",
		"device:d,tenant:*,host:gw":   "----y--",
		"authenticated,mode:psk":      "--yy---",
		"authenticated,host:gw":       "----y--",
		"anonymous,host:gw":           "------y",
		"group:g,mode:rpk":            "-------",
		"device:d,tenant:t,mode:psk":  "-------",
		"group:g,tenant:t,host:other": "-------",
	} {
		list := compile("allow " + who + " GET /x")
		for i, s := range all {
			if allowed := list.Decide(&s, acl.GET, "/x").Allowed; allowed != (want[i] == 'y') {
				t.Errorf("%s: %+v: allowed is %v", who, s, allowed)
			}
		}
	}
	if compile("allow anybody GET /x").Decide(&strange, acl.GET, "/x").Allowed {
		t.Error("a mode that is none was allowed something")
	}
}

// Whoever has no more than a key that a group shares is one of the group, and no
// device: rules for a device and {device} are not for him.
//
// Proves rfc7252 §9: "Conversely, if more than two entities share a specific
// pre-shared key, this key only enables the entities to authenticate as a member
// of that group and not as a specific peer."
func TestGroupMember(t *testing.T) {
	list := compile(
		"allow group:sensors GET /config",
		"allow group:sensors POST /telemetry/{device}",
		"allow device:sensors * /**",
	)
	member := acl.Subject{Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	if !list.Decide(&member, acl.GET, "/config").Allowed {
		t.Error("a member is denied what the group may do")
	}
	for _, path := range []string{"/telemetry/sensors", "/telemetry/sensor-7", "/telemetry/", "/telemetry", "/else"} {
		if d := list.Decide(&member, acl.POST, path); d.Allowed {
			t.Errorf("a member is allowed %s by %s", path, list.Label(d.Rule))
		}
	}
}

// {device} alone is for peers of no tenant.
func TestDeviceWithoutTenant(t *testing.T) {
	acmes := named("sensor-7")
	acmes.Tenant, acmes.Groups = "acme", []string{"sensors"}
	for rule, want := range map[string]bool{
		"allow authenticated GET /t/{device}":             false,
		"allow anybody GET /t/{device}":                   false,
		"allow mode:psk GET /t/{device}":                  false,
		"allow group:sensors GET /t/{device}":             false,
		"allow group:sensors GET /t/sensor-7":             false,
		"allow device:sensor-7 GET /t/sensor-7":           false,
		"allow tenant:acme GET /t/{device}":               true,
		"allow group:sensors,tenant:acme GET /t/{device}": true,
		"allow authenticated GET /t/sensor-7":             true,
		"allow mode:psk GET /t/*":                         true,
	} {
		if got := compile(rule).Decide(acmes, acl.GET, "/t/sensor-7").Allowed; got != want {
			t.Errorf("%s: allowed is %v, want %v", rule, got, want)
		}
	}
	if !compile("allow authenticated GET /{tenant}/{device}").Decide(acmes, acl.GET, "/acme/sensor-7").Allowed {
		t.Error("acme's sensor-7 is denied its own path")
	}
}

// The empty set of rights, a nil List and an empty one deny.
func TestDefaultDeny(t *testing.T) {
	all := compile("allow anybody * /**")
	empty, err := acl.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]acl.Decision{
		"no method":  all.Decide(named("a"), 0, "/x"),
		"bit beyond": all.Decide(named("a"), acl.GET|1<<9, "/x"),
		"nil list":   (*acl.List)(nil).Decide(named("a"), acl.GET, "/x"),
		"empty list": empty.Decide(named("a"), acl.GET, "/x"),
	} {
		if d.Allowed || d.Rule != acl.NoRule {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if got := (*acl.List)(nil).Label(acl.NoRule); got != "no rule" {
		t.Errorf("no rule is called %q", got)
	}
}

func TestMethodOf(t *testing.T) {
	for code, want := range map[coap.Code]acl.Methods{
		coap.GET: acl.GET, coap.POST: acl.POST, coap.PUT: acl.PUT, coap.DELETE: acl.DELETE,
		coap.FETCH: acl.FETCH, coap.PATCH: acl.PATCH, coap.IPATCH: acl.IPATCH,
		coap.Empty: 0, 8: 0, 31: 0, coap.Content: 0, 255: 0,
	} {
		if got := acl.MethodOf(code); got != want {
			t.Errorf("%v: %v, want %v", code, got, want)
		}
	}
}

// Of rules that say the same, the first is named, and one that denies before
// one that allows.
func TestDecisionNamesARule(t *testing.T) {
	list := compile(
		"allow anybody GET /x", "allow anybody GET /**", "allow anybody * /x",
		"deny device:a PUT /x", "deny anybody PUT,DELETE /x",
	)
	for _, test := range []struct {
		m    acl.Methods
		want int
	}{{acl.GET, 0}, {acl.POST, 2}, {acl.PUT, 3}, {acl.DELETE, 4}, {acl.GET | acl.PUT, 3}, {acl.GET | acl.OBSERVE, 0}} {
		if got := list.Decide(named("a"), test.m, "/x").Rule; got != test.want {
			t.Errorf("%v: rule %d, want %d", test.m, got, test.want)
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	list := compile(
		"allow group:sensors,tenant:* POST /{tenant}/{device}/*/up/**",
		"allow tenant:acme,host:gw GET /acme/**", "deny device:other DELETE /x",
		"allow authenticated GET /{tenant}/{device}/a/b/c",
	)
	s := acl.Subject{Device: "sensor 7/é", Tenant: "ac/me", Groups: []string{"a", "b", "sensors"}, Mode: acl.PSK, Host: "gw", Authenticated: true}
	path := requestPath("ac/me", "sensor 7/é", "x y", "up", "z")
	if d := list.Decide(&s, acl.POST, path); !d.Allowed {
		t.Fatalf("denied: %+v", d)
	}
	if n := testing.AllocsPerRun(100, func() { list.Decide(&s, acl.POST, path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The shapes of large policies. "own" is one rule for each device on a path of
// its own, "shared" one for each device on the same path, "groups" the same with
// groups, "patterns" one with wildcards for each group, "paths" all for one
// device on different paths. The fifth is the one that is asked for.
var shapes = []struct {
	name string
	rule func(i int) string
}{
	{"own", func(i int) string { return fmt.Sprintf("allow device:sensor-%d POST /telemetry/sensor-%d", i, i) }},
	{"shared", func(i int) string { return fmt.Sprintf("allow device:sensor-%d POST /telemetry/sensor-5", i) }},
	{"groups", func(i int) string { return fmt.Sprintf("allow group:group-%d POST /telemetry/sensor-5", i) }},
	{"patterns", func(i int) string { return fmt.Sprintf("allow group:group-%d POST /*/{device}/**", i) }},
	{"paths", func(i int) string { return fmt.Sprintf("allow device:sensor-5 POST /telemetry/sensor-%d", i) }},
}

func shaped(rule func(i int) string, n int) *acl.List {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = rule(i)
	}
	return compile(lines...)
}

func fifth() *acl.Subject {
	s := named("sensor-5")
	s.Groups = []string{"group-5"}
	return s
}

// Rules for others and for other paths cost nothing. The quickest of many tries
// is compared, and with a wide margin: it is to fail if each rule is looked at,
// and not because the machine is busy.
func TestCostIsIndependentOfOtherRules(t *testing.T) {
	quickest := func(list *acl.List) time.Duration {
		best := time.Hour
		for range 50 {
			start := time.Now()
			for range 100 {
				if !list.Decide(fifth(), acl.POST, "/telemetry/sensor-5").Allowed {
					t.Fatal("denied")
				}
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	for _, shape := range shapes {
		few, many := quickest(shaped(shape.rule, 10)), quickest(shaped(shape.rule, 10_000))
		if many > 8*few {
			t.Errorf("%s: 100 decisions take %v among 10 rules and %v among 10,000", shape.name, few, many)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	s := fifth()
	for _, shape := range shapes {
		for _, n := range []int{10, 1000, 100_000} {
			list := shaped(shape.rule, n)
			b.Run(fmt.Sprintf("%s/rules=%d", shape.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !list.Decide(s, acl.POST, "/telemetry/sensor-5").Allowed {
						b.Fatal("denied")
					}
				}
			})
		}
	}
}

// One rule for all of a group, as people write it.
func BenchmarkDecidePlaceholder(b *testing.B) {
	list := compile("allow group:sensors POST /telemetry/{device}")
	s := named("sensor-5")
	s.Groups = []string{"sensors"}
	b.ReportAllocs()
	for b.Loop() {
		if !list.Decide(s, acl.POST, "/telemetry/sensor-5").Allowed {
			b.Fatal("denied")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	var all []acl.Rule
	for i := range 100_000 {
		all = append(all, rules(fmt.Sprintf("allow device:sensor-%d POST /telemetry/sensor-%d", i, i))...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := acl.Compile(all); err != nil {
			b.Fatal(err)
		}
	}
}
