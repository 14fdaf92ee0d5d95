// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// ErrUnsupportedExtension says that a ServerHello holds an extension that
// this implementation never asks for.
var ErrUnsupportedExtension = errors.New("dtls: extension was not asked for")

// MaxExtensions is how many extensions a hello may hold. It bounds the work
// of finding duplicates; the fullest hellos in use have some twenty.
const MaxExtensions = 64

// PointUncompressed is the only point format (RFC 8422 §5.1.2).
const PointUncompressed = 0

// ExtensionSet is a set of the extension types known here.
type ExtensionSet uint16

// extensionBits gives each known extension its bit in an ExtensionSet.
var extensionBits = [...]ExtensionType{
	ExtServerName, ExtMaxFragmentLength, ExtSupportedGroups, ExtECPointFormats, ExtSignatureAlgorithms,
	ExtClientCertType, ExtServerCertType, ExtExtendedMasterSecret, ExtRecordSizeLimit, ExtRenegotiationInfo,
	ExtStatusRequest,
}

// Bit returns the set that holds t alone, and the empty set if t is unknown.
func (t ExtensionType) Bit() ExtensionSet {
	for i, known := range extensionBits {
		if t == known {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether t is in the set.
func (s ExtensionSet) Has(t ExtensionType) bool { return s&t.Bit() != 0 }

// ClientExtensions is what a ClientHello's extensions say. Present tells an
// absent extension from an empty one.
type ClientExtensions struct {
	Present ExtensionSet

	ServerName           []byte // the host_name, nil if none
	MaxFragmentLength    uint8  // code 1 to 4
	Groups               List[Group]
	PointFormats         []byte
	Schemes              List[SignatureScheme]
	ClientCertTypes      []byte // what the client can show
	ServerCertTypes      []byte // what the client can judge
	ExtendedMasterSecret bool
	RecordSizeLimit      uint16
	RenegotiationInfo    []byte
	OCSP                 bool // status_request, of type ocsp
}

// Parse reads a ClientHello's extensions. Unknown ones are skipped, as RFC
// 5246 §7.4.1.4 demands of a server; a type that occurs twice is an error.
func (e *ClientExtensions) Parse(list []byte) error {
	*e = ClientExtensions{}
	return eachExtension(list, func(t ExtensionType, data cryptobyte.String) error {
		e.Present |= t.Bit()
		if !e.parseOne(t, data) {
			return ErrDecode
		}
		return nil
	})
}

func (e *ClientExtensions) parseOne(t ExtensionType, data cryptobyte.String) bool {
	switch t {
	case ExtServerName:
		return readServerName(data, &e.ServerName)
	case ExtMaxFragmentLength:
		return data.ReadUint8(&e.MaxFragmentLength) && data.Empty()
	case ExtSupportedGroups:
		return readList16(data, (*[]byte)(&e.Groups))
	case ExtECPointFormats:
		return readList8(data, &e.PointFormats)
	case ExtSignatureAlgorithms:
		return readList16(data, (*[]byte)(&e.Schemes))
	case ExtClientCertType:
		return readList8(data, &e.ClientCertTypes)
	case ExtServerCertType:
		return readList8(data, &e.ServerCertTypes)
	case ExtExtendedMasterSecret:
		e.ExtendedMasterSecret = true
		return data.Empty()
	case ExtRecordSizeLimit:
		return data.ReadUint16(&e.RecordSizeLimit) && data.Empty()
	case ExtRenegotiationInfo:
		return readVector8(&data, &e.RenegotiationInfo) && data.Empty()
	case ExtStatusRequest:
		return readStatusRequest(data, &e.OCSP)
	}
	return true
}

// Append appends the list of the extensions that are Present.
func (e *ClientExtensions) Append(dst []byte) []byte {
	return appendExtensions(dst, e.Present, e.appendOne)
}

// appendExtensions appends a list of extensions, each written by appendOne.
func appendExtensions(dst []byte, present ExtensionSet, appendOne func([]byte, ExtensionType) []byte) []byte {
	for _, t := range extensionBits {
		if !present.Has(t) {
			continue
		}
		dst = append(appendUint16(dst, t), 0, 0)
		start := len(dst)
		dst = appendOne(dst, t)
		appendLength(dst[:start-2], 2, len(dst)-start)
	}
	return dst
}

func (e *ClientExtensions) appendOne(dst []byte, t ExtensionType) []byte {
	switch t {
	case ExtServerName:
		return appendServerName(dst, e.ServerName)
	case ExtMaxFragmentLength:
		return append(dst, e.MaxFragmentLength)
	case ExtSupportedGroups:
		return appendVector16(dst, e.Groups)
	case ExtECPointFormats:
		return appendVector8(dst, e.PointFormats)
	case ExtSignatureAlgorithms:
		return appendVector16(dst, e.Schemes)
	case ExtClientCertType:
		return appendVector8(dst, e.ClientCertTypes)
	case ExtServerCertType:
		return appendVector8(dst, e.ServerCertTypes)
	case ExtRecordSizeLimit:
		return appendUint16(dst, e.RecordSizeLimit)
	case ExtRenegotiationInfo:
		return appendVector8(dst, e.RenegotiationInfo)
	case ExtStatusRequest:
		return append(dst, statusTypeOCSP, 0, 0, 0, 0)
	}
	return dst // there is nothing in it
}

// ServerExtensions is what a ServerHello's extensions say.
type ServerExtensions struct {
	Present ExtensionSet

	MaxFragmentLength    uint8
	PointFormats         []byte
	ClientCertType       CertType // the type the client is to show
	ServerCertType       CertType // the type the server shows
	ExtendedMasterSecret bool
	RecordSizeLimit      uint16
	RenegotiationInfo    []byte
}

// Parse reads a ServerHello's extensions. One that this implementation does
// not know cannot have been asked for, and is an error (RFC 5246 §7.4.1.4).
// The caller compares Present with what it offered.
func (e *ServerExtensions) Parse(list []byte) error {
	*e = ServerExtensions{}
	return eachExtension(list, func(t ExtensionType, data cryptobyte.String) error {
		if t.Bit() == 0 {
			return ErrUnsupportedExtension
		}
		e.Present |= t.Bit()
		return e.parseOne(t, data)
	})
}

func (e *ServerExtensions) parseOne(t ExtensionType, data cryptobyte.String) error {
	ok := true
	switch t {
	case ExtServerName, ExtStatusRequest: // RFC 6066 §3, §8: empty
	case ExtMaxFragmentLength:
		ok = data.ReadUint8(&e.MaxFragmentLength)
	case ExtECPointFormats:
		if !readList8(data, &e.PointFormats) {
			return ErrDecode
		}
		return nil
	case ExtClientCertType:
		ok = data.ReadUint8((*uint8)(&e.ClientCertType))
	case ExtServerCertType:
		ok = data.ReadUint8((*uint8)(&e.ServerCertType))
	case ExtExtendedMasterSecret:
		e.ExtendedMasterSecret = true
	case ExtRecordSizeLimit:
		ok = data.ReadUint16(&e.RecordSizeLimit)
	case ExtRenegotiationInfo:
		ok = readVector8(&data, &e.RenegotiationInfo)
	default:
		// supported_groups and signature_algorithms are the client's to send
		// (RFC 8422 §5.1.1, RFC 5246 §7.4.1.4.1).
		return ErrUnsupportedExtension
	}
	if !ok || !data.Empty() {
		return ErrDecode
	}
	return nil
}

// Append appends the list of the extensions that are Present.
func (e *ServerExtensions) Append(dst []byte) []byte {
	return appendExtensions(dst, e.Present, e.appendOne)
}

func (e *ServerExtensions) appendOne(dst []byte, t ExtensionType) []byte {
	switch t {
	case ExtMaxFragmentLength:
		return append(dst, e.MaxFragmentLength)
	case ExtECPointFormats:
		return appendVector8(dst, e.PointFormats)
	case ExtClientCertType:
		return append(dst, byte(e.ClientCertType))
	case ExtServerCertType:
		return append(dst, byte(e.ServerCertType))
	case ExtRecordSizeLimit:
		return appendUint16(dst, e.RecordSizeLimit)
	case ExtRenegotiationInfo:
		return appendVector8(dst, e.RenegotiationInfo)
	}
	return dst // there is nothing in it
}

// eachExtension calls fn for each extension of a list, in order:
//
//	ExtensionType extension_type;
//	opaque extension_data<0..2^16-1>;
//
// "There MUST NOT be more than one extension of the same type"
// (RFC 5246 §7.4.1.4).
func eachExtension(list []byte, fn func(ExtensionType, cryptobyte.String) error) error {
	s := cryptobyte.String(list)
	var seen [MaxExtensions]ExtensionType
	for n := 0; !s.Empty(); n++ {
		var t ExtensionType
		var data cryptobyte.String
		if n == MaxExtensions || !s.ReadUint16((*uint16)(&t)) || !s.ReadUint16LengthPrefixed(&data) {
			return ErrDecode
		}
		for _, before := range seen[:n] {
			if t == before {
				return ErrDecode
			}
		}
		seen[n] = t
		if err := fn(t, data); err != nil {
			return err
		}
	}
	return nil
}

// readServerName reads a ServerNameList (RFC 6066 §3). Names of a type other
// than host_name are skipped; two host names are an error, as is an empty one.
func readServerName(data cryptobyte.String, out *[]byte) bool {
	const hostName = 0
	var names cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&names) || !data.Empty() || names.Empty() {
		return false
	}
	for !names.Empty() {
		var kind uint8
		var host []byte
		if !names.ReadUint8(&kind) || !readVector16(&names, &host) || len(host) == 0 {
			return false
		}
		if kind != hostName {
			continue
		}
		if *out != nil {
			return false
		}
		*out = host
	}
	return true
}

func appendServerName(dst, host []byte) []byte {
	dst = append(appendLength(dst, 2, 1+2+len(host)), 0)
	return appendVector16(dst, host)
}

// readList8 reads a vector of bytes with a length of one byte, which is all
// of the data and not empty.
func readList8(data cryptobyte.String, out *[]byte) bool {
	return readVector8(&data, out) && data.Empty() && len(*out) > 0
}

// readList16 reads a vector of 16 bit code points with a length of two
// bytes, which is all of the data and not empty.
func readList16(data cryptobyte.String, out *[]byte) bool {
	return readVector16(&data, out) && data.Empty() && len(*out) > 0 && len(*out)%2 == 0
}

// MaxFragmentLengthOf returns the length in bytes for a code of
// max_fragment_length (RFC 6066 §4), and 0 for a code that is none.
func MaxFragmentLengthOf(code uint8) int {
	if code < 1 || code > 4 {
		return 0
	}
	return 256 << code
}

// MaxFragmentLengthCode is the inverse of MaxFragmentLengthOf.
func MaxFragmentLengthCode(length int) uint8 {
	for code := uint8(1); code <= 4; code++ {
		if MaxFragmentLengthOf(code) == length {
			return code
		}
	}
	return 0
}

// ListOf makes the wire's form of a list.
func ListOf[T ~uint16](list []T) List[T] {
	return AppendList(make([]byte, 0, 2*len(list)), list)
}

// appendUint16 is binary.BigEndian.AppendUint16 for code points.
func appendUint16[T ~uint16](dst []byte, v T) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(v))
}
