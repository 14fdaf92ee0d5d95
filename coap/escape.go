// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A charClass is a set of character sets of RFC 3986 that a character belongs
// to.
type charClass uint8

const (
	unreserved charClass = 1 << iota // ALPHA DIGIT - . _ ~
	subDelims                        // ! $ & ' ( ) * + , ; =
	atColon                          // : @
	slashQuery                       // / ?
	ampersand                        // &
)

// What may stand unescaped in each component (RFC 7252 sections 6.4 and 6.5).
const (
	regName   = unreserved | subDelims
	pathChar  = unreserved | subDelims | atColon
	queryChar = unreserved | subDelims | atColon | slashQuery
)

var charClasses = func() (classes [256]charClass) {
	add := func(chars string, class charClass) {
		for i := range len(chars) {
			classes[chars[i]] |= class
		}
	}
	add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", unreserved)
	add("!$&'()*+,;=", subDelims)
	add(":@", atColon)
	add("/?", slashQuery)
	add("&", ampersand)
	return classes
}()

func (c charClass) contains(b byte) bool { return charClasses[b]&c != 0 }

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s with each byte that is not in safe percent-encoded,
// in upper case as RFC 7252 section 6.5 demands.
func appendEscaped[S ~string | ~[]byte](dst []byte, s S, safe charClass) []byte {
	start := 0
	for i := range len(s) {
		if !safe.contains(s[i]) {
			dst = appendEscapedByte(append(dst, s[start:i]...), s[i], false)
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

// appendEscapedArgument is appendEscaped for one argument of a query, in which
// an ampersand would end it (RFC 7252 section 6.5 step 8).
func appendEscapedArgument[S ~string | ~[]byte](dst []byte, s S) []byte {
	for i := range len(s) {
		dst = appendEscapedByte(dst, s[i], queryChar.contains(s[i]) && !ampersand.contains(s[i]))
	}
	return dst
}

// appendEscapedNonASCII percent-encodes nothing but bytes beyond ASCII.
func appendEscapedNonASCII(dst, s []byte) []byte {
	for _, b := range s {
		dst = appendEscapedByte(dst, b, b < utf8.RuneSelf)
	}
	return dst
}

func appendEscapedByte(dst []byte, b byte, safe bool) []byte {
	if safe {
		return append(dst, b)
	}
	return append(dst, '%', upperHex[b>>4], upperHex[b&15])
}

var errEscape = errors.New("% must be followed by two hexadecimal digits")

// unescape checks that each character of s is in allowed or percent-encoded,
// and decodes the latter, once.
func unescape(s string, allowed charClass) (string, error) {
	if !strings.Contains(s, "%") {
		return s, checkChars(s, allowed)
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '%':
			if err := checkChars(s[i:i+1], allowed); err != nil {
				return "", err
			}
			decoded = append(decoded, s[i])
		case i+2 >= len(s):
			return "", errEscape
		default:
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high|low > 15 {
				return "", errEscape
			}
			decoded = append(decoded, high<<4|low)
			i += 2
		}
	}
	return string(decoded), nil
}

func checkChars(s string, allowed charClass) error {
	for i := range len(s) {
		if !allowed.contains(s[i]) {
			return errors.New(string(appendEscapedByte([]byte("character must be written "), s[i], false)))
		}
	}
	return nil
}

// unhex returns the value of a hexadecimal digit, 0xff for another byte.
func unhex(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10
	}
	return 0xff
}
