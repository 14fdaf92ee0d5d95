// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"errors"
	"math"
	"time"
)

// Params are the transmission parameters of RFC 7252 section 4.8, in its
// names. A zero field stands for the default; the zero Params are those of
// Table 2.
type Params struct {
	AckTimeout      time.Duration // ACK_TIMEOUT; 2 s
	AckRandomFactor float64       // ACK_RANDOM_FACTOR; 1.5, at least 1.0
	MaxRetransmit   int           // MAX_RETRANSMIT; 4, negative for none, at most 16
	NStart          int           // NSTART; 1
	DefaultLeisure  time.Duration // DEFAULT_LEISURE; 5 s, section 8.2
	ProbingRate     float64       // PROBING_RATE in bytes a second; 1

	// MaxLatency is MAX_LATENCY of section 4.8.2, the longest time a datagram
	// may travel: 100 s. Both ends must agree on it: it decides when a Message
	// ID may be used again.
	MaxLatency time.Duration
}

// mostRetransmit keeps the derived times within a Duration.
const mostRetransmit = 16

var (
	errRandomFactor  = errors.New("message: ACK_RANDOM_FACTOR below 1.0 (RFC 7252 section 4.8.1)")
	errNegative      = errors.New("message: negative transmission parameter")
	errMaxRetransmit = errors.New("message: MAX_RETRANSMIT above 16")
	errAckTimeout    = errors.New("message: ACK_TIMEOUT above one hour")
)

// Check returns an error for parameters that RFC 7252 section 4.8.1 forbids or
// that make no sense. That the values are safe for the network they are used
// on is, as the section says, the configuration's responsibility.
func (p Params) Check() error {
	switch {
	case p.AckRandomFactor != 0 && !(p.AckRandomFactor >= 1):
		return errRandomFactor
	case p.AckTimeout < 0 || p.NStart < 0 || p.DefaultLeisure < 0 || p.ProbingRate < 0 || p.MaxLatency < 0:
		return errNegative
	case p.MaxRetransmit > mostRetransmit:
		return errMaxRetransmit
	case p.AckTimeout > time.Hour:
		return errAckTimeout
	}
	return nil
}

// Resolved returns p with the defaults of RFC 7252 in the zero fields and
// values that Check refuses moved to the nearest one it accepts.
func (p Params) Resolved() Params {
	p.AckTimeout = min(orDefault(p.AckTimeout, 2*time.Second), time.Hour)
	p.AckRandomFactor = math.Max(1, orDefault(p.AckRandomFactor, 1.5))
	p.MaxRetransmit = min(orDefault(p.MaxRetransmit, 4), mostRetransmit)
	p.NStart = orDefault(p.NStart, 1)
	p.DefaultLeisure = orDefault(p.DefaultLeisure, 5*time.Second)
	p.ProbingRate = orDefault(p.ProbingRate, 1)
	p.MaxLatency = orDefault(p.MaxLatency, 100*time.Second)
	return p
}

// orDefault returns v if it is positive, the default if it is zero, and for a
// negative value, which only MaxRetransmit gives a sense, v.
func orDefault[T int | float64 | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}
