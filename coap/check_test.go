// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCheckOptions covers what a recipient refuses and what it ignores.
//
// Proves rfc7252 §5.4: "In case an option is not defined for a Method or
// Response Code, it MUST NOT be included by a sender and MUST be treated like
// an unrecognized option by a recipient."
//
// Proves rfc7252 §5.4.1: "Upon reception, unrecognized options of class
// "elective" MUST be silently ignored."
//
// Proves rfc7252 §5.4.3: "If the length of an option value in a request is
// outside the defined range, that option MUST be treated like an unrecognized
// option (see Section 5.4.1)."
//
// Proves rfc7252 §5.4.5: "If a message includes an option with more occurrences
// than the option is defined for, each supernumerary option occurrence that
// appears subsequently in the message MUST be treated like an unrecognized
// option (see Section 5.4.1)."
//
// Proves rfc7252 §5.10.7: "If any of these reserved option numbers occurs in
// addition to Location-Path and/or Location-Query and are not supported, then a
// 4.02 (Bad Option) error MUST be returned."
//
// Pitfall R5: a bad option is an answer, not an exception
func TestCheckOptions(t *testing.T) {
	byteString := func(n int) []byte { return make([]byte, n) }
	for _, tt := range []struct {
		name string
		code Code
		o    Options
		bad  OptionNumber
		want error
	}{
		{"nothing", GET, nil, 0, nil},
		{"ordinary", GET, options(Option{URIHost, []byte("h")}, Option{URIPort, []byte{1}}, Option{URIPath, nil}, Option{URIPath, nil}, Option{Accept, nil}), 0, nil},
		{"conditional", PUT, options(Option{IfMatch, nil}, Option{IfMatch, byteString(8)}, Option{IfNoneMatch, nil}), 0, nil},
		{"unknown critical", GET, options(Option{URIPath, nil}, Option{65001, nil}), 65001, ErrOptionUnrecognized},
		{"unknown elective", GET, options(Option{65000, byteString(300)}, Option{2, nil}), 0, nil},
		{"known, not implemented", GET, options(Option{OSCORE, nil}), OSCORE, ErrOptionUnrecognized},
		{"block", PUT, options(Option{Block1, nil}), Block1, ErrOptionUnrecognized},
		{"not for requests, elective", GET, options(Option{MaxAge, nil}), 0, nil},
		{"request option in a response", Content, options(Option{URIPath, nil}), URIPath, ErrOptionMisplaced},
		{"response", Created, options(Option{ETag, nil}, Option{LocationPath, []byte("a")}, Option{ContentFormatOption, nil}, Option{MaxAge, nil}), 0, nil},
		{"too short", GET, options(Option{URIHost, nil}), URIHost, ErrOptionLength},
		{"too long", GET, options(Option{URIPath, byteString(256)}), URIPath, ErrOptionLength},
		{"longest", GET, options(Option{URIPath, byteString(255)}, Option{ProxyURI, byteString(1034)}), 0, nil},
		{"longest and more", GET, options(Option{ProxyURI, byteString(1035)}), ProxyURI, ErrOptionLength},
		{"not empty", PUT, options(Option{IfNoneMatch, byteString(1)}), IfNoneMatch, ErrOptionLength},
		{"too long, elective", PUT, options(Option{ContentFormatOption, byteString(3)}, Option{Size1, byteString(5)}), 0, nil},
		{"repeated", GET, options(Option{Accept, []byte{1}}, Option{Accept, []byte{1}}), Accept, ErrOptionRepeated},
		{"repeated, elective", PUT, options(Option{ContentFormatOption, nil}, Option{ContentFormatOption, nil}), 0, nil},
		{"dot segment", GET, options(Option{URIPath, []byte(".")}), URIPath, ErrOptionValue},
		{"dot segments", GET, options(Option{URIPath, []byte("a")}, Option{URIPath, []byte("..")}), URIPath, ErrOptionValue},
		{"three dots", GET, options(Option{URIPath, []byte("...")}), 0, nil},
		{"reserved alone", Created, options(Option{128, nil}), 0, nil},
		{"reserved and Location-Path", Created, options(Option{LocationPath, nil}, Option{128, nil}), 128, ErrOptionUnrecognized},
		{"reserved and Location-Query", POST, options(Option{LocationQuery, nil}, Option{140, nil}), 140, ErrOptionUnrecognized},
		{"the first of several", GET, options(Option{URIHost, nil}, Option{Accept, byteString(3)}), URIHost, ErrOptionLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Message{Code: tt.code, Options: tt.o}
			bad, err := m.CheckOptions(CoreOptions())
			if bad != tt.bad || !errors.Is(err, tt.want) {
				t.Errorf("%v, %v; want %v, %v", bad, err, tt.bad, tt.want)
			}
			if !tt.code.IsRequest() {
				return
			}
			if bad, err := tt.o.Check(); bad != tt.bad || !errors.Is(err, tt.want) {
				t.Errorf("Check: %v, %v; want %v, %v", bad, err, tt.bad, tt.want)
			}
		})
	}
}

func TestOptionSet(t *testing.T) {
	core := CoreOptions()
	more := core.With(Block1, 65001, RequestTag)
	for _, n := range []OptionNumber{Block1, 65001, RequestTag} {
		if core.Contains(n) {
			t.Errorf("With changed the set it was called on: %v", n)
		}
		if !more.Contains(n) {
			t.Errorf("%v is missing", n)
		}
	}
	if !more.Contains(URIPath) || more.Contains(65003) || more.Contains(0) || new(OptionSet).Contains(URIPath) {
		t.Error("wrong members")
	}
	several := core.With(65001, 65003, 65005) // with room for one more behind them
	one, other := several.With(65007), several.With(65009)
	if one.Contains(65009) || other.Contains(65007) || several.Contains(65007) {
		t.Error("two sets share their members")
	}
	m := Message{Code: PUT, Options: options(Option{Block1, []byte{1}}, Option{65001, nil}, Option{65001, nil})}
	if bad, err := m.CheckOptions(more); err != nil {
		t.Errorf("%v: %v", bad, err)
	}
}

// TestCheckOutgoing covers what a sender must not include.
//
// Proves rfc7252 §5.4: "In case an option is not defined for a Method or
// Response Code, it MUST NOT be included by a sender and MUST be treated like
// an unrecognized option by a recipient."
//
// Proves rfc7252 §5.4.5: "An option that is not repeatable MUST NOT be included
// more than once in a message."
//
// Proves rfc7252 §5.10.1: "The value of a Uri-Path Option MUST NOT be "." or
// ".." (as the request URI must be resolved before parsing it into options)."
//
// Proves rfc7252 §5.10.2: "(each of which MUST NOT be included in a request
// containing the Proxy-Uri Option)."
//
// Proves rfc7252 §5.10.6.1: "The ETag Option MUST NOT occur more than once in a
// response."
//
// Proves rfc7252 §5.10.7: "The value of a Location-Path Option MUST NOT be "." or
// ".."."
func TestCheckOutgoing(t *testing.T) {
	tag := []byte("tag")
	for _, tt := range []struct {
		name string
		code Code
		o    Options
		bad  OptionNumber
		want error
	}{
		{"ordinary request", GET, options(Option{ETag, tag}, Option{ETag, tag}, Option{URIPath, nil}, Option{Accept, nil}, Option{65000, nil}), 0, nil},
		{"ordinary response", Content, options(Option{ETag, tag}, Option{MaxAge, nil}, Option{ContentFormatOption, nil}), 0, nil},
		{"Max-Age in a request", GET, options(Option{MaxAge, nil}), MaxAge, ErrOptionMisplaced},
		{"Uri-Path in a response", Content, options(Option{URIPath, nil}), URIPath, ErrOptionMisplaced},
		{"Request-Tag in a response", Content, options(Option{RequestTag, nil}), RequestTag, ErrOptionMisplaced},
		{"two formats", Content, options(Option{ContentFormatOption, nil}, Option{ContentFormatOption, nil}), ContentFormatOption, ErrOptionRepeated},
		{"two tags", Content, options(Option{ETag, tag}, Option{ETag, tag}), ETag, ErrOptionRepeated},
		{"long tag", Content, options(Option{ETag, make([]byte, 9)}), ETag, ErrOptionLength},
		{"dot segment", GET, options(Option{URIPath, []byte("..")}), URIPath, ErrOptionValue},
		{"dot segment of a location", Created, options(Option{LocationPath, []byte(".")}), LocationPath, ErrOptionValue},
		{"proxy", GET, options(Option{ProxyURI, []byte("coap://h/")}), 0, nil},
		{"proxy and path", GET, options(Option{URIPath, nil}, Option{ProxyURI, []byte("coap://h/")}), URIPath, ErrOptionMisplaced},
		{"proxy scheme and path", GET, options(Option{URIPath, nil}, Option{ProxyScheme, []byte("coap")}), 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Message{Code: tt.code, Options: tt.o}
			if bad, err := m.CheckOutgoing(); bad != tt.bad || !errors.Is(err, tt.want) {
				t.Errorf("%v, %v; want %v, %v", bad, err, tt.bad, tt.want)
			}
		})
	}
}

// TestAppendDiagnostic reads what a client is told.
//
// Proves rfc7252 §5.5.2: "This diagnostic message MUST be encoded using UTF-8
// [RFC3629], more specifically using Net-Unicode form [RFC5198]."
func TestAppendDiagnostic(t *testing.T) {
	for _, tt := range []struct {
		bad  OptionNumber
		err  error
		want string
	}{
		{Accept, ErrOptionLength, "Accept (17): length out of range"},
		{65001, ErrOptionUnrecognized, "Option 65001: unrecognized option"},
		{URIPath, ErrOptionValue, "Uri-Path (11): value not allowed"},
	} {
		got := string(AppendDiagnostic(nil, tt.bad, tt.err))
		if got != tt.want || !utf8.ValidString(got) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestDiagnostic(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Message
		want string
		ok   bool
	}{
		{"error", Message{Code: NotFound, Payload: []byte("no such thing")}, "no such thing", true},
		{"empty", Message{Code: NotFound}, "", false},
		{"success", Message{Code: Content, Payload: []byte("22.3 C")}, "", false},
		{"with a format", Message{Code: BadRequest, Options: options(Option{ContentFormatOption, []byte{60}}), Payload: []byte{0xa0}}, "", false},
		{"terminal codes", Message{Code: BadRequest, Payload: []byte("a\x1b[2J\r\nb\u202ec\x00")}, "a�[2J��b�c�", true},
		{"not UTF-8", Message{Code: BadRequest, Payload: []byte("a\xffb")}, "a�b", true},
		{"long", Message{Code: BadRequest, Payload: []byte(strings.Repeat("ü", 400))}, strings.Repeat("ü", 256), true},
		{"cut within a character", Message{Code: BadRequest, Payload: []byte("a" + strings.Repeat("ü", 400))}, "a" + strings.Repeat("ü", 255), true},
	} {
		if got, ok := tt.m.Diagnostic(); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		m    Message
		want string
	}{
		{Message{Type: Confirmable, Code: GET, MessageID: 0x7d34, Token: []byte{0x20}, Options: options(
			Option{URIHost, []byte("h")}, Option{URIPath, []byte("a b")}, Option{URIQuery, []byte("x=1")}, Option{Accept, []byte{50}}, Option{IfNoneMatch, nil})},
			"CON GET mid=0x7d34 token=20 /a%20b?x=1 Uri-Host=h If-None-Match Accept=json"},
		{Message{Type: Acknowledgement, Code: Content, MessageID: 1, Options: options(
			Option{ETag, []byte{0xab}}, Option{ContentFormatOption, nil}, Option{MaxAge, []byte{1, 0}}, Option{65000, []byte{1}}), Payload: []byte("22.3 C")},
			"ACK 2.05 Content mid=0x0001 ETag=ab Content-Format=text Max-Age=256 Option-65000=01 payload=6"},
		{Message{Type: Reset, MessageID: 0xad7c}, "RST Empty mid=0xad7c"},
		{Message{Type: NonConfirmable, Code: 0xff}, "NON 7.31 mid=0x0000"},
		{Message{Type: Confirmable, Code: POST, Options: options(Option{URIHost, []byte("\x1b\n")}, Option{ContentFormatOption, []byte{1, 0x11, 0x70, 0}}, Option{RequestTag, make([]byte, 100)})},
			"CON POST mid=0x0000 / Uri-Host=%1B%0A Content-Format=17920000 Request-Tag=" + strings.Repeat("00", 64) + "..."},
	} {
		if got := tt.m.Summary(); got != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
	}
}
