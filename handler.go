// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import "github.com/coaps-go/coaps/coap"

// A Handler answers requests. ServeCOAP runs on a goroutine of the server's
// bounded pool, so it may take its time; wrap it with Inline when it never
// waits. It must not use w, r or anything r refers to after it has returned:
// they are recycled.
type Handler interface {
	ServeCOAP(w ResponseWriter, r *Request)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(w ResponseWriter, r *Request)

// ServeCOAP calls f.
func (f HandlerFunc) ServeCOAP(w ResponseWriter, r *Request) { f(w, r) }

// A ResponseWriter builds the one response to a request. Nothing is sent
// before ServeCOAP returns, so the calls may come in any order.
type ResponseWriter interface {
	// SetCode sets the response code. Without it the method decides: GET and
	// FETCH are answered by 2.05 Content, DELETE by 2.02 Deleted, all others by
	// 2.04 Changed (RFC 7252 section 5.8, RFC 8132).
	SetCode(code coap.Code)

	// SetOption adds an option. Values of a repeatable option keep their order;
	// any other option is replaced.
	SetOption(number coap.OptionNumber, value []byte)

	// SetUint adds an option whose value is a number (RFC 7252 section 3.2).
	SetUint(number coap.OptionNumber, value uint32)

	// SetContentFormat sets the Content-Format option.
	SetContentFormat(format coap.ContentFormat)

	// Write appends to the payload. A response that does not fit into one
	// datagram is replaced by 5.00 with a diagnostic when ServeCOAP returns.
	Write(p []byte) (int, error)
}

// Inline marks h to run on the event loop itself, between two datagrams. That
// saves two changes of goroutine and is for handlers that never wait: nothing
// else is received while one runs. It works for a Server's Handler and for the
// handlers of a Mux.
func Inline(h Handler) Handler { return mark(h, inline) }

// marks are what a handler is marked as.
type marks uint8

const (
	inline marks = 1 << iota
	observable
	nonConfirmable
)

type markedHandler struct {
	Handler
	marks marks
}

// mark adds to the marks of a handler.
func mark(h Handler, m marks) Handler {
	if known, ok := h.(markedHandler); ok {
		return markedHandler{known.Handler, known.marks | m}
	}
	return markedHandler{h, m}
}

// marksOf are those of a handler.
func marksOf(h Handler) marks {
	m, _ := h.(markedHandler)
	return m.marks
}

// handlerOf is the handler that will answer r, and what it is marked as.
func handlerOf(h Handler, r *Request) (answers Handler, m marks) {
	if mux, ok := h.(*Mux); ok {
		h = mux.handler(r)
	}
	return h, marksOf(h)
}
