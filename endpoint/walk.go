// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// A Resident is an established session as Walk and Look show it, awake or
// asleep. It holds until the next call of the Endpoint.
type Resident struct {
	ID     PeerID
	Remote netip.AddrPort
	Heard  tick.Time // when it was last authentic, to the second
	Asleep bool
	Note   []byte // what SetNote left with it

	endpoint *Endpoint
	at       *slot
}

// Facts is what the session's handshake has settled. For one that sleeps they are
// read from its bytes, in about a microsecond and some ten for each
// certificate; it sleeps on.
func (r *Resident) Facts() *dtls.Facts {
	e := r.endpoint
	if r.at.asleep == 0 {
		return e.awake(r.at).session.Facts()
	}
	bytes := e.dormitory.load(r.at.asleep)
	s := e.spare()
	facts := s.Peek(bytes[noteLen(bytes):])
	clear(bytes)
	e.keepSpare(s)
	return facts
}

// Walk shows established sessions to f and leaves all as they are: who sleeps
// sleeps on, and nobody's age changes. It looks at no more than n places, from
// the one numbered from, and ends early when f reports that it has had enough.
// It returns the number to go on from, 0 when it has come to the end. A walk
// begins with 0. It shows each session once that was there when it began and
// still is; of those established meanwhile, some.
//
// During f the calls SetNote and Disconnect may be made for the session shown.
func (e *Endpoint) Walk(from, n int, f func(*Resident) (more bool)) (next int) {
	made := e.slots.Made()
	for i := from + 1; i <= made; i++ {
		if n--; n < 0 {
			return i - 1
		}
		if at := e.slots.At(uint32(i)); at.class.session() && !e.ending && !f(e.show(uint32(i), at)) {
			return i
		}
	}
	return 0
}

// Look shows one established session, as Walk does. It reports false if it is
// gone.
func (e *Endpoint) Look(id PeerID) (*Resident, bool) {
	at := e.slotOf(id)
	if at == nil || !at.class.session() {
		return nil, false
	}
	return e.show(id.index, at), true
}

func (e *Endpoint) show(i uint32, at *slot) *Resident {
	e.resident = Resident{
		ID: PeerID{i, at.generation}, Remote: e.zones.remote(&at.key), Heard: at.heard, Asleep: at.asleep != 0,
		Note: e.noteOf(at), endpoint: e, at: at,
	}
	return &e.resident
}
