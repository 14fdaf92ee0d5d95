// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"time"

	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
)

// Limits bound what the network can make an endpoint hold. A zero field takes
// its default; each has a counter in Stats for what it refused.
type Limits struct {
	// Sessions is the number of established sessions. The default of 1,048,576
	// is about 1 GiB of idle sessions. When it is reached, the session that has
	// been silent longest gives way if that is at least EvictAfter.
	Sessions int

	// HalfOpen is the number of handshakes in progress on a server; 1,024. The
	// oldest gives way to a newcomer, so that a flood of handshakes that never
	// end cannot keep others out: at 1,000 a second one still has a second to
	// finish, and every newcomer has proved its address by a cookie.
	HalfOpen int

	// PlainPeers is the number of addresses without DTLS that are remembered,
	// for duplicate detection above all; 65,536. The one silent longest gives
	// way: such addresses can be forged, so none may be kept out by others.
	PlainPeers int

	// SessionIdle is how long an established session may be silent before it is
	// closed; 24 hours. RFC 7252 section 9.1.1 wants sessions kept "for as long
	// as possible"; a device that reports daily keeps its own.
	SessionIdle time.Duration

	// PlainIdle is how long a silent address without DTLS is remembered. The
	// default and least value is EXCHANGE_LIFETIME (RFC 7252 section 4.8.2):
	// before that a late duplicate would be taken for a new request.
	PlainIdle time.Duration

	// EvictAfter protects sessions in use from newcomers; 1 minute.
	EvictAfter time.Duration

	// PeerRequests is how many requests of one peer may wait for their
	// responses; 16. One that breaks NSTART = 1 so far gets no answer until it
	// slows down.
	PeerRequests int

	// PeerQueue is how many requests to one peer may be in progress or wait;
	// 256.
	PeerQueue int

	// Bytes bounds what all peers together hold for retransmission and
	// duplicate detection; 64 MiB.
	Bytes int

	// Replies is how many answers to strangers may wait to be sent; 64, more
	// than one batch of datagrams received.
	Replies int
}

func (l Limits) resolved(params message.Params) Limits {
	byDefault(&l.Sessions, 1<<20)
	byDefault(&l.HalfOpen, 1<<10)
	byDefault(&l.PlainPeers, 1<<16)
	byDefault(&l.SessionIdle, 24*time.Hour)
	l.PlainIdle = max(l.PlainIdle, params.ExchangeLifetime())
	byDefault(&l.EvictAfter, time.Minute)
	byDefault(&l.PeerRequests, 16)
	byDefault(&l.PeerQueue, 256)
	byDefault(&l.Bytes, 64<<20)
	byDefault(&l.Replies, 64)
	return l
}

// requests is the configuration of the layer below with these limits in it.
func (l Limits) requests(cfg request.Config) *request.Config {
	cfg.MaxPending = l.PeerRequests
	cfg.MaxRequests = l.PeerQueue
	cfg.Limits.Bytes = l.Bytes
	return &cfg
}

func byDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
