// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"math"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/message"
)

// Config is what all tables of an endpoint have in common. The zero value is
// usable; it is not read after NewMemory.
type Config struct {
	// Params are the transmission parameters of RFC 7252 section 4.8.
	Params message.Params

	// Limits bound the memory of the message layer.
	Limits message.Limits

	// AckDelay is how long a Confirmable request may remain unanswered before an
	// Empty acknowledgement promises a separate response (section 5.2.2): 1 s,
	// or half of ACK_TIMEOUT if that is less.
	AckDelay time.Duration

	// ResponseTimeout is how long to wait for the response to a Confirmable
	// request after its acknowledgement, and to a Non-confirmable one after it
	// was sent: EXCHANGE_LIFETIME. An application that wants less cancels.
	ResponseTimeout time.Duration

	// MaxRequests is how many of our requests and pings one table may have in
	// progress, those included that wait because of NSTART: 256.
	MaxRequests int

	// MaxPending is how many of the peer's requests one table may have waiting
	// for Respond: 16. What comes beyond is ignored, so that the peer's
	// retransmission finds it new.
	MaxPending int

	// MaxObservations is how many observations of ours (RFC 7641) one table may
	// have: 256. A request for one more is refused.
	MaxObservations int

	// MaxExchanges is how many exchanges all tables together may have: 262144.
	MaxExchanges int

	// Recognized are the options that this endpoint understands; a critical one
	// beyond them is refused (section 5.4.1). The default is those of RFC 7252.
	Recognized *coap.OptionSet
}

func (c *Config) resolved() Config {
	r := *c
	r.Params = r.Params.Resolved()
	byDefault(&r.AckDelay, min(time.Second, r.Params.AckTimeout/2))
	byDefault(&r.ResponseTimeout, r.Params.ExchangeLifetime())
	byDefault(&r.MaxRequests, 256)
	byDefault(&r.MaxPending, 16)
	byDefault(&r.MaxObservations, 256)
	byDefault(&r.MaxExchanges, 1<<18)
	if r.Recognized == nil {
		r.Recognized = coap.CoreOptions()
	}
	return r
}

func byDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Memory is what all tables of one endpoint share: the configuration, bounded
// storage that is used again, and the counters. It is not safe for concurrent
// use.
type Memory struct {
	cfg       Config
	messages  *message.Memory
	exchanges slab.Pool[exchange]
	text      []byte // a diagnostic payload being written
	drops     Drops

	conversations slab.Pool[conversation] // of the tables that are not idle
	news          slab.Pool[Event]        // that Receive brought and Next has not told

	// What must not begin anew with the next conversation. Of all tables
	// together, so that they need not remember anything.
	tokens  *tokens // from the first request on
	lastID  ID
	wrapped bool // all IDs were used once
}

// NewMemory returns an empty Memory. It grows as it is used, up to the limits of
// cfg, and does not shrink.
func NewMemory(cfg *Config) *Memory {
	c := cfg.resolved()
	return &Memory{
		cfg:       c,
		messages:  message.NewMemory(c.Params, c.Limits),
		exchanges: slab.New[exchange](c.MaxExchanges),

		conversations: slab.New[conversation](math.MaxInt32), // as many as there are tables
		news:          slab.New[Event](math.MaxInt32),        // at most one for each
	}
}

// Drops returns the counters of this layer, which go on counting.
func (m *Memory) Drops() *Drops { return &m.drops }

// Messages returns the counters of the message layer, which go on counting.
func (m *Memory) Messages() *message.Drops { return m.messages.Drops() }

// Traffic returns how many messages were received and sent.
func (m *Memory) Traffic() *message.Traffic { return m.messages.Traffic() }

// Bytes returns how much of Limits.Bytes is in use.
func (m *Memory) Bytes() int { return m.messages.Bytes() }

func (m *Memory) drop(d Drop) { m.drops[d]++ }
