// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/coap"
)

func TestParseBind(t *testing.T) {
	for _, c := range []struct {
		spec string
		want bind
	}{
		{":5683", bind{"", 5683, 5684, false}},
		{"127.0.0.1", bind{"127.0.0.1", 5683, 5684, false}},
		{"127.0.0.1:7000", bind{"127.0.0.1", 7000, 7001, false}},
		{"::1", bind{"::1", 5683, 5684, false}},
		{"[::1]", bind{"::1", 5683, 5684, false}},
		{"[::1]:7000", bind{"::1", 7000, 7001, false}},
		{"gw.example", bind{"gw.example", 5683, 5684, false}},
		{"127.0.0.1:0", bind{"127.0.0.1", 0, 0, false}},
		{"coap://127.0.0.1", bind{"127.0.0.1", 5683, notServed, false}},
		{"coaps://127.0.0.1", bind{"127.0.0.1", notServed, 5684, false}},
		{"coaps://:7000", bind{"", notServed, 7000, false}},
		{"coaps://[::]:7000/", bind{"::", notServed, 7000, false}},
	} {
		got, err := parseBind(c.spec)
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.spec, got, err, c.want)
		}
	}
	for _, spec := range []string{":65535", ":65536", "127.0.0.1:x", "http://127.0.0.1", "1:2:3", "127.0.0.1:-1"} {
		if got, err := parseBind(spec); err == nil {
			t.Errorf("%q was taken for %+v", spec, got)
		}
	}
}

func TestLocalAddress(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:0", "127.0.0.1:7": "127.0.0.1:7", ":7": ":7",
		"::1": "[::1]:0", "[::1]": "[::1]:0", "[::1]:7": "[::1]:7",
	} {
		if got, err := localAddress(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "host", "1.2.3.4:99999", "a:b:c"} {
		if got, err := localAddress(text); err == nil {
			t.Errorf("%q was taken for %q", text, got)
		}
	}
}

func TestParseOption(t *testing.T) {
	for _, c := range []struct {
		spec   string
		number coap.OptionNumber
		value  string
	}{
		{"Uri-Query,rt=x,y", coap.URIQuery, "rt=x,y"},
		{"15,a=b", coap.URIQuery, "a=b"},
		{"Max-Age,0", coap.MaxAge, ""},
		{"Max-Age,256", coap.MaxAge, "\x01\x00"},
		{"ETag,0x0102", coap.ETag, "\x01\x02"},
		{"ETag,abc", coap.ETag, "abc"},
		{"If-None-Match", coap.IfNoneMatch, ""},
		{"65001,0xff", 65001, "\xff"},
		{"65001,text", 65001, "text"},
		{"65001", 65001, ""},
	} {
		got, err := parseOption(c.spec)
		if err != nil || got.Number != c.number || string(got.Value) != c.value {
			t.Errorf("%q: %v, %v", c.spec, got, err)
		}
	}
	for _, spec := range []string{"", "nope,1", "65536,x", "Max-Age", "Max-Age,x", "Max-Age,4294967296", "ETag,0x0", "ETag,123456789", "If-None-Match,x"} {
		if got, err := parseOption(spec); err == nil {
			t.Errorf("%q was taken for %v", spec, got)
		}
	}
}

func TestOptionListIsSorted(t *testing.T) {
	f := messageFlags{contentFormat: "json", accept: "cbor", options: []string{"Uri-Query,b", "If-None-Match", "Uri-Query,a"}}
	list, err := f.optionList()
	if err != nil {
		t.Fatal(err)
	}
	want := coap.OptionList{
		{Number: coap.IfNoneMatch, Value: []byte{}},
		{Number: coap.ContentFormatOption, Value: []byte{50}},
		{Number: coap.URIQuery, Value: []byte("b")},
		{Number: coap.URIQuery, Value: []byte("a")},
		{Number: coap.Accept, Value: []byte{60}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}

func TestParseToken(t *testing.T) {
	for literal, want := range map[string]string{"": "", "ab": "ab", "0x0102": "\x01\x02", "0x": "", "12345678": "12345678"} {
		if got, err := parseToken(literal); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", literal, got, err)
		}
	}
	for _, literal := range []string{"123456789", "0x1", "0xzz", "0x010203040506070809"} {
		if got, err := parseToken(literal); err == nil {
			t.Errorf("%q was taken for %q", literal, got)
		}
	}
	// An empty token is a token (RFC 7252 section 5.3.1), no flag is none.
	if token, _ := parseToken("0x"); token == nil {
		t.Error("0x is the empty token, not the absence of one")
	}
	if token, _ := parseToken(""); token != nil {
		t.Error("no flag leaves the choice to the library")
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{"/tmp/a-b": "/tmp/a-b", "/tmp/a b": "'/tmp/a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// With the default of 30 s a silent server is given up after 1+2+4+8 seconds.
func TestTimersFor(t *testing.T) {
	for timeout, want := range map[time.Duration]int{
		300 * time.Millisecond: 3, 30 * time.Second: 3, time.Minute: 3, 62 * time.Second: 4, 2 * time.Minute: 4, 5 * time.Minute: 6,
	} {
		timers := timersFor(timeout)
		if timers.Retransmissions != want || timers.Handshake >= timeout || timers.Handshake < timeout*9/10 {
			t.Errorf("%v: %+v, want %d retransmissions", timeout, timers, want)
		}
	}
}

// The names that an error advises are understood.
func TestCommonFormats(t *testing.T) {
	for _, name := range commonFormats {
		if format, err := coap.ParseContentFormat(name); err != nil || format.String() != name {
			t.Errorf("%s: %v, %v", name, format, err)
		}
	}
	for _, name := range optionNames() {
		if number, err := coap.ParseOptionNumber(name); err != nil || number.String() != name {
			t.Errorf("%s: %v, %v", name, number, err)
		}
	}
}
