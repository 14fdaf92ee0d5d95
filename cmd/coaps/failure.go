// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// failure is how a command ends when it does not succeed: three lines on
// stderr (what failed, why, what to try) and one exit code.
type failure struct {
	what   string // "GET coaps://gw/hello: the handshake failed"
	reason string // one word of the table in reasons.go
	detail string // free text after the word; may be empty
	hint   string // what to try; empty: the table's line
	code   int    // exit code; 0: the table's
	err    error  // the cause, for errors.Is and errors.As
	shown  bool   // the three lines have been printed already
}

// fail makes a failure from one reason word; the detail is formatted.
func fail(reason, what, detail string, args ...any) *failure {
	return &failure{what: what, reason: reason, detail: fmt.Sprintf(detail, args...)}
}

// try replaces the table's line of advice.
func (f *failure) try(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// because remembers the cause.
func (f *failure) because(err error) *failure {
	f.err = err
	return f
}

func (f *failure) Error() string {
	return f.what + ": " + f.reason
}

func (f *failure) Unwrap() error { return f.err }

// exitCode is the process's exit status for this failure.
func (f *failure) exitCode() int {
	if f.code != 0 {
		return f.code
	}
	return lookupReason(f.reason).exit
}

// advice is the third line.
func (f *failure) advice() string {
	if f.hint != "" {
		return f.hint
	}
	return lookupReason(f.reason).hint
}

// explanation is the second line after the reason word.
func (f *failure) explanation() string {
	if f.detail != "" {
		return f.detail
	}
	return lookupReason(f.reason).meaning
}

// print writes the three lines. Each is one line whatever the network or the
// file system put into it, so that a script may rely on the shape.
func (f *failure) print(w io.Writer, p palette) {
	fmt.Fprintf(w, "%s %s\n", p.bad("coaps:"), oneLine(f.what))
	fmt.Fprintf(w, "%s %s (%s)\n", p.dim("reason:"), f.reason, oneLine(f.explanation()))
	fmt.Fprintf(w, "%s %s\n", p.dim("try:"), oneLine(f.advice()))
}

// asFailure makes sure that any error ends in the three lines.
func asFailure(what string, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return fail("unexpected", what, "%v", err).because(err)
}

// oneLine makes text from elsewhere safe for a terminal and keeps it on one
// line: control characters become their escapes.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			b.WriteString(escapeRune(r))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isControl says whether a rune could move a cursor, ring a bell or hide text:
// C0, DEL, C1 and the bidirectional overrides.
func isControl(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

func escapeRune(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	}
	if r < 0x100 {
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
