// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/security/acl"
)

// says answers by a fixed text.
func says(text string) HandlerFunc {
	return func(w ResponseWriter, _ *Request) { w.Write([]byte(text)) }
}

func TestMuxChooses(t *testing.T) {
	m := NewMux()
	for _, pattern := range []string{"/a", "GET /a", "/a/", "PUT /a/b", "/a/b/", "/tree/", "POST /only"} {
		m.Handle(pattern, says(pattern))
	}
	for _, tt := range []struct {
		method coap.Code
		path   string
		want   string
	}{
		{coap.GET, "/a", "GET /a"},
		{coap.POST, "/a", "/a"},
		{coap.GET, "/a/", "/a/"},
		{coap.GET, "/a/x", "/a/"},
		{coap.PUT, "/a/b", "PUT /a/b"},
		{coap.GET, "/a/b", "4.05"},
		{coap.GET, "/a/b/c/d", "/a/b/"},
		{coap.GET, "/tree/x", "/tree/"},
		{coap.GET, "/tree", "4.04"},
		{coap.GET, "/treetop", "4.04"},
		{coap.GET, "/", "4.04"},
		{coap.GET, "/only", "4.05"},
		{coap.POST, "/only", "POST /only"},
		{coap.GET, "/a%2Fb/c", "4.04"}, // one segment that contains a slash
		{coap.GET, "/.well-known/core", "2.05 list"},
		{coap.POST, "/.well-known/core", "4.04"},
	} {
		var r response
		m.ServeCOAP(&r, &Request{Method: tt.method, Path: tt.path})
		got := string(r.payload)
		switch {
		case r.code.IsError():
			got = r.code.Dotted()
		case strings.HasPrefix(got, "<"):
			got = "2.05 list"
		}
		if got != tt.want {
			t.Errorf("%v %s: %s, want %s", tt.method, tt.path, got, tt.want)
		}
	}
	m.Handle("/", says("/"))
	m.Handle("GET /.well-known/core", says("own list"))
	for path, want := range map[string]string{"/nowhere": "/", "/": "/", "/.well-known/core": "own list"} {
		var r response
		m.ServeCOAP(&r, &Request{Method: coap.GET, Path: path})
		if got := string(r.payload); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// /.well-known/core describes what has a handler, filtered by the query.
func TestMuxList(t *testing.T) {
	m := NewMux()
	m.Handle("GET /temp", says(""))
	m.Handle("/store/", says(""))
	m.Describe("/temp", link.Attr{Name: "rt", Value: "temperature-c"}, link.Attr{Name: "ct", Value: "0 50"})
	m.Describe("/described/only", link.Attr{Name: "rt", Value: "nothing"})
	for query, want := range map[string]string{
		"":               `</temp>;rt="temperature-c";ct="0 50",</store/>`,
		"rt=temp*":       `</temp>;rt="temperature-c";ct="0 50"`,
		"href=/store/":   `</store/>`,
		"rt=humidity":    ``,
		"rt=temperature": ``,
	} {
		request := &Request{Method: coap.GET, Path: "/.well-known/core"}
		if query != "" {
			request.Query = []string{query}
		}
		var r response
		m.ServeCOAP(&r, request)
		if got := string(r.payload); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
		if format, _ := r.options.GetUint(coap.ContentFormatOption); format != uint32(coap.LinkFormat) {
			t.Errorf("content format %d", format)
		}
	}
}

// shelf is a Lister that has so many things.
type shelf int

func (shelf) ServeCOAP(ResponseWriter, *Request) {}

func (n shelf) Links(r *Request, path string) (links []link.Link) {
	for i := range int(n) {
		if l := (link.Link{Target: fmt.Sprintf("%s%03d", path, i)}); r.Allowed(coap.GET, l.Target) {
			links = append(links, l)
		}
	}
	return links
}

// Who may not ask a subtree for its list finds what is his in that of the server, as
// much as fits; who may is not told twice.
func TestMuxListsWhatIsWithin(t *testing.T) {
	m := NewMux()
	m.Handle("/hello", says(""))
	m.Handle("GET /shelf/", Observable(shelf(500)))
	m.Handle("/none/", says(""))
	ask := func(query string, allowed ...string) string {
		request := &Request{Method: coap.GET, Path: "/.well-known/core", access: rules(allowed...), subject: new(acl.Subject)}
		if query != "" {
			request.Query = []string{query}
		}
		var r response
		m.ServeCOAP(&r, request)
		return string(r.payload)
	}
	for _, test := range []struct {
		want, query string
		rules       []string
	}{
		{"</hello>,</shelf/007>;obs", "", []string{"allow anybody GET /hello", "allow anybody GET /shelf/007"}},
		{"</shelf/007>;obs", "", []string{"allow anybody GET /shelf/007"}},
		{"</shelf/007>;obs", "href=/shelf/*", []string{"allow anybody GET /hello", "allow anybody GET /shelf/007"}},
		{"</shelf/>;obs", "", []string{"allow anybody GET /shelf/**"}},
		{"", "", []string{"allow anybody GET /shelf/500", "allow anybody POST /shelf/007"}},
	} {
		if got := ask(test.query, test.rules...); got != test.want {
			t.Errorf("%q, %q: %s, want %s", test.rules, test.query, got, test.want)
		}
	}
	all := ask("", "allow anybody GET /hello", "allow anybody GET /shelf/*", "deny anybody GET /shelf/")
	if n := strings.Count(all, ","); len(all) > mostListed || len(all) < mostListed-20 || !strings.HasPrefix(all, "</hello>,</shelf/000>;obs,</shelf/001>") || strings.Contains(all, ",,") {
		t.Errorf("%d links in %d bytes: %s", n, len(all), all)
	}
}

// Proves rfc7252 §5.10.4: "If the preferred Content-Format cannot be returned, then
// a 4.06 "Not Acceptable" MUST be sent as a response, unless another error code
// takes precedence for this response."
func TestMuxListHasOneFormat(t *testing.T) {
	m := NewMux()
	m.Handle("GET /temp", says(""))
	for accept, want := range map[coap.ContentFormat]coap.Code{coap.LinkFormat: coap.Content, coap.JSON: coap.NotAcceptable} {
		request := &Request{Method: coap.GET, Path: "/.well-known/core"}
		request.Options.AddUint(coap.Accept, uint32(accept))
		var r response
		m.ServeCOAP(&r, request)
		if got := r.codeFor(coap.GET); got != want {
			t.Errorf("Accept %v: %v, want %v", accept, got, want)
		}
	}
}

func TestMuxRefusesPatterns(t *testing.T) {
	for _, patterns := range [][]string{
		{""}, {"a"}, {"GET"}, {"GET a"}, {"FLY /a"}, {"Content /a"}, {"/a b"}, {"/a?b"}, {"/a#b"},
		{"/a", "/a"}, {"GET /a", "GET /a"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q: no panic", patterns)
				}
			}()
			m := NewMux()
			for _, p := range patterns {
				m.Handle(p, says(""))
			}
		}()
	}
}

func TestInline(t *testing.T) {
	m := NewMux()
	m.Handle("/inline", Inline(says("")))
	m.Handle("/worker", says(""))
	marked := func(h Handler, path string) bool {
		_, m := handlerOf(h, &Request{Method: coap.GET, Path: path})
		return m&inline != 0
	}
	for path, want := range map[string]bool{"/inline": true, "/worker": false, "/nowhere": true} {
		if got := marked(m, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if !marked(Inline(m), "/worker") || marked(says(""), "/") {
		t.Error("a handler alone")
	}
}

func TestResponseOptions(t *testing.T) {
	var r response
	r.SetContentFormat(coap.JSON)
	r.SetContentFormat(coap.CBOR)
	r.SetOption(coap.ETag, []byte("a"))
	r.SetOption(coap.LocationPath, []byte("x"))
	r.SetOption(coap.LocationPath, []byte("y"))
	r.SetUint(coap.MaxAge, 0)
	got := r.options.Encode(nil)
	var want coap.OptionList
	want.AddString(coap.ETag, "a")
	want.AddString(coap.LocationPath, "x")
	want.AddString(coap.LocationPath, "y")
	want.AddUint(coap.ContentFormatOption, uint32(coap.CBOR))
	want.AddUint(coap.MaxAge, 0)
	if string(got) != string(want.Encode(nil)) {
		t.Errorf("options %v, want %v", got.List(), want)
	}
	r.reset()
	if len(r.options)+len(r.payload) != 0 || r.code != 0 {
		t.Errorf("reset leaves %+v", r)
	}
}
