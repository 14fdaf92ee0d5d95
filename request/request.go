// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package request is the request/response layer of RFC 7252 section 5 over the
// message layer of package message: which response belongs to which request,
// by token, and which of the ways of section 5.2 it takes.
package request

import (
	"errors"
	"io"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// ID names an exchange of one Table: a request sent, a request received or a
// ping. It is never 0, and not used again while the exchange lives.
type ID uint32

// Config is immutable after NewMemory; the zero value is usable.
type Config struct {
	Params          message.Params
	AckDelay        time.Duration   // a CON request not answered by then gets an empty ACK (5.2.2); 1 s
	ResponseTimeout time.Duration   // how long to wait for the response once the request is acknowledged, or sent as NON; EXCHANGE_LIFETIME
	MaxMessageSize  int             // largest CoAP message sent, in bytes; 1152 (section 4.6)
	MaxRequests     int             // requests of ours in progress, waiting ones included, per table; 256
	MaxPending      int             // requests of the peer that wait for Respond, per table; 16
	Recognized      *coap.OptionSet // options understood; nil: coap.CoreOptions()
	Limits          message.Limits
}

// Outgoing is what a request or response consists of. All slices are copied.
type Outgoing struct {
	Type    coap.Type // of a request: Confirmable or NonConfirmable; ignored by Respond, which follows the request
	Code    coap.Code
	Options coap.Options
	Payload []byte
	Token   []byte // of a request: nil for a fresh unpredictable one; an empty, non-nil slice is the empty token; ignored by Respond
}

// Kind is what an Event reports.
type Kind uint8

const (
	None             Kind = iota
	RequestReceived       // Message is the request; answer with Respond or Reject
	ResponseReceived      // Message is the response to ID, which is finished
	Acknowledged          // the request ID arrived, its response comes later
	Failed                // ID is finished without a response: Reason
	Pong                  // the peer answered the ping ID, which is finished
	Undelivered           // the separate response to the request ID was not acknowledged: Reason
)

// Reason is why an exchange failed.
type Reason uint8

const (
	NoReason    Reason = iota
	Timeout            // "timeout": no acknowledgement, or no response in time
	Reset              // "reset": the peer rejected the message
	BadResponse        // "bad_response": a critical option in the response is not understood
	Canceled           // "canceled": Cancel
)

// Event is news for the layer above.
type Event struct {
	Kind    Kind
	ID      ID
	Message coap.Message // a view into the datagram, valid until the next Receive
	Reason  Reason

	// Of a request of ours that is finished:
	MessageID       uint16    // of the request
	Retransmissions int       // of the request
	Sent            tick.Time // first transmission of the request; tick.Never if it was not sent
}

var (
	ErrBusy     = errors.New("request: too many requests in progress")
	ErrTooLarge = errors.New("request: message too large")
	ErrToken    = errors.New("request: token too long or in use")
	ErrCode     = errors.New("request: code does not fit")
	ErrUnknown  = errors.New("request: no such exchange")
)

// Memory is what all tables of one endpoint share: the resolved configuration,
// bounded buffers, counters. It is not safe for concurrent use.
type Memory struct{ todo int }

// NewMemory returns an empty Memory.
func NewMemory(cfg *Config) *Memory { panic("todo") }

// Drops returns the counters of this layer, Messages those of the layer below.
func (m *Memory) Drops() *Drops            { panic("todo") }
func (m *Memory) Messages() *message.Drops { panic("todo") }

// Table is all exchanges with one peer in one security context.
type Table struct{ todo int }

func New(mem *Memory, rand io.Reader) *Table { panic("todo") }

// Init makes a zero Table usable where it lies; it must not be copied after.
func (t *Table) Init(mem *Memory, rand io.Reader) { panic("todo") }

// Release gives everything back to the Memory. Exchanges in progress end without an event. The table must be Inited to be used again.
func (t *Table) Release() { panic("todo") }

func (t *Table) Receive(now tick.Time, datagram []byte)           { panic("todo") }
func (t *Table) Next(ev *Event) bool                              { panic("todo") }
func (t *Table) Transmit(now tick.Time, dst []byte) int           { panic("todo") }
func (t *Table) Deadline() tick.Time                              { panic("todo") }
func (t *Table) Expire(now tick.Time)                             { panic("todo") }
func (t *Table) Request(now tick.Time, out Outgoing) (ID, error)  { panic("todo") }
func (t *Table) Respond(now tick.Time, id ID, out Outgoing) error { panic("todo") }
func (t *Table) Reject(now tick.Time, id ID) error                { panic("todo") } // RST (CON) or silence (NON)
func (t *Table) Ping(now tick.Time) (ID, error)                   { panic("todo") }
func (t *Table) Cancel(id ID) bool                                { panic("todo") } // Failed{Canceled} follows
func (t *Table) Idle() bool                                       { panic("todo") } // nothing is remembered: Release loses nothing
func (t *Table) Active() bool                                     { panic("todo") } // an exchange of either direction is in progress

// Drop is a named reason for which input was discarded or output refused.
type Drop uint8

// NumDrops is the number of reasons.
const NumDrops = 16

func (d Drop) String() string { panic("todo") }

// Drops counts by reason.
type Drops [NumDrops]uint64
