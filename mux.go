// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
)

// A Mux sends each request to the handler whose pattern fits best. A pattern
// is a path, "/time", or a subtree, "/store/", optionally after a method:
// "GET /time". The longest path wins, and with a method before without. A path
// nobody knows is answered by 4.04, a method nobody takes by 4.05.
// /.well-known/core lists the patterns (RFC 6690) unless it has a handler.
type Mux struct{}

// NewMux returns an empty Mux.
func NewMux() *Mux { panic("todo") }

// Handle registers h for pattern. It panics on a bad pattern and on one that is
// taken, as http.ServeMux does.
func (m *Mux) Handle(pattern string, h Handler) { panic("todo") }

// HandleFunc registers a function for pattern.
func (m *Mux) HandleFunc(pattern string, f func(w ResponseWriter, r *Request)) { panic("todo") }

// Describe sets the attributes under which /.well-known/core lists the path of
// pattern, such as link.Attr{"rt", "temperature"}.
func (m *Mux) Describe(pattern string, attrs ...link.Attr) { panic("todo") }

// ServeCOAP answers r by the handler whose pattern fits best.
func (m *Mux) ServeCOAP(w ResponseWriter, r *Request) { panic("todo") }

// Inline marks h to run on the event loop itself, between two datagrams. It
// saves a goroutine switch and must never wait: nothing else is received while
// it runs.
func Inline(h Handler) Handler { panic("todo") }

// WriteError answers with a code and a diagnostic payload (RFC 7252 section
// 5.5.2), a short text for people.
func WriteError(w ResponseWriter, code coap.Code, diagnostic string) { panic("todo") }
