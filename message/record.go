// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// record is what is known of one message, received or sent. It holds no
// pointers, so the collector does not look at the records.
type record struct {
	state state
	typ   coap.Type
	reply reply // of a message received

	// Of a message sent.
	sent      uint8 // transmissions so far
	round     uint8 // of the timeouts of a CON, 1 after the first transmission
	due       bool  // to be transmitted again now
	slot      bool  // it is an outstanding interaction (4.7)
	abandoned bool  // it only holds its slot

	mid   uint16
	size  uint16 // of the stored bytes
	link  uint32 // whose it is
	bytes uint32 // first chunk of the stored reply or message

	// Of a message received, and of one that is noted, its neighbours by age. Of
	// one that is superseded or will be: see supersede.go.
	older uint32
	newer uint32

	// Of a message sent what the layer above calls it, of one received the next
	// in its bucket of the index.
	ownerOrChain uint32

	at       tick.Time     // received: when it may be forgotten; sent: the next timeout
	first    tick.Time     // sent: the first transmission
	interval time.Duration // sent: the first timeout
	// Received: the two hold a short reply.
}

// shortLen is the length of the longest reply that needs no chunk. A device that
// reports something is answered with less: a code and a token.
const shortLen = 16

// keepShort keeps a reply of at most shortLen bytes in r, which is of a message
// received.
func (r *record) keepShort(b []byte) {
	var short [shortLen]byte
	r.size = uint16(copy(short[:], b))
	r.first = tick.Time(binary.NativeEndian.Uint64(short[:8]))
	r.interval = time.Duration(binary.NativeEndian.Uint64(short[8:]))
}

func (r *record) short() (short [shortLen]byte) {
	binary.NativeEndian.PutUint64(short[:8], uint64(r.first))
	binary.NativeEndian.PutUint64(short[8:], uint64(r.interval))
	return short
}

// state says which of its link's lists a record is in.
type state uint8

const (
	free     state = iota
	open           // received, not yet answered: in Link.open
	replying       // received, the reply is to be transmitted: in Link.replies
	known          // received, nothing to do: in Link.known and by age
	waiting        // to be sent when the limits allow: in Link.waiting
	ready          // NON that no limit holds back: in Link.ready
	flying         // sent, and something may come of it: in Link.flying
	lost           // given up, to be told: in Link.lost

	noted // NON notification that was sent, without its bytes: in sender.noted and by age
	heir  // will be sent in place of one that is flying: in no list
)

// Two states share the list of another.
const (
	sharing    = 1 << 7
	posted     = waiting | sharing // NON notification, to be sent when the limits allow
	superseded = flying | sharing  // Message ID of a transmission that its heir followed
)

// reply is what a received message is answered with, also when it comes again.
type reply uint8

const (
	noReply     reply = iota
	emptyAck          // an Empty acknowledgement
	resetReply        // a Reset message
	storedReply       // an acknowledgement with a response, in the chunks
)

// newRecord returns a zero record for link l. If there is no room, the oldest
// answered message gives way.
func (m *Memory) newRecord(l *Link) (uint32, bool) {
	i, ok := m.records.Alloc()
	for !ok {
		if !m.evictOldest() {
			return 0, false
		}
		i, ok = m.records.Alloc()
	}
	m.records.At(i).link = l.id
	return i, true
}

// store copies b into chunks of record i, which must have none.
func (m *Memory) store(i uint32, b []byte) bool {
	var list slab.List
	for rest := b; len(rest) > 0; {
		c, ok := m.newChunk()
		if !ok {
			m.freeChunks(list.First)
			return false
		}
		m.chunks.PushBack(&list, c)
		rest = rest[copy(m.chunks.At(c)[:], rest):]
	}
	r := m.records.At(i)
	r.bytes, r.size = list.First, uint16(len(b))
	return true
}

func (m *Memory) newChunk() (uint32, bool) {
	c, ok := m.chunks.Alloc()
	for !ok {
		if !m.evictOldest() {
			return 0, false
		}
		c, ok = m.chunks.Alloc()
	}
	return c, true
}

// load writes the bytes stored in r to dst, which must have room, and returns
// their number.
func (m *Memory) load(dst []byte, r *record) int {
	rest := dst[:r.size]
	if r.bytes == 0 {
		short := r.short()
		return copy(rest, short[:])
	}
	for c := r.bytes; c != 0; c = m.chunks.Next(c) {
		rest = rest[copy(rest, m.chunks.At(c)[:]):]
	}
	return int(r.size)
}

// stamp writes the Message ID into the stored message.
func (m *Memory) stamp(r *record, mid uint16) {
	r.mid = mid
	binary.BigEndian.PutUint16(m.chunks.At(r.bytes)[2:], mid)
}

// release forgets record i, which must be in no list.
func (m *Memory) release(i uint32) {
	m.freeChunks(m.records.At(i).bytes)
	m.records.Free(i)
}

func (m *Memory) freeChunks(first uint32) {
	for c := first; c != 0; {
		next := m.chunks.Next(c)
		m.chunks.Free(c)
		c = next
	}
}

// The list of answered messages by age, over all links.

func (m *Memory) pushNewest(i uint32) {
	r := m.records.At(i)
	r.older, r.newer = m.newest, 0
	if m.newest == 0 {
		m.oldest = i
	} else {
		m.records.At(m.newest).newer = i
	}
	m.newest = i
}

func (m *Memory) removeAged(i uint32) {
	r := m.records.At(i)
	if r.older == 0 {
		m.oldest = r.newer
	} else {
		m.records.At(r.older).newer = r.newer
	}
	if r.newer == 0 {
		m.newest = r.older
	} else {
		m.records.At(r.newer).older = r.older
	}
	r.older, r.newer = 0, 0
}

// evictOldest forgets the oldest answered message of all. It reports false if
// there is none: everything in the Memory is in use.
func (m *Memory) evictOldest() bool {
	if m.oldest == 0 {
		return false
	}
	i := m.oldest
	l := *m.links.At(m.records.At(i).link)
	m.drop(DropEvictedByMemory)
	if m.records.At(i).state == noted {
		l.forgetNoted(i)
	} else {
		l.forget(i)
	}
	return true
}
