// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/udp"
)

// tracedConn shows every datagram of a socket: -vvv.
type tracedConn struct {
	udp.Conn
	app *app
}

// Recv shows what arrives, before anything is opened.
func (c *tracedConn) Recv(batch []udp.Datagram) (int, error) {
	n, err := c.Conn.Recv(batch)
	for i := range n {
		c.app.tracef(3, "< %s %s", batch[i].Remote, describeDatagram(batch[i].Payload()))
	}
	return n, err
}

// Send shows what leaves, sealed.
func (c *tracedConn) Send(batch []udp.Datagram) (int, error) {
	for i := range batch {
		c.app.tracef(3, "> %s %s", batch[i].Remote, describeDatagram(batch[i].Payload()))
	}
	return c.Conn.Send(batch)
}

// describeDatagram lists the DTLS records of a datagram, or the CoAP message.
// The version bits of CoAP (01) and the content types of DTLS (20 to 63) do not
// overlap, RFC 7983 section 7.
func describeDatagram(b []byte) string {
	size := plural(len(b), "byte")
	if len(b) > 0 && b[0] >= 20 && b[0] <= 63 {
		return size + ": " + describeRecords(b)
	}
	message, err := coap.Parse(b)
	if err != nil {
		return size + ": " + err.Error()
	}
	return size + ": " + message.Summary()
}

// recordHeader is the length of a DTLS 1.2 record header: type 1, version 2,
// epoch 2, sequence number 6, length 2 (RFC 6347 section 4.1).
const recordHeader = 13

func describeRecords(b []byte) string {
	var records []string
	for len(b) >= recordHeader {
		length := int(binary.BigEndian.Uint16(b[11:]))
		if len(b) < recordHeader+length {
			break
		}
		records = append(records, describeRecord(b[:recordHeader+length]))
		b = b[recordHeader+length:]
	}
	if len(b) > 0 {
		records = append(records, plural(len(b), "stray byte"))
	}
	return strings.Join(records, ", ")
}

// contentTypes and handshakeTypes are IANA's, in its spelling.
var contentTypes = map[byte]string{20: "ChangeCipherSpec", 21: "Alert", 22: "Handshake", 23: "ApplicationData"}

var handshakeTypes = map[byte]string{
	0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 11: "Certificate",
	12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify",
	16: "ClientKeyExchange", 20: "Finished",
}

// describeRecord names the handshake messages of a plaintext record; a fragment
// shows as the message that it is part of.
func describeRecord(record []byte) string {
	epoch := binary.BigEndian.Uint16(record[3:])
	sequence := uint64(binary.BigEndian.Uint16(record[5:]))<<32 | uint64(binary.BigEndian.Uint32(record[7:]))
	name, ok := contentTypes[record[0]]
	if !ok {
		name = fmt.Sprintf("type %d", record[0])
	}
	if record[0] == 22 && epoch == 0 {
		name = describeHandshake(record[recordHeader:])
	}
	return fmt.Sprintf("%s (epoch %d, seq %d, %d)", name, epoch, sequence, len(record)-recordHeader)
}

// handshakeHeader is type 1, length 3, message_seq 2, fragment_offset 3,
// fragment_length 3 (RFC 6347 section 4.2.2).
const handshakeHeader = 12

func describeHandshake(b []byte) string {
	var names []string
	for len(b) >= handshakeHeader {
		name, ok := handshakeTypes[b[0]]
		if !ok {
			name = fmt.Sprintf("handshake %d", b[0])
		}
		names = append(names, name)
		fragment := int(b[9])<<16 | int(b[10])<<8 | int(b[11])
		b = b[min(len(b), handshakeHeader+fragment):]
	}
	return strings.Join(names, " ")
}
