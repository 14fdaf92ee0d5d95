// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// What proves that a DTLS server answered, and what does not.
func TestFromDTLSServer(t *testing.T) {
	record := func(contentType, major byte, body ...byte) []byte {
		return append([]byte{contentType, major, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(body))}, body...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"HelloVerifyRequest", record(22, 0xfe, 3, 0, 0, 0), true},
		{"ServerHello", record(22, 0xfe, 2), true},
		{"Alert", record(21, 0xfe, 2, 40), true},
		{"our own ClientHello, echoed", record(22, 0xfe, 1), false},
		{"a record of TLS", record(22, 0x03, 2), false},
		{"ApplicationData", record(23, 0xfe, 2), false},
		{"a Reset of CoAP", []byte{0x70, 0, 0x12, 0x34}, false},
		{"a header alone", record(22, 0xfe), false},
		{"nothing", nil, false},
	} {
		if got := fromDTLSServer(c.b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
