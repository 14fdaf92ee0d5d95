// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package udp is the bottom layer of RFC 7252 Figure 13: datagrams, and the one
// interface through which they enter and leave. It holds types only; the
// sockets themselves are in the packages below it.
package udp

import (
	"net/netip"
	"time"
)

// MaxDatagram is the largest UDP payload in bytes that a receive buffer has to
// hold: the 16-bit length of RFC 768 less the UDP and the shortest IP header.
const MaxDatagram = 65507

// A Datagram is one UDP datagram and the buffer it lives in. The buffer is
// allocated once and belongs to the socket's loop; N says how much of it is in
// use, so that a batch of them is refilled without allocating.
type Datagram struct {
	Buf    []byte         // storage; its length is the most that can be received
	N      int            // bytes of Buf that are the datagram's payload
	Remote netip.AddrPort // sender of a received datagram, destination of one to send; never IPv4-mapped
	Local  netip.Addr     // destination of a received datagram, source of one to send; the zero Addr leaves the choice to the system
}

// Payload is the part of the buffer that is in use.
func (d *Datagram) Payload() []byte { return d.Buf[:d.N] }

// A Conn is a UDP socket as the event loop sees it. One goroutine calls Recv
// and Send; any goroutine may call SetReadDeadline, which is the doorbell that
// wakes a waiting Recv, and Close.
type Conn interface {
	// Recv waits for at least one datagram and fills as many of batch as are
	// at hand. After the read deadline it returns os.ErrDeadlineExceeded, after
	// Close net.ErrClosed. An *Unreachable error reports one destination that
	// answered by ICMP; the socket stays usable. After any other error nothing
	// was received and the next call may succeed.
	Recv(batch []Datagram) (int, error)

	// Send sends the datagrams in order and returns how many it has disposed
	// of. On an error, batch[n] is the one that could not be sent.
	Send(batch []Datagram) (int, error)

	// SetReadDeadline sets when Recv gives up. The zero time means never.
	SetReadDeadline(t time.Time) error

	// LocalAddr is the address the socket is bound to.
	LocalAddr() netip.AddrPort

	Close() error
}

// A Poller is a Conn that can also look whether there is anything, for an event
// loop that has other things to do. Poll is Recv without the wait: it returns 0
// and no error when nothing is at hand, and takes no notice of the read deadline.
type Poller interface {
	Poll(batch []Datagram) (int, error)
}

// An OverflowCounter is a Conn that can tell how many datagrams the system has
// dropped because the event loop did not receive them in time. It may be called
// on any goroutine.
type OverflowCounter interface {
	Overflows() uint64
}

// Unreachable reports that a datagram sent earlier did not reach a receiver.
type Unreachable struct {
	Remote netip.AddrPort // whom it was for
	Local  netip.Addr     // what it was sent from, as in a Datagram; the zero Addr when the system does not say
	Quoted []byte         // as much of the UDP payload as the ICMP message quoted, to be checked against what was sent; nil when the system does not say
	Err    error          // the system's error, such as ECONNREFUSED
}

func (u *Unreachable) Error() string { return u.Remote.String() + ": " + u.Err.Error() }

// Unwrap returns the system's error.
func (u *Unreachable) Unwrap() error { return u.Err }
