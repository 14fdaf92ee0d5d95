// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
)

// ErrDecode says that a message does not have the form its type demands.
// Nothing more is said: what was wrong is of no use to a program.
var ErrDecode = errors.New("dtls: malformed message")

// Sizes of the record layer (RFC 6347 §4.1, RFC 5246 §6.2).
const (
	RecordHeaderLen = 13
	MaxPlaintextLen = 1 << 14
	MaxSequence     = 1<<48 - 1
	MaxEpoch        = 1<<16 - 1
)

// RecordHeader is the header of a DTLS 1.2 record (RFC 6347 §4.1):
//
//	struct {
//	  ContentType type;
//	  ProtocolVersion version;
//	  uint16 epoch;
//	  uint48 sequence_number;
//	  uint16 length;
//	  opaque fragment[DTLSPlaintext.length];
//	} DTLSPlaintext;
type RecordHeader struct {
	Type     ContentType
	Version  Version
	Epoch    uint16
	Sequence uint64 // 48 bits
	Length   int    // of the fragment that follows
}

// ParseRecordHeader reads the header at the front of b. It reports false when
// b is shorter than the header, or than the header and the fragment it
// announces. It judges nothing else.
func ParseRecordHeader(b []byte) (h RecordHeader, ok bool) {
	if len(b) < RecordHeaderLen {
		return h, false
	}
	epochSequence := binary.BigEndian.Uint64(b[3:])
	h = RecordHeader{
		Type:     ContentType(b[0]),
		Version:  Version(binary.BigEndian.Uint16(b[1:])),
		Epoch:    uint16(epochSequence >> 48),
		Sequence: epochSequence & MaxSequence,
		Length:   int(binary.BigEndian.Uint16(b[11:])),
	}
	return h, len(b)-RecordHeaderLen >= h.Length
}

// Append appends the 13 bytes of the header.
func (h RecordHeader) Append(dst []byte) []byte {
	var b [RecordHeaderLen]byte
	h.Put(&b)
	return append(dst, b[:]...)
}

// Put writes the header to b.
func (h RecordHeader) Put(b *[RecordHeaderLen]byte) {
	b[0] = byte(h.Type)
	binary.BigEndian.PutUint16(b[1:], uint16(h.Version))
	binary.BigEndian.PutUint64(b[3:], uint64(h.Epoch)<<48|h.Sequence&MaxSequence)
	binary.BigEndian.PutUint16(b[11:], uint16(h.Length))
}
