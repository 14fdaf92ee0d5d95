// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"errors"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Transmit writes the next datagram to dst and returns its length, 0 if
// there is none.
func (c *Conn) Transmit(now tick.Time, dst []byte) int {
	switch {
	case c.over != nil:
		n := copy(dst, c.over.farewell)
		c.over.farewell = nil
		return n
	case c.hs != nil && c.hs.parked():
		return 0
	case c.hs != nil:
		return c.transmitFlight(&c.hs.out, dst, c.flightMTU())
	case c.last != nil && c.last.Pending():
		return c.transmitFlight(c.last, dst, int(c.mtu))
	case c.refuse:
		c.refuse, c.refused = false, true
		return len(c.sealAlert(dst[:0], wire.LevelWarning, wire.AlertNoRenegotiation))
	}
	return 0
}

// transmitter is a flight.Flight or the flight.Last.
type transmitter interface {
	Transmit(l *record.Layer, dst []byte, mtu int) (n int, err error)
}

func (c *Conn) transmitFlight(f transmitter, dst []byte, mtu int) int {
	n, err := f.Transmit(&c.layer, dst, mtu)
	if err != nil {
		c.end(hs.ReasonInternal)
		return 0
	}
	return n
}

// Sizes to which a flight's datagrams shrink: what every IPv4 host must take
// (576), and what the narrowest links of today carry in one piece.
const (
	cautiousMTU = 576 - 28
	narrowMTU   = 256
)

// flightMTU is the size for the datagrams of this transmission: "If repeated
// retransmissions do not result in a response, and the PMTU is unknown,
// subsequent retransmissions SHOULD back off to a smaller record size,
// fragmenting the handshake message as appropriate" (RFC 6347 §4.1.1.1). What
// one flight has learnt holds for the next. A ClientHello is not cut for it:
// a server that keeps no state cannot join the pieces.
func (c *Conn) flightMTU() int {
	switch h := c.hs; {
	case h.number < 4:
	case h.tries >= 3:
		return min(int(c.mtu), narrowMTU)
	case h.tries == 2:
		return min(int(c.mtu), cautiousMTU)
	}
	return int(c.mtu)
}

// Deadline is when Expire must be called if nothing else happens.
func (c *Conn) Deadline() tick.Time {
	switch {
	case c.over != nil:
		return tick.Never
	case c.hs != nil && c.hs.parked():
		return c.hs.deadline
	case c.hs != nil:
		return tick.First(c.hs.deadline, c.hs.timer.Deadline())
	case c.last != nil:
		return c.last.Deadline()
	}
	return tick.Never
}

// Expire tells that time has passed.
func (c *Conn) Expire(now tick.Time) {
	switch {
	case c.over != nil:
	case c.hs != nil:
		c.expireHandshake(now)
	default:
		c.forgetLast(now)
	}
}

// forgetLast drops the flight that ended the handshake when its time is over.
func (c *Conn) forgetLast(now tick.Time) {
	if c.last != nil && !now.Before(c.last.Deadline()) {
		c.last = nil
	}
}

func (c *Conn) expireHandshake(now tick.Time) {
	h := c.hs
	if !now.Before(h.deadline) {
		c.end(c.reasonForSilence())
		return
	}
	if h.parked() {
		return
	}
	switch h.timer.Expire(now) {
	case flight.Resend:
		h.tries = max(h.tries, h.timer.Retransmissions())
		h.out.Rewind()
	case flight.GiveUp:
		c.end(c.reasonForSilence())
	}
}

// reasonForSilence is what it means that the peer's flight never came, or
// not in full.
func (c *Conn) reasonForSilence() hs.Reason {
	h := c.hs
	psk := h.suite != nil && h.suite.KeyExchange.UsesPSK()
	switch {
	case h.refused:
		return hs.ReasonLimit
	case h.state == clientFinished && psk:
		return hs.ReasonBadPSKOrUnknownIdentity
	case h.state == serverFinished && h.psk.unknown:
		return hs.ReasonUnknownIdentity
	case h.state == serverFinished && psk && h.psk.forged:
		return hs.ReasonBadPSK
	case h.state != serverFinished && h.state != clientFinished && !h.parked() &&
		(h.in.Buffered() > 0 || h.in.NextSeq() != h.flightStart):
		// A part of the flight came, again and again, and never the rest.
		return hs.ReasonMTUSuspected
	}
	return hs.ReasonForFlight(h.number)
}

// SetMTU changes the largest datagram to send, in bytes.
func (c *Conn) SetMTU(mtu uint16) { c.mtu = mtu }

// Overhead is the number of bytes that Seal adds to a payload.
func (c *Conn) Overhead() int { return c.layer.Overhead(c.layer.WriteEpoch()) }

// MaxPayload is the largest payload that Seal takes.
func (c *Conn) MaxPayload() int {
	if c.usable() != nil {
		return 0
	}
	return max(0, min(int(c.mtu)-c.Overhead(), c.layer.MaxPlaintext(c.layer.WriteEpoch())))
}

// Seal appends one record of application data to dst.
func (c *Conn) Seal(dst, payload []byte) ([]byte, error) {
	if err := c.usable(); err != nil {
		return dst, err
	}
	if len(payload) > c.MaxPayload() {
		return dst, ErrTooLarge
	}
	out, err := c.layer.Seal(dst, c.layer.WriteEpoch(), wire.ContentApplicationData, payload)
	if errors.Is(err, record.ErrExhausted) {
		// "Implementations MUST either abandon an association or rehandshake
		// prior to allowing the sequence number to wrap" (RFC 6347 §4.1).
		c.end(hs.ReasonSequenceExhausted)
		return dst, ErrExhausted
	}
	return out, err
}
