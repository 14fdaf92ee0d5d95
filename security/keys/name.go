// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Algorithm is a suite of the Named Information Hash Algorithm Registry
// (RFC 6920 §9.4). Its value is the suite identifier of the binary form.
type Algorithm uint8

// The SHA-256 suites of the registry. SHA256_120 is the one that RFC 7252
// §9.1.3.2.1 makes mandatory; anything shorter is read and printed, but no
// longer taken as a pin (see Pins).
const (
	SHA256     Algorithm = 1
	SHA256_128 Algorithm = 2
	SHA256_120 Algorithm = 3
	SHA256_96  Algorithm = 4
	SHA256_64  Algorithm = 5
	SHA256_32  Algorithm = 6
)

// algorithms holds the registry's rows by suite identifier. All of them
// truncate one SHA-256 value, which is why a single hash serves every form.
var algorithms = [...]struct {
	name string
	size int // length of the hash value in bytes
}{
	SHA256:     {"sha-256", 32},
	SHA256_128: {"sha-256-128", 16},
	SHA256_120: {"sha-256-120", 15},
	SHA256_96:  {"sha-256-96", 12},
	SHA256_64:  {"sha-256-64", 8},
	SHA256_32:  {"sha-256-32", 4},
}

func (a Algorithm) known() bool { return a >= SHA256 && int(a) < len(algorithms) }

// String returns the name in the registry, such as "sha-256-120".
func (a Algorithm) String() string {
	if !a.known() {
		return "suite-" + strconv.Itoa(int(a))
	}
	return algorithms[a].name
}

// Size returns the length of the hash value in bytes, 0 for an unknown suite.
func (a Algorithm) Size() int {
	if !a.known() {
		return 0
	}
	return algorithms[a].size
}

// algorithmNamed finds a suite by the name of the registry, which is
// case-sensitive.
func algorithmNamed(s string) (Algorithm, bool) {
	for a := SHA256; a.known(); a++ {
		if algorithms[a].name == s {
			return a, true
		}
	}
	return 0, false
}

// Name is what RFC 6920 calls a thing by: a hash algorithm and the hash of
// the thing, here of a DER SubjectPublicKeyInfo. It is the identity of a
// RawPublicKey node (RFC 7252 §9.1.3.2.1). A Name is comparable and can be a
// map key; the authority and the query of the URI it was read from are not
// part of it, as RFC 6920 §2 has it. The zero Name names nothing.
type Name struct {
	alg  Algorithm
	hash [sha256.Size]byte // the first alg.Size() bytes count, the rest is 0
}

// NameOf returns the name of the public key spki, a DER SubjectPublicKeyInfo,
// under alg. It panics if alg is not one of this package's constants.
func NameOf(spki []byte, alg Algorithm) Name {
	if !alg.known() {
		panic("keys: unknown name algorithm " + alg.String())
	}
	return nameOfHash(sha256.Sum256(spki), alg)
}

func nameOfHash(sum [sha256.Size]byte, alg Algorithm) Name {
	n := Name{alg: alg}
	copy(n.hash[:], sum[:alg.Size()])
	return n
}

// Algorithm returns the suite of the name, 0 for the zero Name.
func (n Name) Algorithm() Algorithm { return n.alg }

// IsZero reports whether n names nothing.
func (n Name) IsZero() bool { return n == Name{} }

// Bits returns the length of the hash value in bits.
func (n Name) Bits() int { return 8 * n.alg.Size() }

func (n Name) value() []byte { return n.hash[:n.alg.Size()] }

// Matches reports whether n is the name of the public key spki, a DER
// SubjectPublicKeyInfo. The hash values are compared in constant time.
func (n Name) Matches(spki []byte) bool {
	if n.IsZero() {
		return false
	}
	sum := sha256.Sum256(spki)
	return subtle.ConstantTimeCompare(n.value(), sum[:n.alg.Size()]) == 1
}

// String returns the ni URI without an authority (RFC 6920 §3), such as
// "ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi", and "" for the zero Name.
func (n Name) String() string { return n.URI("") }

// URI returns the ni URI with the given authority, which may be empty.
func (n Name) URI(authority string) string {
	if n.IsZero() {
		return ""
	}
	return "ni://" + authority + "/" + n.alg.String() + ";" + n.base64url()
}

// WellKnown returns the URL at which an HTTP server at authority would offer
// the named thing (RFC 6920 §4), or "" for the zero Name.
func (n Name) WellKnown(authority string) string {
	if n.IsZero() {
		return ""
	}
	return "https://" + authority + wellKnownPath + n.alg.String() + "/" + n.base64url()
}

func (n Name) base64url() string { return base64.RawURLEncoding.EncodeToString(n.value()) }

// Binary returns the binary form (RFC 6920 §6): one byte, two reserved bits
// that are 0 and the suite identifier, then the hash value. For SHA256_120
// that is 16 bytes. It returns nil for the zero Name.
func (n Name) Binary() []byte {
	if n.IsZero() {
		return nil
	}
	return append([]byte{byte(n.alg)}, n.value()...)
}

// NIH returns the human-speakable form (RFC 6920 §7) with groups of four
// digits and a check digit, such as
// "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f".
func (n Name) NIH() string {
	if n.IsZero() {
		return ""
	}
	digits := hex.EncodeToString(n.value())
	return "nih:" + n.alg.String() + ";" + grouped(digits) + ";" + string(checkDigit(digits))
}

// grouped cuts s into groups of four characters with "-" between them.
func grouped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

// checkDigit computes the check digit of RFC 6920 §7 over hexadecimal digits
// without separators: Luhn's algorithm modulo 16 (ISO/IEC 7812).
func checkDigit(digits string) byte {
	sum, factor := 0, 2
	for i := len(digits) - 1; i >= 0; i-- {
		product := factor * hexValue(digits[i])
		sum += product/16 + product%16
		factor = 3 - factor
	}
	return "0123456789abcdef"[(16-sum%16)%16]
}

// hexValue returns the value of a hexadecimal digit, -1 for anything else.
func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// MarshalText returns the ni URI.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads any form that ParseName reads.
func (n *Name) UnmarshalText(text []byte) error {
	parsed, err := ParseName(string(text))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}

// Form is one way of writing the name of a key.
type Form struct {
	Label string // what the form is called, such as "ni sha-256-120"
	Text  string // what to write; ParseName reads it back
}

// Forms lists all ways of writing the name of the public key spki, a DER
// SubjectPublicKeyInfo, the mandatory one first.
func Forms(spki []byte) []Form {
	full, short := NameOf(spki, SHA256), NameOf(spki, SHA256_120)
	std := base64.StdEncoding.EncodeToString(full.value())
	return []Form{
		{"ni sha-256-120", short.String()},
		{"ni sha-256", full.String()},
		{"nih sha-256-120", short.NIH()},
		{"nih suite 3", fmt.Sprintf("nih:%d;%s", short.alg, strings.TrimPrefix(short.NIH(), "nih:"+short.alg.String()+";"))},
		{"nih sha-256", full.NIH()},
		{"binary sha-256-120", "0x" + hex.EncodeToString(short.Binary())},
		{"binary sha-256", "0x" + hex.EncodeToString(full.Binary())},
		{"curl pin", curlPrefix + std},
		{"ssh look", sshPrefix + strings.TrimRight(std, "=")},
	}
}
