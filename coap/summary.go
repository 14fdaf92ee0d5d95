// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDiagnostic is how much of a diagnostic payload is shown, in bytes. The RFC
// sets no limit, calling it "brief".
const maxDiagnostic = 512

// Diagnostic returns the diagnostic payload of m: the text with which a server
// explains an error response that has no Content-Format (RFC 7252 section
// 5.5.2). It reports false if there is none.
//
// The text comes from the peer. What is no UTF-8 or not printable, line ends
// included, is replaced, so that it can be written to a terminal or a log, and
// it is cut off at 512 bytes.
func (m *Message) Diagnostic() (text string, ok bool) {
	if !m.Code.IsError() || len(m.Payload) == 0 || m.Options.Has(ContentFormatOption) {
		return "", false
	}
	return printable(m.Payload, maxDiagnostic), true
}

// printable returns at most limit bytes of s as text without control
// characters.
func printable(s []byte, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, string(s))
}

// maxShown is how much of an option value a summary shows, in bytes.
const maxShown = 64

// Summary returns m on one line for logs and tests, such as
//
//	CON GET mid=0x7d34 token=20 /temperature?unit=c Accept=json
//	ACK 2.05 Content mid=0x7d34 token=20 Content-Format=text payload=6
//
// Nothing in it needs escaping: text from the peer is percent-encoded or
// hexadecimal. The form may change; do not parse it.
func (m *Message) Summary() string {
	dst := []byte(m.Type.String() + " " + m.Code.String() + " mid=0x")
	dst = appendHex(dst, []byte{byte(m.MessageID >> 8), byte(m.MessageID)})
	if len(m.Token) > 0 {
		dst = appendHex(append(dst, " token="...), m.Token)
	}
	if m.Code.IsRequest() {
		dst = appendResource(append(dst, ' '), m.Options)
	}
	for num, value := range m.Options.All() {
		if !m.Code.IsRequest() || num != URIPath && num != URIQuery {
			dst = appendOptionText(append(dst, ' '), num, value)
		}
	}
	if len(m.Payload) > 0 {
		dst = strconv.AppendInt(append(dst, " payload="...), int64(len(m.Payload)), 10)
	}
	return string(dst)
}

// appendOptionText appends an option as "Name=value", in the format that the
// registry gives it.
func appendOptionText(dst []byte, num OptionNumber, value []byte) []byte {
	dst = append(dst, strings.ReplaceAll(num.String(), " ", "-")...)
	if num.Format() == FormatEmpty && len(value) == 0 {
		return dst
	}
	dst = append(dst, '=')
	shown := value[:min(len(value), maxShown)]
	switch v, isUint := DecodeUint(value); {
	case num.Format() == FormatUint && isUint && len(value) <= 2 && (num == ContentFormatOption || num == Accept):
		dst = append(dst, ContentFormat(v).String()...)
	case num.Format() == FormatUint && isUint:
		dst = strconv.AppendUint(dst, uint64(v), 10)
	case num.Format() == FormatString:
		dst = appendEscaped(dst, shown, queryChar)
	default:
		dst = appendHex(dst, shown)
	}
	if len(shown) < len(value) {
		dst = append(dst, "..."...)
	}
	return dst
}

func appendHex(dst, s []byte) []byte {
	for _, b := range s {
		const digits = "0123456789abcdef"
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}
