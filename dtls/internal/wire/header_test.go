// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// The record header, byte by byte.
//
// Proves rfc6347 §4.1: "This document describes DTLS version 1.2, which uses
// the version { 254, 253 }."
func TestRecordHeaderBytes(t *testing.T) {
	h := RecordHeader{Type: ContentHandshake, Version: VersionDTLS12, Epoch: 0x0102, Sequence: 0x030405060708, Length: 0x0a0b}
	want := "16" + "fefd" + "0102" + "030405060708" + "0a0b"
	if got := hex.EncodeToString(h.Append(nil)); got != want {
		t.Errorf("header is %s, want %s", got, want)
	}
}

// A header that is good for any numbers is read as it was written, and every
// prefix of header and fragment is refused.
//
// Pitfall O12, O4: a header announces no more than is there, with fragments of no length too
func TestRecordHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := RecordHeader{
			Type: ContentType(rapid.Byte().Draw(t, "type")), Version: Version(rapid.Uint16().Draw(t, "version")),
			Epoch: rapid.Uint16().Draw(t, "epoch"), Sequence: rapid.Uint64Range(0, MaxSequence).Draw(t, "sequence"),
			Length: rapid.IntRange(0, 40).Draw(t, "length"),
		}
		b := append(h.Append(nil), make([]byte, h.Length)...)
		if got, ok := ParseRecordHeader(append(bytes.Clone(b), 1, 2, 3)); !ok || got != h {
			t.Fatalf("%+v becomes %+v, %v", h, got, ok)
		}
		for n := range b {
			if _, ok := ParseRecordHeader(tight(b[:n])); ok {
				t.Fatalf("%d of %d bytes are a record", n, len(b))
			}
		}
	})
}

// A sequence number never spills into the epoch beside it.
//
// Pitfall W14, T14: 48 bits are kept, whatever is above them
func TestSequenceStaysOutOfTheEpoch(t *testing.T) {
	h := RecordHeader{Epoch: 1, Sequence: MaxSequence + 1}
	if got, _ := ParseRecordHeader(h.Append(nil)); got.Epoch != 1 || got.Sequence != 0 {
		t.Errorf("epoch %d, sequence %d", got.Epoch, got.Sequence)
	}
}

// The header of a handshake fragment, byte by byte.
func TestHandshakeHeaderBytes(t *testing.T) {
	h := HandshakeHeader{Type: HandshakeCertificate, Length: 0x010203, MessageSeq: 0x0405, FragmentOffset: 0x000708, FragmentLength: 2}
	b := append(h.Append(nil), 0xaa, 0xbb)
	if want := "0b" + "010203" + "0405" + "000708" + "000002" + "aabb"; hex.EncodeToString(b) != want {
		t.Errorf("header is %x, want %s", b, want)
	}
	if got, ok := ParseHandshakeHeader(b); !ok || got != h || got.Whole() {
		t.Errorf("%+v, %v", got, ok)
	}
}

// A fragment lies inside its message and inside its record, for all small
// numbers and for the largest.
//
// Proves rfc6347 §4.2.3: "An unfragmented message is a degenerate case with
// fragment_offset=0 and fragment_length=length."
// Pitfall T5, G4: offset, length and what is there, in every combination
func TestFragmentsLieInside(t *testing.T) {
	numbers := []uint32{0, 1, 2, 3, 4, 5, 0xff, 0x100, MaxHandshakeLen - 1, MaxHandshakeLen}
	for _, length := range numbers {
		for _, offset := range numbers {
			for _, n := range numbers {
				for there := range 6 {
					h := HandshakeHeader{Type: HandshakeFinished, Length: length, FragmentOffset: offset, FragmentLength: n}
					got, ok := ParseHandshakeHeader(append(h.Append(nil), make([]byte, there)...))
					if want := int(n) <= there && uint64(offset)+uint64(n) <= uint64(length); ok != want {
						t.Fatalf("%+v with %d bytes: %v", h, there, ok)
					}
					if ok && got.Whole() != (offset == 0 && n == length) {
						t.Fatalf("%+v is whole: %v", h, got.Whole())
					}
				}
			}
		}
	}
	for n := range HandshakeHeaderLen {
		if _, ok := ParseHandshakeHeader(make([]byte, n)); ok {
			t.Errorf("%d bytes are a header", n)
		}
	}
}

// Headers are on the path of every record.
func TestHeadersAllocateNothing(t *testing.T) {
	record := append(RecordHeader{Length: 20}.Append(nil), HandshakeHeader{}.Append(nil)...)
	record = append(record, make([]byte, 8)...)
	var out [RecordHeaderLen]byte
	if n := testing.AllocsPerRun(100, func() {
		h, ok := ParseRecordHeader(record)
		m, ok2 := ParseHandshakeHeader(record[RecordHeaderLen:])
		h.Put(&out)
		if !ok || !ok2 || !m.Whole() {
			t.Fatal("headers do not parse")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
