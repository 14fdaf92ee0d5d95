// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawBytes(t *rapid.T, label string, lowest, highest int) []byte {
	return rapid.SliceOfN(rapid.Byte(), lowest, highest).Draw(t, label)
}

// optionLengths are the edges of the encoding and of the registry's limits.
var optionLengths = []int{0, 1, 2, 3, 4, 8, 12, 13, 14, 255, 256, 268, 269, 270, 1034}

func drawOption(t *rapid.T) Option {
	num := rapid.OneOf(
		rapid.Map(rapid.IntRange(0, len(optionRegistry)-1), func(i int) OptionNumber { return optionRegistry[i].number }),
		rapid.Map(rapid.Uint16(), func(n uint16) OptionNumber { return OptionNumber(n) }),
	).Draw(t, "number")
	n := rapid.SampledFrom(optionLengths).Draw(t, "length")
	return Option{num, drawBytes(t, "value", n, n)}
}

func drawMessage(t *rapid.T) (Message, OptionList) {
	list := OptionList(rapid.SliceOfN(rapid.Custom(drawOption), 0, 12).Draw(t, "options"))
	return Message{
		Type:      Type(rapid.IntRange(0, 3).Draw(t, "type")),
		Code:      Code(rapid.IntRange(1, 255).Draw(t, "code")),
		MessageID: rapid.Uint16().Draw(t, "message ID"),
		Token:     drawBytes(t, "token", 0, MaxTokenLength),
		Options:   list.Encode(nil),
		Payload:   drawBytes(t, "payload", 0, 40),
	}, list
}

// TestRoundTrip checks that Parse undoes AppendTo and Encode, and that Size told
// the length.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, list := drawMessage(t)
		datagram, err := m.AppendTo(make([]byte, 0, m.Size()))
		if err != nil {
			t.Fatal(err)
		}
		if len(datagram) != m.Size() {
			t.Fatalf("%d bytes, and Size said %d", len(datagram), m.Size())
		}
		got, err := Parse(datagram)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got, sameMessage); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		list.Sort()
		if diff := cmp.Diff(list, got.Options.List(), sameMessage); diff != "" {
			t.Fatalf("options (-want +got):\n%s", diff)
		}
	})
}

// TestPrefixes checks that a message cut off anywhere is a shorter message or an
// error, and what its header says stays the same.
//
// Pitfall R5, R7: each prefix of a message
func TestPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := drawMessage(t)
		datagram, err := m.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range datagram {
			got, err := Parse(datagram[:n:n])
			if n < headerLength {
				if err == nil {
					t.Fatalf("%d bytes are a message", n)
				}
				continue
			}
			if got.Type != m.Type || got.Code != m.Code || got.MessageID != m.MessageID {
				t.Fatalf("header of %d bytes: %s", n, got.Summary())
			}
		}
	})
}

// TestURIRoundTrip checks that a URI made of any parts is read back from its
// text and from its options.
func TestURIRoundTrip(t *testing.T) {
	part := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		u := URI{
			Scheme: rapid.SampledFrom([]string{"coap", "coaps"}).Draw(t, "scheme"),
			Host:   rapid.StringMatching(`[a-z0-9ü][a-zü0-9.!$&'()*+,;=~_-]{0,20}[a-z]`).Draw(t, "host"),
			Port:   uint16(rapid.IntRange(1, 65535).Draw(t, "port")),
			Path:   rapid.SliceOfN(part.Filter(func(s string) bool { return !isDotSegment(s) }), 0, 4).Draw(t, "path"),
			Query:  rapid.SliceOfN(part, 0, 4).Draw(t, "query"),
		}
		if len(u.Path) == 1 && u.Path[0] == "" {
			u.Path = nil // a URI cannot tell it from no path
		}
		got, err := ParseURI(u.String())
		if err != nil {
			t.Fatalf("%s: %v", &u, err)
		}
		if diff := cmp.Diff(u, got, sameMessage); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", &u, diff)
		}
	})
}
