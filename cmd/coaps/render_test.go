// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/coaps-go/coaps/coap"
)

func TestRenderPayload(t *testing.T) {
	cborMap := "\xa1\x61a\x01"
	for _, c := range []struct {
		name     string
		format   string
		terminal bool
		content  int // content format, -1: none
		payload  string
		want     string
	}{
		{"a pipe gets the bytes", "auto", false, 0, "21.5", "21.5"},
		{"a pipe gets binary raw", "auto", false, 42, "\x00\xff", "\x00\xff"},
		{"a terminal gets a newline", "auto", true, 0, "21.5", "21.5\n"},
		{"but not a second one", "auto", true, 0, "21.5\n", "21.5\n"},
		{"text without a format", "auto", true, -1, "21.5", "21.5\n"},
		{"nothing stays nothing", "auto", true, 0, "", ""},
		{"JSON is indented", "auto", true, 50, `{"a":1}`, "{\n  \"a\": 1\n}\n"},
		{"broken JSON is text", "auto", true, 50, `{"a":`, "{\"a\":\n"},
		{"CBOR is shown as EDN", "auto", true, 60, cborMap, "{\"a\": 1}\n"},
		{"links stand one a line", "auto", true, 40, `</a>,</b>;rt="x,y"`, "</a>,\n</b>;rt=\"x,y\"\n"},
		{"raw on a terminal", "raw", true, 42, "\x00\xff", "\x00\xff"},
		{"hex", "hex", false, 42, "\x00\xff", "00ff\n"},
		{"CBOR as JSON", "json", false, 60, cborMap, "{\n  \"a\": 1\n}\n"},
		{"CBOR byte strings as base64url", "json", false, 60, "\x42\xff\xef", "\"_-8\"\n"},
		{"text as JSON", "json", false, 0, `a"b`, "\"a\\\"b\"\n"},
		{"CBOR as EDN", "edn", false, 60, "\x42\xff\xef", "h'ffef'\n"},
		{"binary as EDN", "edn", false, 42, "\xff", "h'ff'\n"},
		{"text escapes", "text", false, 42, "a\x1b[2J\xffb\tc\n", "a\\x1b[2J\\xffb\tc\n"},
	} {
		format, present := coap.ContentFormat(0), c.content >= 0
		if present {
			format = coap.ContentFormat(c.content)
		}
		payload := []byte(c.payload)
		got, err := renderPayload(c.format, c.terminal, kindOf(format, present, payload), payload)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		format  string
		kind    payloadKind
		payload string
	}{
		{"json", kindJSON, "{"}, {"json", kindCBOR, "\xff"}, {"edn", kindCBOR, "\xff"}, {"json", kindBinary, "\xff"},
	} {
		if got, err := renderPayload(c.format, false, c.kind, []byte(c.payload)); err == nil {
			t.Errorf("--format %s took %q: %q", c.format, c.payload, got)
		}
	}
}

// Whatever a server sends, no byte of it drives the terminal.
func FuzzRenderForTerminal(f *testing.F) {
	f.Add(0, []byte("plain\x1b[31m"))
	f.Add(50, []byte(`{"a":"`+"\u009b"+`2J"}`))
	f.Add(60, []byte("\x63\x1b[m"))
	f.Add(40, []byte("</a>,</\x07>"))
	f.Fuzz(func(t *testing.T, content int, payload []byte) {
		kind := kindOf(coap.ContentFormat(content), true, payload)
		shown, err := renderPayload(formatAuto, true, kind, payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(shown) {
			if isControl(r) && r != '\n' && r != '\t' && r != '\r' {
				t.Fatalf("control character %U in %q", r, shown)
			}
		}
	})
}

func TestOneLine(t *testing.T) {
	got := oneLine("a\nb\x1b[2J\u202e\u009b")
	if want := `a\nb\x1b[2J\u202e\x9b`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPalette(t *testing.T) {
	env := func(values map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	}
	for _, c := range []struct {
		mode     string
		terminal bool
		env      map[string]string
		want     bool
	}{
		{"auto", true, nil, true},
		{"auto", false, nil, false},
		{"auto", true, map[string]string{"NO_COLOR": "1"}, false},
		{"auto", true, map[string]string{"NO_COLOR": ""}, true},
		{"auto", true, map[string]string{"TERM": "dumb"}, false},
		{"always", false, map[string]string{"NO_COLOR": "1"}, true},
		{"never", true, nil, false},
	} {
		painted := newPalette(c.mode, c.terminal, env(c.env)).bad("x")
		if strings.Contains(painted, "\x1b") != c.want {
			t.Errorf("%+v: %q", c, painted)
		}
	}
}
