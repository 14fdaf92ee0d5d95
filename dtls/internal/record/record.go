// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package record is the DTLS 1.2 record layer (RFC 6347 §4.1): it cuts
// datagrams into records, opens and seals them in place under the keys of
// their epoch, and refuses replays, forgeries and records out of their epoch.
//
// What the network sends is never an error: Open answers with a Result that
// names what was wrong, and the session counts it. "In general, invalid
// records SHOULD be silently discarded" (RFC 6347 §4.1.2.7).
package record

import (
	"errors"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Result says what became of a received record.
type Result uint8

// Results of Open. All but Opened and Held are drops, which leave no trace
// but a counter.
const (
	Opened           Result = iota // authenticated, or plaintext where that is due
	Held                           // kept until its epoch is ready
	DropTruncated                  // shorter than its header says
	DropVersion                    // not the record version of its epoch
	DropType                       // no content type of DTLS 1.2
	DropEmpty                      // no content where there must be some
	DropTooShort                   // no room for nonce and tag
	DropTooLong                    // more plaintext than agreed
	DropPlaintext                  // unprotected where that is not allowed (any more)
	DropCipherChange               // ChangeCipherSpec inside a protected epoch
	DropEpoch                      // of an epoch that is over or far ahead
	DropReplay                     // sequence number seen, or older than the window
	DropForged                     // does not authenticate
	DropForgeryLimit               // the key has outlived its failures: close the session
	DropHeldTwice                  // this early record is already held
	DropHeldFull                   // no room to hold an early record
	NumResults       = iota
)

var resultNames = [NumResults]string{
	Opened: "opened", Held: "held",
	DropTruncated: "truncated", DropVersion: "record_version", DropType: "content_type",
	DropEmpty: "empty_record", DropTooShort: "record_too_short", DropTooLong: "record_too_long",
	DropPlaintext: "plaintext", DropCipherChange: "protected_ccs", DropEpoch: "epoch",
	DropReplay: "replay", DropForged: "bad_record_mac", DropForgeryLimit: "forgery_limit",
	DropHeldTwice: "early_duplicate", DropHeldFull: "early_limit",
}

func (r Result) String() string { return resultNames[r] }

// Errors of Seal and of changing keys.
var (
	ErrTooLarge  = errors.New("dtls: payload exceeds the record size")
	ErrEpoch     = errors.New("dtls: no keys for this epoch")
	ErrExhausted = errors.New("dtls: keys are used up")
)

// Record is one record as it lies in a datagram.
type Record struct {
	Header wire.RecordHeader
	raw    []byte // header and fragment, and not a byte of what follows
}

// Cut splits the first record off a datagram. It reports false when the
// datagram is empty, or when what is left of it is no record ("Records may
// not span datagrams", RFC 6347 §4.1.1): then the rest is one drop,
// DropTruncated. The record lies in the datagram.
func Cut(datagram []byte) (r Record, rest []byte, ok bool) {
	h, ok := wire.ParseRecordHeader(datagram)
	if !ok {
		return Record{}, nil, false
	}
	end := wire.RecordHeaderLen + h.Length
	return Record{h, datagram[:end:end]}, datagram[end:], true
}

// screen is what can be said of a record without a session.
func (r *Record) screen() Result {
	h := &r.Header
	switch {
	case h.Type < wire.ContentChangeCipherSpec || h.Type > wire.ContentApplicationData:
		return DropType
	// Before a version is agreed on, a ClientHello and its HelloVerifyRequest
	// may come as DTLS 1.0 (RFC 6347 §4.2.1).
	case h.Epoch == 0 && !h.Version.IsDTLS(), h.Epoch > 0 && h.Version != wire.VersionDTLS12:
		return DropVersion
	}
	return Opened
}
