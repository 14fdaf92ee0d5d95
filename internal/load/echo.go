// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"

	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// An echo begins with the flight it belongs to and with a number that no other
// of this flight has had lately. It takes the same way as a request, less the
// endpoint.

// ping begins an echo on a flight.
func (l *loop) ping(at uint32, due tick.Time) {
	l.sequence++
	if l.sequence == 0 {
		l.sequence = 1
	}
	l.flights[at] = flight{due: due, id: request.ID(l.sequence)}
	l.flying++
	l.echoes.Push(at)
}

// nextEcho makes the next datagram to send.
func (l *loop) nextEcho(d *udp.Datagram) bool {
	if l.echoes.Len() == 0 {
		return false
	}
	at := l.echoes.Pop()
	d.N = copy(d.Buf, l.mix.made[0].Payload)
	binary.BigEndian.PutUint32(d.Buf, at)
	binary.BigEndian.PutUint32(d.Buf[4:], uint32(l.flights[at].id))
	d.Remote, d.Local = l.run.cfg.Server, l.share.local(l.share.first+int(at)/l.window)
	return true
}

// echoed takes a datagram that has come back.
func (l *loop) echoed(now tick.Time, d *udp.Datagram) {
	b := d.Payload()
	if len(b) < minEcho || d.Remote != l.run.cfg.Server {
		return
	}
	at, id := binary.BigEndian.Uint32(b), request.ID(binary.BigEndian.Uint32(b[4:]))
	if int(at) >= len(l.flights) || id == 0 || l.flights[at].id != id {
		return
	}
	l.refusals, l.refusal = 0, ""
	l.heard = true
	l.land(now, at, 0)
}

// refused notes the ICMP errors that echoes get. They do not say of which, so it
// is not they that are counted: who waits in vain has failed for this reason.
// Where there is nothing but them, nobody is there.
func (l *loop) refused(refused bool) {
	l.refusal = reasonUnreachable
	if refused {
		l.refusal = reasonRefused
	}
	if l.refusals++; !l.heard && l.refusals >= len(l.clients) && l.gone == 0 {
		l.gone = len(l.clients)
		l.echoes.Clear()
		l.fallAll(l.refusal)
	}
}

// fallAll ends all flights.
func (l *loop) fallAll(reason string) {
	for at := range l.flights {
		if l.flights[at].id != 0 {
			l.fall(uint32(at), reason)
		}
	}
}
