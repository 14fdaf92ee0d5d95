// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import "errors"

// A datagram whose header is unusable. It is silently ignored (RFC 7252
// section 3): there is no Message ID that an answer could carry.
var (
	ErrTooShort = errors.New("coap: datagram is shorter than the header")
	ErrVersion  = errors.New("coap: unknown version")
)

// A FormatError is a message format error: the header is readable, what follows
// is not. [Parse] then returns a Message of which Type, Code and MessageID are
// valid, so that it can be rejected as sections 4.2 and 4.3 of RFC 7252 say.
// [Message.AppendTo] and [Options.Validate] report with it what must not be
// sent.
//
// Every FormatError is one of the variables below, so that garbage from the
// network costs no allocation.
type FormatError struct{ text string }

// Error describes the defect with the section of RFC 7252 that names it.
func (e *FormatError) Error() string { return "coap: " + e.text }

var (
	ErrType                 error = &FormatError{"message type above 3 (section 3)"}
	ErrTokenLength          error = &FormatError{"token length 9 to 15 is reserved (section 3)"}
	ErrTokenTruncated       error = &FormatError{"token ends beyond the datagram (section 3)"}
	ErrEmptyMessage         error = &FormatError{"bytes after the header of an Empty message (section 4.1)"}
	ErrPayloadMissing       error = &FormatError{"payload marker without payload (section 3)"}
	ErrOptionDelta          error = &FormatError{"option delta 15 is reserved (section 3.1)"}
	ErrOptionLengthReserved error = &FormatError{"option length 15 is reserved (section 3.1)"}
	ErrOptionTruncated      error = &FormatError{"option ends beyond the datagram (section 3.1)"}
	ErrOptionNumberRange    error = &FormatError{"option number above 65535 (section 3.1)"}
)

// What is wrong with an option, from [Message.CheckOptions] and
// [Message.CheckOutgoing], which return its number beside it.
// [AppendDiagnostic] puts the two together.
var (
	ErrOptionUnrecognized = errors.New("unrecognized option")
	ErrOptionMisplaced    = errors.New("not allowed in this message")
	ErrOptionLength       = errors.New("length out of range")
	ErrOptionRepeated     = errors.New("option is not repeatable")
	ErrOptionValue        = errors.New("value not allowed")
)
