// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/coaps-go/coaps/security/keys"
)

func testLabel(t testing.TB, identity string, key []byte) *label {
	psk, err := keys.NewPSK([]byte(identity), key)
	if err != nil {
		t.Fatal(err)
	}
	return &label{psk: psk, name: "sensor-7", tenant: "acme & söhne", server: "[2001:db8::1]:7777", serverKey: "ni:///sha-256-120;dFkeGZXc3VBB0bGtx4Vq"}
}

// What is in a label comes out of it, whatever the octets are, and the text is a
// URI without characters that somebody would have to escape.
func TestLabel(t *testing.T) {
	for _, identity := range []string{"sensor-7@acme", "urn:imei:1", "a b+c&d=e%f", "\x00\xff\n", "ñ", ""} {
		l := testLabel(t, identity, []byte{0, 1, 0xfe, 0xff, '=', '&'})
		text := l.uri()
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:?&=%") != "" {
			t.Errorf("%q is not safe in a URI", text)
		}
		if u, err := url.Parse(text); err != nil || u.Host != "" || u.Scheme != "coaps" {
			t.Errorf("%q: %v: it must not name a host", text, err)
		}
		back, err := parseLabel(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !bytes.Equal(back.psk.Identity, l.psk.Identity) || !back.psk.Key.Equal(l.psk.Key) || back.name != l.name ||
			back.tenant != l.tenant || back.server != l.server || back.serverKey != l.serverKey {
			t.Errorf("%q comes back as %q", text, back.uri())
		}
	}
}

func TestBadLabels(t *testing.T) {
	for _, text := range []string{"", "coaps://host/?i=a&k=AAAA", "coap:v1?i=a&k=AAAA", "coaps:v2?i=a&k=c2VjcmV0", "coaps:v1", "coaps:v1?i=a",
		"coaps:v1?i=a&k=c2VjcmV0!", "coaps:v1?i=a&k=c2VjcmV0&k=c2VjcmV0", "coaps:v1?i=%zz&k=c2VjcmV0", "v1?i=a"} {
		l, err := parseLabel(text)
		if err == nil {
			t.Errorf("%q is taken for %q", text, l.uri())
		} else if strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	if _, err := parseLabel("coaps:v1?i=a&k=c2VjcmV0&new=field"); err != nil {
		t.Errorf("a field of a later version: %v", err)
	}
}

func FuzzLabel(f *testing.F) {
	f.Add("coaps:v1?i=sensor-7&k=c2VjcmV0UFNL&n=sensor-7&t=acme&s=gw.example.net")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLabel(text)
		if err != nil {
			return
		}
		again, err := parseLabel(l.uri())
		if err != nil || again.uri() != l.uri() {
			t.Fatalf("%q is not the same again: %v", l.uri(), err)
		}
	})
}

// Each style draws the modules that the code has, with the quiet zone around.
func TestDrawQR(t *testing.T) {
	text := testLabel(t, "sensor-7", []byte("0123456789abcdef")).uri()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []string{qrColor, qrDark, qrLight} {
		drawn, err := drawQR(text, style)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		if want := (code.Size + 2*quietZone + 1) / 2; len(lines) != want {
			t.Fatalf("%s: %d lines, want %d", style, len(lines), want)
		}
		for n, line := range lines {
			if style == qrColor {
				line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
			}
			blocks := []rune(line)
			if len(blocks) != code.Size+2*quietZone {
				t.Fatalf("%s: line %d has %d modules", style, n, len(blocks))
			}
			for x, block := range blocks {
				upper, lower := strings.ContainsRune("█▀", block), strings.ContainsRune("█▄", block)
				y := 2*n - quietZone
				inverted := style == qrDark
				if (upper != inverted) != code.Black(x-quietZone, y) || (lower != inverted) != code.Black(x-quietZone, y+1) {
					t.Fatalf("%s: module %d, %d is wrong", style, x, y)
				}
			}
		}
	}
	if _, err := drawQR(strings.Repeat("x", 5000), qrDark); err == nil {
		t.Error("a text of 5000 octets fits into a code")
	}
}
