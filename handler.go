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
