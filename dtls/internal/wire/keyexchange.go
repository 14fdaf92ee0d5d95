// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "golang.org/x/crypto/cryptobyte"

// namedCurve is the only curve type left (RFC 8422 §5.4).
const namedCurve = 3

// KeyExchangeForm says which parts the key exchange messages of a suite have.
type KeyExchangeForm struct {
	PSK    bool // hint and identity (RFC 4279 §2)
	ECDHE  bool // curve and points (RFC 8422 §5.4, §5.7; RFC 5489 §2)
	Signed bool // a signature over the randoms and the curve part
}

// ServerKeyExchange is the body of a ServerKeyExchange, with the parts that
// its form has, in this order:
//
//	opaque psk_identity_hint<0..2^16-1>;
//	ECCurveType curve_type; NamedCurve namedcurve; opaque point<1..2^8-1>;
//	SignatureAndHashAlgorithm algorithm; opaque signature<0..2^16-1>;
type ServerKeyExchange struct {
	Hint      []byte
	Group     Group
	Point     []byte
	Params    []byte // the curve part as it was written: what is signed
	Scheme    SignatureScheme
	Signature []byte
}

// Parse reads the body.
func (m *ServerKeyExchange) Parse(body []byte, form KeyExchangeForm) error {
	s := cryptobyte.String(body)
	if form.PSK && !readVector16(&s, &m.Hint) {
		return ErrDecode
	}
	if form.ECDHE && !m.readParams(&s) {
		return ErrDecode
	}
	if form.Signed && (!s.ReadUint16((*uint16)(&m.Scheme)) || !readVector16(&s, &m.Signature)) {
		return ErrDecode
	}
	if !s.Empty() {
		return ErrDecode
	}
	return nil
}

func (m *ServerKeyExchange) readParams(s *cryptobyte.String) bool {
	start := *s
	var curveType uint8
	ok := s.ReadUint8(&curveType) && curveType == namedCurve &&
		s.ReadUint16((*uint16)(&m.Group)) && readVector8(s, &m.Point) && len(m.Point) > 0
	m.Params = start[:len(start)-len(*s)]
	return ok
}

// AppendECParams appends the curve part of a ServerKeyExchange.
func AppendECParams(dst []byte, group Group, point []byte) []byte {
	dst = append(dst, namedCurve)
	dst = appendUint16(dst, group)
	return appendVector8(dst, point)
}

// Append appends the body; the curve part is taken from Params.
func (m *ServerKeyExchange) Append(dst []byte, form KeyExchangeForm) []byte {
	if form.PSK {
		dst = appendVector16(dst, m.Hint)
	}
	if form.ECDHE {
		dst = append(dst, m.Params...)
	}
	if form.Signed {
		dst = appendVector16(appendUint16(dst, m.Scheme), m.Signature)
	}
	return dst
}

// ClientKeyExchange is the body of a ClientKeyExchange, with the parts that
// its form has, in this order:
//
//	opaque psk_identity<0..2^16-1>;
//	opaque ecdh_Yc<1..2^8-1>;
type ClientKeyExchange struct {
	Identity []byte
	Point    []byte
}

// Parse reads the body.
func (m *ClientKeyExchange) Parse(body []byte, form KeyExchangeForm) error {
	s := cryptobyte.String(body)
	if form.PSK && !readVector16(&s, &m.Identity) {
		return ErrDecode
	}
	if form.ECDHE && (!readVector8(&s, &m.Point) || len(m.Point) == 0) {
		return ErrDecode
	}
	if !s.Empty() {
		return ErrDecode
	}
	return nil
}

// Append appends the body.
func (m *ClientKeyExchange) Append(dst []byte, form KeyExchangeForm) []byte {
	if form.PSK {
		dst = appendVector16(dst, m.Identity)
	}
	if form.ECDHE {
		dst = appendVector8(dst, m.Point)
	}
	return dst
}
