// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

// Drop names why something that the network sent had no effect. Nothing that
// is dropped is an error.
type Drop uint8

// Drops.
const (
	DropNone Drop = iota

	// At the gate, before there is a session.
	DropNotHello        // not a handshake record of epoch 0 with a ClientHello
	DropMalformedHello  // a ClientHello that cannot be read
	DropFragmentedHello // a ClientHello in pieces, which needs memory to join
	DropVersion         // answered with protocol_version
	DropNoCookie        // answered with a HelloVerifyRequest
	DropBadCookie       // wrong or expired; answered likewise
	DropAnswerTooLarge  // an answer would have been larger than the question

	// Records.
	DropMalformedRecord // header or length
	DropRecordVersion   // not DTLS
	DropRecordType      // no such content type
	DropPlaintext       // epoch 0 where only protected records count
	DropEpoch           // an epoch that is over or never begins
	DropReplay          // seen, or too old for the window
	DropForged          // did not authenticate
	DropOversized       // longer than allowed
	DropEarlyFull       // next epoch's record, or data before Finished: no room to keep it

	// Handshake.
	DropFragment       // contradicts itself or others of its message
	DropStaleMessage   // message_seq already done
	DropFutureMessage  // message_seq too far ahead
	DropReassemblyFull // no room to keep it
	DropHelloRequest   // RFC 5246 §7.4.1.1: ignored
	DropRenegotiation  // refused
	DropChangeCipherSpec
	DropAlert   // plaintext or malformed alert where none counts
	DropWarning // a warning that changes nothing
	DropClosed  // the session is over

	NumDrops
)

var dropNames = [NumDrops]string{
	DropNone:             "none",
	DropNotHello:         "not_a_client_hello",
	DropMalformedHello:   "malformed_client_hello",
	DropFragmentedHello:  "fragmented_client_hello",
	DropVersion:          "unsupported_version",
	DropNoCookie:         "no_cookie",
	DropBadCookie:        "bad_cookie",
	DropAnswerTooLarge:   "answer_too_large",
	DropMalformedRecord:  "malformed_record",
	DropRecordVersion:    "record_version",
	DropRecordType:       "record_type",
	DropPlaintext:        "plaintext",
	DropEpoch:            "epoch",
	DropReplay:           "replay",
	DropForged:           "forged",
	DropOversized:        "oversized",
	DropEarlyFull:        "early_full",
	DropFragment:         "bad_fragment",
	DropStaleMessage:     "stale_message",
	DropFutureMessage:    "future_message",
	DropReassemblyFull:   "reassembly_full",
	DropHelloRequest:     "hello_request",
	DropRenegotiation:    "renegotiation",
	DropChangeCipherSpec: "change_cipher_spec",
	DropAlert:            "alert",
	DropWarning:          "warning_alert",
	DropClosed:           "closed",
}

func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return "unknown"
}

// Counters holds how often each thing was dropped. One Counters serves all
// sessions of a Gate; it must be used by one goroutine at a time, as they.
type Counters [NumDrops]uint64

// Add counts one drop.
func (c *Counters) Add(d Drop) { c[d]++ }

// Total is the number of all drops.
func (c *Counters) Total() (n uint64) {
	for _, v := range c[1:] {
		n += v
	}
	return n
}
