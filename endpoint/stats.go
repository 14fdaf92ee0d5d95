// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
)

// Drop is a named reason why the endpoint itself discarded a datagram or
// refused a peer. What happens inside a session or an exchange is counted by
// the layers below.
type Drop uint8

// Drops of the endpoint.
const (
	DropNone                Drop = iota
	DropMulticast                // addressed to a group (RFC 7252 section 8): not served
	DropStranger                 // from an address without a peer, and nothing that begins one
	DropMalformed                // from such an address, and not CoAP
	DropReplyQueue               // Limits.Replies: answer to a stranger not sent
	DropHalfOpen                 // Limits.HalfOpen: the oldest handshake gave way
	DropSessions                 // Limits.Sessions or SessionBytes: session refused
	DropSessionEvicted           // Limits.Sessions or SessionBytes: silent session gave way
	DropPlainEvicted             // Limits.PlainPeers: silent address forgotten
	DropLateResponse             // response to a request of a session that has ended
	DropUnsealed                 // message that the session could not protect or send
	DropUnreachable              // ICMP error that quotes nothing we sent
	DropHandshakeRate            // Limits.HandshakeRate: a handshake was not begun
	DropPrefixHandshakeRate      // Limits.PrefixHandshakeRate: the same
	DropAnswerRate               // Limits.AnswerRate: a stranger was not answered
	DropAsleep                   // to a sleeping session, and no protected record
	DropZone                     // from an IPv6 zone beyond the number that is told apart
	NumDrops
)

var dropNames = [NumDrops]string{
	"none", "multicast", "stranger", "malformed", "reply_queue", "half_open", "sessions",
	"session_evicted", "plain_evicted", "late_response", "unsealed", "unreachable",
	"handshake_rate", "prefix_handshake_rate", "answer_rate", "asleep", "zone",
}

func (d Drop) String() string {
	if d < NumDrops {
		return dropNames[d]
	}
	return "unknown"
}

// Stats are an endpoint's gauges and counters.
type Stats struct {
	Sessions   int // established now
	Awake      int // of them, those that do not sleep
	HalfOpen   int // handshakes in progress now
	PlainPeers int // addresses without DTLS remembered now

	Handshakes        uint64 // completed
	HandshakesFailed  uint64
	UnknownIdentities uint64 // handshakes with a PSK identity that is not known, or whose key the caller does not give out, counted at the client's Finished
	WrongPSKs         uint64 // likewise with one that is, and another key; or with a forged record in Finished's place
	Superseded        uint64 // sessions replaced by a new one at their address (RFC 6347 section 4.2.8)
	Wakes             uint64 // of sleeping sessions
	Idle              uint64 // peers forgotten after Limits.SessionIdle or PlainIdle
	Requests          uint64 // received and handed up
	Responses         uint64 // accepted from above
	Notifications     uint64 // the same

	Traffic message.Traffic

	Drops        [NumDrops]uint64
	DTLSDrops    dtls.Counters
	RequestDrops request.Drops
	MessageDrops message.Drops
}

// Stats returns a copy of the counters.
func (e *Endpoint) Stats() Stats {
	s := e.stats
	s.Sessions, s.HalfOpen, s.PlainPeers = e.sessions(), e.count(halfOpen), e.count(plain)
	s.Awake = e.recent.n
	s.DTLSDrops = *e.counters
	s.Traffic = *e.mem.Traffic()
	s.RequestDrops, s.MessageDrops = *e.mem.Drops(), *e.mem.Messages()
	return s
}

// Traffic counts the CoAP messages of all peers.
func (e *Endpoint) Traffic() *message.Traffic { return e.mem.Traffic() }

func (e *Endpoint) drop(d Drop) { e.stats.Drops[d]++ }

// Add adds the gauges and counters of another endpoint.
func (s *Stats) Add(o Stats) {
	s.Sessions += o.Sessions
	s.Awake += o.Awake
	s.HalfOpen += o.HalfOpen
	s.PlainPeers += o.PlainPeers
	s.Handshakes += o.Handshakes
	s.HandshakesFailed += o.HandshakesFailed
	s.UnknownIdentities += o.UnknownIdentities
	s.WrongPSKs += o.WrongPSKs
	s.Superseded += o.Superseded
	s.Wakes += o.Wakes
	s.Idle += o.Idle
	s.Requests += o.Requests
	s.Responses += o.Responses
	s.Notifications += o.Notifications
	s.Traffic.Received += o.Traffic.Received
	s.Traffic.Sent += o.Traffic.Sent
	s.Traffic.Retransmissions += o.Traffic.Retransmissions
	s.Traffic.RepeatedReplies += o.Traffic.RepeatedReplies
	addAll(s.Drops[:], o.Drops[:])
	addAll(s.DTLSDrops[:], o.DTLSDrops[:])
	addAll(s.RequestDrops[:], o.RequestDrops[:])
	addAll(s.MessageDrops[:], o.MessageDrops[:])
}

func addAll(sum, more []uint64) {
	for i, n := range more {
		sum[i] += n
	}
}
