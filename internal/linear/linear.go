// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package linear has the buckets of a linear hash table (Litwin, 1980): whenever
// it has as many entries as chains it gains one chain, by splitting one. So it
// grows by one short chain at a time, and no insertion ever has to move the whole
// table.
package linear

// A Table is where the chains begin. Entries are numbers from 1, and the chains
// run through what they number, which is the caller's, as is the hash. A table
// has 4 bytes a chain and does not shrink.
type Table struct {
	blocks []*[block]uint32 // the first entry of each chain, in blocks that never move
	n      uint32           // chains
	low    uint32           // the largest power of two that is not more than n
	used   uint32           // entries
}

// block is how many chains are allocated at a time.
const block = 1 << 8

// New makes a table of one chain. The zero Table is not one yet.
func New() Table { return Table{blocks: []*[block]uint32{new([block]uint32)}, n: 1, low: 1} }

// Len is how many entries there are.
func (t *Table) Len() uint32 { return t.used }

// Chains is how many chains there are.
func (t *Table) Chains() uint32 { return t.n }

func (t *Table) at(chain uint32) *uint32 { return &t.blocks[chain/block][chain%block] }

// Head is the first entry, 0 if there is none, of the chain of a key: by as many
// low bits of its hash as there are chains for, which is one bit fewer for those
// not split yet. It holds until the next Add.
func (t *Table) Head(hash uint32) *uint32 {
	chain := hash & (2*t.low - 1)
	if chain >= t.n {
		chain &= t.low - 1
	}
	return t.at(chain)
}

// Add makes room for one entry more, which the caller then puts into its chain. It
// returns the first of a chain, 0 if there is none, whose entries all have to be
// put into theirs again: some belong to the chain that is new.
func (t *Table) Add() (loose uint32) {
	if t.used == t.n {
		loose = t.split()
	}
	t.used++
	return loose
}

// Remove says that the caller has taken an entry out of its chain.
func (t *Table) Remove() { t.used-- }

// split adds chain n. Its entries are in the chain whose number differs in the
// highest bit. It is seldom called, and Add, which is not, is no call without it.
//
//go:noinline
func (t *Table) split() (loose uint32) {
	if int(t.n/block) == len(t.blocks) {
		t.blocks = append(t.blocks, new([block]uint32))
	}
	old := t.at(t.n - t.low)
	loose, *old = *old, 0
	if t.n++; t.n == 2*t.low {
		t.low = t.n
	}
	return loose
}
