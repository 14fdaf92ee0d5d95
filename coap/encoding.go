// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

// The encoding of a single option, RFC 7252 section 3.1, figure 8:
//
//	option delta    4 bits
//	option length   4 bits
//	delta extended  0 to 2 bytes
//	length extended 0 to 2 bytes
//	value           length bytes
//
// A field of 13 says that one byte follows which holds the number minus 13, 14
// that two bytes follow, in network byte order, which hold it minus 269.
const (
	extendedByte   = 13
	extendedWord   = 14
	reservedNibble = 15

	byteBase = 13
	wordBase = 269

	// maxExtended is the highest delta or length that can be written.
	maxExtended = wordBase + 0xffff
)

// payloadMarker ends the options. It is one only where an option could begin.
const payloadMarker = 0xff

// unencodable stands in place of an option that has no encoding. Its delta is
// the reserved one, so that Validate, AppendTo and every recipient refuse it;
// its length is not, so that it is no payload marker.
const unencodable = reservedNibble << 4

// MaxOptionLength is the length in bytes of the longest option value that has
// an encoding.
const MaxOptionLength = maxExtended

// splitOption takes the first option off b, which is not empty. The number is
// the sum of prev and the option's delta (RFC 7252 section 3.1).
func splitOption(b []byte, prev OptionNumber) (num OptionNumber, value, rest []byte, err error) {
	delta, length := int(b[0]>>4), int(b[0]&0x0f)
	b = b[1:]
	if delta >= extendedByte {
		if delta == reservedNibble {
			return 0, nil, nil, ErrOptionDelta
		}
		if delta, b, err = extended(delta, b); err != nil {
			return 0, nil, nil, err
		}
	}
	if length >= extendedByte {
		if length == reservedNibble {
			return 0, nil, nil, ErrOptionLengthReserved
		}
		if length, b, err = extended(length, b); err != nil {
			return 0, nil, nil, err
		}
	}
	if delta > 0xffff-int(prev) {
		return 0, nil, nil, ErrOptionNumberRange
	}
	if length > len(b) {
		return 0, nil, nil, ErrOptionTruncated
	}
	return prev + OptionNumber(delta), b[:length:length], b[length:], nil
}

// extended reads the bytes that follow a field of 13 or 14.
func extended(field int, b []byte) (n int, rest []byte, err error) {
	if field == extendedByte {
		if len(b) < 1 {
			return 0, nil, ErrOptionTruncated
		}
		return byteBase + int(b[0]), b[1:], nil
	}
	if len(b) < 2 {
		return 0, nil, ErrOptionTruncated
	}
	return wordBase + int(b[0])<<8 + int(b[1]), b[2:], nil
}

// AppendOption appends one option to dst, where prev is the number of the
// option before it, 0 for the first. It is the low level for those who have
// their options in order already; see [OptionList] for the comfortable one.
//
// An option that has no encoding (num is lower than prev, or value longer than
// MaxOptionLength) makes the options malformed, which [Options.Validate] and
// [Message.AppendTo] report.
func AppendOption(dst []byte, prev, num OptionNumber, value []byte) []byte {
	if num < prev || len(value) > MaxOptionLength {
		return append(dst, unencodable)
	}
	at := len(dst)
	dst = append(dst, 0)
	delta, dst := appendExtended(dst, int(num-prev))
	length, dst := appendExtended(dst, len(value))
	dst[at] = delta<<4 | length
	return append(dst, value...)
}

// appendExtended appends the extension that n needs and returns the field that
// announces it.
func appendExtended(dst []byte, n int) (field byte, extended []byte) {
	switch {
	case n < byteBase:
		return byte(n), dst
	case n < wordBase:
		return extendedByte, append(dst, byte(n-byteBase))
	default:
		n -= wordBase
		return extendedWord, append(dst, byte(n>>8), byte(n))
	}
}

// AppendUintOption is AppendOption for a value of the format uint.
func AppendUintOption(dst []byte, prev, num OptionNumber, v uint32) []byte {
	var value [4]byte
	return AppendOption(dst, prev, num, AppendUint(value[:0], v))
}

// AppendUint appends the value of an option of the format uint: v in network
// byte order in as few bytes as possible, none for 0 (RFC 7252 section 3.2).
func AppendUint(dst []byte, v uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if v>>shift != 0 {
			dst = append(dst, byte(v>>shift))
		}
	}
	return dst
}

// DecodeUint reads a value of the format uint. Leading zero bytes are allowed,
// as RFC 7252 section 3.2 demands. It reports false for a number of more than
// 32 bits.
func DecodeUint(value []byte) (uint32, bool) {
	var v uint32
	for _, b := range value {
		if v>>24 != 0 {
			return 0, false
		}
		v = v<<8 | uint32(b)
	}
	return v, true
}
