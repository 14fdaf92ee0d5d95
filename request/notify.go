// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import "github.com/coaps-go/coaps/tick"

// Notify sends a response without a request, to a peer that observes (RFC 7641
// section 4.2). Its token is the registration's; its options, Observe with the
// sequence number among them, are the caller's.
//
// For a Confirmable notification Notified follows when the peer has acknowledged
// it, or Undelivered with the reason Timeout or Reset, or Canceled after Cancel.
// A Non-confirmable one is over as soon as it is sent and nothing follows, but
// that a Reset message for it is told as Undelivered: of the last ones, for
// NON_LIFETIME. What is kept for that keeps the Table from being Idle, not from
// not being Active.
//
// Both count as outstanding interactions, of which a peer has no more than
// NSTART: a Confirmable one until it is over, a Non-confirmable one for a round
// trip, or 3 seconds if that is not known (section 4.5.1). What waits because of
// that can be replaced: see Supersede.
//
// The errors are ErrCode, ErrType, ErrToken, ErrBusy, those of the message layer
// and *coap.FormatError for options that are none.
func (t *Table) Notify(now tick.Time, token []byte, out Outgoing) (ID, error) {
	return 0, ErrBusy
}

// Supersede sends out in place of notification id (RFC 7641 section 4.5.2). One
// that was not sent yet is replaced at once, its type too. One that is under way,
// Confirmable then, is replaced with its next retransmission, by a message with
// a new Message ID that keeps the retransmission counter and the timeout; if it
// is acknowledged before, out is sent as a new message. In any case ID stays,
// and is over when out is. A late acknowledgement of what was replaced counts as
// interest: out is then not given up before it was sent anew.
//
// The error is ErrUnknown if notification id is over, as a Non-confirmable one
// is when it was sent, or one of those of Notify; after it nothing has changed.
func (t *Table) Supersede(now tick.Time, id ID, out Outgoing) error {
	return ErrUnknown
}
