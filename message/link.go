// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"io"
	"math"
	"time"

	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// Ref names a message within its Link: one received until it is answered, or
// one sent until it is settled.
type Ref uint32

// Link is the exchange of messages with one peer in one security context. It
// must not be copied after Init.
type Link struct {
	mem  *Memory
	rand io.Reader
	id   uint32 // the Memory's number for this link

	// Records, each in the list of its state.
	open    slab.List
	replies slab.List
	known   slab.List
	waiting slab.List
	ready   slab.List
	flying  slab.List
	lost    slab.List
	due     int32  // of flying, how many are to be transmitted again
	slots   int32  // outstanding interactions, at most NSTART
	kept    int32  // bytes of stored replies
	sending uint32 // the Memory's number for its sender, 0 before the first Send
	resets  resetQueue
	resting bool // the first of waiting needs a Message ID that must still rest

	// quiet is when the last duplicate and the last Message ID expire; tick.Never
	// if none is remembered.
	quiet tick.Time
}

// Init makes l an empty link of mem that takes its randomness from rand: the
// first Message ID and the jitter of timeouts.
func (l *Link) Init(mem *Memory, rand io.Reader) {
	*l = Link{mem: mem, rand: rand, quiet: tick.Never}
	l.id, _ = mem.links.Alloc()
	*mem.links.At(l.id) = l
	mem.index.seed(mem, rand)
}

// Release forgets everything and gives the memory back. The link may be used
// again after Init.
func (l *Link) Release() {
	for _, list := range []*slab.List{&l.known, &l.open, &l.replies} {
		for list.First != 0 {
			l.forget(list.First)
		}
	}
	for _, list := range []*slab.List{&l.waiting, &l.ready, &l.flying, &l.lost} {
		for list.First != 0 {
			l.drop(list.First)
		}
	}
	if l.sending != 0 {
		for noted := &l.sender().noted; noted.First != 0; {
			l.forgetNoted(noted.First)
		}
		l.mem.senders.Free(l.sending)
	}
	l.mem.links.Free(l.id)
	*l = Link{}
}

// sender is what a link has of its own messages from the first Send on. Few peers
// are sent anything but acknowledgements.
type sender struct {
	ids   messageIDs
	noted slab.List     // Non-confirmable notifications that a Reset may still come for
	rtt   time.Duration // round-trip time, 0 if not known
}

func (l *Link) sender() *sender { return l.mem.senders.At(l.sending) }

// restsUntil is the time until which the next Message ID must rest.
func (l *Link) restsUntil() tick.Time {
	if l.sending == 0 {
		return math.MinInt64
	}
	return l.sender().ids.rests(l.mem.exchangeLifetime)
}

// Idle reports whether the link remembers nothing, so that Release and Init
// would lose nothing: no message waits, no duplicate could be recognized, and
// no Message ID rests. Expire makes it so when the time has come.
func (l *Link) Idle() bool { return l.quiet == tick.Never && !l.Active() }

// Active reports whether a message is on its way in either direction or waits
// for its reply. A Non-confirmable notification that was sent is not any more.
func (l *Link) Active() bool {
	return l.open.Len+l.replies.Len+l.waiting.Len+l.ready.Len+l.flying.Len+l.lost.Len > 0 || l.resets.len > 0
}

// Resting reports whether all that is Active is messages of ours that were not
// acknowledged, or wait for one that was not: what follows is the peer's, or the
// Deadline's.
func (l *Link) Resting() bool {
	return l.open.Len+l.replies.Len+l.ready.Len+l.lost.Len == 0 && l.due == 0 && l.resets.len == 0
}

// list returns the list that holds the records of a state.
func (l *Link) list(s state) *slab.List {
	switch s &^ sharing {
	case open:
		return &l.open
	case replying:
		return &l.replies
	case known:
		return &l.known
	case waiting:
		return &l.waiting
	case ready:
		return &l.ready
	case flying:
		return &l.flying
	default:
		return &l.lost
	}
}

// add puts record i into the list of state s.
func (l *Link) add(i uint32, s state) {
	l.mem.records.At(i).state = s
	l.mem.records.PushBack(l.list(s), i)
	if s == known {
		l.mem.pushNewest(i)
	}
}

// remove takes record i out of its list.
func (l *Link) remove(i uint32) {
	s := l.mem.records.At(i).state
	l.mem.records.Remove(l.list(s), i)
	if s == known {
		l.mem.removeAged(i)
	}
}

// move puts record i into the list of state s instead of its own.
func (l *Link) move(i uint32, s state) {
	l.remove(i)
	l.add(i, s)
}

// at returns the record that ref names, nil if it is none of this link in one
// of the states.
func (l *Link) at(ref Ref, states ...state) *record {
	if ref == 0 || int(ref) > l.mem.records.Made() {
		return nil
	}
	r := l.mem.records.At(uint32(ref))
	for _, s := range states {
		if r.state == s && r.link == l.id {
			return r
		}
	}
	return nil
}

// remember extends the time until which the link is not Idle.
func (l *Link) remember(until tick.Time) {
	if l.quiet == tick.Never || l.quiet < until {
		l.quiet = until
	}
}

// Deadline returns when Expire has something to do, tick.Never if nothing is
// timed. It assumes that Transmit was called until it returned 0.
func (l *Link) Deadline() tick.Time {
	d := l.quiet
	for i := l.flying.First; i != 0; i = l.mem.records.Next(i) {
		d = min(d, l.mem.records.At(i).at)
	}
	if l.resting {
		d = min(d, l.restsUntil())
	}
	if l.waiting.Len > 0 && int(l.slots) >= l.mem.params.NStart {
		d = min(d, l.slotAt())
	}
	return d
}

// resetQueue holds the Message IDs of messages to reject of which nothing else
// is remembered: pings and what is malformed. If they come again, they are
// rejected again.
type resetQueue struct {
	mids [4]uint16
	len  uint8
}

func (q *resetQueue) push(mid uint16) bool {
	if int(q.len) == len(q.mids) {
		return false
	}
	q.mids[q.len] = mid
	q.len++
	return true
}

func (q *resetQueue) pop() uint16 {
	mid := q.mids[0]
	copy(q.mids[:], q.mids[1:])
	q.len--
	return mid
}
