// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// HandshakeHeaderLen is the length of the header of a handshake fragment.
const HandshakeHeaderLen = 12

// MaxHandshakeLen is the largest length the 24 bit field can say. Policy
// limits are far below.
const MaxHandshakeLen = 1<<24 - 1

// HandshakeHeader is the header of a handshake fragment (RFC 6347 §4.2.2):
//
//	struct {
//	  HandshakeType msg_type;
//	  uint24 length;
//	  uint16 message_seq;
//	  uint24 fragment_offset;
//	  uint24 fragment_length;
//	  ...
//	} Handshake;
type HandshakeHeader struct {
	Type           HandshakeType
	Length         uint32 // of the whole message, 24 bits
	MessageSeq     uint16
	FragmentOffset uint32 // 24 bits
	FragmentLength uint32 // 24 bits
}

// ParseHandshakeHeader reads the header at the front of b. It reports false
// when b is shorter than the header and the fragment it announces, or when
// the fragment lies outside its message.
func ParseHandshakeHeader(b []byte) (h HandshakeHeader, ok bool) {
	if len(b) < HandshakeHeaderLen {
		return h, false
	}
	h = HandshakeHeader{
		Type:           HandshakeType(b[0]),
		Length:         uint24(b[1:]),
		MessageSeq:     binary.BigEndian.Uint16(b[4:]),
		FragmentOffset: uint24(b[6:]),
		FragmentLength: uint24(b[9:]),
	}
	if len(b)-HandshakeHeaderLen < int(h.FragmentLength) {
		return h, false
	}
	// 24 bit numbers cannot overflow a 32 bit sum.
	return h, h.FragmentOffset+h.FragmentLength <= h.Length
}

// Whole reports whether the fragment is the whole message.
func (h HandshakeHeader) Whole() bool {
	return h.FragmentOffset == 0 && h.FragmentLength == h.Length
}

// Append appends the 12 bytes of the header.
func (h HandshakeHeader) Append(dst []byte) []byte {
	var b [HandshakeHeaderLen]byte
	h.Put(&b)
	return append(dst, b[:]...)
}

// Put writes the header to b.
func (h HandshakeHeader) Put(b *[HandshakeHeaderLen]byte) {
	b[0] = byte(h.Type)
	putUint24(b[1:], h.Length)
	binary.BigEndian.PutUint16(b[4:], h.MessageSeq)
	putUint24(b[6:], h.FragmentOffset)
	putUint24(b[9:], h.FragmentLength)
}

func uint24(b []byte) uint32 {
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}

func putUint24(b []byte, v uint32) {
	b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v)
}
