// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import "strconv"

// A Type is the message type, the two-bit field T of the header (RFC 7252
// section 3). Only the values 0 to 3 exist.
type Type uint8

const (
	Confirmable     Type = 0 // asks for an acknowledgement
	NonConfirmable  Type = 1 // asks for none
	Acknowledgement Type = 2 // answers a Confirmable message, may carry a response
	Reset           Type = 3 // rejects a message; always Empty
)

var typeNames = [4]string{"CON", "NON", "ACK", "RST"}

// String returns the abbreviation RFC 7252 uses: CON, NON, ACK or RST.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "Type(" + strconv.Itoa(int(t)) + ")"
}
