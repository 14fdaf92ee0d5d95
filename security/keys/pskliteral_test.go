// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"strings"
	"testing"
)

func TestParseLiteral(t *testing.T) {
	for _, test := range []struct{ literal, want string }{
		{"hex:00ff", "\x00\xff"}, {"hex:00FF", "\x00\xff"}, {"0x6b", "k"}, {"b64:YWI=", "ab"}, {"b64:YWI", "ab"}, {"b64:-_8", "\xfb\xff"}, {"b64:+/8=", "\xfb\xff"},
		{"text:a:b", "a:b"}, {"text:0x00", "0x00"},
		{"", ""}, {"hex:", ""}, {"hex:0", ""}, {"hex:0g", ""}, {"0x", ""}, {"b64:", ""}, {"b64:*secret*", ""}, {"text:", ""}, {"secret", ""}, {"00112233445566778899aabbccddeeff", ""},
		{"HEX:00", ""}, {"hex:0x00", ""}, {"0xhex:00", ""},
	} {
		got, err := ParseLiteral(test.literal)
		if string(got.Bytes()) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: %q, %v", test.literal, got.Bytes(), err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "0011")) {
			t.Errorf("the key is in %v", err)
		}
		if err == nil {
			if again, err := ParseLiteral(string(AppendLiteral(nil, got))); err != nil || !again.Equal(got) {
				t.Errorf("%q: again %v", test.literal, err)
			}
		}
	}
}

// Every identity has one printable form, which is read as that identity.
func FuzzParseIdentity(f *testing.F) {
	for _, seed := range []string{"", "dev1", "\x00", "0x41", "zwölf", " a", "0x", "urn:imei:35"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, identity []byte) {
		got, err := ParseIdentity(PrintableIdentity(identity))
		if err != nil || string(got) != string(identity) || got == nil {
			t.Fatalf("%q: %q, %v", identity, got, err)
		}
	})
}
