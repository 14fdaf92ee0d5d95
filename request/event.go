// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"strconv"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// ID names an exchange of one Table: a request sent, a request received or a
// ping. It is never 0, and no other exchange of the Table gets it while this
// one lives nor within the next four thousand million.
type ID uint32

// Kind says what an Event reports.
type Kind uint8

const (
	// None: no event.
	None Kind = iota

	// RequestReceived: Message is a request. Answer it with Respond or Reject.
	RequestReceived

	// ResponseReceived: Message is the response to request ID, which is over
	// unless More says that another follows.
	ResponseReceived

	// Acknowledged: the peer has request ID and will respond later.
	Acknowledged

	// Failed: request or ping ID is over without a response, for Reason.
	Failed

	// Pong: the peer answered ping ID, which is over.
	Pong

	// Undelivered: the peer did not acknowledge the separate response to its
	// request ID, or notification ID, for Reason.
	Undelivered

	// Notified: the peer has acknowledged notification ID, which is over.
	Notified
)

var kindNames = [...]string{"none", "request", "response", "acknowledged", "failed", "pong", "undelivered", "notified"}

// String returns a short lower-case name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Reason says why an exchange failed.
type Reason uint8

const (
	NoReason    Reason = iota
	Timeout            // no acknowledgement after MAX_RETRANSMIT, or no response in time
	Reset              // the peer rejected the message
	BadResponse        // a critical option of the response is not understood
	Canceled           // Cancel was called
)

var reasonNames = [...]string{"", "timeout", "reset", "bad_response", "canceled"}

// String returns the name under which the reason is reported, such as
// "timeout".
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Event is news for the layer above.
type Event struct {
	Kind    Kind
	Reason  Reason // of Failed and Undelivered
	More    bool   // of ResponseReceived: the observation goes on (RFC 7641 section 3.2), the next notification has the same ID
	ID      ID
	Message coap.Message // of RequestReceived and ResponseReceived: views, valid until the next Receive

	// Of what we sent and is over: the request, the ping, the separate response
	// of Undelivered, or the notification. Of an observation: the request.
	MessageID       uint16
	Retransmissions int
	Sent            tick.Time // first transmission; tick.Never if there was none
}

// report fills in how far the sent message came.
func (ev *Event) report(p message.Progress) {
	ev.MessageID, ev.Retransmissions, ev.Sent = p.MessageID, p.Retransmissions, tick.Never
	if p.Sent {
		ev.Sent = p.First
	}
}
