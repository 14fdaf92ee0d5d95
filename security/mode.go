// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

// Mode is one of the four security modes of RFC 7252 §9.
type Mode uint8

// The security modes. The zero Mode is NoSec, which is what a peer has proved
// as long as nothing else is known.
const (
	NoSec        Mode = iota // no DTLS: "coap" URIs
	PreSharedKey             // §9.1.3.1
	RawPublicKey             // §9.1.3.2
	Certificate              // §9.1.3.3
)

var modeNames = [...]string{
	NoSec:        "NoSec",
	PreSharedKey: "PreSharedKey",
	RawPublicKey: "RawPublicKey",
	Certificate:  "Certificate",
}

// String returns the name of RFC 7252 §9.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "unknown mode"
}

// MarshalText returns the name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
