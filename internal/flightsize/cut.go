// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flightsize

import "fmt"

// names are those of handshake messages (RFC 5246 §7.4, RFC 6066 §8).
var names = map[byte]string{
	1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 11: "Certificate", 12: "ServerKeyExchange",
	13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange",
	22: "CertificateStatus",
}

// Lengths in bytes (RFC 6347 §4.1, §4.2.2).
const (
	recordHeader    = 13
	handshakeHeader = 12
)

// cutter finds the messages of a flight in its datagrams.
type cutter struct{ found []Message }

func (c *cutter) cut(datagram []byte) {
	for len(datagram) >= recordHeader {
		end := recordHeader + int(datagram[11])<<8 + int(datagram[12])
		content, encrypted := datagram[0], datagram[3] != 0 || datagram[4] != 0
		body := datagram[recordHeader:end]
		switch {
		case encrypted:
			c.found = append(c.found, Message{"Finished, encrypted", len(body)})
		case content == 20:
			c.found = append(c.found, Message{"ChangeCipherSpec", len(body)})
		default:
			c.fragments(body)
		}
		datagram = datagram[end:]
	}
}

// fragments adds the messages whose first fragments are in a record.
func (c *cutter) fragments(body []byte) {
	for len(body) >= handshakeHeader {
		length, offset, here := uint24(body[1:]), uint24(body[6:]), uint24(body[9:])
		if offset == 0 {
			name, known := names[body[0]]
			if !known {
				name = fmt.Sprintf("message %d", body[0])
			}
			c.found = append(c.found, Message{name, handshakeHeader + length})
		}
		body = body[handshakeHeader+here:]
	}
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
