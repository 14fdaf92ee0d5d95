// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/coap"
)

func text(name, value string) Attr { return Attr{Name: name, Value: value} }

func flag(name string) Attr { return Attr{Name: name, NoValue: true} }

// TestFormat reads and writes what has one form only.
func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		document string
		want     []Link
	}{
		{"", nil},
		{"</>", []Link{{Target: "/"}}},
		{"<>", []Link{{}}},
		{"</a>,</b>", []Link{{Target: "/a"}, {Target: "/b"}}},
		{`</sensors/temp>;rt="temperature-c";if="sensor";ct=50,</store>;obs`, []Link{
			{"/sensors/temp", []Attr{text("rt", "temperature-c"), text("if", "sensor"), text("ct", "50")}},
			{"/store", []Attr{flag("obs")}},
		}},
		{`</.well-known/core>;ct="40 60";sz=262144;title="a \"b\" c\\d, <e>; f"`, []Link{
			{"/.well-known/core", []Attr{text("ct", "40 60"), text("sz", "262144"), text("title", `a "b" c\d, <e>; f`)}},
		}},
		{`<coap://[2001:db8:3::123]:61616/temp?a=1&b>;anchor="/x";x="";hreflang=de;title*=UTF-8'de'%C3%BC`, []Link{
			{"coap://[2001:db8:3::123]:61616/temp?a=1&b", []Attr{text("anchor", "/x"), text("x", ""), text("hreflang", "de"), text("title*", "UTF-8'de'%C3%BC")}},
		}},
	} {
		got, err := Parse(tt.document)
		if err != nil {
			t.Errorf("%s: %v", tt.document, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.document, diff)
		}
		if got := string(Append(nil, tt.want)); got != tt.document {
			t.Errorf("Append: %s, want %s", got, tt.document)
		}
	}
}

// TestLenient reads forms that we do not write: the examples of RFC 9176, with
// line breaks, and of servers.
func TestLenient(t *testing.T) {
	for document, want := range map[string]string{
		"<coap://[2001:db8:3::123]:61616/temp>;\n    rt=\"tag:example.org,2020:temperature\"": `<coap://[2001:db8:3::123]:61616/temp>;rt="tag:example.org,2020:temperature"`,
		"</a>;ct=60,\n</b>;ct=60\n":  "</a>;ct=60,</b>;ct=60",
		`</a>;rt=temperature;ct="0"`: `</a>;rt="temperature";ct=0`,
		`</a> ; rt=x , </b>`:         `</a>;rt="x",</b>`,
		`</a>;rt="\x"`:               `</a>;rt="x"`,
		`</ü>;title="ü"`:             `</%C3%BC>;title="ü"`,
		"\n":                         "",
	} {
		links, err := Parse(document)
		if err != nil {
			t.Errorf("%q: %v", document, err)
			continue
		}
		if got := string(Append(nil, links)); got != want {
			t.Errorf("%q: %s, want %s", document, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for document, at := range map[string]int{
		"a":            0,
		"<":            1,
		"</a":          1,
		"</a b>":       1,
		"<<a>":         1,
		"</a>b":        4,
		"</a>,":        5,
		",</a>":        0,
		"</a>,,</b>":   5,
		"</a>;":        5,
		"</a>;;x":      5,
		"</a>;=x":      5,
		"</a>;x=":      7,
		"</a>;x=,</b>": 7,
		`</a>;x="`:     8,
		`</a>;x="b`:    8,
		`</a>;x="b\`:   8,
		`</a>;x="b\"`:  10,
		`</a>;x=b"c"`:  8,
		`</a>;ü`:       5,
		"</a>;x=\x00":  7,
		"</\xff>":      0,
	} {
		links, err := Parse(document)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || links != nil {
			t.Errorf("%q: %v, %v", document, links, err)
			continue
		}
		if syntax.Offset != at {
			t.Errorf("%q: %v, want byte %d", document, err, at)
		}
	}
}

// TestNothingEscapes checks that neither a target nor a value nor a name can
// add a link or an attribute of its own.
func TestNothingEscapes(t *testing.T) {
	l := Link{Target: `/store/a>;x="y",</b`, Attrs: []Attr{
		text("title", `a";evil;x="`), text("evil;y", "1"), text("ct", "1;evil"), text("sz", "9,</c>"), text("hreflang", "de;evil"), text("", "x"), flag("ev=il"),
	}}
	document := string(Append(nil, []Link{l}))
	got, err := Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Attrs) != 4 {
		t.Errorf("%s reads as %d links: %v", document, len(got), got)
	}
	for _, a := range got[0].Attrs {
		if strings.Contains(a.Name, "evil") {
			t.Errorf("%s has an attribute %s", document, a.Name)
		}
	}
	if want := "/store/a%3E;x=%22y%22,%3C/b"; got[0].Target != want {
		t.Errorf("target %s, want %s", got[0].Target, want)
	}
}

// TestMatches covers the filters that a query of /.well-known/core holds.
//
// Proves rfc9176 §6.2: "A link matches a search criterion if it has an attribute
// of the same name and the same value, allowing for a trailing "*" wildcard
// operator, as in Section 4.1 of [RFC6690]."
//
// Proves rfc9176 §6.2: "Note that "href" is a valid search criterion and matches
// target references."
func TestMatches(t *testing.T) {
	l := Link{"/sensors/temp", []Attr{
		text("rt", "temperature-c core.rd"), text("if", "example.regname tag:example.net,2020:sensor"),
		text("title", "a b"), text("ct", "40 50"), flag("obs"), text("x", "1"), text("x", "2"),
	}}
	for filter, want := range map[string]bool{
		"rt=temperature-c":               true,
		"rt=temperature-c core.rd":       false,
		"rt=core.rd":                     true,
		"rt=core.rd*":                    true,
		"rt=core*":                       true,
		"rt=*":                           true,
		"rt=":                            false,
		"rt=temp":                        false,
		"rt=*core":                       false,
		"RT=core.rd":                     false,
		"if=tag:example.net,2020:sensor": true,
		"title=a b":                      true,
		"title=b":                        false,
		"title=a*":                       true,
		"ct=40":                          true,
		"ct=4":                           false,
		"href=/sensors/temp":             true,
		"href=/sensors*":                 true,
		"href=/sensors":                  false,
		"href=*":                         true,
		"href":                           true,
		"obs":                            true,
		"rt":                             true,
		"obs=*":                          true,
		"obs=":                           true,
		"obs=1":                          false,
		"x=2":                            true,
		"x=3":                            false,
		"y":                              false,
		"y=*":                            false,
		"":                               false,
		"=":                              false,
	} {
		if got := l.Matches(filter); got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
}

// TestFilter covers several filters at once.
//
// Proves rfc9176 §6.2: "All included criteria MUST match for a link to be
// returned."
func TestFilter(t *testing.T) {
	links, err := Parse(`</a>;rt=x;obs,</b>;rt=x,</c>;rt=y;obs`)
	if err != nil {
		t.Fatal(err)
	}
	for filters, want := range map[string]string{
		"":         `</a>;rt="x";obs,</b>;rt="x",</c>;rt="y";obs`,
		"rt=x":     `</a>;rt="x";obs,</b>;rt="x"`,
		"rt=x obs": `</a>;rt="x";obs`,
		"rt=z":     "",
		"rt=x y":   "",
	} {
		if got := string(Append(nil, Filter(links, strings.Fields(filters)))); got != want {
			t.Errorf("%q: %s, want %s", filters, got, want)
		}
	}
	if len(links) != 3 {
		t.Error("Filter changed its input")
	}
}

// TestContentFormats covers the attribute ct.
//
// Proves rfc7252 §7.2.1: "The value is in the CoAP identifier code format as a
// decimal ASCII integer and MUST be in the range of 0-65535 (16-bit unsigned
// integer)."
//
// Proves rfc7252 §7.2.1: "The Content-Format code attribute MAY include a
// space-separated sequence of Content-Format codes, indicating that multiple
// content-formats are available."
func TestContentFormats(t *testing.T) {
	var l Link
	l.AddContentFormats(coap.XML)
	if got := string(Append(nil, []Link{l})); got != "<>;ct=41" {
		t.Error(got)
	}
	l = Link{}
	l.AddContentFormats(coap.TextPlain, coap.CBOR, 65535)
	if got := string(Append(nil, []Link{l})); got != `<>;ct="0 60 65535"` {
		t.Error(got)
	}
	if diff := cmp.Diff([]coap.ContentFormat{0, 60, 65535}, l.ContentFormats()); diff != "" {
		t.Error(diff)
	}
	l = Link{Attrs: []Attr{text("ct", "41  65536 -1 x 60"), text("ct", "1")}}
	if diff := cmp.Diff([]coap.ContentFormat{41, 60}, l.ContentFormats()); diff != "" {
		t.Error(diff)
	}
}

func TestAttributes(t *testing.T) {
	var l Link
	l.Add("rt", "a")
	l.Add("rt", "b")
	l.AddFlag("obs")
	if v, ok := l.Get("rt"); v != "a" || !ok {
		t.Errorf("rt: %q, %v", v, ok)
	}
	if v, ok := l.Get("obs"); v != "" || !ok {
		t.Errorf("obs: %q, %v", v, ok)
	}
	if v, ok := l.Get("if"); v != "" || ok {
		t.Errorf("if: %q, %v", v, ok)
	}
}

// TestRoundTrip checks that Parse undoes Append.
func TestRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[a-z][a-z0-9-]{0,5}\*?`)
	attr := rapid.Custom(func(t *rapid.T) Attr {
		if rapid.Bool().Draw(t, "flag") {
			return flag(name.Draw(t, "name"))
		}
		return text(name.Draw(t, "name"), rapid.String().Draw(t, "value"))
	})
	one := rapid.Custom(func(t *rapid.T) Link {
		return Link{
			Target: rapid.StringMatching(`[a-z:/?#\[\]@!$&'()*+,;=._~%-]{0,20}`).Draw(t, "target"),
			Attrs:  rapid.SliceOfN(attr, 0, 4).Draw(t, "attributes"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(one, 0, 4).Draw(t, "links")
		document := string(Append(nil, want))
		got, err := Parse(document)
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", document, diff)
		}
	})
}

// FuzzParse reads documents of strangers.
//
// Pitfall L5: URIs within a text that ends early
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`</sensors/temp>;rt="temperature-c";if="sensor";ct=50,</store>;obs`,
		`</a>;title="\"\\",</b>;sz=0`, `<`, `</a>;x="\`, "</a>,\r\n\t<b>; x ; y=z",
	} {
		f.Add(s, "rt=*")
	}
	f.Fuzz(func(t *testing.T, document, filter string) {
		links, err := Parse(document)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(document) {
				t.Fatalf("%q: %v", document, err)
			}
			return
		}
		Filter(links, []string{filter})
		written := Append(nil, links)
		if !utf8.Valid(written) {
			t.Fatalf("%q is written as %q", document, written)
		}
		again, err := Parse(string(written))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", document, written, err)
		}
		if second := Append(nil, again); string(second) != string(written) {
			t.Fatalf("%q is written as %q and then as %q", document, written, second)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	document := strings.Repeat(`</sensors/temp>;rt="temperature-c";if="sensor";ct=50;obs,`, 9) + "</>"
	b.ReportAllocs()
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		if _, err := Parse(document); err != nil {
			b.Fatal(err)
		}
	}
}
