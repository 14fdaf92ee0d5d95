// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"errors"
	"time"
)

// Params are the transmission parameters of RFC 7252 section 4.8 under its
// names. A zero field stands for the default, so the zero Params are those of
// Table 2. DEFAULT_LEISURE is missing: it belongs to multicast.
type Params struct {
	AckTimeout      time.Duration // ACK_TIMEOUT: 2 s; at most an hour
	AckRandomFactor float64       // ACK_RANDOM_FACTOR: 1.5; from 1 to 4
	MaxRetransmit   int           // MAX_RETRANSMIT: 4; negative for none, at most 16
	NStart          int           // NSTART: 1
	ProbingRate     float64       // PROBING_RATE: 1 byte a second

	// MaxLatency is MAX_LATENCY of section 4.8.2, the longest time that a
	// datagram may travel: 100 s, at most a day. It decides when a Message ID may
	// be used again, so both ends must agree on it.
	MaxLatency time.Duration
}

// Bounds that keep every derived time within a time.Duration.
const (
	maxAckTimeout      = time.Hour
	maxAckRandomFactor = 4
	maxMaxRetransmit   = 16
	maxMaxLatency      = 24 * time.Hour
)

var (
	errNegative      = errors.New("message: negative transmission parameter")
	errAckTimeout    = errors.New("message: ACK_TIMEOUT above one hour")
	errRandomFactor  = errors.New("message: ACK_RANDOM_FACTOR outside 1.0 to 4.0 (RFC 7252 section 4.8.1)")
	errMaxRetransmit = errors.New("message: MAX_RETRANSMIT above 16")
	errMaxLatency    = errors.New("message: MAX_LATENCY above one day")
)

// Check returns an error for parameters that RFC 7252 section 4.8.1 forbids or
// that make no sense. Whether the others are safe for the network they are used
// on is, as the section says, the onus of the configuration.
func (p Params) Check() error {
	switch {
	case p.AckTimeout < 0 || p.NStart < 0 || p.ProbingRate < 0 || p.MaxLatency < 0:
		return errNegative
	case p.AckTimeout > maxAckTimeout:
		return errAckTimeout
	case p.AckRandomFactor != 0 && !(p.AckRandomFactor >= 1 && p.AckRandomFactor <= maxAckRandomFactor):
		return errRandomFactor // also for not-a-number
	case p.MaxRetransmit > maxMaxRetransmit:
		return errMaxRetransmit
	case p.MaxLatency > maxMaxLatency:
		return errMaxLatency
	}
	return nil
}

// Resolved returns p with the defaults of RFC 7252 in place of zero fields and
// of fields that Check refuses.
func (p Params) Resolved() Params {
	if (Params{AckRandomFactor: p.AckRandomFactor}).Check() != nil {
		p.AckRandomFactor = 0
	}
	if p.MaxRetransmit == 0 {
		p.MaxRetransmit = 4
	}
	return Params{
		AckTimeout:      min(positive(p.AckTimeout, 2*time.Second), maxAckTimeout),
		AckRandomFactor: positive(p.AckRandomFactor, 1.5),
		MaxRetransmit:   min(max(p.MaxRetransmit, -1), maxMaxRetransmit),
		NStart:          positive(p.NStart, 1),
		ProbingRate:     positive(p.ProbingRate, 1),
		MaxLatency:      min(positive(p.MaxLatency, 100*time.Second), maxMaxLatency),
	}
}

// retransmissions is MAX_RETRANSMIT as a count.
func (p Params) retransmissions() int { return max(p.MaxRetransmit, 0) }

func positive[T int | float64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// The times that RFC 7252 section 4.8.2 derives. Each method resolves p first.

// MaxTransmitSpan is MAX_TRANSMIT_SPAN, the longest time from the first
// transmission of a Confirmable message to its last one: 45 s by default.
func (p Params) MaxTransmitSpan() time.Duration {
	p = p.Resolved()
	return p.backoff(p.retransmissions())
}

// MaxTransmitWait is MAX_TRANSMIT_WAIT, the longest time from the first
// transmission of a Confirmable message to giving up: 93 s by default.
func (p Params) MaxTransmitWait() time.Duration {
	p = p.Resolved()
	return p.backoff(p.retransmissions() + 1)
}

// backoff is the longest duration of n timeouts that double.
func (p Params) backoff(n int) time.Duration {
	return time.Duration(float64(p.AckTimeout*(1<<n-1)) * p.AckRandomFactor)
}

// ExchangeLifetime is EXCHANGE_LIFETIME, how long a Confirmable message has to
// be remembered and its Message ID is taken: 247 s by default.
//
// The RFC's formula holds if the last wait for an acknowledgement is shorter
// than MAX_LATENCY. Where it is not, the sender is still waiting when the
// formula's time is over, and MAX_TRANSMIT_WAIT is the answer.
func (p Params) ExchangeLifetime() time.Duration {
	p = p.Resolved()
	processingDelay := p.AckTimeout // section 4.8.2 sets them equal
	return max(p.MaxTransmitSpan()+2*p.MaxLatency+processingDelay, p.MaxTransmitWait())
}

// NonLifetime is NON_LIFETIME, how long a Non-confirmable message has to be
// remembered: 145 s by default.
func (p Params) NonLifetime() time.Duration {
	return p.MaxTransmitSpan() + p.Resolved().MaxLatency
}
