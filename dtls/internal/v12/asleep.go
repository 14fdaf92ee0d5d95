// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"slices"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Compact lets go of what can be computed again.
func (c *Conn) Compact() {
	c.layer.Compact()
	if c.usable() == nil {
		c.packFacts()
		c.facts = nil
	}
}

// packFacts makes the packed form of what does not change any more.
func (c *Conn) packFacts() {
	if c.packed == nil {
		c.packed = c.facts.Pack()
	}
}

// mark begins the bytes of a session of this version that sleeps. They are
// zero when it was woken.
const mark = 12

// packedLen is the most bytes that a session without Facts takes.
const packedLen = 1 + record.PackedLen + 3 + 1 + suite.MasterSecretLen + 2*wire.RandomLen + 1 + flight.PackedLen + 3

// Sleep appends the session to dst and wipes it, if it is at rest.
func (c *Conn) Sleep(now tick.Time, dst []byte) ([]byte, bool) {
	if !c.rests() {
		return dst, false
	}
	c.forgetLast(now)
	c.packFacts()
	// At once: to grow later would leave a copy of the keys behind.
	dst = slices.Grow(dst, packedLen+len(c.packed))
	k := pack.Into(append(dst, mark))
	c.pack(&k)
	*c = Conn{}
	return k.Bytes(), true
}

// Wake makes a session of what Sleep has put into asleep, and clears that.
func (c *Conn) Wake(now tick.Time, counters *hs.Counters, asleep []byte) {
	if len(asleep) == 0 || asleep[0] != mark {
		panic("dtls: Wake of what is no sleeping session")
	}
	*c = Conn{counters: counters, established: true}
	k := pack.From(asleep[1:])
	c.pack(&k)
	clear(asleep)
	c.forgetLast(now)
}

// Peek reads the Facts of a session that sleeps, and changes nothing. c must be
// zero, and is so again.
func (c *Conn) Peek(asleep []byte) *hs.Facts {
	if len(asleep) == 0 || asleep[0] != mark {
		panic("dtls: Peek at what is no sleeping session")
	}
	k := pack.From(asleep[1:])
	c.pack(&k)
	facts := c.Facts() // which lie in memory of their own
	*c = Conn{}
	return facts
}

// rests reports whether nothing is going on that Sleep would lose.
func (c *Conn) rests() bool {
	return c.usable() == nil && c.layer.Packable() && c.input == nil &&
		c.news == hs.EventNone && c.suspicion == hs.ReasonNone && !c.refuse &&
		(c.last == nil || !c.last.Pending())
}

// pack packs a session that rests, or unpacks one.
func (c *Conn) pack(k *pack.Coder) {
	c.layer.Pack(k)
	pack.Uint(k, &c.mtu)
	k.Bool(&c.refused)
	c.exporter.pack(k)
	c.packLast(k)
	k.Slice((*[]byte)(&c.packed))
}

func (c *Conn) packLast(k *pack.Coder) {
	kept := c.last != nil
	if k.Bool(&kept); !kept {
		return
	}
	if c.last == nil {
		c.last = new(flight.Last)
	}
	c.last.Pack(k)
}
