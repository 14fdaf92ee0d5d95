// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// What a server says again only because it was asked again is no news; the same
// words in another format, or as another code, are.
func TestRepeats(t *testing.T) {
	response := func(code coap.Code, format uint32, payload string) *coaps.Response {
		r := &coaps.Response{Code: code, Payload: []byte(payload)}
		r.Options.AddUint(coap.Observe, uint32(time.Now().Nanosecond()))
		if format < 1<<16 {
			r.Options.AddUint(coap.ContentFormatOption, format)
		}
		return r
	}
	const none = 1 << 16
	x := new(exchange)
	if x.repeats(response(coap.Empty, none, "")) {
		t.Error("nothing has been said yet")
	}
	x.take(response(coap.Content, 0, "21.5"))
	for _, tt := range []struct {
		next *coaps.Response
		want bool
	}{
		{response(coap.Content, 0, "21.5"), true},
		{response(coap.Content, 0, "21.6"), false},
		{response(coap.Content, 50, "21.5"), false},
		{response(coap.Content, none, "21.5"), false},
		{response(coap.Valid, 0, "21.5"), false},
	} {
		if got := x.repeats(tt.next); got != tt.want {
			t.Errorf("%v: %v", tt.next, got)
		}
	}
}

// How states look in a pipe, by what they are and what is asked for.
func TestRenderState(t *testing.T) {
	const text, cbor, json, unknown = 0, 60, 50, 65000
	for _, tt := range []struct {
		output  string
		code    coap.Code
		format  uint32
		payload string
		want    string
	}{
		{formatAuto, coap.Content, text, "21.5", "21.5\n"},
		{formatAuto, coap.Content, text, "two\nlines\n", "two\nlines\n"},
		{formatAuto, coap.Content, text, "", "\n"},
		{formatAuto, coap.Content, json, `{"t":1}`, `{"t":1}` + "\n"},
		{formatAuto, coap.Content, cbor, "\xa1aa\x01", "\xa1aa\x01"},
		{formatAuto, coap.Content, unknown, "\x00\x01", "\x00\x01"},
		{formatAuto, coap.Valid, text, "", ""},
		{formatRaw, coap.Content, text, "21.5", "21.5"},
		{formatHex, coap.Content, cbor, "\xa1aa\x01", "a1616101\n"},
		{formatEDN, coap.Content, cbor, "\xa1aa\x01", "{\"a\": 1}\n"},
		{formatText, coap.Content, text, "21.5\x1b", "21.5\\x1b\n"},
	} {
		o := &observer{requester: requester{app: &app{streams: streams{out: new(bytes.Buffer)}}}}
		o.output.format = tt.output
		x := &exchange{code: tt.code, payload: []byte(tt.payload)}
		x.options.AddUint(coap.ContentFormatOption, tt.format)
		got, err := o.renderState(x)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s %d %q: %q, %v; want %q", tt.output, tt.format, tt.payload, got, err, tt.want)
		}
	}
	if got := fmt.Sprint(notObservedHint(&exchange{uri: "coap://h/a?b"}, true)); got != "coaps get coap://h/.well-known/core marks by obs what can be observed" {
		t.Error(got)
	}
}
