// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// keyForms is the help text for every flag that takes a key literal.
const keyForms = "0xHEX, hex:HEX, b64:BASE64, text:TEXT, @FILE, env:VAR, - (ask, without echo), or plain text"

// keySources is where a key literal may point to.
type keySources struct {
	readSecret func(path string) ([]byte, error) // refuses files that others can read
	env        func(name string) (string, bool)
	prompt     func() ([]byte, error) // for "-"
	warn       func(format string, args ...any)
}

// errEmptyKey is what an empty literal, file or variable ends in.
var errEmptyKey = errors.New("the key is empty")

// resolve turns a key literal from the command line into key bytes.
func (s *keySources) resolve(literal string) ([]byte, error) {
	switch {
	case literal == "-":
		return s.fromPrompt()
	case strings.HasPrefix(literal, "@"):
		return s.fromFile(literal[1:])
	case strings.HasPrefix(literal, "env:"):
		return s.fromEnv(literal[len("env:"):])
	}
	return s.decode(literal)
}

// fromPrompt takes what was typed; the same forms are understood, without the
// ones that point elsewhere.
func (s *keySources) fromPrompt() ([]byte, error) {
	typed, err := s.prompt()
	if err != nil {
		return nil, err
	}
	defer clear(typed)
	return s.decode(strings.TrimRight(string(typed), "\r\n"))
}

// fromFile reads a key from a file: a literal on one line, or, when the content
// is not text, the raw bytes.
func (s *keySources) fromFile(path string) ([]byte, error) {
	content, err := s.readSecret(path)
	if err != nil {
		return nil, err
	}
	text := strings.TrimRight(string(content), "\r\n")
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return content, nil
	}
	defer clear(content)
	return s.decode(text)
}

func (s *keySources) fromEnv(name string) ([]byte, error) {
	value, ok := s.env(name)
	if !ok {
		return nil, fmt.Errorf("the environment has no variable %s", name)
	}
	return s.decode(value)
}

// decode handles the forms that hold the key themselves.
func (s *keySources) decode(literal string) ([]byte, error) {
	key, err := s.decodeForm(literal)
	if err == nil && len(key) == 0 {
		return nil, errEmptyKey
	}
	return key, err
}

func (s *keySources) decodeForm(literal string) ([]byte, error) {
	for _, prefix := range []string{"0x", "0X", "hex:"} {
		if rest, ok := strings.CutPrefix(literal, prefix); ok {
			return decodeHexKey(rest)
		}
	}
	if rest, ok := strings.CutPrefix(literal, "b64:"); ok {
		return decodeBase64Key(rest)
	}
	if rest, ok := strings.CutPrefix(literal, "text:"); ok {
		return []byte(rest), nil
	}
	if looksLikeHexKey(literal) {
		s.warn("the key is %d hexadecimal digits but is used as text; write 0x in front if you mean bytes", len(literal))
	}
	return []byte(literal), nil
}

// decodeHexKey never repeats the digits in its error: they are a secret.
func decodeHexKey(digits string) ([]byte, error) {
	key, err := hex.DecodeString(digits)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, fmt.Errorf("a key in hex has an even number of digits, this one has %d", len(digits))
	case err != nil:
		return nil, errors.New("a key in hex holds 0-9 and a-f only")
	}
	return key, nil
}

// decodeBase64Key takes the standard and the URL alphabet, padded or not.
func decodeBase64Key(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the key is not base64")
	}
	return key, nil
}

// looksLikeHexKey is the classic trap: openssl's -psk is hex, libcoap's -k is
// text, and 32 or 64 hex digits are an AES key written down.
func looksLikeHexKey(s string) bool {
	if len(s) != 32 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// looksLikeMistakenInsecure tells when -k swallowed a URI or a flag: with curl -k
// means insecure, here it takes the key.
func looksLikeMistakenInsecure(literal string) bool {
	if strings.Contains(literal, "://") {
		return true
	}
	return len(literal) > 1 && literal[0] == '-'
}
