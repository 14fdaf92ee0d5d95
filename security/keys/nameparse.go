// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	wellKnownPath = "/.well-known/ni/"
	curlPrefix    = "sha256//" // curl --pinnedpubkey: padded base64 of the SHA-256 of the SPKI
	sshPrefix     = "SHA256:"  // the look of ssh-keygen -l, but over the SPKI and not over SSH's own key format
	maxNameText   = 1024       // longer than any name with a sensible authority and query
)

// NameError tells why a text is not a name.
type NameError struct {
	Text   string // the text, cut to 80 bytes
	Reason string
}

func (e *NameError) Error() string { return fmt.Sprintf("not a key name: %s: %q", e.Reason, e.Text) }

// ParseName reads the name of a public key in any of the forms in use:
//
//	ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi           RFC 6920 §3, an authority and a query are allowed and ignored
//	https://example.com/.well-known/ni/sha-256/Uya…  RFC 6920 §4
//	0x0353269057e12fe2b74ba07c892560a2               RFC 6920 §6, the binary form in hexadecimal
//	nih:sha-256-120;5326-9057-…-a2;f                 RFC 6920 §7, also nih:3;…; the check digit may be absent but not wrong
//	sha256//UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q=
//	SHA256:UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q
//
// It is strict: no spaces, no percent-encoding, no unused base64 bits, and a
// hash value of exactly the algorithm's length. Errors are of type *NameError.
func ParseName(s string) (Name, error) {
	n, reason := parseName(s)
	if reason != "" {
		return Name{}, &NameError{Text: s[:min(len(s), 80)], Reason: reason}
	}
	return n, nil
}

// nameForms tells the forms apart by how they begin. URI schemes are
// case-insensitive (RFC 3986 §3.1), the two fingerprint prefixes are not.
var nameForms = []struct {
	prefix string
	fold   bool
	parse  func(rest string) (Name, string)
}{
	{"ni://", true, parseNI},
	{"nih:", true, parseNIH},
	{"http://", true, parseWellKnown},
	{"https://", true, parseWellKnown},
	{"0x", false, parseHexBinary},
	{curlPrefix, false, parseFingerprint},
	{sshPrefix, false, parseFingerprint},
}

func parseName(s string) (Name, string) {
	if len(s) > maxNameText {
		return Name{}, "too long"
	}
	for _, f := range nameForms {
		if len(s) < len(f.prefix) {
			continue
		}
		head, rest := s[:len(f.prefix)], s[len(f.prefix):]
		if head == f.prefix || f.fold && strings.EqualFold(head, f.prefix) {
			return f.parse(rest)
		}
	}
	return Name{}, "no known form (ni:, nih:, sha256//, SHA256:, 0x)"
}

// parseNI reads what follows "ni://": [authority] "/" alg ";" val ["?" query].
func parseNI(rest string) (Name, string) {
	authority, path, ok := strings.Cut(rest, "/")
	if !ok {
		return Name{}, "no path after the authority"
	}
	if !validAuthority(authority) {
		return Name{}, "bad authority"
	}
	path, _, _ = strings.Cut(path, "?")
	alg, val, ok := strings.Cut(path, ";")
	if !ok {
		return Name{}, "no ';' between algorithm and value"
	}
	return parseBase64URL(alg, val)
}

// parseWellKnown reads what follows "https://":
// authority "/.well-known/ni/" alg "/" val ["?" query].
func parseWellKnown(rest string) (Name, string) {
	authority, path, ok := strings.Cut(rest, wellKnownPath)
	if !ok || authority == "" || !validAuthority(authority) {
		return Name{}, "not a " + wellKnownPath + " URL"
	}
	path, _, _ = strings.Cut(path, "?")
	alg, val, ok := strings.Cut(path, "/")
	if !ok {
		return Name{}, "no '/' between algorithm and value"
	}
	return parseBase64URL(alg, val)
}

// validAuthority accepts the characters of a URI authority. The authority says
// where to look for the thing, not which thing it is, so nothing else is asked.
func validAuthority(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/?#"<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

// parseBase64URL reads the value of a URI form: base64url without padding
// (RFC 6920 §3).
func parseBase64URL(algName, val string) (Name, string) {
	alg, ok := algorithmNamed(algName)
	if !ok {
		return Name{}, "unknown hash algorithm"
	}
	return decodeBase64(base64.RawURLEncoding, alg, val)
}

// parseFingerprint reads the base64 of a full SHA-256 value, with padding as
// curl prints it or without as ssh does.
func parseFingerprint(rest string) (Name, string) {
	return decodeBase64(base64.RawStdEncoding, SHA256, strings.TrimSuffix(rest, "="))
}

func decodeBase64(enc *base64.Encoding, alg Algorithm, val string) (Name, string) {
	// The decoder skips line breaks; a name has none.
	if strings.ContainsAny(val, "\r\n") {
		return Name{}, "bad base64"
	}
	value, err := enc.Strict().DecodeString(val)
	if err != nil {
		return Name{}, "bad base64"
	}
	return nameOfValue(alg, value)
}

// nameOfValue makes a Name of a hash value that was read somewhere.
func nameOfValue(alg Algorithm, value []byte) (Name, string) {
	if len(value) != alg.Size() {
		return Name{}, fmt.Sprintf("%s has %d bytes, not %d", alg, alg.Size(), len(value))
	}
	n := Name{alg: alg}
	copy(n.hash[:], value)
	return n, ""
}

// parseNIH reads what follows "nih:": alg ";" digits [";" check], where alg is
// a name or a decimal suite identifier and digits may hold "-" anywhere
// (RFC 6920 §7). Upper-case digits are taken too: the form is for people.
func parseNIH(rest string) (Name, string) {
	algText, digits, ok := strings.Cut(rest, ";")
	if !ok {
		return Name{}, "no ';' between algorithm and value"
	}
	alg, ok := speakableAlgorithm(algText)
	if !ok {
		return Name{}, "unknown hash algorithm"
	}
	digits, check, hasCheck := strings.Cut(digits, ";")
	digits = strings.ReplaceAll(digits, "-", "")
	value, err := hex.DecodeString(digits)
	if err != nil {
		return Name{}, "bad hexadecimal value"
	}
	if hasCheck && (len(check) != 1 || hexValue(check[0]) != hexValue(checkDigit(digits))) {
		return Name{}, "wrong check digit"
	}
	return nameOfValue(alg, value)
}

// speakableAlgorithm reads the algorithm of a nih URI: the registry's name or
// its decimal suite identifier.
func speakableAlgorithm(s string) (Algorithm, bool) {
	if id, err := strconv.ParseUint(s, 10, 8); err == nil && strconv.FormatUint(id, 10) == s {
		return Algorithm(id), Algorithm(id).known()
	}
	return algorithmNamed(s)
}

func parseHexBinary(rest string) (Name, string) {
	b, err := hex.DecodeString(rest)
	if err != nil {
		return Name{}, "bad hexadecimal value"
	}
	return parseBinary(b)
}

// ParseBinaryName reads the binary form of a name (RFC 6920 §6), which is one
// byte with the suite identifier and then the hash value. The two reserved
// bits must be 0. Errors are of type *NameError.
func ParseBinaryName(b []byte) (Name, error) {
	n, reason := parseBinary(b)
	if reason != "" {
		return Name{}, &NameError{Text: hex.EncodeToString(b[:min(len(b), 40)]), Reason: reason}
	}
	return n, nil
}

func parseBinary(b []byte) (Name, string) {
	if len(b) == 0 {
		return Name{}, "empty"
	}
	alg := Algorithm(b[0])
	if !alg.known() {
		return Name{}, "unknown suite identifier"
	}
	return nameOfValue(alg, b[1:])
}
