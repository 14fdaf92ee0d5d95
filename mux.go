// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
)

// A Mux sends each request to the handler whose pattern fits best. A pattern
// is a path, "/time", or a subtree, "/store/" or "/", which takes every path
// that begins so, optionally after a method: "GET /time". The longest path wins, and
// with a method before without. A path nobody knows is answered by 4.04, a
// method nobody takes by 4.05. GET /.well-known/core lists the patterns (RFC
// 6690) that the peer may use (Request.Allowed), and what a Lister has for it,
// unless it has a handler.
//
// Paths are compared as they stand in a URI: "/" separates the segments and
// what is not allowed in one is percent-encoded. So a segment that contains a
// slash matches no other path.
//
// A Mux may be used by many goroutines once its patterns are registered.
type Mux struct {
	routes map[string]*route // by path
	trees  []*route          // the subtrees, longest path first
	order  []*route          // as registered, for the list
}

// A route is everything registered for one path.
type route struct {
	path     string
	handlers map[coap.Code]Handler // by method; 0 is any
	attrs    []link.Attr
}

const wellKnownCore = "/.well-known/core"

// A Lister is a Handler of a subtree that knows what is in it. A peer that may GET
// the path of the subtree finds out there; any other finds what it may use of it in
// /.well-known/core.
type Lister interface {
	Handler
	// Links describes what is below path, which ends with a slash, as far as the
	// peer of r may use it (Request.Allowed). What fits into 1024 bytes is listed.
	Links(r *Request, path string) []link.Link
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return &Mux{routes: make(map[string]*route)} }

// Handle registers h for pattern. It panics on a bad pattern and on one that is
// taken, as http.ServeMux does.
func (m *Mux) Handle(pattern string, h Handler) {
	method, r := m.register(pattern)
	if r.handlers[method] != nil {
		panic("coaps: pattern " + pattern + " is registered twice")
	}
	r.handlers[method] = h
}

// HandleFunc registers a function for pattern.
func (m *Mux) HandleFunc(pattern string, f func(w ResponseWriter, r *Request)) {
	m.Handle(pattern, HandlerFunc(f))
}

// Describe sets the attributes under which /.well-known/core lists the path of
// pattern, such as link.Attr{Name: "rt", Value: "temperature"}.
func (m *Mux) Describe(pattern string, attrs ...link.Attr) {
	_, r := m.register(pattern)
	r.attrs = attrs
}

func (m *Mux) register(pattern string) (method coap.Code, r *route) {
	path := pattern
	if name, rest, found := strings.Cut(pattern, " "); found {
		code, err := coap.ParseCode(name)
		if err != nil || !code.IsRequest() {
			panic("coaps: no method in pattern " + pattern)
		}
		method, path = code, rest
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		panic(fmt.Sprintf("coaps: pattern %q has no path that begins with a slash", pattern))
	}
	r = m.routes[path]
	if r == nil {
		r = &route{path: path, handlers: make(map[coap.Code]Handler)}
		m.routes[path] = r
		m.order = append(m.order, r)
		if strings.HasSuffix(path, "/") {
			m.trees = append(m.trees, r)
			slices.SortStableFunc(m.trees, func(a, b *route) int { return len(b.path) - len(a.path) })
		}
	}
	return method, r
}

// ServeCOAP answers r by the handler whose pattern fits best.
func (m *Mux) ServeCOAP(w ResponseWriter, r *Request) { m.handler(r).ServeCOAP(w, r) }

// handler finds the handler of a request, or one that refuses it.
func (m *Mux) handler(r *Request) Handler {
	if r.Path == wellKnownCore && r.Method == coap.GET && m.routes[wellKnownCore] == nil {
		return conditional(m.list)
	}
	found := m.route(r.Path)
	if found == nil {
		return notFound
	}
	if h := found.handlers[r.Method]; h != nil {
		return h
	}
	if h := found.handlers[0]; h != nil {
		return h
	}
	return methodNotAllowed
}

func (m *Mux) route(path string) *route {
	if r := m.routes[path]; r != nil && len(r.handlers) > 0 {
		return r
	}
	for _, r := range m.trees {
		if strings.HasPrefix(path, r.path) && len(r.handlers) > 0 {
			return r
		}
	}
	return nil
}

const noSuchResource = "no such resource"

var (
	notFound = Inline(HandlerFunc(func(w ResponseWriter, _ *Request) {
		WriteError(w, coap.NotFound, noSuchResource)
	}))
	methodNotAllowed = Inline(HandlerFunc(func(w ResponseWriter, _ *Request) {
		WriteError(w, coap.MethodNotAllowed, "not with this method")
	}))
)

// list answers GET /.well-known/core, filtered by the query (RFC 6690 section
// 4.1).
func (m *Mux) list(w ResponseWriter, r *Request) {
	if wanted, ok := r.Options.GetUint(coap.Accept); ok && wanted != uint32(coap.LinkFormat) {
		// RFC 7252 section 5.10.4 has a server say so.
		WriteError(w, coap.NotAcceptable, "the list is application/link-format")
		return
	}
	var links, within []link.Link
	for _, route := range m.order {
		if len(route.handlers) > 0 && route.allowed(r) {
			links = append(links, link.Link{Target: route.path, Attrs: route.listed(route.attrs)})
		}
		within = append(within, route.within(r)...)
	}
	w.SetContentFormat(coap.LinkFormat)
	w.Write(link.AppendFitting(link.Append(nil, link.Filter(links, r.Query)), link.Filter(within, r.Query), mostListed))
}

// mostListed is how many bytes a list has at most that grows with what is stored
// (RFC 7252 section 4.6).
const mostListed = 1024

// within is what a Lister has for a peer that cannot ask it.
func (o *route) within(r *Request) []link.Link {
	if !strings.HasSuffix(o.path, "/") || r.Allowed(coap.GET, o.path) {
		return nil
	}
	for _, method := range [...]coap.Code{0, coap.GET} {
		h := o.handlers[method]
		if marked, ok := h.(markedHandler); ok {
			h = marked.Handler
		}
		if lister, ok := h.(Lister); ok {
			links := lister.Links(r, o.path)
			for i := range links {
				links[i].Attrs = o.listed(links[i].Attrs)
			}
			return links
		}
	}
	return nil
}

// listed are attributes with what the route adds to them. RFC 7641 section 6: "A value
// MUST NOT be given for the "obs" attribute", which "MUST NOT appear more than once".
func (o *route) listed(attrs []link.Attr) []link.Attr {
	const obs = "obs"
	hinted := slices.ContainsFunc(attrs, func(a link.Attr) bool { return a.Name == obs })
	if hinted || !o.observable() {
		return attrs
	}
	return append(slices.Clip(attrs), link.Attr{Name: obs, NoValue: true})
}

// observable reports whether a handler that answers GET or FETCH is Observable.
func (o *route) observable() bool {
	for _, method := range [...]coap.Code{0, coap.GET, coap.FETCH} {
		if marksOf(o.handlers[method])&observable != 0 {
			return true
		}
	}
	return false
}

// allowed reports whether the peer may use the route by any of the methods that
// it has handlers for.
func (o *route) allowed(r *Request) bool {
	if r.access == nil {
		return true
	}
	for method := coap.GET; method <= coap.IPATCH; method++ {
		if (o.handlers[method] != nil || o.handlers[0] != nil) && r.Allowed(method, o.path) {
			return true
		}
	}
	return false
}

// WriteError answers with a code and a diagnostic payload (RFC 7252 section
// 5.5.2), a short text for people.
func WriteError(w ResponseWriter, code coap.Code, diagnostic string) {
	w.SetCode(code)
	w.Write([]byte(diagnostic))
}
