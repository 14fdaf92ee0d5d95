// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// ParseIdentity reads an identity as PrintableIdentity shows it: "0x" and
// hexadecimal digits are octets, anything else is itself.
func ParseIdentity(s string) ([]byte, error) {
	digits, isHex := strings.CutPrefix(s, "0x")
	if !isHex {
		return []byte(s), nil
	}
	identity, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errors.New("an identity after 0x holds an even number of the digits 0-9 and a-f")
	}
	return identity, nil
}

// ParseLiteral reads a secret as files hold it: hex: (or 0x) and hexadecimal
// digits, b64: and base64 in the standard or the URL alphabet, padded or not,
// or text: and the octets themselves. Nothing else is taken, because 32
// hexadecimal digits without a word before them could be either. Errors do not
// quote the literal.
func ParseLiteral(literal string) (Secret, error) {
	b, err := decodeLiteral(literal)
	defer clear(b)
	switch {
	case err != nil:
		return Secret{}, err
	case len(b) == 0:
		return Secret{}, errors.New("the key is empty")
	}
	return NewSecret(b), nil
}

func decodeLiteral(literal string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(literal, "0x"); ok {
		return decodeHexLiteral(digits)
	}
	form, rest, _ := strings.Cut(literal, ":")
	switch form {
	case "hex":
		return decodeHexLiteral(rest)
	case "b64":
		b, err := base64.RawStdEncoding.DecodeString(toStdAlphabet(rest))
		if err != nil {
			return nil, errors.New("the key is not base64")
		}
		return b, nil
	case "text":
		return []byte(rest), nil
	}
	return nil, errors.New("a key is written as hex:…, b64:… or text:…")
}

func decodeHexLiteral(digits string) ([]byte, error) {
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errors.New("a key in hexadecimal holds an even number of the digits 0-9 and a-f")
	}
	return b, nil
}

func toStdAlphabet(s string) string {
	return strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
}

// AppendLiteral appends the hex: form of a secret, in the clear: what it is
// written to belongs to its owner alone.
func AppendLiteral(dst []byte, s Secret) []byte {
	return hex.AppendEncode(append(dst, "hex:"...), s.Bytes())
}
