// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"

	"github.com/coaps-go/coaps/internal/slab"
)

// Limits bound what a Memory and each of its links keep. A zero field stands
// for the default.
type Limits struct {
	// Bytes of records and stored messages in the whole Memory: 64 MiB. It is
	// allocated as needed and then kept.
	Bytes int

	// PeerMessages is how many messages of one peer are remembered to recognize
	// their duplicates: 256. A peer that sends more within EXCHANGE_LIFETIME
	// loses its oldest.
	PeerMessages int

	// PeerBytes is how many bytes of replies are kept for one peer's
	// duplicates: 64 KiB.
	PeerBytes int

	// PeerQueue is how many messages to one peer wait to be sent or
	// acknowledged, and how many of its messages wait for our reply: 256 each.
	PeerQueue int

	// MessageBytes is the size of the largest message sent: 1152, which RFC
	// 7252 section 4.6 calls a good upper bound. At most 65535.
	MessageBytes int
}

func (l Limits) resolved() Limits {
	return Limits{
		Bytes:        positive(l.Bytes, 64<<20),
		PeerMessages: positive(l.PeerMessages, 256),
		PeerBytes:    positive(l.PeerBytes, 64<<10),
		PeerQueue:    positive(l.PeerQueue, 256),
		MessageBytes: min(positive(l.MessageBytes, 1152), 1<<16-1),
	}
}

// Sizes for the split of Limits.Bytes: a record for each message remembered
// and, since many replies fit into one, as many chunks of stored bytes. Each is
// a cache line.
const (
	chunkLen    = 56
	recordBytes = 64           // with its place in a list
	chunkBytes  = chunkLen + 8 // the same
)

// A chunk is a piece of a stored message. A message is a list of chunks.
type chunk [chunkLen]byte

// Memory is what all links of one endpoint share. It is not safe for
// concurrent use.
type Memory struct {
	params Params
	limits Limits

	exchangeLifetime time.Duration
	nonLifetime      time.Duration
	transmitSpan     time.Duration
	transmitWait     time.Duration

	records slab.Pool[record]
	chunks  slab.Pool[chunk]
	links   slab.Pool[*Link] // by the number that records name their link with
	senders slab.Pool[sender]
	index   index  // incoming messages by link and Message ID
	oldest  uint32 // answered incoming messages of all links by age
	newest  uint32

	scratch []byte  // a message being encoded
	seed    [8]byte // random bytes being read
	drops   Drops
	traffic Traffic
}

// NewMemory returns an empty Memory for links with parameters p, resolved. The
// Limits are resolved too.
func NewMemory(p Params, l Limits) *Memory {
	p, l = p.Resolved(), l.resolved()
	units := max(l.Bytes/(recordBytes+chunkBytes), 1)
	return &Memory{
		params:           p,
		limits:           l,
		exchangeLifetime: p.ExchangeLifetime(),
		nonLifetime:      p.NonLifetime(),
		transmitSpan:     p.MaxTransmitSpan(),
		transmitWait:     p.MaxTransmitWait(),
		records:          slab.New[record](units),
		chunks:           slab.New[chunk](max(units, l.MessageBytes/chunkLen+1)),
		links:            slab.New[*Link](math.MaxInt32),
		senders:          slab.New[sender](math.MaxInt32), // as many as there are links
	}
}

// Params returns the parameters in force, without zero fields.
func (m *Memory) Params() Params { return m.params }

// Limits returns the limits in force, without zero fields.
func (m *Memory) Limits() Limits { return m.limits }

// Drops returns the counters of all links, which go on counting.
func (m *Memory) Drops() *Drops { return &m.drops }

// Traffic returns the counters of all links, which go on counting.
func (m *Memory) Traffic() *Traffic { return &m.traffic }

// Bytes returns how much of Limits.Bytes is in use.
func (m *Memory) Bytes() int {
	return m.records.Used()*recordBytes + m.chunks.Used()*chunkBytes
}

func (m *Memory) drop(d Drop) { m.drops[d]++ }

// Errors of Send and Reply. What a limit refuses is counted.
var (
	ErrQueueFull  = errors.New("message: too many messages for this peer")
	ErrMemoryFull = errors.New("message: no memory for another message")
	ErrTooLarge   = errors.New("message: larger than Limits.MessageBytes")
	ErrMessageIDs = errors.New("message: all Message IDs are taken for EXCHANGE_LIFETIME")
	ErrRandom     = errors.New("message: the source of randomness failed")
	ErrType       = errors.New("message: type and code do not go together (RFC 7252 section 4.3, table 1)")
	ErrUnknown    = errors.New("message: no such message waits for a reply")
)

// random reads a number from r.
func (m *Memory) random(r io.Reader) (uint64, error) {
	if _, err := io.ReadFull(r, m.seed[:]); err != nil {
		return 0, ErrRandom
	}
	return binary.NativeEndian.Uint64(m.seed[:]), nil
}
