// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPSKLine is the longest line of a PSK file in bytes: identity and key of
// the greatest length, both in hexadecimal.
const maxPSKLine = 2*MaxPSKIdentityLen + 2*MaxPSKLen + 16

// LineError reports the line of a text file that could not be read. It does
// not quote the line, which may hold a secret.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the line.
func (e *LineError) Unwrap() error { return e.Err }

// byteOrderMark is what some editors put before UTF-8; it is no part of an
// identity.
var byteOrderMark = []byte("\xef\xbb\xbf")

// ParsePSKFile reads the password file of GnuTLS's psktool: one key a line,
//
//	identity:HEXKEY
//	#HEXIDENTITY:HEXKEY
//
// The key is what follows the last ":", so that identities such as
// urn:imei:35… need no escaping; psktool itself writes them in the second
// form. Empty lines are skipped, and so are comments, which are "#" followed
// by a space, as no identity in hexadecimal begins with one. A line may end
// with CR LF. An identity must not occur twice. Errors are of type *LineError
// unless r fails.
func ParsePSKFile(r io.Reader) ([]PSK, error) {
	lines := bufio.NewScanner(r)
	// One buffer for the longest line, because the scanner would leave the
	// smaller ones behind with keys in them.
	buffer := make([]byte, maxPSKLine)
	lines.Buffer(buffer, maxPSKLine)
	defer clear(buffer)
	var psks []PSK
	seen := make(map[string]int) // line by identity
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimRight(lines.Bytes(), " \t\r")
		if n == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(line) == 0 || bytes.HasPrefix(line, []byte("# ")) || string(line) == "#" {
			continue
		}
		p, err := ParsePSKLine(line)
		if err == nil && seen[string(p.Identity)] != 0 {
			err = fmt.Errorf("identity %s is on line %d already", PrintableIdentity(p.Identity), seen[string(p.Identity)])
		}
		if err != nil {
			return nil, &LineError{n, err}
		}
		seen[string(p.Identity)] = n
		psks = append(psks, p)
	}
	if err := lines.Err(); err != nil {
		return nil, &LineError{n + 1, err}
	}
	return psks, nil
}

// LoadPSKFile reads a PSK file that its owner alone can read, see
// ParsePSKFile and ReadSecretFile.
func LoadPSKFile(path string) ([]PSK, error) {
	return loadSecret(path, func(data []byte) ([]PSK, error) { return ParsePSKFile(bytes.NewReader(data)) })
}

// ParsePSKLine reads one line in the form of ParsePSKFile, without its end; it
// must be neither empty nor a comment. Errors do not quote the line.
func ParsePSKLine(line []byte) (PSK, error) {
	colon := bytes.LastIndexByte(line, ':')
	if colon < 0 {
		return PSK{}, errors.New("no ':' between identity and key")
	}
	identity, hexKey := line[:colon], line[colon+1:]
	if len(identity) > 0 && identity[0] == '#' {
		decoded, err := hex.AppendDecode(nil, identity[1:])
		if err != nil {
			return PSK{}, errors.New("identity after '#' is not hexadecimal (a comment needs a space after '#')")
		}
		identity = decoded
	}
	key, err := hex.AppendDecode(nil, hexKey)
	defer clear(key)
	if err != nil {
		return PSK{}, errors.New("key is not hexadecimal")
	}
	return NewPSK(identity, key)
}

// AppendPSKLine appends the line of p in the form of ParsePSKFile, newline
// included, in the way psktool would write it. It writes the key in the
// clear: the file belongs to its owner alone (see WriteSecretFile).
func AppendPSKLine(dst []byte, p PSK) []byte {
	if plainInFile(p.Identity) {
		dst = append(dst, p.Identity...)
	} else {
		dst = append(dst, '#')
		dst = hex.AppendEncode(dst, p.Identity)
	}
	dst = append(dst, ':')
	dst = hex.AppendEncode(dst, p.Key.Bytes())
	return append(dst, '\n')
}

// plainInFile reports whether an identity means itself in a PSK file, for us
// and for GnuTLS, which ends the identity at the first ":".
func plainInFile(identity []byte) bool {
	s := string(identity)
	return s == "" || printable(s) && s[0] != '#' && !strings.Contains(s, ":")
}
