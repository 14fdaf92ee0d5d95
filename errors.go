// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
)

// An Error says what failed and why. Reason is one word from a closed list, the
// same in logs, JSON and text:
//
// refused, unreachable, not_resolved, timeout, canceled, closed, too_large,
// busy, limit, reset, unavailable, bad_response, multicast, bad_uri, setup, and the
// handshake's own words as dtls.Reason prints them, such as
// bad_psk_or_unknown_identity or timeout_flight_1.
type Error struct {
	Op     string // "get", "ping", "connect", ...
	URI    string // "" when it is bad: Err quotes it then, without what may be secret
	Reason string
	Err    error // the cause, a *dtls.Error when a handshake failed; may be nil
}

// Error returns the operation, the URI, the reason and the cause in one line.
func (e *Error) Error() string {
	s := e.Op
	if e.URI != "" {
		s += " " + e.URI
	}
	s += ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The reasons this package adds to those of a handshake (dtls.Reason).
const (
	ReasonRefused     = "refused"      // an ICMP message said that nobody listens there
	ReasonUnreachable = "unreachable"  // the system or an ICMP message said that there is no way
	ReasonNotResolved = "not_resolved" // the host name has no address
	ReasonTimeout     = "timeout"      // no answer within the transmission limits or the context's deadline
	ReasonCanceled    = "canceled"     // the context was canceled
	ReasonClosed      = "closed"       // this Client or Server was closed
	ReasonTooLarge    = "too_large"    // the message does not fit into one datagram
	ReasonBusy        = "busy"         // a local queue is full
	ReasonReset       = "reset"        // the peer rejected the message
	ReasonUnavailable = "unavailable"  // an observation: the server answered 5.03 when it was asked again
	ReasonBadResponse = "bad_response" // the answer breaks RFC 7252
	ReasonMulticast   = "multicast"    // coaps cannot be used with multicast (RFC 7252 section 8.1)
	ReasonBadURI      = "bad_uri"      // not a coap or coaps URI
	ReasonSetup       = "setup"        // configuration, credentials or the local socket
)

// Reasons in a Server's log beside those of dtls.Reason.
const (
	ReasonDisplaced         = "displaced"          // an observation without DTLS that was never acknowledged gave way to another
	ReasonAccess            = "access"             // a rule of Server.Access, or none of them
	ReasonForbidden         = "forbidden"          // the session's credential was revoked, with RevokeForbid
	ReasonCredentialChanged = "credential_changed" // a session's credential has another key or owner now
	ReasonFailed            = "failed"             // an observation has no representation any more: the resource is gone, its handler failed, or has another format
	ReasonNotAuthorized     = "not_authorized"     // an anonymous session was not authorized within Server.AnonymousTime
)

// ErrServerClosed is what Serve and ListenAndServe return after Shutdown or Close.
var ErrServerClosed = errors.New("coaps: server closed")

// ErrClientClosed is the cause of an Error from a Client after Close.
var ErrClientClosed = errors.New("coaps: client closed")

var (
	errClientClosed = &Error{Reason: ReasonClosed, Err: ErrClientClosed}

	// errNotSent says that a call can be made again on another connection.
	errNotSent = &Error{Reason: ReasonClosed, Err: errors.New("coaps: the connection has ended")}
)

// failed adds to an error what was being done.
func failed(op, uri string, err error) error {
	e := &Error{Reason: ReasonSetup, Err: err}
	if known, ok := errors.AsType[*Error](err); ok {
		*e = *known
	}
	e.Op, e.URI = op, uri
	if e.Reason == ReasonBadURI {
		e.URI = ""
	}
	return e
}

// contextError is the Error for a context that has ended.
func contextError(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Reason: ReasonTimeout, Err: ctx.Err()}
	}
	return &Error{Reason: ReasonCanceled, Err: context.Cause(ctx)}
}

// callError is the Error for a call that the endpoint did not take.
func callError(err error) *Error {
	switch {
	case errors.Is(err, endpoint.ErrGone):
		return errNotSent
	case errors.Is(err, endpoint.ErrTooLarge):
		return &Error{Reason: ReasonTooLarge, Err: err}
	case errors.Is(err, request.ErrBusy), errors.Is(err, request.ErrQueueFull), errors.Is(err, request.ErrMemoryFull), errors.Is(err, request.ErrMessageIDs):
		return &Error{Reason: ReasonBusy, Err: err}
	}
	return &Error{Reason: ReasonSetup, Err: err}
}

// postError is the Error for a letter that the mailbox did not take.
func postError(err error) *Error {
	if errors.Is(err, errMailboxFull) {
		return &Error{Reason: ReasonBusy, Err: err}
	}
	return errClientClosed
}
