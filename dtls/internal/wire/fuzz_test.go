// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"testing"
)

// FuzzRecordHeader cuts records off anything: what is a record is written
// again as it was, and lies inside the input.
func FuzzRecordHeader(f *testing.F) {
	f.Add(RecordHeader{Type: ContentHandshake, Version: VersionDTLS12}.Append(nil))
	f.Add(append(RecordHeader{Type: ContentApplicationData, Version: VersionDTLS12, Epoch: 1, Sequence: MaxSequence, Length: 3}.Append(nil), 1, 2, 3, 4))
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := ParseRecordHeader(b)
		if !ok {
			return
		}
		if RecordHeaderLen+h.Length > len(b) {
			t.Fatalf("a record of %d bytes in %d", h.Length, len(b))
		}
		if got := h.Append(nil); !bytes.Equal(got, b[:RecordHeaderLen]) {
			t.Errorf("header %x becomes %x", b[:RecordHeaderLen], got)
		}
	})
}

// FuzzHandshakeHeader does the same with fragments of messages.
func FuzzHandshakeHeader(f *testing.F) {
	f.Add(append(HandshakeHeader{Type: HandshakeFinished, Length: 12, FragmentLength: 12}.Append(nil), make([]byte, 12)...))
	f.Add(append(HandshakeHeader{Type: HandshakeCertificate, Length: MaxHandshakeLen, FragmentOffset: MaxHandshakeLen - 1, FragmentLength: 1}.Append(nil), 7))
	f.Add([]byte{11, 255, 255, 255, 0, 0, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := ParseHandshakeHeader(b)
		if !ok {
			return
		}
		if HandshakeHeaderLen+int(h.FragmentLength) > len(b) || h.FragmentOffset+h.FragmentLength > h.Length {
			t.Fatalf("fragment %+v in %d bytes", h, len(b))
		}
		if got := h.Append(nil); !bytes.Equal(got, b[:HandshakeHeaderLen]) {
			t.Errorf("header %x becomes %x", b[:HandshakeHeaderLen], got)
		}
	})
}

// FuzzHandshakeMessages parses anything as each message: what parses is
// encoded in a form that stays, and the views lie inside the input.
func FuzzHandshakeMessages(f *testing.F) {
	list := codecs()
	for i, c := range list {
		for _, sample := range c.samples {
			f.Add(byte(i), sample)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		checkStable(t, list[int(which)%len(list)], body)
	})
}

// FuzzExtensions parses anything as both kinds of extension list. What a
// server reads of a client's list is at most what is in it.
func FuzzExtensions(f *testing.F) {
	for _, list := range append(sampleClientExtensions(), sampleServerExtensions()...) {
		f.Add(list)
	}
	f.Add([]byte{0, 0x17, 0, 0, 0, 0x17, 0, 0})
	f.Fuzz(func(t *testing.T, list []byte) {
		var c ClientExtensions
		if c.Parse(list) == nil {
			for _, view := range [][]byte{c.ServerName, c.Groups, c.PointFormats, c.Schemes, c.ClientCertTypes, c.ServerCertTypes, c.RenegotiationInfo} {
				if len(view) > len(list) || len(view) > 0 && !bytes.Contains(list, view) {
					t.Fatalf("%x is not in %x", view, list)
				}
			}
			if len(c.Groups)%2 != 0 || len(c.Schemes)%2 != 0 {
				t.Fatal("half a code point")
			}
		}
		var s ServerExtensions
		if s.Parse(list) == nil && s.Present.Has(ExtSupportedGroups) {
			t.Fatal("a server sends what is the client's to send")
		}
	})
}

// FuzzAlert reads anything as an alert.
func FuzzAlert(f *testing.F) {
	f.Add([]byte{2, 40})
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		level, a, err := ParseAlert(b)
		if err == nil && !bytes.Equal(AppendAlert(nil, level, a), b) {
			t.Errorf("%x is read as %v %v", b, level, a)
		}
		if a.String() == "" {
			t.Error("an alert without a name")
		}
	})
}

func BenchmarkParseClientHello(b *testing.B) {
	hello := sampleClientHellos()[1]
	var m ClientHello
	var e ClientExtensions
	b.ReportAllocs()
	for b.Loop() {
		if m.Parse(hello) != nil || e.Parse(m.Extensions) != nil {
			b.Fatal("does not parse")
		}
	}
}
