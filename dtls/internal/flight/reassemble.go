// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package flight is the handshake's transport (RFC 6347 §4.2.2 to §4.2.4):
// it joins the fragments of handshake messages and puts the messages in
// order, packs the messages of a flight into records and datagrams, and says
// when a flight is to be sent again.
//
// All of it is scratch of a handshake. An established session keeps at most
// its last Flight, for twice the maximum segment lifetime.
package flight

import (
	"math/bits"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Result says what became of a handshake fragment.
type Result uint8

// Results of Add. All but the first three are drops.
const (
	Stored       Result = iota // part of a message that is not complete
	Completed                  // the last missing part of its message
	Repeated                   // of a message already complete or delivered
	Empty                      // zero bytes of a message that has some
	Malformed                  // not a fragment; the rest of the record is lost
	Inconsistent               // contradicts earlier fragments of its message
	Ahead                      // too many messages early, or too far behind what has come
	Refused                    // type not wanted, or longer than its type may be
	NoRoom                     // the peer's buffer is full
	NumResults   = iota
)

var resultNames = [NumResults]string{
	Stored: "stored", Completed: "completed", Repeated: "repeated", Empty: "empty_fragment",
	Malformed: "malformed_fragment", Inconsistent: "inconsistent_fragment", Ahead: "message_ahead",
	Refused: "message_refused", NoRoom: "handshake_limit",
}

func (r Result) String() string { return resultNames[r] }

// Limits bound what a peer's unfinished handshake costs.
type Limits struct {
	// Bytes bounds the messages held at once, each counted with its whole
	// length from its first fragment on. A bit for each byte that has come is
	// on top.
	Bytes int
	// MessageLen is the policy: how long a message of a type may be. It
	// reports false for a type that is not expected at all. Nil allows all.
	MessageLen func(wire.HandshakeType) (maxLen int, ok bool)
}

// maxAhead is how many messages the reassembler looks ahead. No flight has
// more.
const maxAhead = 8

// maxHoles is how many bytes may be missing before others that have come, in all
// messages together. Who sends the last byte of a message first would otherwise
// take memory for all of it. It is more than most messages have, so their
// fragments may come in any order; of a longer one those far behind count as
// lost, and come again.
const maxHoles = 8 << 10

// Message is one whole handshake message.
type Message struct {
	Type  wire.HandshakeType
	Seq   uint16 // message_seq
	Epoch uint16 // of the records it came in
	// Raw is the message with a header as if it had come in one fragment,
	// which is the form that Finished covers (RFC 6347 §4.2.6). It is the
	// receiver's to keep.
	Raw []byte
}

// Body is the message without its header.
func (m *Message) Body() []byte { return m.Raw[wire.HandshakeHeaderLen:] }

// Reassembler joins the handshake fragments of one peer. It begins with Start.
type Reassembler struct {
	limits Limits
	next   uint16 // next_receive_seq of RFC 6347 §4.2.2
	bytes  int    // sum of the lengths of the messages in slots
	slots  [maxAhead]assembly
}

// assembly is one message in the making. It is in use when raw is not nil.
type assembly struct {
	typ     wire.HandshakeType
	epoch   uint16
	length  int    // of the body
	raw     []byte // header and body, as far as fragments have come
	missing int    // bytes of the body that have not come
	have    []uint64
}

// Start makes a reassembler forget what it holds and wait for the message with
// number next: 0, or what the hello with the cookie carried.
func (r *Reassembler) Start(limits Limits, next uint16) {
	*r = Reassembler{limits: limits, next: next}
}

// NewReassembler returns one that has started.
func NewReassembler(limits Limits, next uint16) *Reassembler {
	r := new(Reassembler)
	r.Start(limits, next)
	return r
}

// NextSeq is the message_seq of the next message that Next will return.
func (r *Reassembler) NextSeq() uint16 { return r.next }

// Buffered is the number of bytes counted against Limits.Bytes.
func (r *Reassembler) Buffered() int { return r.bytes }

// Add takes the first fragment off the payload of a handshake record of an
// epoch, and returns what follows it. It copies what it keeps. Call it until
// the rest is empty; Malformed leaves no rest.
func (r *Reassembler) Add(epoch uint16, payload []byte) (result Result, h wire.HandshakeHeader, rest []byte) {
	h, ok := wire.ParseHandshakeHeader(payload)
	if !ok {
		return Malformed, h, nil
	}
	end := wire.HandshakeHeaderLen + int(h.FragmentLength)
	return r.add(epoch, h, payload[wire.HandshakeHeaderLen:end]), h, payload[end:]
}

func (r *Reassembler) add(epoch uint16, h wire.HandshakeHeader, body []byte) Result {
	// Sequence numbers are compared modulo 2^16; no handshake is that long.
	ahead := h.MessageSeq - r.next
	switch {
	case ahead >= 1<<15:
		// "If the sequence number is less than next_receive_seq, the message
		// MUST be discarded" (RFC 6347 §4.2.2).
		return Repeated
	case ahead >= maxAhead:
		return Ahead
	case h.FragmentLength == 0 && h.Length > 0:
		return Empty
	case !r.allowed(h):
		return Refused
	}
	a := &r.slots[h.MessageSeq%maxAhead]
	if a.raw != nil && a.epoch < epoch {
		// What came under keys displaces what anyone could have sent.
		r.release(a)
	}
	if hole := int(h.FragmentOffset) - a.extent(); hole > 0 && hole+r.holes() > maxHoles {
		return Ahead
	}
	if a.raw == nil {
		if !r.begin(a, epoch, h) {
			return NoRoom
		}
	} else if a.typ != h.Type || a.length != int(h.Length) || a.epoch != epoch {
		return Inconsistent
	} else if a.missing == 0 {
		return Repeated
	}
	a.put(int(h.FragmentOffset), body)
	if a.missing > 0 {
		return Stored
	}
	return Completed
}

// holes is how many bytes are missing before others that have come.
func (r *Reassembler) holes() (n int) {
	for i := range r.slots {
		a := &r.slots[i]
		n += a.extent() - (a.length - a.missing)
	}
	return n
}

// extent is how far into the body fragments have come.
func (a *assembly) extent() int { return max(len(a.raw)-wire.HandshakeHeaderLen, 0) }

// allowed applies the policy to a header, before anything is kept of it.
func (r *Reassembler) allowed(h wire.HandshakeHeader) bool {
	if r.limits.MessageLen == nil {
		return true
	}
	maxLen, ok := r.limits.MessageLen(h.Type)
	return ok && int(h.Length) <= maxLen
}

// begin makes a free slot ready for a message.
func (r *Reassembler) begin(a *assembly, epoch uint16, h wire.HandshakeHeader) bool {
	size := wire.HandshakeHeaderLen + int(h.Length)
	if !r.makeRoom(size, h.MessageSeq) {
		return false
	}
	r.bytes += size
	*a = assembly{typ: h.Type, epoch: epoch, length: int(h.Length), missing: int(h.Length)}
	a.raw = make([]byte, 0, wire.HandshakeHeaderLen+int(h.FragmentLength))
	h.FragmentOffset, h.FragmentLength = 0, h.Length
	a.raw = h.Append(a.raw)
	return true
}

// makeRoom reports whether size bytes may be taken for a message. It throws
// out messages that are due later: the peer repeats them, and were they to
// keep out the one that is due first, the handshake would never go on.
func (r *Reassembler) makeRoom(size int, seq uint16) bool {
	for ahead := uint16(maxAhead - 1); r.bytes+size > r.limits.Bytes; ahead-- {
		if r.next+ahead == seq || size > r.limits.Bytes {
			return false
		}
		if later := &r.slots[(r.next+ahead)%maxAhead]; later.raw != nil {
			r.release(later)
		}
	}
	return true
}

// release frees a slot.
func (r *Reassembler) release(a *assembly) {
	r.bytes -= wire.HandshakeHeaderLen + a.length
	*a = assembly{}
}

// put copies a fragment into the message. The buffer grows with what comes,
// not with what the header announces.
func (a *assembly) put(offset int, body []byte) {
	from := wire.HandshakeHeaderLen + offset
	if end := from + len(body); end > len(a.raw) {
		a.grow(end)
	}
	copy(a.raw[from:], body)
	if len(body) == a.length {
		a.missing = 0 // the common case needs no bitmap
		return
	}
	a.missing -= a.mark(offset, offset+len(body))
}

// grow lengthens raw to end bytes. The capacity doubles, but never past the
// message, so that Limits.Bytes bounds it.
func (a *assembly) grow(end int) {
	if end > cap(a.raw) {
		capacity := min(wire.HandshakeHeaderLen+a.length, max(end, 2*cap(a.raw)))
		a.raw = append(make([]byte, 0, capacity), a.raw...)
	}
	a.raw = a.raw[:end]
}

// mark notes that bytes [from, to) have come and returns how many of them
// are new. Fragments may overlap in any way: "DTLS implementations MUST be
// able to handle overlapping fragment ranges" (RFC 6347 §4.2.3).
func (a *assembly) mark(from, to int) (fresh int) {
	if words := (to + 63) / 64; words > len(a.have) {
		a.have = append(a.have, make([]uint64, words-len(a.have))...)
	}
	for from < to {
		word, low := from/64, from%64
		n := min(64-low, to-from)
		mask := (^uint64(0) >> (64 - n)) << low
		fresh += bits.OnesCount64(mask &^ a.have[word])
		a.have[word] |= mask
		from += n
	}
	return fresh
}

// Next returns the next message in the order of message_seq, once it is
// complete.
func (r *Reassembler) Next() (m Message, ok bool) {
	a := &r.slots[r.next%maxAhead]
	if a.raw == nil || a.missing > 0 {
		return Message{}, false
	}
	m = Message{Type: a.typ, Seq: r.next, Epoch: a.epoch, Raw: a.raw}
	r.release(a)
	r.next++
	return m, true
}
