// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// ExchangeID names one exchange with one peer.
type ExchangeID struct {
	Peer PeerID
	ID   request.ID
}

// EventKind says what an Event reports.
type EventKind uint8

// Kinds of events. The comment names the fields that are set beside Kind and
// Exchange.Peer.
const (
	EventNone         EventKind = iota
	EventConnected              // Remote, Facts: a handshake is complete. NoSec peers are not announced
	EventDisconnected           // Remote, Facts, Cause, Err, Handshake, Suspected: the peer is gone, and its exchanges with it
	EventRequest                // Exchange, Message: answer with Respond
	EventResponse               // Exchange, Message, More, Sent, Retransmissions: the exchange is finished unless More
	EventAcknowledged           // Exchange: the request has arrived, its response comes later
	EventFailed                 // Exchange, Reason: the exchange is finished
	EventPong                   // Exchange, Sent: the peer is there
	EventUndelivered            // Exchange, Reason: a separate response or a notification was not acknowledged, or rejected
	EventWantPSK                // DTLS: answer with ProvidePSK
	EventWantVerdict            // Facts: answer with ProvideVerdict
	EventNeedJob                // DTLS.Job: run it anywhere, then Complete
	EventSuspect                // Remote, Facts, DTLS.Reason: what a client's handshake will fail for; nothing is to be done
	EventNotified               // Exchange, Sent, Retransmissions: a notification was acknowledged
)

var eventNames = [...]string{
	"none", "connected", "disconnected", "request", "response", "acknowledged", "failed",
	"pong", "undelivered", "want_psk", "want_verdict", "need_job", "suspect", "notified",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// An Event is one piece of news. Its slices are views into the datagram: they
// hold until the next call of Next or Receive.
type Event struct {
	Kind     EventKind
	Exchange ExchangeID // ID is 0 in events of the peer itself
	Remote   netip.AddrPort
	Tag      any    // what SetTag left with the peer, nil if nothing or if it slept since
	Note     []byte // what SetNote left with the session
	Message  coap.Message
	Reason   request.Reason
	More     bool // an observation goes on: another EventResponse of the same Exchange follows

	MessageID       uint16    // of the request that is finished
	Retransmissions int       // of it
	Sent            tick.Time // when it was first sent

	Facts     *dtls.Facts // nil in NoSec mode
	Cause     Cause
	Err       *dtls.Error // how the session ended
	Handshake bool        // the peer ended before its handshake did
	Suspected bool        // EventSuspect has said why
	DTLS      dtls.Event  // the session's own event, for the kinds that pass it on
}

// Peer is the peer that the event is about.
func (ev *Event) Peer() PeerID { return ev.Exchange.Peer }

// Cause is why a peer is gone.
type Cause uint8

// Causes.
const (
	CauseNone        Cause = iota
	CauseSession           // the session ended: see Err
	CauseSuperseded        // a new session at the same address has been established
	CauseIdle              // silent for longer than the limits allow
	CauseLimit             // gave way to others, or was refused for lack of room
	CauseRefused           // ICMP: nobody listens there
	CauseUnreachable       // ICMP: there is no way
	CauseLocal             // Disconnect or Close
)

var causeNames = [...]string{"none", "session", "superseded", "idle", "limit", "refused", "unreachable", "closed"}

func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}
