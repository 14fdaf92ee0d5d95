// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import "strconv"

// Drop is a reason why input was discarded, output refused or something
// remembered forgotten before its time.
type Drop uint8

// What came and was not delivered.
const (
	DropHeader               Drop = iota // shorter than the header, or another version (section 3)
	DropFormatConfirmable                // message format error in a CON, answered by RST (4.2)
	DropFormat                           // message format error in another type, ignored (4.2, 4.3)
	DropReservedConfirmable              // code of class 1, 6 or 7 in a CON, answered by RST (4.2)
	DropReserved                         // the same in a NON or ACK, ignored (4.2, 4.3)
	DropEmptyNonConfirmable              // NON without a code (4.3)
	DropAckWithRequest                   // ACK with a request code (4.2)
	DropResetNotEmpty                    // RST with a code (4.2)
	DropAckUnmatched                     // ACK for nothing that waits for one (4.4)
	DropResetUnmatched                   // RST for nothing that is open (4.4)
	DropDuplicateConfirmable             // CON known by its Message ID; the reply was sent again if there is one (4.5)
	DropDuplicate                        // NON known by its Message ID (4.5)
	DropMemory                           // no memory to remember the message
	DropOpenQueue                        // too many messages of the peer wait for a reply
	DropResetQueue                       // too many resets at once

	// What was forgotten early: a late duplicate will be taken for new.
	DropEvictedByPeer   // the peer sent more than its share
	DropEvictedByMemory // the Memory is full

	// What was not sent.
	DropQueueFull     // too many messages for the peer
	DropMemoryFull    // no memory for an outgoing message
	DropTooLarge      // message above Limits.MessageBytes
	DropMessageIDs    // all Message IDs used within EXCHANGE_LIFETIME (4.4)
	DropTransmitSpace // message larger than the buffer of Transmit

	// NumDrops is the number of reasons.
	NumDrops = iota
)

var dropNames = [NumDrops]string{
	DropHeader:               "header",
	DropFormatConfirmable:    "format_con",
	DropFormat:               "format",
	DropReservedConfirmable:  "reserved_class_con",
	DropReserved:             "reserved_class",
	DropEmptyNonConfirmable:  "empty_non",
	DropAckWithRequest:       "ack_with_request",
	DropResetNotEmpty:        "rst_not_empty",
	DropAckUnmatched:         "ack_unmatched",
	DropResetUnmatched:       "rst_unmatched",
	DropDuplicateConfirmable: "duplicate_con",
	DropDuplicate:            "duplicate_non",
	DropMemory:               "memory_in",
	DropOpenQueue:            "open_queue",
	DropResetQueue:           "rst_queue",
	DropEvictedByPeer:        "evicted_by_peer",
	DropEvictedByMemory:      "evicted_by_memory",
	DropQueueFull:            "queue_full",
	DropMemoryFull:           "memory_out",
	DropTooLarge:             "too_large",
	DropMessageIDs:           "message_ids",
	DropTransmitSpace:        "transmit_space",
}

// String returns the name by which metrics know the reason, such as
// "ack_unmatched".
func (d Drop) String() string {
	if int(d) < NumDrops {
		return dropNames[d]
	}
	return "Drop(" + strconv.Itoa(int(d)) + ")"
}

// Drops counts by reason.
type Drops [NumDrops]uint64

// Traffic counts what the links of a Memory received and sent.
type Traffic struct {
	Received        uint64 // messages with a usable header
	Sent            uint64 // messages, all of the following included
	Retransmissions uint64 // copies of a CON after the first (4.2)
	RepeatedReplies uint64 // replies sent again for a duplicate CON (4.5)
}
