// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"iter"

	"golang.org/x/crypto/cryptobyte"
)

// RandomLen is the length of the random of a hello.
const RandomLen = 32

// List is a view of a list of 16 bit code points as the wire writes them.
type List[T ~uint16] []byte

// Len is the number of code points.
func (l List[T]) Len() int { return len(l) / 2 }

// At returns the i-th code point.
func (l List[T]) At(i int) T { return T(binary.BigEndian.Uint16(l[2*i:])) }

// All ranges over the code points in order.
func (l List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range l.Len() {
			if !yield(l.At(i)) {
				return
			}
		}
	}
}

// Contains reports whether v is in the list.
func (l List[T]) Contains(v T) bool {
	for i := range l.Len() {
		if l.At(i) == v {
			return true
		}
	}
	return false
}

// AppendList appends the code points, without a length.
func AppendList[T ~uint16](dst []byte, list []T) []byte {
	for _, v := range list {
		dst = binary.BigEndian.AppendUint16(dst, uint16(v))
	}
	return dst
}

// ClientHello is the body of a ClientHello (RFC 6347 §4.2.1):
//
//	ProtocolVersion client_version;
//	Random random;
//	SessionID session_id<0..32>;
//	opaque cookie<0..2^8-1>;
//	CipherSuite cipher_suites<2..2^16-1>;
//	CompressionMethod compression_methods<1..2^8-1>;
//	Extension extensions<0..2^16-1>;      // or absent
type ClientHello struct {
	Version      Version
	Random       []byte // RandomLen bytes
	SessionID    []byte
	Cookie       []byte
	CipherSuites List[CipherSuite]
	Compression  []byte
	Extensions   []byte // the list, without its length

	// BeforeCookie and AfterCookie are the two parts of the body around the
	// cookie with its length: all that a cookie is bound to. Parse sets them.
	BeforeCookie, AfterCookie []byte
}

// Parse reads the body of a ClientHello. It does not look into the extensions.
func (m *ClientHello) Parse(body []byte) error {
	s := cryptobyte.String(body)
	if !s.ReadUint16((*uint16)(&m.Version)) ||
		!s.ReadBytes(&m.Random, RandomLen) ||
		!readVector8(&s, &m.SessionID) || len(m.SessionID) > 32 {
		return ErrDecode
	}
	m.BeforeCookie = body[:len(body)-len(s)]
	if !readVector8(&s, &m.Cookie) {
		return ErrDecode
	}
	m.AfterCookie = s
	if !readVector16(&s, (*[]byte)(&m.CipherSuites)) || !readVector8(&s, &m.Compression) ||
		len(m.CipherSuites) < 2 || len(m.CipherSuites)%2 != 0 || len(m.Compression) < 1 {
		return ErrDecode
	}
	return readExtensions(s, &m.Extensions)
}

// Append appends the body.
func (m *ClientHello) Append(dst []byte) []byte {
	dst = append(appendUint16(dst, m.Version), m.Random...)
	dst = appendVector8(dst, m.SessionID)
	dst = appendVector8(dst, m.Cookie)
	dst = appendVector16(dst, m.CipherSuites)
	dst = appendVector8(dst, m.Compression)
	return appendVector16(dst, m.Extensions)
}

// HelloVerifyRequest is the body of a HelloVerifyRequest (RFC 6347 §4.2.1):
//
//	ProtocolVersion server_version;
//	opaque cookie<0..2^8-1>;
type HelloVerifyRequest struct {
	Version Version
	Cookie  []byte
}

// Parse reads the body.
func (m *HelloVerifyRequest) Parse(body []byte) error {
	s := cryptobyte.String(body)
	if !s.ReadUint16((*uint16)(&m.Version)) || !readVector8(&s, &m.Cookie) || !s.Empty() {
		return ErrDecode
	}
	return nil
}

// Append appends the body. It allocates nothing if dst has room.
func (m *HelloVerifyRequest) Append(dst []byte) []byte {
	return appendVector8(appendUint16(dst, m.Version), m.Cookie)
}

// ServerHello is the body of a ServerHello (RFC 5246 §7.4.1.3):
//
//	ProtocolVersion server_version;
//	Random random;
//	SessionID session_id<0..32>;
//	CipherSuite cipher_suite;
//	CompressionMethod compression_method;
//	Extension extensions<0..2^16-1>;      // or absent
type ServerHello struct {
	Version     Version
	Random      []byte // RandomLen bytes
	SessionID   []byte
	CipherSuite CipherSuite
	Compression uint8
	Extensions  []byte // the list, without its length
}

// Parse reads the body. It does not look into the extensions.
func (m *ServerHello) Parse(body []byte) error {
	s := cryptobyte.String(body)
	if !s.ReadUint16((*uint16)(&m.Version)) ||
		!s.ReadBytes(&m.Random, RandomLen) ||
		!readVector8(&s, &m.SessionID) || len(m.SessionID) > 32 ||
		!s.ReadUint16((*uint16)(&m.CipherSuite)) ||
		!s.ReadUint8(&m.Compression) {
		return ErrDecode
	}
	return readExtensions(s, &m.Extensions)
}

// Append appends the body.
func (m *ServerHello) Append(dst []byte) []byte {
	dst = append(appendUint16(dst, m.Version), m.Random...)
	dst = appendVector8(dst, m.SessionID)
	dst = append(appendUint16(dst, m.CipherSuite), m.Compression)
	if len(m.Extensions) == 0 {
		return dst
	}
	return appendVector16(dst, m.Extensions)
}

// readExtensions reads what is left of a hello: nothing, or one list.
// "The presence of extensions can be detected by determining whether there
// are bytes following the compression_method at the end" (RFC 5246 §7.4.1.3).
func readExtensions(s cryptobyte.String, out *[]byte) error {
	*out = nil
	if s.Empty() {
		return nil
	}
	if !readVector16(&s, out) || !s.Empty() {
		return ErrDecode
	}
	return nil
}

// readVector8 reads a vector with a length of one byte.
func readVector8(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint8LengthPrefixed((*cryptobyte.String)(out))
}

// readVector16 reads a vector with a length of two bytes.
func readVector16(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint16LengthPrefixed((*cryptobyte.String)(out))
}

// readVector24 reads a vector with a length of three bytes.
func readVector24(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint24LengthPrefixed((*cryptobyte.String)(out))
}

func appendVector8(dst, v []byte) []byte  { return append(appendLength(dst, 1, len(v)), v...) }
func appendVector16(dst, v []byte) []byte { return append(appendLength(dst, 2, len(v)), v...) }
func appendVector24(dst, v []byte) []byte { return append(appendLength(dst, 3, len(v)), v...) }

// appendLength appends the length of a vector in so many bytes.
func appendLength(dst []byte, size, n int) []byte {
	if n>>(8*size) != 0 {
		panic("wire: vector is longer than its length can say")
	}
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}
