// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// literalSources points to fixed files and variables.
func literalSources(warnings *[]string) *keySources {
	return &keySources{
		readSecret: func(path string) ([]byte, error) {
			files := map[string]string{
				"hex":   "0x616263\n",
				"text":  "secret\r\n",
				"raw":   "\xff\x00\x01\n",
				"empty": "\n",
				"again": "@hex\n",
			}
			if content, ok := files[path]; ok {
				return []byte(content), nil
			}
			return nil, errors.New("no such file")
		},
		env: func(name string) (string, bool) {
			return "b64:YWJj", name == "KEY"
		},
		prompt: func() ([]byte, error) { return []byte("hex:616263"), nil },
		warn: func(format string, args ...any) {
			*warnings = append(*warnings, fmt.Sprintf(format, args...))
		},
	}
}

func TestKeyLiteral(t *testing.T) {
	for _, c := range []struct {
		literal, want string
		warned        bool
	}{
		{literal: "0x616263", want: "abc"},
		{literal: "0X616263", want: "abc"},
		{literal: "hex:616263", want: "abc"},
		{literal: "b64:YWJj", want: "abc"},
		{literal: "b64:YQ==", want: "a"},
		{literal: "b64:YQ", want: "a"},
		{literal: "b64:_-8", want: "\xff\xef"},
		{literal: "b64:/+8=", want: "\xff\xef"},
		{literal: "text:0x616263", want: "0x616263"},
		{literal: "text:-n", want: "-n"},
		{literal: "secretPSK", want: "secretPSK"},
		{literal: "@hex", want: "abc"},
		{literal: "@text", want: "secret"},
		{literal: "@raw", want: "\xff\x00\x01\n"},
		{literal: "@again", want: "@hex"}, // a file does not point to another
		{literal: "env:KEY", want: "abc"},
		{literal: "-", want: "abc"},
		{literal: "00112233445566778899aabbccddeeff", want: "00112233445566778899aabbccddeeff", warned: true},
		{literal: strings.Repeat("Ab", 32), want: strings.Repeat("Ab", 32), warned: true},
		{literal: "text:00112233445566778899aabbccddeeff", want: "00112233445566778899aabbccddeeff"},
		{literal: "00112233445566778899aabbccddee", want: "00112233445566778899aabbccddee"},
	} {
		var warnings []string
		got, err := literalSources(&warnings).resolve(c.literal)
		if err != nil || string(got) != c.want || (len(warnings) > 0) != c.warned {
			t.Errorf("%q: %q, %v, warnings %q; want %q", c.literal, got, err, warnings, c.want)
		}
		if strings.Contains(strings.Join(warnings, " "), c.literal) {
			t.Errorf("%q: the warning repeats the key", c.literal)
		}
	}
}

// The errors say what is wrong with a key and never what it is.
func TestKeyLiteralErrors(t *testing.T) {
	for _, literal := range []string{
		"", "0x", "0x123", "0xsecret", "hex:zz", "b64:***", "b64:", "text:", "@missing", "@empty", "env:NONE",
	} {
		var warnings []string
		got, err := literalSources(&warnings).resolve(literal)
		if err == nil {
			t.Errorf("%q: accepted as %q", literal, got)
			continue
		}
		_, secret, _ := strings.Cut(literal, "x")
		if len(secret) > 3 && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the error repeats the key: %v", literal, err)
		}
	}
}

func TestLooksLikeMistakenInsecure(t *testing.T) {
	for literal, want := range map[string]bool{
		"coaps://gw/hello": true, "-n": true, "--insecure": true, "-": false, "": false,
		"secretPSK": false, "0x00": false, "@key": false, "text:-n": false,
	} {
		if got := looksLikeMistakenInsecure(literal); got != want {
			t.Errorf("%q: %v, want %v", literal, got, want)
		}
	}
}

func FuzzKeyLiteral(f *testing.F) {
	for _, seed := range []string{"0x616263", "hex:", "b64:YQ==", "text:x", "@hex", "env:KEY", "-", "0x0", strings.Repeat("0", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		var warnings []string
		key, err := literalSources(&warnings).resolve(literal)
		if (err == nil) != (len(key) > 0) {
			t.Fatalf("%q: %q, %v", literal, key, err)
		}
	})
}
