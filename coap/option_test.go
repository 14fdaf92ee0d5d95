// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRegistry compares the registry with the tables of the RFCs, retyped here
// from the documents: RFC 7252 table 4, RFC 7641 table 1, RFC 7959 tables 1 and
// 2, RFC 8613 figure 3, RFC 8768 table 1, RFC 9175 figures 1 and 4, RFC 9177
// table 1, RFC 9668 table 1, and for No-Response RFC 7967 as other
// implementations have it.
func TestRegistry(t *testing.T) {
	const tables = `
1   x - - x If-Match       opaque 0 8
3   x x - - Uri-Host       string 1 255
4   - - - x ETag           opaque 1 8
5   x - - - If-None-Match  empty  0 0
6   - x - - Observe        uint   0 3
7   x x - - Uri-Port       uint   0 2
8   - - - x Location-Path  string 0 255
9   x - - - OSCORE         opaque 0 255
11  x x - x Uri-Path       string 0 255
12  - - - - Content-Format uint   0 2
14  - x - - Max-Age        uint   0 4
15  x x - x Uri-Query      string 0 255
16  - - - - Hop-Limit      uint   1 1
17  x - - - Accept         uint   0 2
19  x x - - Q-Block1       uint   0 3
20  - - - x Location-Query string 0 255
21  x - - - EDHOC          empty  0 0
23  x x - - Block2         uint   0 3
27  x x - - Block1         uint   0 3
28  - - x - Size2          uint   0 4
31  x x - x Q-Block2       uint   0 3
35  x x - - Proxy-Uri      string 1 1034
39  x x - - Proxy-Scheme   string 1 255
60  - - x - Size1          uint   0 4
252 - - x - Echo           opaque 1 40
258 - x - - No-Response    uint   0 1
292 - - - x Request-Tag    opaque 0 8
`
	var got []string
	for _, row := range optionRegistry {
		n := row.number
		lowest, highest := n.Length()
		got = append(got, line(int(n), n.Critical(), n.Unsafe(), n.NoCacheKey(), n.Repeatable(), n.String(), n.Format().String(), lowest, highest))
	}
	var want []string
	for l := range strings.Lines(strings.TrimSpace(tables)) {
		want = append(want, strings.Join(strings.Fields(l), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-RFCs +registry:\n%s", diff)
	}
	if !slices.IsSortedFunc(optionRegistry[:], func(a, b optionRow) int { return int(a.number) - int(b.number) }) {
		t.Error("the registry is not in ascending order")
	}
}

// line writes its arguments with a space between, true as x and false as a dash.
func line(fields ...any) string {
	text := strings.TrimSpace(fmt.Sprintln(fields...))
	return strings.NewReplacer("true", "x", "false", "-").Replace(text)
}

func TestUnknownOption(t *testing.T) {
	const n = OptionNumber(65001)
	lowest, highest := n.Length()
	if n.Known() || !n.Repeatable() || n.Format() != FormatOpaque || lowest != 0 || highest < MaxTokenLength {
		t.Errorf("known %v, repeatable %v, %v, length %d to %d", n.Known(), n.Repeatable(), n.Format(), lowest, highest)
	}
	if got := n.String(); got != "Option 65001" {
		t.Errorf("String: %q", got)
	}
	if OptionNumber(0).Known() || OptionNumber(2).Known() || OptionNumber(293).Known() {
		t.Error("a number without a row is known")
	}
}

func TestParseOptionNumber(t *testing.T) {
	for s, want := range map[string]OptionNumber{"Uri-Path": 11, "uri-path": 11, "ETAG": 4, "11": 11, "65535": 65535, "0": 0} {
		if got, err := ParseOptionNumber(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "65536", "-1", "Uri", "0x11", "1\n2"} {
		if got, err := ParseOptionNumber(s); err == nil {
			t.Errorf("%q: %v", s, got)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("the error repeats a line end: %q", err)
		}
	}
}

// TestUint covers the format uint.
//
// Proves rfc7252 §3.2: "For example, the number 0 is represented with an empty
// option value (a zero-length sequence of bytes) and the number 1 by a single
// byte with the numerical value of 1 (bit combination 00000001 in most
// significant bit first notation)."
//
// Proves rfc7252 §3.2: "A recipient MUST be prepared to process values with
// leading zero bytes."
func TestUint(t *testing.T) {
	for v, want := range map[uint32][]byte{
		0: {}, 1: {1}, 255: {255}, 256: {1, 0}, 0xffff: {255, 255}, 0x10000: {1, 0, 0}, 0x1000000: {1, 0, 0, 0}, 0xffffffff: {255, 255, 255, 255},
	} {
		if got := AppendUint([]byte{}, v); !bytes.Equal(got, want) {
			t.Errorf("AppendUint(%d): %x, want %x", v, got, want)
		}
		for zeros := range 5 {
			got, ok := DecodeUint(append(make([]byte, zeros), want...))
			if !ok || got != v {
				t.Errorf("DecodeUint(%d with %d leading zeros): %d, %v", v, zeros, got, ok)
			}
		}
	}
	if v, ok := DecodeUint([]byte{1, 0, 0, 0, 0}); ok {
		t.Errorf("a number of 33 bits was read as %d", v)
	}
}

// TestOptionEncoding walks over the edges of both extensions.
func TestOptionEncoding(t *testing.T) {
	for _, delta := range []OptionNumber{0, 1, 12, 13, 14, 268, 269, 270, 65535} {
		for _, length := range []int{0, 1, 12, 13, 14, 268, 269, 270, 65535, MaxOptionLength} {
			value := bytes.Repeat([]byte{0xaa}, length)
			o := Options(AppendOption(nil, 65535-delta, 65535, value))
			num, got, rest, err := splitOption(o, 65535-delta)
			if err != nil || num != 65535 || !bytes.Equal(got, value) || len(rest) != 0 {
				t.Errorf("delta %d, length %d: %d with %d bytes and %d left, %v", delta, length, num, len(got), len(rest), err)
			}
		}
	}
}

// TestUnencodable checks that an option which cannot be written is reported and
// neither cut off nor taken for a payload.
func TestUnencodable(t *testing.T) {
	for name, o := range map[string]Options{
		"length":     AppendOption(nil, 0, 1, make([]byte, MaxOptionLength+1)),
		"order":      AppendOption(nil, 12, 11, nil),
		"and more":   AppendOption(AppendOption(nil, 12, 11, nil), 11, 60, []byte("x")),
		"from uints": AppendUintOption(nil, 12, 11, 7),
	} {
		if err := o.Validate(); !errors.Is(err, ErrOptionDelta) {
			t.Errorf("%s: %v", name, err)
		}
		for num := range o.All() {
			t.Errorf("%s: shows option %v", name, num)
		}
	}
}

func options(l ...Option) Options { return OptionList(l).Encode(nil) }

// TestReading checks what the methods that ask for a number find.
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
// Proves rfc7252 §5.10.6: "An endpoint receiving an entity-tag MUST treat it as
// opaque and make no assumptions about its content or structure."
//
// Pitfall R7: an empty value is a value
func TestReading(t *testing.T) {
	nine := []byte("123456789")
	o := options(
		Option{IfMatch, nil},
		Option{ETag, nine}, Option{ETag, []byte{0, 0xff}}, Option{ETag, nil}, Option{ETag, []byte("b")},
		Option{Observe, []byte{0, 0, 0, 1}},
		Option{ContentFormatOption, []byte{0, 50}}, Option{ContentFormatOption, []byte{60}},
		Option{Size1, nil},
		Option{65000, nine}, Option{65000, nil},
	)
	values := func(num OptionNumber) (all []string) {
		for v := range o.Values(num) {
			all = append(all, string(v))
		}
		return all
	}
	for _, tt := range []struct {
		num  OptionNumber
		want []string
	}{
		{IfMatch, []string{""}},
		{ETag, []string{"\x00\xff", "b"}}, // 9 bytes and 0 bytes are out of range
		{Observe, nil},
		{ContentFormatOption, []string{"\x002"}}, // the second is one too many
		{Size1, []string{""}},
		{65000, []string{string(nine), ""}},
		{URIPath, nil},
		{65535, nil},
	} {
		if diff := cmp.Diff(tt.want, values(tt.num)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.num, diff)
		}
		first, ok := o.Get(tt.num)
		if ok != (len(tt.want) > 0) || ok != o.Has(tt.num) || ok && (first == nil || string(first) != tt.want[0]) {
			t.Errorf("Get(%v): %q, %v; Has: %v", tt.num, first, ok, o.Has(tt.num))
		}
	}
	if f, ok := o.ContentFormat(); !ok || f != JSON {
		t.Errorf("ContentFormat: %v, %v", f, ok)
	}
	if f, ok := o.Accept(); ok {
		t.Errorf("Accept: %v, and there is none", f)
	}
	if v, ok := o.GetUint(Size1); !ok || v != 0 {
		t.Errorf("GetUint(Size1): %v, %v", v, ok)
	}
	for range o.Values(ETag) {
		break // a loop may end early
	}
}

// TestMaxAge covers the one default that this package knows.
//
// Proves rfc7252 §5.4.4: "If the option is not present, the default value MUST
// be assumed."
//
// Proves rfc7252 §5.10.5: "A default value of 60 seconds is assumed in the
// absence of the option in a response."
func TestMaxAge(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want uint32
	}{
		{nil, 60},
		{options(Option{MaxAge, nil}), 0},
		{options(Option{MaxAge, []byte{255, 255, 255, 255}}), 0xffffffff},
		{options(Option{MaxAge, []byte{1, 0, 0, 0, 0}}), 60}, // too long, so as if absent
	} {
		if got := tt.o.MaxAge(); got != tt.want {
			t.Errorf("%x: %d, want %d", []byte(tt.o), got, tt.want)
		}
	}
}

func TestOptionList(t *testing.T) {
	var l OptionList
	l.AddString(URIPath, "a")
	l.AddUint(Accept, 50)
	l.AddString(URIPath, "b")
	l.Set(Accept, []byte{60})
	l.Add(Size1, nil)
	l.AddString(URIHost, "h")
	l.Remove(Size1)
	before := slices.Clone(l)
	o := l.Encode(nil)
	if diff := cmp.Diff(before, l); diff != "" {
		t.Errorf("Encode changed the list:\n%s", diff)
	}
	want := OptionList{{URIHost, []byte("h")}, {URIPath, []byte("a")}, {URIPath, []byte("b")}, {Accept, []byte{60}}}
	if diff := cmp.Diff(want, o.List()); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
	l.Sort()
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("Sort (-want +got):\n%s", diff)
	}
	if v, ok := l.GetUint(Accept); !ok || v != 60 || l.Has(Size1) {
		t.Errorf("Accept %v %v, Size1 %v", v, ok, l.Has(Size1))
	}
	if got := l.Encode([]byte("x")); string(got[:1]) != "x" || !bytes.Equal(got[1:], o) {
		t.Errorf("Encode does not append: %x", []byte(got))
	}
}

// TestStableOrder has more segments than a sort keeps in order by accident.
func TestStableOrder(t *testing.T) {
	var l OptionList
	var want []string
	for i := range 100 {
		l.AddUint(OptionNumber(2*(i%7)+40), uint32(i))
		l.AddString(URIPath, strconv.Itoa(i))
		want = append(want, strconv.Itoa(i))
	}
	var got []string
	for value := range l.Encode(nil).Values(URIPath) {
		got = append(got, string(value))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPathAndQuery covers what a server looks resources up by.
//
// Proves rfc7252 §5.10.1: "No percent-encoding is performed."
func TestPathAndQuery(t *testing.T) {
	for _, tt := range []struct {
		path []string
		want string
	}{
		{nil, "/"},
		{[]string{""}, "/"},
		{[]string{"a"}, "/a"},
		{[]string{"a", ""}, "/a/"},
		{[]string{"", "a"}, "//a"},
		{[]string{"a/b"}, "/a%2Fb"},
		{[]string{"%41"}, "/%2541"},
		{[]string{"ü", "\xff\x00"}, "/%C3%BC/%FF%00"},
		{[]string{"~:@!$&'()*+,;="}, "/~:@!$&'()*+,;="},
	} {
		var l OptionList
		for _, segment := range tt.path {
			l.AddString(URIPath, segment)
		}
		if got := l.Encode(nil).Path(); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.path, got, tt.want)
		}
	}
	o := options(Option{URIQuery, []byte("a=%41&")}, Option{URIQuery, nil})
	if diff := cmp.Diff([]string{"a=%41&", ""}, o.Query()); diff != "" {
		t.Errorf("Query (-want +got):\n%s", diff)
	}
}
