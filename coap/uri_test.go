// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseURI covers the scheme, the authority and what becomes of a path.
//
// Proves rfc7252 §6.1: "If it is empty or not given, then the default port 5683
// is assumed."
//
// The default of coaps, 5684, is in section 6.2, in one sentence with the demand
// for DTLS, which is not proved here.
//
// Proves rfc7252 §6.4: "If the value of the <path> component of |url| is empty
// or consists of a single slash character (U+002F SOLIDUS "/"), then move to the
// next step."
func TestParseURI(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want URI
		text string // in normal form, "" for the same
	}{
		{"coap://h/", URI{Scheme: "coap", Host: "h", Port: 5683}, ""},
		{"coaps://h/", URI{Scheme: "coaps", Host: "h", Port: 5684}, ""},
		{"coap://h", URI{Scheme: "coap", Host: "h", Port: 5683}, "coap://h/"},
		{"COAPS://H:", URI{Scheme: "coaps", Host: "h", Port: 5684}, "coaps://h/"},
		{"coap://h:5684/", URI{Scheme: "coap", Host: "h", Port: 5684}, ""},
		{"coaps://h:5684/", URI{Scheme: "coaps", Host: "h", Port: 5684}, "coaps://h/"},
		{"coap://h:000000065535/", URI{Scheme: "coap", Host: "h", Port: 65535}, "coap://h:65535/"},
		{"coap://192.0.2.1:61616/", URI{Scheme: "coap", Host: "192.0.2.1", HostIsIP: true, Port: 61616}, ""},
		{"coap://%31.2.3.4/", URI{Scheme: "coap", Host: "1.2.3.4", HostIsIP: true, Port: 5683}, "coap://1.2.3.4/"},
		{"coap://1.2.3.256/", URI{Scheme: "coap", Host: "1.2.3.256", Port: 5683}, ""}, // a name, by the grammar
		{"coap://[2001:DB8::0:1]/", URI{Scheme: "coap", Host: "2001:db8::1", HostIsIP: true, Port: 5683}, "coap://[2001:db8::1]/"},
		{"coaps://[::1]:1234", URI{Scheme: "coaps", Host: "::1", HostIsIP: true, Port: 1234}, "coaps://[::1]:1234/"},
		{"coap://[fe80::1%25eth0]/", URI{Scheme: "coap", Host: "fe80::1%eth0", HostIsIP: true, Port: 5683}, ""},
		{"coap://[fe80::1%eth0]/", URI{Scheme: "coap", Host: "fe80::1%eth0", HostIsIP: true, Port: 5683}, "coap://[fe80::1%25eth0]/"},
		{"coap://[::ffff:192.0.2.1%25a]/", URI{Scheme: "coap", Host: "::ffff:192.0.2.1%a", HostIsIP: true, Port: 5683}, ""},
		{"coap://[::ffff:192.0.2.1]/", URI{Scheme: "coap", Host: "::ffff:192.0.2.1", HostIsIP: true, Port: 5683}, ""},
		{"coap://%C3%BC.example/", URI{Scheme: "coap", Host: "ü.example", Port: 5683}, ""},
		{"coap://ex%41mple.com/", URI{Scheme: "coap", Host: "example.com", Port: 5683}, "coap://example.com/"},
		{"coap://a!$&'()*+,;=b/", URI{Scheme: "coap", Host: "a!$&'()*+,;=b", Port: 5683}, ""},

		{"coap://h//", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"", ""}}, ""},
		{"coap://h///", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"", "", ""}}, ""},
		{"coap://h/foo", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"foo"}}, ""},
		{"coap://h/foo/", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"foo", ""}}, ""},
		{"coap://h/a%2Fb%2fc", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a/b/c"}}, "coap://h/a%2Fb%2Fc"},
		{"coap://h/%2541", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"%41"}}, ""},
		{"coap://h/%00%FF", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"\x00\xff"}}, ""},
		{"coap://h/a:@!$&'()*+,;=", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a:@!$&'()*+,;="}}, ""},
		{"coap://h/.", URI{Scheme: "coap", Host: "h", Port: 5683}, "coap://h/"},
		{"coap://h/..", URI{Scheme: "coap", Host: "h", Port: 5683}, "coap://h/"},
		{"coap://h/../../a", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a"}}, "coap://h/a"},
		{"coap://h/a/b/../c", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a", "c"}}, "coap://h/a/c"},
		{"coap://h/a/b/..", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a", ""}}, "coap://h/a/"},
		{"coap://h/a/%2E%2e/b/%2e", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"b", ""}}, "coap://h/b/"},
		{"coap://h//..", URI{Scheme: "coap", Host: "h", Port: 5683}, "coap://h/"},
		{"coap://h/.../..a", URI{Scheme: "coap", Host: "h", Port: 5683, Path: []string{"...", "..a"}}, ""},

		{"coap://h/?", URI{Scheme: "coap", Host: "h", Port: 5683, Query: []string{""}}, ""},
		{"coap://h?", URI{Scheme: "coap", Host: "h", Port: 5683, Query: []string{""}}, "coap://h/?"},
		{"coap://h?a", URI{Scheme: "coap", Host: "h", Port: 5683, Query: []string{"a"}}, "coap://h/?a"},
		{"coap://h/?a=1&&b=%26/../?", URI{Scheme: "coap", Host: "h", Port: 5683, Query: []string{"a=1", "", "b=&/../?"}}, ""},
		{"coap://h?a/b:c@d", URI{Scheme: "coap", Host: "h", Port: 5683, Query: []string{"a/b:c@d"}}, "coap://h/?a/b:c@d"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseURI(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, sameMessage); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			text := tt.text
			if text == "" {
				text = tt.in
			}
			if got.String() != text {
				t.Errorf("String: %s, want %s", &got, text)
			}
			if addr, ok := got.Addr(); ok != tt.want.HostIsIP || ok && addr.String() != got.Host {
				t.Errorf("Addr: %v, %v", addr, ok)
			}
			if got.Secure() != (got.Scheme == "coaps") {
				t.Errorf("Secure: %v", got.Secure())
			}
		})
	}
}

// TestParseURIRefuses covers each reason to refuse a URI.
//
// Proves rfc7252 §6.1: "The host MUST NOT be empty; if a URI is received with a
// missing authority or an empty host, then it MUST be considered invalid."
//
// Proves rfc7252 §6.4: "If |url| does not have a <scheme> component whose value,
// when converted to ASCII lowercase, is "coap" or "coaps", then fail this
// algorithm."
//
// Proves rfc7252 §6.4: "If |url| has a <fragment> component, then fail this
// algorithm."
func TestParseURIRefuses(t *testing.T) {
	long := strings.Repeat("a", 256)
	for in, want := range map[string]error{
		"":                              ErrURIScheme,
		"h/path":                        ErrURIScheme,
		"/path":                         ErrURIScheme,
		"://h":                          ErrURIScheme,
		"http://h/":                     ErrURIScheme,
		" coap://h/":                    ErrURIScheme,
		"coapſ://h/":                    ErrURIScheme,
		"coap+tcp://h/":                 ErrURITransport,
		"COAPS+TCP://h/":                ErrURITransport,
		"coap+ws://h/":                  ErrURITransport,
		"coaps+ws://h/":                 ErrURITransport,
		"coap:":                         ErrURIHost,
		"coap:h/path":                   ErrURIHost,
		"coap:/path":                    ErrURIHost,
		"coap://":                       ErrURIHost,
		"coap:///path":                  ErrURIHost,
		"coap://:5683/":                 ErrURIHost,
		"coap://?query":                 ErrURIHost,
		"coap://user@h/":                ErrURIUserinfo,
		"coap://user:secret@h/":         ErrURIUserinfo,
		"coap://[::1]@h/":               ErrURIUserinfo,
		"coap://h/#":                    ErrURIFragment,
		"coap://h/a#b":                  ErrURIFragment,
		"coap://h?a#b":                  ErrURIFragment,
		"coap://h#b":                    ErrURIFragment,
		"coap://[::1/":                  ErrURIHost,
		"coap://[::1]5683/":             ErrURIHost,
		"coap://[]/":                    ErrURIHost,
		"coap://[192.0.2.1]/":           ErrURIHost,
		"coap://[v1.a]/":                ErrURIHost,
		"coap://[::1%25]/":              ErrURIHost,
		"coap://[::1%]/":                ErrURIHost,
		"coap://[::1%25a%00]/":          ErrURIHost,
		"coap://[::1%25a/b]/":           ErrURIHost,
		"coap://[[::1]]/":               ErrURIHost,
		"coap://::1/":                   ErrURIHost,
		"coap://h]/":                    ErrURIHost,
		"coap://h h/":                   ErrURIHost,
		"coap://ü/":                     ErrURIHost,
		"coap://h%/":                    ErrURIHost,
		"coap://h%0/":                   ErrURIHost,
		"coap://h%zz/":                  ErrURIHost,
		"coap://h%00.example/":          ErrURIHost,
		"coap://h%2Fpath/":              ErrURIHost,
		"coap://user%40h/":              ErrURIHost,
		"coap://h%3A80/":                ErrURIHost,
		"coap://h%20/":                  ErrURIHost,
		"coap://h%FF/":                  ErrURIHost,
		"coap://h%25/":                  ErrURIHost,
		"coap://h\\path/":               ErrURIHost,
		"coap://h:0/":                   ErrURIPort,
		"coap://h:65536/":               ErrURIPort,
		"coap://h:99999999999999999999": ErrURIPort,
		"coap://h:-1/":                  ErrURIPort,
		"coap://h:+1/":                  ErrURIPort,
		"coap://h:1x/":                  ErrURIPort,
		"coap://h:1:2/":                 ErrURIHost,
		"coap://h:%31/":                 ErrURIPort,
		"coap://h/a b":                  ErrURISyntax,
		"coap://h/ü":                    ErrURISyntax,
		"coap://h/%":                    ErrURISyntax,
		"coap://h/%4":                   ErrURISyntax,
		"coap://h/%4g":                  ErrURISyntax,
		"coap://h/%%41":                 ErrURISyntax,
		"coap://h/a\x00":                ErrURISyntax,
		"coap://h/<a>":                  ErrURISyntax,
		"coap://h/a[0]":                 ErrURISyntax,
		"coap://h/\\..\\a":              ErrURISyntax,
		"coap://h?a|b":                  ErrURISyntax,
		"coap://h?%":                    ErrURISyntax,
		"coap://" + long + "/":          ErrURILength,
		"coap://h/" + long:              ErrURILength,
		"coap://h/b/" + long + "/c":     ErrURILength,
		"coap://h?" + long:              ErrURILength,
	} {
		u, err := ParseURI(in)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
		var wrapped *URIError
		if !errors.As(err, &wrapped) || wrapped.URI != in && want != ErrURIUserinfo {
			t.Errorf("%q: %T is no *URIError of the input", in, err)
		}
		if diff := cmp.Diff(URI{}, u); diff != "" {
			t.Errorf("%q: something was returned:\n%s", in, diff)
		}
	}
	if _, err := ParseURI("coap://h/" + strings.Repeat("%61", 255)); err != nil {
		t.Errorf("255 encoded bytes: %v", err)
	}
}

// TestNoPasswordInErrors checks that user information does not reach a log,
// whatever else is wrong with the URI.
func TestNoPasswordInErrors(t *testing.T) {
	for _, s := range []string{
		"coap://user:secret@h/", "http://secret@h", "coaps://a@secret@h:0/?q@r", "coap://secret@", "coap+tcp://u:secret@h#f", "coap://[secret]@h/@",
	} {
		_, err := ParseURI(s)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user:") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// TestEquivalent takes the example of RFC 7252 section 6.3.
//
// Proves rfc7252 §6.3: "the following three URIs are equivalent and cause the
// same options and option values to appear in the CoAP messages"
func TestEquivalent(t *testing.T) {
	want := OptionList{{URIHost, []byte("example.com")}, {URIPath, []byte("~sensors")}, {URIPath, []byte("temp.xml")}}
	for _, s := range []string{
		"coap://example.com:5683/~sensors/temp.xml",
		"coap://EXAMPLE.com/%7Esensors/temp.xml",
		"coap://EXAMPLE.com:/%7esensors/temp.xml",
	} {
		u, err := ParseURI(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, u.Options(true)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s, diff)
		}
		if got := u.String(); got != "coap://example.com/~sensors/temp.xml" {
			t.Errorf("normal form of %s: %s", s, got)
		}
	}
}

// TestURIOptions covers who puts Uri-Host and Uri-Port into a request.
//
// Proves rfc7252 §6.4: "If |port| does not equal the request's destination UDP
// port, include a Uri-Port Option and let that option's value be |port|."
//
// Proves rfc7252 §6.4: "this ensures that a Uri-Host Option is only used for a
// <host> component of the form reg-name."
func TestURIOptions(t *testing.T) {
	resource := OptionList{{URIPath, []byte("a")}, {URIQuery, []byte("b")}}
	host := func(s string) Option { return Option{URIHost, []byte(s)} }
	port := func(b ...byte) Option { return Option{URIPort, b} }
	for _, tt := range []struct {
		uri      string
		dest     string
		withHost OptionList // Options(true), without the resource
		want     OptionList // OptionsFor(dest), likewise
	}{
		{"coap://h/a?b", "192.0.2.1:5683", OptionList{host("h")}, OptionList{host("h")}},
		{"coap://192.0.2.1/a?b", "192.0.2.1:5683", nil, nil},
		{"coap://192.0.2.1/a?b", "[::ffff:192.0.2.1]:5683", nil, nil},
		{"coap://[2001:db8::1]/a?b", "[2001:db8::1]:5683", nil, nil},
		{"coap://[fe80::1%25eth0]/a?b", "[fe80::1%eth0]:5683", nil, nil},
		{"coap://192.0.2.1/a?b", "192.0.2.9:5683", nil, OptionList{host("192.0.2.1")}},
		{"coap://[2001:db8::1]/a?b", "192.0.2.9:5683", nil, OptionList{host("[2001:db8::1]")}},
		{"coap://[fe80::1%25eth0]/a?b", "192.0.2.9:5683", nil, OptionList{host("[fe80::1]")}},
		{"coap://h:1/a?b", "192.0.2.9:1", OptionList{host("h")}, OptionList{host("h")}},
		{"coap://h:256/a?b", "192.0.2.9:5683", OptionList{host("h")}, OptionList{host("h"), port(1, 0)}},
		{"coap://%C3%BC/a?b", "192.0.2.9:5683", OptionList{host("ü")}, OptionList{host("ü")}},
	} {
		u, err := ParseURI(tt.uri)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(tt.withHost, resource...), u.Options(true)); diff != "" {
			t.Errorf("Options(true) of %s (-want +got):\n%s", tt.uri, diff)
		}
		if diff := cmp.Diff(resource, u.Options(false)); diff != "" {
			t.Errorf("Options(false) of %s (-want +got):\n%s", tt.uri, diff)
		}
		got := u.OptionsFor(netip.MustParseAddrPort(tt.dest))
		if diff := cmp.Diff(append(tt.want, resource...), got); diff != "" {
			t.Errorf("%s to %s (-want +got):\n%s", tt.uri, tt.dest, diff)
		}
		m := Message{Code: GET, Options: got.Encode(nil)}
		if bad, err := m.CheckOutgoing(); err != nil {
			t.Errorf("%s to %s: %v: %v", tt.uri, tt.dest, bad, err)
		}
	}
}

// TestComposeURI takes the examples of RFC 7252 appendix B. The last of them
// shows "//" in a query as %2F%2F, against step 8 of section 6.5, which leaves
// a slash as it is; the step is the norm, and both forms have the same options.
//
// Proves rfc7252 §6.5: "the hexadecimal notation for percent-encoding in CoAP
// URIs MUST use uppercase letters"
//
// Proves rfc7252 §6.5: "Note that these steps have been designed to lead to a
// URI in normal form (see Section 6.3)."
func TestComposeURI(t *testing.T) {
	const greeting = "\u3053\u3093\u306b\u3061\u306f"
	text := func(num OptionNumber, s string) Option { return Option{num, []byte(s)} }
	for _, tt := range []struct {
		dest    string
		secure  bool
		options OptionList
		want    string
	}{
		{"[2001:db8::2:1]:5683", false, nil, "coap://[2001:db8::2:1]/"},
		{"[2001:db8::2:1]:5683", false, OptionList{text(URIHost, "example.net")}, "coap://example.net/"},
		{"[2001:db8::2:1]:5683", false, OptionList{text(URIHost, "example.net"), text(URIPath, ".well-known"), text(URIPath, "core")},
			"coap://example.net/.well-known/core"},
		{"[2001:db8::2:1]:5683", false, OptionList{text(URIHost, "xn--18j4d.example"), text(URIPath, greeting)},
			"coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF"},
		{"198.51.100.1:61616", false, OptionList{text(URIPath, ""), text(URIPath, "/"), text(URIPath, ""), text(URIPath, ""), text(URIQuery, "//"), text(URIQuery, "?&")},
			"coap://198.51.100.1:61616//%2F//?//&?%26"},

		{"[2001:db8::1]:5684", true, nil, "coaps://[2001:db8::1]/"},
		{"[2001:db8::1]:5683", true, nil, "coaps://[2001:db8::1]:5683/"},
		{"[::ffff:192.0.2.1]:5683", false, nil, "coap://192.0.2.1/"},
		{"192.0.2.1:5683", false, OptionList{text(URIHost, "h"), {URIPort, []byte{1, 0}}}, "coap://h:256/"},
		{"192.0.2.1:1", false, OptionList{text(URIHost, "h"), {URIPort, []byte{0x16, 0x33}}}, "coap://h/"},
		{"192.0.2.1:5683", false, OptionList{text(URIHost, "ü")}, "coap://%C3%BC/"},
		{"192.0.2.1:5683", false, OptionList{text(URIHost, "[2001:db8::1]")}, "coap://[2001:db8::1]/"},
		{"192.0.2.1:5683", false, OptionList{text(URIHost, "192.0.2.7")}, "coap://192.0.2.7/"},
	} {
		o := tt.options.Encode(nil)
		got, err := ComposeURI(tt.secure, netip.MustParseAddrPort(tt.dest), o)
		if err != nil || got != tt.want {
			t.Errorf("%s, %v; want %s", got, err, tt.want)
			continue
		}
		u, err := ParseURI(got)
		if err != nil {
			t.Error(err)
			continue
		}
		if u.String() != got {
			t.Errorf("%s is not in normal form, which is %s", got, &u)
		}
	}
	u, err := ParseURI("coap://198.51.100.1:61616//%2F//?%2F%2F&?%26")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"", "/", "", ""}, u.Path); diff != "" {
		t.Errorf("path of the last example (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"//", "?&"}, u.Query); diff != "" {
		t.Errorf("query of the last example (-want +got):\n%s", diff)
	}
}

// TestComposeURIFails covers hosts that no URI can have.
//
// Proves rfc7252 §6.5: "If |host| is not a valid reg-name or IP-literal or
// IPv4address, fail the algorithm."
func TestComposeURIFails(t *testing.T) {
	dest := netip.MustParseAddrPort("192.0.2.1:5683")
	for _, host := range []string{"a b", "a/b", "a:b", "[::1", "[h]", "[]", "a@b", "a%", "a%zz", "\x00", "a#", "<h>"} {
		got, err := ComposeURI(false, dest, options(Option{URIHost, []byte(host)}))
		var wrapped *URIError
		if !errors.As(err, &wrapped) || !errors.Is(err, ErrURIHost) || got != "" {
			t.Errorf("%q: %q, %v", host, got, err)
		}
	}
	if got, err := ComposeURI(false, netip.AddrPort{}, nil); !errors.Is(err, ErrURIHost) {
		t.Errorf("no destination: %q, %v", got, err)
	}
}

func BenchmarkParseURI(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseURI("coaps://sensor.example.com/sensors/temperature?unit=c"); err != nil {
			b.Fatal(err)
		}
	}
}
