// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"bytes"
	"encoding/binary"
	"io"
)

// reference is a second parser, written from RFC 7252 section 3 for clarity and
// with another technique, which the fuzzers hold Parse against. It copies and
// allocates freely.
type reference struct {
	ignored, malformed bool
	message            Message
	options            OptionList
}

func referenceParse(datagram []byte) (ref reference) {
	var header struct {
		Bits      uint8
		Code      Code
		MessageID uint16
	}
	r := bytes.NewReader(datagram)
	if binary.Read(r, binary.BigEndian, &header) != nil || header.Bits&0xc0 != 0x40 {
		return reference{ignored: true}
	}
	ref.message = Message{Type: Type(header.Bits & 0x30 >> 4), Code: header.Code, MessageID: header.MessageID}
	ref.malformed = true // until it has proved otherwise
	if header.Code == 0 && len(datagram) != 4 || header.Bits&0x0f > 8 {
		return ref
	}
	token, ok := read(r, int(header.Bits&0x0f))
	if !ok {
		return ref
	}
	number := 0
	for r.Len() > 0 {
		first, _ := r.ReadByte()
		if first == 0xff {
			if r.Len() == 0 {
				return ref
			}
			ref.message.Payload, _ = io.ReadAll(r)
			break
		}
		delta, ok1 := referenceExtended(r, first>>4)
		length, ok2 := referenceExtended(r, first&0x0f)
		value, ok3 := read(r, length)
		number += delta
		if !ok1 || !ok2 || !ok3 || number > 65535 {
			ref.message.Payload = nil
			return ref
		}
		ref.options = append(ref.options, Option{OptionNumber(number), value})
	}
	ref.malformed = false
	ref.message.Token = token
	return ref
}

func referenceExtended(r *bytes.Reader, nibble byte) (int, bool) {
	switch nibble {
	case 13:
		b, ok := read(r, 1)
		if !ok {
			return 0, false
		}
		return int(b[0]) + 13, true
	case 14:
		b, ok := read(r, 2)
		if !ok {
			return 0, false
		}
		return int(binary.BigEndian.Uint16(b)) + 269, true
	}
	return int(nibble), nibble < 15
}

func read(r *bytes.Reader, n int) ([]byte, bool) {
	if n > r.Len() {
		return nil, false
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err == nil
}
