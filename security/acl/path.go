// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"errors"
	"strings"
)

// plain marks the characters that stand for themselves in a segment of a path:
// pchar of RFC 3986 without the percent sign. Request paths have all others
// percent-encoded, in upper case, and none of these (RFC 7252 section 6.5).
var plain = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@") {
		table[c] = true
	}
	return table
}()

const upperHex = "0123456789ABCDEF"

// unhex returns the value of a hexadecimal digit, more than 15 for another
// byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// appendSegment appends name as it stands in the path of a request.
func appendSegment(dst []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; plain[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

var (
	errEscape  = errors.New("% must be followed by two hexadecimal digits")
	errDots    = errors.New("no request has . or .. as a segment of its path (RFC 7252 section 5.10.1)")
	errLong    = errors.New("no request has a segment of more than 255 octets in its path (RFC 7252 section 5.10)")
	errNoSlash = errors.New("a path begins with a slash")
)

// decodeSegment is the inverse of appendSegment, for a segment that people
// wrote: it takes either case after a percent sign, and bytes that should have
// been encoded.
func decodeSegment(segment string) (string, error) {
	decoded := make([]byte, 0, len(segment))
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c == '%' {
			if i+2 >= len(segment) {
				return "", errEscape
			}
			high, low := unhex(segment[i+1]), unhex(segment[i+2])
			if high|low > 15 {
				return "", errEscape
			}
			c = high<<4 | low
			i += 2
		}
		decoded = append(decoded, c)
	}
	switch name := string(decoded); {
	case name == "." || name == "..":
		return "", errDots
	case len(name) > 255:
		return "", errLong
	default:
		return name, nil
	}
}

// CanonicalHost brings the name of a virtual host into the form that Subject.Host
// has: in lower case, without a dot at the end.
func CanonicalHost(name string) string { return strings.TrimRight(strings.ToLower(name), ".") }

// CanonicalPath brings a path that people wrote into the form that the paths of
// requests have, and Decide expects: what need not be percent-encoded is not,
// the rest is, in upper case.
func CanonicalPath(path string) (string, error) {
	if path == "" || path[0] != '/' {
		return "", errNoSlash
	}
	var canonical []byte
	for segment := range strings.SplitSeq(path[1:], "/") {
		name, err := decodeSegment(segment)
		if err != nil {
			return "", err
		}
		canonical = appendSegment(append(canonical, '/'), name)
	}
	return string(canonical), nil
}

// canonical reports whether path is what CanonicalPath returns.
func canonical(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			if dots(path[i+1:]) {
				return false
			}
		case c == '%':
			if !canonicalEscape(path[i+1:]) {
				return false
			}
			i += 2
		case !plain[c]:
			return false
		}
	}
	return true
}

// dots reports whether rest begins with a segment that is . or ..
func dots(rest string) bool {
	n := 0
	for n < len(rest) && rest[n] == '.' {
		n++
	}
	return (n == 1 || n == 2) && (n == len(rest) || rest[n] == '/')
}

// canonicalEscape reports whether rest begins with two digits, in upper case,
// of a byte that must be encoded.
func canonicalEscape(rest string) bool {
	if len(rest) < 2 || rest[0] >= 'a' || rest[1] >= 'a' {
		return false
	}
	high, low := unhex(rest[0]), unhex(rest[1])
	return high|low <= 15 && !plain[high<<4|low]
}

// encodes reports whether segment, of a canonical path, is name and nothing
// else. It is false for an empty name, and for . and .., which no path holds.
func encodes(segment, name string) bool {
	if name == "" || len(segment) < len(name) {
		return false
	}
	at := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case plain[c]:
			if at >= len(segment) || segment[at] != c {
				return false
			}
			at++
		default:
			if at+3 > len(segment) || segment[at] != '%' || segment[at+1] != upperHex[c>>4] || segment[at+2] != upperHex[c&15] {
				return false
			}
			at += 3
		}
	}
	return at == len(segment)
}
