// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCodes compares the registry with the tables of RFC 7252 (tables 5 and 6)
// and of RFC 7959, 8132, 8516 and 8768, retyped from the documents.
func TestCodes(t *testing.T) {
	const tables = `
0.00 Empty
0.01 GET
0.02 POST
0.03 PUT
0.04 DELETE
0.05 FETCH
0.06 PATCH
0.07 iPATCH
2.01 Created
2.02 Deleted
2.03 Valid
2.04 Changed
2.05 Content
2.31 Continue
4.00 Bad Request
4.01 Unauthorized
4.02 Bad Option
4.03 Forbidden
4.04 Not Found
4.05 Method Not Allowed
4.06 Not Acceptable
4.08 Request Entity Incomplete
4.09 Conflict
4.12 Precondition Failed
4.13 Request Entity Too Large
4.15 Unsupported Content-Format
4.22 Unprocessable Entity
4.29 Too Many Requests
5.00 Internal Server Error
5.01 Not Implemented
5.02 Bad Gateway
5.03 Service Unavailable
5.04 Gateway Timeout
5.05 Proxying Not Supported
5.08 Hop Limit Reached
`
	var got []string
	for i := range 256 {
		if c := Code(i); c.Name() != "" {
			got = append(got, c.Dotted()+" "+c.Name())
		}
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(tables), "\n"), got); diff != "" {
		t.Errorf("-RFCs +registry:\n%s", diff)
	}
}

// TestCodeValues takes the numbers from the figures of RFC 7252 appendix A and
// from RFC 7959, which write them in full.
func TestCodeValues(t *testing.T) {
	for c, want := range map[Code]uint8{GET: 1, Content: 69, NotFound: 0x84, Continue: 95, RequestEntityIncomplete: 136, RequestEntityTooLarge: 141, ProxyingNotSupported: 165} {
		if uint8(c) != want {
			t.Errorf("%v is %d, want %d", c, c, want)
		}
	}
}

// TestCodeClasses goes through all 256 codes.
//
// Proves rfc7252 §12.1: "0.01-0.31 Indicates a request."
//
// Proves rfc7252 §12.1: "2.00-5.31 Indicates a response."
func TestCodeClasses(t *testing.T) {
	for i := range 256 {
		c := Code(i)
		kinds := 0
		for _, is := range []bool{c.IsEmpty(), c.IsRequest(), c.IsResponse(), c.IsReserved()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%s is %d of empty, request, response and reserved", c.Dotted(), kinds)
		}
		if c.IsRequest() != (i >= 1 && i <= 31) || c.IsResponse() != (i >= 2<<5 && i < 6<<5) {
			t.Errorf("%s: request %v, response %v", c.Dotted(), c.IsRequest(), c.IsResponse())
		}
		if c.IsSuccess() != (c.Dotted()[0] == '2') || c.IsError() != (c.Dotted()[0] == '4' || c.Dotted()[0] == '5') {
			t.Errorf("%s: success %v, error %v", c.Dotted(), c.IsSuccess(), c.IsError())
		}
		if c.Class()<<5|c.Detail() != uint8(c) {
			t.Errorf("%s: class %d, detail %d", c.Dotted(), c.Class(), c.Detail())
		}
		for _, s := range []string{c.Dotted(), c.String(), strings.ToUpper(c.String())} {
			if got, err := ParseCode(s); err != nil || got != c {
				t.Errorf("ParseCode(%q): %v, %v", s, got, err)
			}
		}
	}
	for _, s := range []string{"", "2.5", "2.32", "8.00", "2.05 Created", "2.-1", "2.+5", "205", "Contents", " GET", "2.05 ", "2.13 "} {
		if c, err := ParseCode(s); err == nil {
			t.Errorf("ParseCode(%q): %v", s, c)
		}
	}
	if got := Content.String() + ", " + GET.String() + ", " + Code(77).String(); got != "2.05 Content, GET, 2.13" {
		t.Error(got)
	}
}

func TestTypes(t *testing.T) {
	got := []string{Confirmable.String(), NonConfirmable.String(), Acknowledgement.String(), Reset.String(), Type(4).String(), ValueFormat(9).String()}
	if diff := cmp.Diff([]string{"CON", "NON", "ACK", "RST", "Type(4)", "ValueFormat(9)"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestContentFormats checks the numbers of RFC 7252 table 9 and of formats that
// this project sends, and that each row is found by all its names.
func TestContentFormats(t *testing.T) {
	for want, names := range map[ContentFormat][]string{
		0:     {"text", "text/plain", "text/plain;charset=utf-8", "TEXT/PLAIN; charset=UTF-8", "0"},
		40:    {"link", "application/link-format"},
		41:    {"xml", "application/xml"},
		42:    {"octets", "application/octet-stream"},
		47:    {"exi", "application/exi"},
		50:    {"json", "application/json", "50", "JSON"},
		60:    {"cbor", "application/cbor"},
		112:   {"senml+cbor"},
		11050: {"json-deflate"},
		65535: {"65535"},
	} {
		for _, name := range names {
			if got, err := ParseContentFormat(name); err != nil || got != want {
				t.Errorf("%q: %v, %v; want %d", name, got, err, want)
			}
		}
	}
	for _, s := range []string{"", "65536", "-1", "application/nonsense", "js on"} {
		if got, err := ParseContentFormat(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
	seen := map[string]bool{}
	for i, row := range contentFormats {
		if i > 0 && contentFormats[i-1].number >= row.number {
			t.Errorf("%d is not in ascending order", row.number)
		}
		if seen[row.short] {
			t.Errorf("%s names two formats", row.short)
		}
		seen[row.short] = true
		if got, err := ParseContentFormat(row.number.String()); err != nil || got != row.number {
			t.Errorf("%v: %d, %v", row.number, got, err)
		}
		if row.number.Coding() != "" {
			continue
		}
		if got, err := ParseContentFormat(row.number.MediaType()); err != nil || got != row.number {
			t.Errorf("%s: %d, %v", row.number.MediaType(), got, err)
		}
	}
	if unknown := ContentFormat(9999); unknown.String() != "9999" || unknown.MediaType() != "" || unknown.Coding() != "" {
		t.Errorf("%v %q %q", unknown, unknown.MediaType(), unknown.Coding())
	}
}
