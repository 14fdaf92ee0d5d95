// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"time"

	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Last is the flight that ends a handshake, ChangeCipherSpec and Finished. The
// side that sent it keeps it for twice the maximum segment lifetime (RFC 6347
// §4.2.4) or until the peer's data shows that it arrived, and no timer runs
// for it: only the peer's Finished, authentic and new, has it sent again.
type Last struct {
	seq      uint16 // of Finished
	epoch    uint16 // likewise
	verify   [verifyDataLen]byte
	sentOnce bool
	prompts  prompts
	deadline tick.Time

	flight Flight // empty while it is not being sent
}

// verifyDataLen is the length of a Finished message (RFC 5246 §7.4.9).
const verifyDataLen = 12

// NewLast is the last flight: a ChangeCipherSpec of epoch 0, and a Finished
// with a number and its content in an epoch. It is sent for the first time
// now, and kept for a time.
func NewLast(timing Timing, now tick.Time, keep time.Duration, epoch, seq uint16, verify [verifyDataLen]byte) *Last {
	l := &Last{seq: seq, epoch: epoch, verify: verify, deadline: now.Add(keep)}
	l.prompts = prompts{sent: now, gap: timing.resolved().Initial / 4}
	l.compose()
	return l
}

// compose makes the flight ready to be sent.
func (l *Last) compose() {
	h := wire.HandshakeHeader{
		Type: wire.HandshakeFinished, Length: verifyDataLen, MessageSeq: l.seq, FragmentLength: verifyDataLen,
	}
	l.flight = Flight{again: uint(l.prompts.count), items: make([]item, 0, 2)}
	l.flight.AddChangeCipherSpec(l.epoch - 1)
	l.flight.AddMessage(l.epoch, append(h.Append(make([]byte, 0, wire.HandshakeHeaderLen+verifyDataLen)), l.verify[:]...))
}

// Prompt notes that the peer has repeated its Finished. The flight is sent
// again, unless that was done only just, or too often.
func (l *Last) Prompt(now tick.Time) {
	if l.prompts.heed(now) {
		l.compose()
	}
}

// Pending reports whether Transmit has something to send.
func (l *Last) Pending() bool { return l.flight.Pending() }

// Transmit is Flight.Transmit.
func (l *Last) Transmit(layer *record.Layer, dst []byte, mtu int) (n int, err error) {
	l.sentOnce = true
	n, err = l.flight.Transmit(layer, dst, mtu)
	if !l.flight.Pending() {
		l.flight = Flight{}
	}
	return n, err
}

// Sent reports whether the flight was sent at all. Data that comes before
// proves nothing about it.
func (l *Last) Sent() bool { return l.sentOnce }

// Deadline is when the flight need not be kept any longer.
func (l *Last) Deadline() tick.Time { return l.deadline }

// PackedLen is the most bytes that Pack takes.
const PackedLen = 80

// Pack packs or unpacks the flight while it is not being sent.
func (l *Last) Pack(c *pack.Coder) {
	pack.Uint(c, &l.seq)
	pack.Uint(c, &l.epoch)
	c.Fixed(l.verify[:])
	c.Bool(&l.sentOnce)
	pack.Uint(c, &l.prompts.sent)
	pack.Uint(c, &l.prompts.gap)
	pack.Uint(c, &l.prompts.count)
	pack.Uint(c, &l.deadline)
}
