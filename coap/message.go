// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

const (
	version      = 1
	headerLength = 4

	// MaxTokenLength is the length in bytes of the longest token (RFC 7252
	// section 3).
	MaxTokenLength = 8
)

// A Message is a CoAP message (RFC 7252 section 3). From [Parse] its slices are
// views into the datagram, with no capacity beyond their length.
type Message struct {
	Type      Type
	Code      Code
	MessageID uint16

	// Token is up to MaxTokenLength bytes. The empty token is a token like any
	// other, so nil and an empty slice mean the same.
	Token []byte

	// Options are the encoded options without the payload marker.
	Options Options

	// Payload is what follows the payload marker. There is no way to write a
	// marker before an empty payload, so nil and an empty slice mean the same.
	Payload []byte
}

// Parse reads the message in datagram without copying or allocating.
//
// It returns ErrTooShort or ErrVersion if the datagram must be ignored, and a
// *FormatError, together with a Message of which Type, Code and MessageID are
// set, if it must be rejected. A code of a reserved class is no format error:
// see [Code.IsReserved].
func Parse(datagram []byte) (Message, error) {
	//	version       2 bits
	//	type          2 bits
	//	token length  4 bits
	//	code          1 byte
	//	message ID    2 bytes, network byte order
	//	token         token length bytes
	//	options
	//	payload marker and payload, if any
	if len(datagram) < headerLength {
		return Message{}, ErrTooShort
	}
	if datagram[0]>>6 != version {
		return Message{}, ErrVersion
	}
	m := Message{
		Type:      Type(datagram[0] >> 4 & 3),
		Code:      Code(datagram[1]),
		MessageID: uint16(datagram[2])<<8 | uint16(datagram[3]),
	}
	tokenLength := int(datagram[0] & 0x0f)
	body := datagram[headerLength:]
	switch {
	case tokenLength > MaxTokenLength:
		return m, ErrTokenLength
	case m.Code == Empty && len(datagram) > headerLength:
		return m, ErrEmptyMessage
	case tokenLength > len(body):
		return m, ErrTokenTruncated
	}
	end, err := optionsEnd(body[tokenLength:])
	if err != nil {
		return m, err
	}
	end += tokenLength
	m.Token = body[:tokenLength:tokenLength]
	m.Options = Options(body[tokenLength:end:end])
	if end < len(body) {
		m.Payload = body[end+1 : len(body) : len(body)]
	}
	return m, nil
}

// optionsEnd returns the position of the payload marker in b, which follows
// the token, or len(b) if there is none.
func optionsEnd(b []byte) (int, error) {
	var num OptionNumber
	var err error
	for rest := b; len(rest) > 0; {
		if rest[0] == payloadMarker {
			if len(rest) == 1 {
				return 0, ErrPayloadMissing
			}
			return len(b) - len(rest), nil
		}
		if num, _, rest, err = splitOption(rest, num); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// AppendTo appends the encoded message to dst, which must not overlap the
// message's own slices, and returns the extended buffer. It allocates only if
// the capacity of dst is smaller than its length and Size together. A message
// that must not be sent is refused with a *FormatError and dst unchanged.
//
// It checks the format alone. Which types and codes go together is the concern
// of the message layer (RFC 7252 section 4.3, table 1).
func (m *Message) AppendTo(dst []byte) ([]byte, error) {
	if err := m.validate(); err != nil {
		return dst, err
	}
	dst = append(dst,
		version<<6|byte(m.Type)<<4|byte(len(m.Token)),
		byte(m.Code),
		byte(m.MessageID>>8), byte(m.MessageID))
	dst = append(dst, m.Token...)
	dst = append(dst, m.Options...)
	if len(m.Payload) > 0 {
		dst = append(dst, payloadMarker)
		dst = append(dst, m.Payload...)
	}
	return dst, nil
}

func (m *Message) validate() error {
	switch {
	case m.Type > Reset:
		return ErrType
	case len(m.Token) > MaxTokenLength:
		return ErrTokenLength
	case m.Code == Empty && m.Size() > headerLength:
		return ErrEmptyMessage
	}
	return m.Options.Validate()
}

// Size returns the length of the encoded message in bytes.
func (m *Message) Size() int {
	n := headerLength + len(m.Token) + len(m.Options)
	if len(m.Payload) > 0 {
		n += 1 + len(m.Payload)
	}
	return n
}
