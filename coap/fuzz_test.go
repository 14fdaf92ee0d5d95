// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Three fuzzers hold the parser against a reference, from the least to the most
// knowing: any bytes, mutations of valid messages, and messages built from the
// registry with each option right or wrong in a way of its own. Fuzzing of CoAP
// servers found most with the last and something with each.

// valid are datagrams to start from.
var valid = [][]byte{
	[]byte("\x40\x01\x7d\x34\xbbtemperature"),
	[]byte("\x61\x45\x7d\x35\x20\xff22.3 C"),
	[]byte("\x60\x00\x7d\x38"),
	[]byte("\x70\x00\xad\x7c"),
	[]byte("\x48\x02\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08\x31h\x82a\xff\x40\x11\x3c\x00\xd1\x1e\x10\xff\xff"),
	[]byte("\x50\x03\x00\x00\xe0\xfe\xf2\x0e\x00\x00" + string(make([]byte, 269))),
}

// equal and equalLists are cmp.Equal at the speed that fuzzing needs.
func equal(a, b Message) bool {
	return a.Type == b.Type && a.Code == b.Code && a.MessageID == b.MessageID && bytes.Equal(a.Token, b.Token) &&
		bytes.Equal(a.Options, b.Options) && bytes.Equal(a.Payload, b.Payload)
}

func equalLists(a, b OptionList) bool {
	return slices.EqualFunc(a, b, func(a, b Option) bool { return a.Number == b.Number && bytes.Equal(a.Value, b.Value) })
}

// checkParse demands of Parse what must hold for every datagram.
func checkParse(t *testing.T, datagram []byte) {
	t.Helper()
	before := slices.Clone(datagram)
	m, err := Parse(datagram)
	if !bytes.Equal(before, datagram) {
		t.Fatal("Parse changed the datagram")
	}
	ref := referenceParse(datagram)
	switch {
	case errors.Is(err, ErrTooShort) || errors.Is(err, ErrVersion):
		if !ref.ignored {
			t.Fatalf("%x: %v, and the reference reads a header", datagram, err)
		}
	case asFormatError(err):
		if !ref.malformed {
			t.Fatalf("%x: %v, and the reference reads %s", datagram, err, ref.message.Summary())
		}
		if !equal(ref.message, m) {
			t.Fatalf("%x: header %s, and the reference reads %s", datagram, m.Summary(), ref.message.Summary())
		}
	case err != nil:
		t.Fatalf("%x: an error of no kind: %v", datagram, err)
	default:
		checkMessage(t, datagram, m, ref)
	}
}

// checkMessage compares what was parsed with the reference and writes it back.
func checkMessage(t *testing.T, datagram []byte, m Message, ref reference) {
	t.Helper()
	if ref.ignored || ref.malformed {
		t.Fatalf("%x: read as %s, and the reference refuses it", datagram, m.Summary())
	}
	if !equalLists(ref.options, m.Options.List()) {
		t.Fatalf("%x: options (-reference +Parse):\n%s", datagram, cmp.Diff(ref.options, m.Options.List(), sameMessage))
	}
	ref.message.Options = m.Options
	if !equal(ref.message, m) {
		t.Fatalf("%x (-reference +Parse):\n%s", datagram, cmp.Diff(ref.message, m, sameMessage))
	}
	if again, err := m.AppendTo(nil); err != nil || !bytes.Equal(again, datagram) {
		t.Fatalf("%x: written back as %x, %v", datagram, again, err)
	}
	// Whatever else reads a message has to survive it.
	m.CheckOptions(CoreOptions())
	m.CheckOutgoing()
	m.Diagnostic()
	summary := m.Summary()
	if i := strings.IndexFunc(summary, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Fatalf("%x: summary %q is not printable", datagram, summary)
	}
	if s, err := ComposeURI(true, netip.MustParseAddrPort("192.0.2.1:5684"), m.Options); err == nil {
		if addr, _, ok := bytes.Cut([]byte(s), []byte("://")); !ok || string(addr) != "coaps" {
			t.Fatalf("%x: composed %q", datagram, s)
		}
	}
}

// FuzzParse takes any bytes.
//
// Pitfall R8, R5, R6: any bytes
func FuzzParse(f *testing.F) {
	for _, datagram := range valid {
		f.Add(datagram)
	}
	for _, tt := range malformed {
		f.Add(unhexString(f, tt.datagram))
	}
	f.Fuzz(checkParse)
}

// FuzzMutation applies a script to a valid message, three bytes for each change.
//
// Pitfall R8, R1, R7: valid messages with bytes changed, inserted, removed and
// doubled
func FuzzMutation(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 0x4d})
	f.Add(uint8(1), []byte{1, 5, 0xff})
	f.Add(uint8(4), []byte{2, 12, 0, 0, 13, 0xe0})
	f.Add(uint8(5), []byte{3, 4, 0, 0, 6, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		datagram := slices.Clone(valid[int(which)%len(valid)])
		for ; len(script) >= 3 && len(datagram) < 2048; script = script[3:] {
			datagram = mutate(datagram, script[0], int(script[1]), script[2])
		}
		checkParse(t, datagram)
	})
}

func mutate(datagram []byte, how byte, at int, b byte) []byte {
	if len(datagram) == 0 {
		return []byte{b}
	}
	at %= len(datagram)
	switch how % 5 {
	case 0:
		datagram[at] = b
	case 1:
		datagram[at] ^= 1 << (b % 8)
	case 2:
		datagram = slices.Insert(datagram, at, b)
	case 3:
		datagram = slices.Delete(datagram, at, at+1)
	case 4:
		datagram = append(datagram, datagram[at:]...)
	}
	return datagram
}

// builder makes a request by the grammar, three bytes of a script for each
// option, and keeps account of what is wrong with it.
type builder struct {
	list OptionList
}

// add appends the option that the script names: which row, how its length
// relates to the limits, how often.
func (b *builder) add(which, length, count byte) {
	var num OptionNumber
	if row := int(which); row < len(optionRegistry) {
		num = optionRegistry[row].number
	} else {
		num = OptionNumber(row) * 257
	}
	lowest, highest := num.Length()
	if !num.Known() {
		lowest, highest = 0, 300
	}
	n := []int{lowest, highest, lowest - 1, highest + 1, (lowest + highest) / 2, 0, 13, 269}[length%8]
	value := bytes.Repeat([]byte{'.'}, max(n, 0))
	for range count%3 + 1 {
		b.list.Add(num, value)
	}
}

// firstBad finds what CheckOptions has to find, in a list in order.
func (b *builder) firstBad() OptionNumber {
	for i, o := range b.list {
		lowest, highest := o.Number.Length()
		again := i > 0 && b.list[i-1].Number == o.Number
		switch o.Number {
		case IfMatch, URIHost, IfNoneMatch, URIPort, URIPath, URIQuery, Accept, ProxyURI, ProxyScheme:
			tooMany := again && o.Number != IfMatch && o.Number != URIPath && o.Number != URIQuery
			dots := o.Number == URIPath && (string(o.Value) == "." || string(o.Value) == "..")
			if len(o.Value) < lowest || len(o.Value) > highest || tooMany || dots {
				return o.Number
			}
		default:
			if o.Number%2 == 1 {
				return o.Number
			}
		}
	}
	return 0
}

// FuzzGrammar builds a request from the registry.
//
// Pitfall R8, R3, R4: messages by the grammar, each option within its limits or
// just beyond
func FuzzGrammar(f *testing.F) {
	f.Add([]byte{8, 0, 0, 8, 1, 1})
	f.Add([]byte{1, 3, 0, 5, 1, 2, 13, 0, 1})
	f.Add([]byte{26, 7, 2, 255, 6, 2, 100, 5, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var b builder
		for ; len(script) >= 3 && len(b.list) < 40; script = script[3:] {
			b.add(script[0], script[1], script[2])
		}
		b.list.Sort()
		m := Message{Code: GET, Token: script[:min(len(script), MaxTokenLength)], Options: b.list.Encode(nil), Payload: script}
		datagram, err := m.AppendTo(nil)
		if err != nil {
			t.Fatalf("%s: %v", m.Summary(), err)
		}
		checkParse(t, datagram)
		parsed, err := Parse(datagram)
		if err != nil {
			t.Fatal(err)
		}
		if !equalLists(b.list, parsed.Options.List()) {
			t.Fatalf("options (-built +parsed):\n%s", cmp.Diff(b.list, parsed.Options.List(), sameMessage))
		}
		if parsed.Options.Has(LocationPath) || parsed.Options.Has(LocationQuery) {
			return // the reserved numbers beside them have a test of their own
		}
		if bad, err := parsed.Options.Check(); bad != b.firstBad() || (err != nil) != (bad != 0) {
			t.Fatalf("%s: bad option %v, %v; want %v", m.Summary(), bad, err, b.firstBad())
		}
	})
}

// FuzzParseURI takes URIs apart and puts them together again.
//
// Pitfall L5: no text reads past its end or changes meaning on the way
func FuzzParseURI(f *testing.F) {
	for _, s := range []string{
		"coap://[fe80::1%25eth0]:61616//%2F//?%2F%2F&?%26",
		"coaps://EXAMPLE.com:/%7esensors/../temp.xml?",
		"coap://h%2e/%2e/..?#", "coap+tcp://user@h/", "coap://[::ffff:1.2.3.4]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			var wrapped *URIError
			if !errors.As(err, &wrapped) {
				t.Fatalf("%T is no *URIError", err)
			}
			return
		}
		again, err := ParseURI(u.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", s, &u, err)
		}
		if diff := cmp.Diff(u, again, sameMessage); diff != "" {
			t.Fatalf("%q is written as %q (-first +second):\n%s", s, &u, diff)
		}
		m := Message{Code: GET, Options: u.OptionsFor(netip.AddrPort{}).Encode(nil)}
		if bad, err := m.CheckOutgoing(); err != nil {
			t.Fatalf("%q: %v: %v", s, bad, err)
		}
		composed, err := ComposeURI(u.Secure(), netip.AddrPort{}, m.Options)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if addr, ok := u.Addr(); !ok || addr.Zone() == "" {
			if composed != u.String() {
				t.Fatalf("%q composes to %q, not %q", s, composed, &u)
			}
		}
	})
}

// FuzzComposeURI makes URIs from the options of a stranger.
//
// Pitfall L5: a URI made from options leads back to the same options
func FuzzComposeURI(f *testing.F) {
	f.Add(true, []byte(options(Option{URIHost, []byte("h")}, Option{URIPort, []byte{1}}, Option{URIPath, []byte("/")}, Option{URIQuery, []byte("&")})))
	f.Add(false, []byte(options(Option{URIHost, []byte("[::1]")}, Option{URIPath, nil}, Option{URIPath, []byte("é")})))
	dest := netip.MustParseAddrPort("[2001:db8::1]:5683")
	f.Fuzz(func(t *testing.T, secure bool, o []byte) {
		if Options(o).Validate() != nil {
			return
		}
		if _, err := Options(o).Check(); err != nil {
			return
		}
		s, err := ComposeURI(secure, dest, o)
		if err != nil {
			return
		}
		u, err := ParseURI(s)
		if errors.Is(err, ErrURIHost) || errors.Is(err, ErrURIPort) || errors.Is(err, ErrURILength) {
			return // a host that section 6.5 allows with percent-encodings of its own, or port 0
		}
		if err != nil {
			t.Fatalf("%x is composed to %q: %v", o, s, err)
		}
		var segments []string
		for value := range Options(o).Values(URIPath) {
			segments = append(segments, string(value))
		}
		if len(segments) == 1 && segments[0] == "" {
			segments = nil // the same URI as without
		}
		if diff := cmp.Diff(segments, u.Path, sameMessage); diff != "" {
			t.Fatalf("%x is composed to %q (-options +URI):\n%s", o, s, diff)
		}
		if diff := cmp.Diff(Options(o).Query(), u.Query, sameMessage); diff != "" {
			t.Fatalf("%x is composed to %q (-options +URI):\n%s", o, s, diff)
		}
	})
}
