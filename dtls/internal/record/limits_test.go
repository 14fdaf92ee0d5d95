// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Pitfall O4: bodies shorter than the explicit nonce and tag, of every length, before any key is touched
func TestTooShortForNonceAndTag(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		for n := range s.Overhead() {
			h := wire.RecordHeader{Type: data, Version: wire.VersionDTLS12, Epoch: 1, Sequence: 5, Length: n}
			expect(t, server, append(h.Append(nil), make([]byte, n)...), DropTooShort)
		}
		if failed(server) != 0 {
			t.Errorf("%s: %d failures counted", s.Name, failed(server))
		}
		expect(t, server, seal(t, client, 1, data, ""), Opened)
	}
}

// Proves rfc5246 §6.2.1: "The
// length MUST NOT exceed 2^14."
func TestRecordSizes(t *testing.T) {
	largest := strings.Repeat("x", 1<<14)
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		expect(t, server, seal(t, client, 1, data, largest), Opened)
		if _, err := client.Seal(nil, 1, data, []byte(largest+"x")); err != ErrTooLarge {
			t.Errorf("%s: sealing 2^14+1 bytes: %v", s.Name, err)
		}
		h := wire.RecordHeader{Type: data, Version: wire.VersionDTLS12, Epoch: 1, Sequence: 9, Length: 1<<14 + 1 + s.Overhead()}
		expect(t, server, append(h.Append(nil), make([]byte, h.Length)...), DropTooLong)
	}
	h := wire.RecordHeader{Type: handshake, Version: wire.VersionDTLS12, Length: 1<<14 + 1}
	expect(t, new(Layer), append(h.Append(nil), make([]byte, h.Length)...), DropTooLong)
	expect(t, new(Layer), seal(t, new(Layer), 0, handshake, largest), Opened)
}

// TestNegotiatedSizes sets the limits of RFC 8449 §4 and RFC 6066 §4.
//
// Proves rfc8449 §4: "When the "record_size_limit" extension is negotiated, an endpoint
// MUST NOT generate a protected record with plaintext that is larger
// than the RecordSizeLimit value it receives from its peer."
//
// Proves rfc8449 §4: "Even if a larger record size limit is provided by a peer, an endpoint
// MUST NOT send records larger than the protocol-defined limit, unless
// explicitly allowed by a future TLS version or extension."
func TestNegotiatedSizes(t *testing.T) {
	client, server := pair(t, ccm8)
	client.SetSendLimit(64, 0)
	if client.MaxPlaintext(1) != 64 || client.MaxPlaintext(0) != 1<<14 {
		t.Errorf("limits are %d and %d", client.MaxPlaintext(1), client.MaxPlaintext(0))
	}
	if _, err := client.Seal(nil, 1, data, make([]byte, 65)); err != ErrTooLarge {
		t.Errorf("sealing 65 bytes: %v", err)
	}
	expect(t, server, seal(t, client, 1, data, strings.Repeat("x", 64)), Opened)

	server.SetReceiveLimit(64)
	expect(t, server, seal(t, client, 1, data, strings.Repeat("x", 64)), Opened)
	client.SetSendLimit(0, 512)
	expect(t, server, seal(t, client, 1, data, strings.Repeat("x", 65)), DropTooLong)
	if _, err := client.Seal(nil, 0, handshake, make([]byte, 513)); err != ErrTooLarge {
		t.Errorf("sealing 513 bytes of plaintext: %v", err)
	}
	client.SetSendLimit(1<<14+1, -1)
	if client.MaxPlaintext(1) != 1<<14 || client.MaxPlaintext(0) != 1<<14 {
		t.Errorf("limits out of range became %d and %d", client.MaxPlaintext(1), client.MaxPlaintext(0))
	}
}

// Proves rfc6347 §4.1: "As in TLS, implementations MUST either abandon an association or
// rehandshake prior to allowing the sequence number to wrap."
//
// Pitfall W14, T14: at 2^48-3 two more records go out, the third fails; the last number is left for an alert
func TestSequenceExhaustion(t *testing.T) {
	s := suite.ByID(wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256)
	client, server := pair(t, s)
	client.write.next = 1<<48 - 3
	expect(t, server, seal(t, client, 1, data, "one"), Opened)
	expect(t, server, seal(t, client, 1, data, "two"), Opened)
	if _, err := client.Seal(nil, 1, data, []byte("three")); err != ErrExhausted {
		t.Errorf("third record: %v", err)
	}
	closeNotify := seal(t, client, 1, alert, "\x01\x00")
	if header, _ := number(closeNotify); header != "\x00\x01\xff\xff\xff\xff\xff\xff" {
		t.Errorf("the alert has number %x", header)
	}
	expect(t, server, closeNotify, Opened)
	if _, err := client.Seal(nil, 1, alert, []byte("\x01\x00")); err != ErrExhausted {
		t.Errorf("a second alert: %v", err)
	}

	plain := new(Layer)
	plain.SetPlainSequence(1<<48 - 1)
	seal(t, plain, 0, handshake, "last")
	if _, err := plain.Seal(nil, 0, handshake, []byte("wrapped")); err != ErrExhausted {
		t.Errorf("epoch 0 after its last number: %v", err)
	}
}

// Proves rfc6347 §4.1: "Similarly, implementations MUST NOT allow the epoch to wrap, but
// instead MUST establish a new association, terminating the old
// association as described in Section 4.2.8."
//
// Pitfall T14: the epoch does not wrap
func TestEpochExhaustion(t *testing.T) {
	l := new(Layer)
	for range 65535 {
		keys, other := suite.Keys{}, suite.Keys{}
		if l.SetWriteKeys(ccm8, &keys) != nil || l.SetReadKeys(ccm8, &other) != nil {
			t.Fatal("keys refused too early")
		}
	}
	if l.SetWriteKeys(ccm8, new(suite.Keys)) != ErrExhausted || l.SetReadKeys(ccm8, new(suite.Keys)) != ErrExhausted {
		t.Error("the epoch wrapped")
	}
	if l.WriteEpoch() != 65535 || l.ReadEpoch() != 65535 {
		t.Errorf("epochs are %d and %d", l.WriteEpoch(), l.ReadEpoch())
	}
}

// Proves rfc9147 §4.5.3: "Implementations MUST count the number of received packets that fail
// authentication with each key."
//
// Proves rfc9147 §4.5.3: "Implementations MUST set usage limits for
// AEAD_AES_128_CCM_8 based on an understanding of any additional
// forgery protections that are used."
//
// Pitfall A8: a key stops sealing at its limit, and opening at its number of failures
func TestUsageLimits(t *testing.T) {
	client, server := pair(t, ccm8)
	client.write.next = ccm8.SealLimit - 1
	expect(t, server, seal(t, client, 1, data, "last"), Opened)
	if _, err := client.Seal(nil, 1, data, []byte("one more")); err != ErrExhausted {
		t.Errorf("sealing past the limit: %v", err)
	}
	expect(t, server, seal(t, client, 1, alert, "\x01\x00"), Opened)

	client, _ = pair(t, ccm8)
	server = &Layer{Limits: &Limits{Failures: 3}}
	clientKeys, serverKeys := keyBlock(ccm8, 1)
	setKeys(t, server, ccm8, serverKeys, clientKeys)
	server.Complete()
	good := seal(t, client, 1, data, "good")
	bad := bytes.Clone(good)
	bad[20] ^= 1
	for range 3 {
		if server.ReadExhausted() {
			t.Error("exhausted too early")
		}
		expect(t, server, bad, DropForged)
	}
	expect(t, server, good, DropForgeryLimit)
	if !server.ReadExhausted() {
		t.Error("not exhausted after three failures")
	}
	if n := (&Limits{Failures: 1 << 40}).failures(ccm8); n != ccm8.OpenLimit {
		t.Errorf("the suite's limit was raised to %d", n)
	}
}
