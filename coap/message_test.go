// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameMessage compares messages as the protocol does: nil is empty.
var sameMessage = cmpopts.EquateEmpty()

func unhexString(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// temperature is the Uri-Path option of the examples in RFC 7252 appendix A.
var temperature = OptionList{{URIPath, []byte("temperature")}}.Encode(nil)

// TestVectors holds both directions against the examples of RFC 7252 appendix A,
// figures 16 to 23.
//
// Proves rfc7252 §3: "Implementations of this specification MUST set this field
// to 1 (01 binary)."
//
// Pitfall R9: the empty token of figure 16 is a token
func TestVectors(t *testing.T) {
	const path = "bb 74656d7065726174757265"
	for _, tt := range []struct {
		name string
		hex  string
		want Message
	}{
		{"16 request", "40 01 7d34" + path,
			Message{Type: Confirmable, Code: GET, MessageID: 0x7d34, Options: temperature}},
		{"16 response", "60 45 7d34 ff 32322e332043",
			Message{Type: Acknowledgement, Code: Content, MessageID: 0x7d34, Payload: []byte("22.3 C")}},
		{"17 request", "41 01 7d35 20" + path,
			Message{Type: Confirmable, Code: GET, MessageID: 0x7d35, Token: []byte{0x20}, Options: temperature}},
		{"17 response", "61 45 7d35 20 ff 32322e332043",
			Message{Type: Acknowledgement, Code: Content, MessageID: 0x7d35, Token: []byte{0x20}, Payload: []byte("22.3 C")}},
		{"20 acknowledgement", "60 00 7d38",
			Message{Type: Acknowledgement, MessageID: 0x7d38}},
		{"20 separate response", "41 45 ad7b 53 ff 32322e332043",
			Message{Type: Confirmable, Code: Content, MessageID: 0xad7b, Token: []byte{0x53}, Payload: []byte("22.3 C")}},
		{"21 reset", "70 00 ad7c",
			Message{Type: Reset, MessageID: 0xad7c}},
		{"22 request", "51 01 7d40 75" + path,
			Message{Type: NonConfirmable, Code: GET, MessageID: 0x7d40, Token: []byte{0x75}, Options: temperature}},
		{"23 not found", "51 84 952a 86",
			Message{Type: NonConfirmable, Code: NotFound, MessageID: 0x952a, Token: []byte{0x86}}},
		{"token of eight bytes", "48 01 0000 0102030405060708",
			Message{Type: Confirmable, Code: GET, Token: []byte{1, 2, 3, 4, 5, 6, 7, 8}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			datagram := unhexString(t, tt.hex)
			got, err := Parse(datagram)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, sameMessage); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			encoded, err := tt.want.AppendTo(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encoded, datagram) {
				t.Errorf("AppendTo: %x, want %x", encoded, datagram)
			}
			if tt.want.Size() != len(datagram) {
				t.Errorf("Size: %d, want %d", tt.want.Size(), len(datagram))
			}
		})
	}
}

// TestIgnored gives Parse what no answer can be sent to.
//
// Proves rfc7252 §3: "Messages with unknown version numbers MUST be silently
// ignored."
//
// Pitfall R6: no input takes the service down
func TestIgnored(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want error
	}{
		{"", ErrTooShort},
		{"40", ErrTooShort},
		{"40 01 7d", ErrTooShort},
		{"00 01 7d34", ErrVersion},
		{"80 01 7d34", ErrVersion},
		{"c0 01 7d34", ErrVersion},
	} {
		m, err := Parse(unhexString(t, tt.hex))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.hex, err, tt.want)
		}
		if diff := cmp.Diff(Message{}, m); diff != "" {
			t.Errorf("%s: a message from an unusable header:\n%s", tt.hex, diff)
		}
		if asFormatError(err) {
			t.Errorf("%s: the sender would get a Reset", tt.hex)
		}
	}
}

func asFormatError(err error) bool {
	var format *FormatError
	return errors.As(err, &format)
}

// malformed has, for each sentence of RFC 7252 that speaks of a message format
// error, datagrams that commit it. The header of all is CON GET 0x7d34 but for
// the token length.
var malformed = []struct {
	name     string
	datagram string
	want     error
}{
	{"token length 9", "49 01 7d34 010203040506070809", ErrTokenLength},
	{"token length 13", "4d 01 7d34 00 0102030405060708090a0b0c0d", ErrTokenLength},
	{"token length 13, header alone", "4d 01 7d34", ErrTokenLength},
	{"token length 14, header alone", "4e 01 7d34", ErrTokenLength},
	{"token length 14, one byte of it", "4e 01 7d34 00", ErrTokenLength},
	{"token length 15, header alone", "4f 01 7d34", ErrTokenLength},
	{"token cut off", "42 01 7d34 20", ErrTokenTruncated},
	{"token missing", "48 01 7d34", ErrTokenTruncated},
	{"marker alone", "40 01 7d34 ff", ErrPayloadMissing},
	{"marker after token", "41 01 7d34 20 ff", ErrPayloadMissing},
	{"marker after option", "40 01 7d34 b1 61 ff", ErrPayloadMissing},
	{"delta 15, length 0", "40 01 7d34 f0", ErrOptionDelta},
	{"delta 15, length 14", "40 01 7d34 fe 00 00", ErrOptionDelta},
	{"length 15", "40 01 7d34 0f 000102030405060708090a0b0c0d0e0f", ErrOptionLengthReserved},
	{"length 15, delta 14", "40 01 7d34 ef 0000", ErrOptionLengthReserved},
	{"value cut off", "40 01 7d34 b2 61", ErrOptionTruncated},
	{"delta byte missing", "40 01 7d34 d0", ErrOptionTruncated},
	{"delta word missing", "40 01 7d34 e0", ErrOptionTruncated},
	{"delta word cut off", "40 01 7d34 e0 00", ErrOptionTruncated},
	{"length byte missing", "40 01 7d34 0d", ErrOptionTruncated},
	{"length word cut off", "40 01 7d34 0e 00", ErrOptionTruncated},
	{"length 65804 of nothing", "40 01 7d34 0e ffff", ErrOptionTruncated},
	{"length 269, one byte short", "40 01 7d34 0e 0000" + strings.Repeat("00", 268), ErrOptionTruncated},
	{"delta 65804", "40 01 7d34 e0 ffff", ErrOptionNumberRange},
	{"delta 65536", "40 01 7d34 e0 fef3", ErrOptionNumberRange},
	{"sum 65536", "40 01 7d34 e0 fef2 10", ErrOptionNumberRange},
	{"sum 65804", "40 01 7d34 e0 fef2 e0 0000", ErrOptionNumberRange},
	{"sum 131070", "40 01 7d34 e0 fef2 e0 fef2", ErrOptionNumberRange},
}

// TestMalformed checks that each defect is found, that the header is there to
// reject the message with, and that none costs an allocation.
//
// Proves rfc7252 §3: "Lengths 9-15 are reserved, MUST NOT be sent, and MUST be
// processed as a message format error."
//
// Proves rfc7252 §3: "The presence of a marker followed by a zero-length payload
// MUST be processed as a message format error."
//
// Proves rfc7252 §3.1: "If the field is set to this value but the entire byte is
// not the payload marker, this MUST be processed as a message format error."
//
// Proves rfc7252 §3.1: "If the field is set to this value, it MUST be processed
// as a message format error."
//
// Pitfall R1: extended token lengths after a header of four bytes
// Pitfall R4: sums of deltas beyond 65535 do not wrap
// Pitfall R5, R6: each failure to parse is a verdict the caller can act on
// Pitfall R7: lengths beyond the datagram
func TestMalformed(t *testing.T) {
	want := Message{Type: Confirmable, Code: GET, MessageID: 0x7d34}
	for _, tt := range malformed {
		t.Run(tt.name, func(t *testing.T) {
			datagram := unhexString(t, tt.datagram)
			m, err := Parse(datagram)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if !asFormatError(err) {
				t.Errorf("%T is no *FormatError", err)
			}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Errorf("to be rejected with (-want +got):\n%s", diff)
			}
			if n := testing.AllocsPerRun(10, func() { Parse(datagram) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// TestHighestNumber is the counterpart of the sums that are too high.
//
// Pitfall R4: the sum of 65535 is an option
func TestHighestNumber(t *testing.T) {
	for _, datagram := range []string{
		"40 01 7d34 e0 fef2",          // one delta
		"40 01 7d34 e0 7e01 e0 7fe4",  // 32526 + 33009
		"40 01 7d34 e0 fef1 11 aa",    // 65534, then 1 more
		"40 01 7d34 e0 fef2 00 01 bb", // the same again, twice
	} {
		m, err := Parse(unhexString(t, datagram))
		if err != nil {
			t.Errorf("%s: %v", datagram, err)
			continue
		}
		if !m.Options.Has(65535) {
			t.Errorf("%s: no option 65535", datagram)
		}
	}
}

// TestEmptyMessage covers the code 0.00.
//
// Proves rfc7252 §4.1: "The Token Length field MUST be set to 0 and bytes of
// data MUST NOT be present after the Message ID field."
//
// Proves rfc7252 §4.1: "If there are any bytes, they MUST be processed as a
// message format error."
func TestEmptyMessage(t *testing.T) {
	for _, s := range []string{"40 00 7d34 00", "41 00 7d34 20", "40 00 7d34 ff 61", "60 00 7d34 b1 61"} {
		if m, err := Parse(unhexString(t, s)); !errors.Is(err, ErrEmptyMessage) || m.MessageID != 0x7d34 {
			t.Errorf("%s: %v, mid %#x", s, err, m.MessageID)
		}
	}
	// A token length without the token is wrong as well, whichever error it is.
	if _, err := Parse(unhexString(t, "41 00 7d34")); !asFormatError(err) {
		t.Errorf("token length 1: %v", err)
	}
	for _, m := range []Message{
		{Token: []byte{1}},
		{Options: temperature},
		{Payload: []byte("x")},
	} {
		if b, err := m.AppendTo(nil); !errors.Is(err, ErrEmptyMessage) || b != nil {
			t.Errorf("%s: sent as %x, %v", m.Summary(), b, err)
		}
	}
}

// TestAppendToRefuses covers what must not be sent.
//
// Proves rfc7252 §3: "Lengths 9-15 are reserved, MUST NOT be sent, and MUST be
// processed as a message format error."
//
// Proves rfc7252 §3.1: "the instances MUST appear in order of their Option
// Numbers and a delta encoding is used between them"
func TestAppendToRefuses(t *testing.T) {
	long := make([]byte, MaxOptionLength+1)
	for _, tt := range []struct {
		name string
		m    Message
		want error
	}{
		{"type", Message{Type: 4, Code: GET}, ErrType},
		{"token", Message{Code: GET, Token: make([]byte, 9)}, ErrTokenLength},
		{"token of 256 bytes", Message{Code: GET, Token: make([]byte, 256)}, ErrTokenLength},
		{"options", Message{Code: GET, Options: Options{0xb2, 'a'}}, ErrOptionTruncated},
		{"marker among the options", Message{Code: GET, Options: Options{0xff, 'a'}}, ErrOptionDelta},
		{"out of order", Message{Code: GET, Options: AppendOption(nil, URIPath, URIHost, nil)}, ErrOptionDelta},
		{"value too long", Message{Code: GET, Options: OptionList{{Size1, long}, {Echo, nil}}.Encode(nil)}, ErrOptionDelta},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := []byte("before")
			after, err := tt.m.AppendTo(before)
			if !errors.Is(err, tt.want) || !asFormatError(err) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if string(after) != "before" {
				t.Errorf("wrote %q", after)
			}
		})
	}
}

// TestPayloadWithMarker checks that only a byte where an option could begin is
// the payload marker.
func TestPayloadWithMarker(t *testing.T) {
	l := OptionList{{ETag, []byte{0xff, 0xff}}, {Size1, bytes.Repeat([]byte{0xff}, 13+0xff)}}
	want := Message{Type: NonConfirmable, Code: Content, Token: []byte{0xff}, Options: l.Encode(nil), Payload: []byte{0xff, 0xff, 0}}
	datagram, err := want.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameMessage); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestViews checks that Parse returns slices of the datagram and that writing
// beyond one of them cannot reach the next.
func TestViews(t *testing.T) {
	datagram := unhexString(t, "41 01 7d35 20 b1 61 ff 62")
	m, err := Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	value, _ := m.Options.Get(URIPath)
	for _, view := range []struct {
		name string
		got  []byte
		at   int
	}{{"token", m.Token, 4}, {"options", m.Options, 5}, {"value", value, 6}, {"payload", m.Payload, 8}} {
		if &view.got[0] != &datagram[view.at] {
			t.Errorf("%s is a copy", view.name)
		}
		if cap(view.got) != len(view.got) {
			t.Errorf("%s has a capacity of %d for %d bytes", view.name, cap(view.got), len(view.got))
		}
	}
}

// TestManyOptions has more options than any table would hold.
//
// Pitfall R3: 10,000 options of one byte
// Pitfall R7: options of length zero, which is what these are
func TestManyOptions(t *testing.T) {
	const n = 10000
	datagram := append(unhexString(t, "40 01 7d34"), make([]byte, n)...)
	m, err := Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for num, value := range m.Options.All() {
		if num != 0 || value == nil || len(value) != 0 {
			t.Fatalf("option %d: %v %v", count, num, value)
		}
		count++
	}
	if count != n {
		t.Errorf("%d options, want %d", count, n)
	}
	if allocs := testing.AllocsPerRun(10, func() {
		if _, err := Parse(datagram); err != nil {
			panic(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	again, err := m.AppendTo(nil)
	if err != nil || !bytes.Equal(again, datagram) {
		t.Errorf("written back: %d bytes, %v", len(again), err)
	}
}

// request is what a client sends most of the time.
func request() Message {
	l := OptionList{{URIPath, []byte("sensors")}, {URIPath, []byte("temperature")}, {URIQuery, []byte("unit=c")}, {Accept, []byte{50}}}
	return Message{Type: Confirmable, Code: GET, MessageID: 1, Token: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Options: l.Encode(nil), Payload: []byte("payload")}
}

func TestNoAllocations(t *testing.T) {
	m := request()
	datagram, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, len(datagram))
	sorted, reordered := m.Options.List(), m.Options.List()
	reordered[0], reordered[3] = reordered[3], reordered[0]
	path := make([]byte, 0, 64)
	set := CoreOptions().With(Block1)
	for name, f := range map[string]func(){
		"Parse":            func() { Parse(datagram) },
		"AppendTo":         func() { m.AppendTo(dst) },
		"Validate":         func() { m.Options.Validate() },
		"Get":              func() { m.Options.Get(Accept) },
		"GetUint":          func() { m.Options.GetUint(Accept) },
		"Has":              func() { m.Options.Has(Size1) },
		"ContentFormat":    func() { m.Options.ContentFormat() },
		"Check":            func() { m.Options.Check() },
		"CheckOptions":     func() { m.CheckOptions(set) },
		"CheckOutgoing":    func() { m.CheckOutgoing() },
		"AppendPath":       func() { m.Options.AppendPath(path) },
		"Encode":           func() { sorted.Encode(dst) },
		"Sort":             func() { reordered.Sort() },
		"AppendUintOption": func() { AppendUintOption(dst, 0, MaxAge, 0x12345678) },
		"AppendDiagnostic": func() { AppendDiagnostic(path, Accept, ErrOptionLength) },
		"All": func() {
			for range m.Options.All() {
			}
		},
		"Values": func() {
			for range m.Options.Values(URIPath) {
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	m := request()
	datagram, err := m.AppendTo(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		if _, err := Parse(datagram); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	m := request()
	dst := make([]byte, 0, m.Size())
	b.ReportAllocs()
	b.SetBytes(int64(m.Size()))
	for b.Loop() {
		if _, err := m.AppendTo(dst); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReceive is what a server does with a request before its handler:
// parse, check, find the path.
func BenchmarkReceive(b *testing.B) {
	m := request()
	datagram, err := m.AppendTo(nil)
	if err != nil {
		b.Fatal(err)
	}
	path := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		m, err := Parse(datagram)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.CheckOptions(CoreOptions()); err != nil {
			b.Fatal(err)
		}
		path = m.Options.AppendPath(path[:0])
	}
}

func BenchmarkGetUint(b *testing.B) {
	m := request()
	b.ReportAllocs()
	for b.Loop() {
		m.Options.GetUint(Accept)
	}
}
