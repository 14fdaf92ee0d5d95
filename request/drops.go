// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import "strconv"

// Drop is a reason why a message that the message layer delivered was not
// reported, or a call was refused.
type Drop uint8

const (
	DropUnexpectedConfirmable Drop = iota // response to no request of ours, rejected by RST (5.3.2)
	DropUnexpected                        // the same in a NON, ignored (5.3.2)
	DropTokenMismatch                     // piggybacked response with another token, ignored (5.3.2)
	DropBadResponse                       // response with a critical option not understood (5.4.1)
	DropBadRequest                        // NON request with a critical option not understood (5.4.1)
	DropBadOption                         // CON request with one, answered by 4.02 (5.4.1)
	DropMethod                            // unrecognized method, answered by 4.05 (5.8)
	DropPending                           // more than MaxPending requests of the peer
	DropExchanges                         // more than MaxExchanges of all peers
	DropRequests                          // more than MaxRequests of ours
	DropObservations                      // more than MaxObservations of ours
	DropReply                             // response of ours that no memory or Message ID was left for
	DropUnread                            // event that nobody took before the next Receive

	// NumDrops is the number of reasons.
	NumDrops = iota
)

var dropNames = [NumDrops]string{
	DropUnexpectedConfirmable: "unexpected_response_con",
	DropUnexpected:            "unexpected_response_non",
	DropTokenMismatch:         "token_mismatch",
	DropBadResponse:           "bad_option_response",
	DropBadRequest:            "bad_option_non",
	DropBadOption:             "bad_option_con",
	DropMethod:                "unknown_method",
	DropPending:               "pending_requests",
	DropExchanges:             "exchanges",
	DropRequests:              "requests",
	DropObservations:          "observations",
	DropReply:                 "reply",
	DropUnread:                "unread_event",
}

// String returns the name by which metrics know the reason, such as
// "token_mismatch".
func (d Drop) String() string {
	if int(d) < NumDrops {
		return dropNames[d]
	}
	return "Drop(" + strconv.Itoa(int(d)) + ")"
}

// Drops counts by reason.
type Drops [NumDrops]uint64
