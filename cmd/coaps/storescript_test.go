// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// traces are the forms in which octets can stand in a file: raw, hexadecimal, and
// both alphabets of base64, wherever in a text that begins.
func traces(secret []byte) [][]byte {
	all := [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret)))}
	for skip := range 3 {
		// Of what is around it only whole groups of three octets are left out.
		whole := secret[skip:]
		whole = whole[:len(whole)-len(whole)%3]
		all = append(all, []byte(base64.StdEncoding.EncodeToString(whole)), []byte(base64.URLEncoding.EncodeToString(whole)))
	}
	return all
}

func found(file, secret []byte) bool {
	for _, trace := range traces(secret) {
		if bytes.Contains(file, trace) {
			return true
		}
	}
	return false
}

// cmdAbsent: absent FILE HEX wants no trace of these octets in the file.
func cmdAbsent(ts *testscript.TestScript, neg bool, args []string) {
	secret, err := hex.DecodeString(args[1])
	ts.Check(err)
	if there := found([]byte(ts.ReadFile(args[0])), secret); there != neg {
		ts.Fatalf("%s has %s: %v", args[0], args[1], there)
	}
}

// cmdRecipient: recipient FILE VAR sets VAR to the recipient of an age identity.
func cmdRecipient(ts *testscript.TestScript, _ bool, args []string) {
	_, rest, _ := strings.Cut(ts.ReadFile(args[0]), "# public key: ")
	text, _, ok := strings.Cut(rest, "\n")
	if !ok {
		ts.Fatalf("%s has no public key", args[0])
	}
	ts.Setenv(args[1], text)
}

// The search finds what it should.
func TestTraces(t *testing.T) {
	secret := []byte("\xfb\xff\xfe0123456789\xff\xbf\x00")
	for _, before := range []string{"", "a", "ab", "abc"} {
		for _, after := range []string{"", "x", "xy"} {
			all := before + string(secret) + after
			for _, text := range []string{all, hex.EncodeToString([]byte(all)), base64.StdEncoding.EncodeToString([]byte(all)), base64.RawURLEncoding.EncodeToString([]byte(all))} {
				if !found([]byte(text), secret) {
					t.Errorf("not found in %q", text)
				}
			}
		}
	}
	if found([]byte("something else"), secret) {
		t.Error("found where it is not")
	}
}
