// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package message is the message layer of RFC 7252 section 4.
package message

import "time"

// Limits bound what a Memory keeps. Zero fields take the defaults.
type Limits struct {
	Bytes        int // of the whole Memory; 64 MiB
	PeerMessages int // messages remembered per peer to recognize duplicates; 256
	PeerQueue    int // messages per peer that wait to be sent or acknowledged; 256
}

// Drop is a named reason for which input was discarded or output refused.
type Drop uint8

// NumDrops is the number of reasons.
const NumDrops = 16

func (d Drop) String() string { panic("todo") }

// Drops counts by reason.
type Drops [NumDrops]uint64

// ExchangeLifetime is EXCHANGE_LIFETIME: 247 s by default.
func (p Params) ExchangeLifetime() time.Duration { panic("todo") }

// NonLifetime is NON_LIFETIME: 145 s by default.
func (p Params) NonLifetime() time.Duration { panic("todo") }

// MaxTransmitSpan is MAX_TRANSMIT_SPAN: 45 s by default.
func (p Params) MaxTransmitSpan() time.Duration { panic("todo") }

// MaxTransmitWait is MAX_TRANSMIT_WAIT: 93 s by default.
func (p Params) MaxTransmitWait() time.Duration { panic("todo") }
