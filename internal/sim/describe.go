// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// This file names the messages of a datagram for people. It reads the wire by
// itself and on purpose shares no code with the engine.

var handshakeNames = map[byte]string{
	0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest",
	4: "NewSessionTicket", 11: "Certificate", 12: "ServerKeyExchange",
	13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify",
	16: "ClientKeyExchange", 20: "Finished", 22: "CertificateStatus",
}

var alertNames = map[byte]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
	40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate",
	44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
	51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
	80: "internal_error", 90: "user_canceled", 100: "no_renegotiation",
	110: "unsupported_extension", 112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
}

// Describe names the messages of a DTLS datagram, in order:
// `ServerHello ServerHelloDone`, `ClientHello(cookie)`, `Certificate[0:200/571]`
// for a fragment. What is protected stands in braces and is known by its
// content type alone.
func Describe(datagram []byte) string {
	var names []string
	for len(datagram) > 0 {
		if len(datagram) < 13 {
			return strings.Join(append(names, fmt.Sprintf("junk(%d)", len(datagram))), " ")
		}
		kind, epoch := datagram[0], binary.BigEndian.Uint16(datagram[3:])
		length := int(binary.BigEndian.Uint16(datagram[11:]))
		body := datagram[13:]
		if length > len(body) {
			return strings.Join(append(names, "truncated"), " ")
		}
		names = append(names, describeRecord(kind, epoch, body[:length])...)
		datagram = body[length:]
	}
	return strings.Join(names, " ")
}

func describeRecord(kind byte, epoch uint16, body []byte) []string {
	switch {
	case kind == 20:
		return []string{"ChangeCipherSpec"}
	case kind == 22 && epoch > 0:
		return []string{"{Finished}"} // the only one of a handshake without renegotiation
	case kind == 21 && epoch > 0:
		return []string{"{Alert}"}
	case kind == 23 && epoch > 0:
		return []string{"{Data}"}
	case kind == 22:
		return describeHandshake(body)
	case kind == 21 && len(body) == 2:
		level := map[byte]string{1: "warning ", 2: "fatal "}[body[0]]
		return []string{"Alert(" + level + alertNames[body[1]] + ")"}
	case kind == 23:
		return []string{"Data(plaintext)"}
	}
	return []string{fmt.Sprintf("record(type %d, epoch %d, %d bytes)", kind, epoch, len(body))}
}

func describeHandshake(body []byte) []string {
	var names []string
	for len(body) >= 12 {
		name, ok := handshakeNames[body[0]]
		if !ok {
			name = fmt.Sprintf("handshake(%d)", body[0])
		}
		length, offset, part := uint24(body[1:]), uint24(body[6:]), uint24(body[9:])
		if part > len(body)-12 {
			return append(names, name+"(malformed)")
		}
		if part != length {
			name += fmt.Sprintf("[%d:%d/%d]", offset, offset+part, length)
		} else if body[0] == 1 && hasCookie(body[12:12+part]) {
			name += "(cookie)"
		}
		names = append(names, name)
		body = body[12+part:]
	}
	if len(body) > 0 {
		names = append(names, fmt.Sprintf("junk(%d)", len(body)))
	}
	return names
}

// hasCookie reports whether a ClientHello holds a cookie: after version,
// random and session_id (RFC 6347 §4.2.1).
func hasCookie(hello []byte) bool {
	const session = 2 + 32
	if len(hello) <= session {
		return false
	}
	cookie := session + 1 + int(hello[session])
	return cookie < len(hello) && hello[cookie] > 0
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// line describes a datagram on its way for a person.
func line(d *Datagram, fate Fate) string {
	side := "client"
	if d.From == ServerAddr {
		side = "server"
	}
	lost := ""
	switch len(fate) {
	case 0:
		lost = "   lost"
	case 1:
	default:
		lost = fmt.Sprintf("   arrives %d times", len(fate))
	}
	return fmt.Sprintf("%8.3fs %s > %s%s", d.Sent.Sub(0).Seconds(), side, Describe(d.Data), lost)
}
