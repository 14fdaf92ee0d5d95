// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// ParseCertificates reads the body of an X.509 Certificate message
// (RFC 5246 §7.4.2), leaf first; an empty list is an empty slice:
//
//	opaque ASN.1Cert<1..2^24-1>;
//	ASN.1Cert certificate_list<0..2^24-1>;
//
// It fails if there are more than max certificates.
func ParseCertificates(body []byte, max int) (chain [][]byte, err error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, ErrDecode
	}
	for !list.Empty() {
		var cert []byte
		if !readVector24(&list, &cert) || len(cert) == 0 || len(chain) == max {
			return nil, ErrDecode
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// AppendCertificates appends the body of an X.509 Certificate message.
func AppendCertificates(dst []byte, chain [][]byte) []byte {
	n := 0
	for _, cert := range chain {
		n += 3 + len(cert)
	}
	dst = appendLength(slices.Grow(dst, 3+n), 3, n)
	for _, cert := range chain {
		dst = appendVector24(dst, cert)
	}
	return dst
}

// ParseRawPublicKey reads the body of a Certificate message that holds a raw
// public key (RFC 7250 §3), which is no list; an absent key is empty:
//
//	opaque ASN.1_subjectPublicKeyInfo<1..2^24-1>;
func ParseRawPublicKey(body []byte) (spki []byte, err error) {
	s := cryptobyte.String(body)
	if !readVector24(&s, &spki) || !s.Empty() {
		return nil, ErrDecode
	}
	return spki, nil
}

// AppendRawPublicKey appends the body of a Certificate message that holds a
// raw public key, or none if spki is empty.
func AppendRawPublicKey(dst, spki []byte) []byte {
	return appendVector24(dst, spki)
}

// statusTypeOCSP is the one CertificateStatusType (RFC 6066 §8).
const statusTypeOCSP = 1

// readStatusRequest reads what status_request holds in a ClientHello
// (RFC 6066 §8). Which responders the client trusts and what it would ask them
// for is for whoever asks a responder; a server that has a response at hand
// does not. A status of another type than OCSP is as if not asked for.
//
//	CertificateStatusType status_type;
//	ResponderID responder_id_list<0..2^16-1>;
//	Extensions  request_extensions;
func readStatusRequest(data cryptobyte.String, ocsp *bool) bool {
	var kind uint8
	if !data.ReadUint8(&kind) {
		return false
	}
	if kind != statusTypeOCSP {
		return true
	}
	*ocsp = true
	var responders, extensions cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&responders) || !data.ReadUint16LengthPrefixed(&extensions) || !data.Empty() {
		return false
	}
	for !responders.Empty() {
		var id []byte
		if !readVector16(&responders, &id) || len(id) == 0 {
			return false
		}
	}
	return true
}

// ParseCertificateStatus reads the body of a CertificateStatus message, an
// OCSP response in DER (RFC 6066 §8):
//
//	CertificateStatusType status_type;
//	opaque OCSPResponse<1..2^24-1>;
func ParseCertificateStatus(body []byte) (ocsp []byte, err error) {
	s := cryptobyte.String(body)
	var kind uint8
	if !s.ReadUint8(&kind) || kind != statusTypeOCSP || !readVector24(&s, &ocsp) || len(ocsp) == 0 || !s.Empty() {
		return nil, ErrDecode
	}
	return ocsp, nil
}

// AppendCertificateStatus appends the body of a CertificateStatus message.
func AppendCertificateStatus(dst, ocsp []byte) []byte {
	return appendVector24(append(slices.Grow(dst, 4+len(ocsp)), statusTypeOCSP), ocsp)
}

// CertificateRequest is the body of a CertificateRequest (RFC 5246 §7.4.4):
//
//	ClientCertificateType certificate_types<1..2^8-1>;
//	SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
//	DistinguishedName certificate_authorities<0..2^16-1>;
type CertificateRequest struct {
	Types       []byte // of ClientCertType
	Schemes     List[SignatureScheme]
	Authorities []byte // DistinguishedName<1..2^16-1>, one after the other
}

// Parse reads the body.
func (m *CertificateRequest) Parse(body []byte) error {
	s := cryptobyte.String(body)
	if !readVector8(&s, &m.Types) || len(m.Types) == 0 ||
		!readVector16(&s, (*[]byte)(&m.Schemes)) || len(m.Schemes) < 2 || len(m.Schemes)%2 != 0 ||
		!readVector16(&s, &m.Authorities) || !s.Empty() {
		return ErrDecode
	}
	names := cryptobyte.String(m.Authorities)
	for !names.Empty() {
		var name []byte
		if !readVector16(&names, &name) || len(name) == 0 {
			return ErrDecode
		}
	}
	return nil
}

// Append appends the body.
func (m *CertificateRequest) Append(dst []byte) []byte {
	dst = appendVector8(dst, m.Types)
	dst = appendVector16(dst, m.Schemes)
	return appendVector16(dst, m.Authorities)
}

// EachAuthority calls fn with each distinguished name, until it says stop by
// returning false.
func (m *CertificateRequest) EachAuthority(fn func(name []byte) bool) {
	names := cryptobyte.String(m.Authorities)
	var name []byte
	for readVector16(&names, &name) && fn(name) {
	}
}

// AppendAuthority appends one distinguished name to a list of authorities.
func AppendAuthority(dst, name []byte) []byte {
	return appendVector16(dst, name)
}

// CertificateVerify is the body of a CertificateVerify (RFC 5246 §7.4.8).
type CertificateVerify struct {
	Scheme    SignatureScheme
	Signature []byte
}

// Parse reads the body.
func (m *CertificateVerify) Parse(body []byte) error {
	s := cryptobyte.String(body)
	if !s.ReadUint16((*uint16)(&m.Scheme)) || !readVector16(&s, &m.Signature) || !s.Empty() {
		return ErrDecode
	}
	return nil
}

// Append appends the body.
func (m *CertificateVerify) Append(dst []byte) []byte {
	return appendVector16(appendUint16(dst, m.Scheme), m.Signature)
}
