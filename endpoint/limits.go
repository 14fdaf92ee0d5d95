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
	// is some 400 MB of idle sessions with pre-shared keys. When it is reached,
	// the session that has been silent longest gives way if that is at least
	// EvictAfter. Sessions of strangers, who have shown no credential (see Vouch),
	// give way to those of others at any time, and if more than a 64th of Sessions
	// are theirs, they alone give way.
	Sessions int

	// SessionBytes bounds what sleeping sessions take, as one with a certificate
	// keeps the chain that its peer has shown, up to 16 KiB; 1 GiB. When it is
	// reached, newcomers are treated as when Sessions is.
	SessionBytes int

	// HalfOpen is the number of handshakes in progress on a server; 16,384, which
	// is some 60 MB, and with peers that send all they may dtls.Config's
	// MaxHandshakeBytes each. The oldest gives way to a newcomer, so that a flood of
	// handshakes that never end cannot keep others out: at 10,000 a second, the
	// default of HandshakeRate, one still has 1.6 seconds to finish, and every
	// newcomer has proved its address by a cookie.
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

	// Awake is how many established sessions may be awake without anything going
	// on; 4,096. The one silent longest goes to sleep: what it must not forget
	// is packed, some 300 bytes, and unpacked when it is spoken to again.
	Awake int

	// SleepAfter is how long an established session must be silent to go to
	// sleep although there is room for it awake; 5 seconds.
	SleepAfter time.Duration

	// HandshakeRate is how many handshakes may begin on a server each second,
	// after the cookie and before anything is allocated; 10,000, or none with
	// -1. A burst of one second's is let through. Who is refused is not
	// answered, and tries again by its own retransmission.
	HandshakeRate int

	// PrefixHandshakeRate is the same for each IPv4 /24 and IPv6 /56; 1,000,
	// since a whole fleet can be behind one address translator. The prefixes
	// share a table of fixed size: those that meet there by chance, which nobody
	// can arrange, share a rate.
	PrefixHandshakeRate int

	// AnswerRate is how many strangers are answered each second, by a
	// HelloVerifyRequest, an alert, or a Reset; 50,000, which takes some 15 % of a
	// core, or no limit with -1. Beyond it a ClientHello without a cookie costs no
	// cryptography. It bounds newcomers too, one answer each.
	AnswerRate int

	// Replies is how many answers to strangers may wait to be sent; 128, which is
	// two batches of datagrams received.
	Replies int
}

func (l Limits) resolved(params message.Params) Limits {
	byDefault(&l.Sessions, 1<<20)
	byDefault(&l.SessionBytes, 1<<30)
	byDefault(&l.HalfOpen, 1<<14)
	byDefault(&l.PlainPeers, 1<<16)
	byDefault(&l.SessionIdle, 24*time.Hour)
	l.PlainIdle = max(l.PlainIdle, params.ExchangeLifetime())
	byDefault(&l.EvictAfter, time.Minute)
	byDefault(&l.PeerRequests, 16)
	byDefault(&l.PeerQueue, 256)
	byDefault(&l.Bytes, 64<<20)
	byDefault(&l.Awake, 1<<12)
	byDefault(&l.SleepAfter, 5*time.Second)
	rateByDefault(&l.HandshakeRate, 10_000)
	rateByDefault(&l.PrefixHandshakeRate, 1000)
	rateByDefault(&l.AnswerRate, 50_000)
	byDefault(&l.Replies, 128)
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

// rateByDefault leaves a negative rate, which is no limit.
func rateByDefault(perSecond *int, d int) {
	if *perSecond == 0 {
		*perSecond = d
	}
}
