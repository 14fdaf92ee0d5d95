// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"

	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// A slot is all that an endpoint keeps of a peer at any time; what is needed
// only while something goes on hangs from it by number. It holds no pointers,
// so a million slots are nothing to the collector, and they lie in blocks that
// never move. Its neighbours in the slab are those of its class by age.
type slot struct {
	key        key
	chain      uint32 // the next slot in the bucket of the index
	generation uint32
	awake      uint32    // its peer, 0 while there is none
	asleep     uint32    // its session in the dormitory, its note before it; 0 while that is awake or there is none
	note       uint32    // its note in the dormitory, 0 while the session sleeps or there is none
	heard      tick.Time // when it was last authentic, to the second
	class      class
	ours       bool // named to Connect
	indexed    bool // found by its key; a candidate is found by its rival
	kept       bool // of class plain: see Keep
}

// class is which list by age a slot is in, and so whom it gives way to.
type class uint8

const (
	ended    class = iota // in none: nothing more is received; its last alert and event go out
	halfOpen              // its handshake is in progress
	secure                // an established session, awake or asleep
	stranger              // one whose peer has proved nothing but its address, see Vouch
	plain                 // NoSec
	numClasses
)

// session reports whether slots of the class have an established session.
func (c class) session() bool { return c == secure || c == stranger }

// newSlot takes a slot. It is of no class and not found yet.
func (e *Endpoint) newSlot(now tick.Time, k key) uint32 {
	i, _ := e.slots.Alloc()
	if e.generation++; e.generation == 0 {
		e.generation = 1
	}
	*e.slots.At(i) = slot{key: k, generation: e.generation, heard: now}
	return i
}

// enter puts a slot into a class, as the one heard last.
func (e *Endpoint) enter(i uint32, c class) {
	e.leave(i)
	e.slots.At(i).class = c
	e.slots.PushBack(&e.byAge[c], i)
}

// leave takes a slot out of its class.
func (e *Endpoint) leave(i uint32) {
	at := e.slots.At(i)
	if at.class != ended {
		e.slots.Remove(&e.byAge[at.class], i)
		at.class = ended
	}
}

// toBack makes a slot the one of its class that was heard last.
func (e *Endpoint) toBack(i uint32) {
	if l := &e.byAge[e.slots.At(i).class]; l.Last != i {
		e.slots.Remove(l, i)
		e.slots.PushBack(l, i)
	}
}

// oldest is the slot of a class that was silent longest, 0 if there is none.
func (e *Endpoint) oldest(c class) uint32 { return e.byAge[c].First }

func (e *Endpoint) count(c class) int { return int(e.byAge[c].Len) }

// sessions is how many are established.
func (e *Endpoint) sessions() int { return e.count(secure) + e.count(stranger) }

// find returns the slot of the peer that a datagram is from, or would be for:
// 0 if there is none.
func (e *Endpoint) find(remote netip.AddrPort, local netip.Addr) uint32 {
	k, ok := e.zones.key(remote, local, false)
	if !ok {
		return 0
	}
	if i := e.index.find(&e.slots, &k); i != 0 || e.anyLocal == 0 {
		return i
	}
	k.forgetLocal()
	return e.index.find(&e.slots, &k)
}

// admitKey puts a slot where find finds it.
func (e *Endpoint) admitKey(i uint32) {
	at := e.slots.At(i)
	at.indexed = true
	e.index.insert(&e.slots, i)
	if at.key.anyLocal() {
		e.anyLocal++
	}
}

func (e *Endpoint) removeKey(i uint32) {
	at := e.slots.At(i)
	if !at.indexed {
		return
	}
	at.indexed = false
	e.index.remove(&e.slots, i)
	if at.key.anyLocal() {
		e.anyLocal--
	}
}

// slots of one endpoint: more than it can have addresses.
type slots = slab.Pool[slot]
