// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"slices"
	"sort"
	"strings"
)

// blockSize is how many keys a block holds at most: to insert one moves that
// many at most, and a million keys need a few thousand blocks.
const blockSize = 512

// order keeps keys sorted: blocks of sorted keys, none empty, each wholly
// before the next.
type order struct{ blocks [][]string }

// block returns the index of the block where key is or belongs.
func (o *order) block(key string) int {
	i := sort.Search(len(o.blocks), func(i int) bool { return o.blocks[i][0] > key })
	return max(i-1, 0)
}

// insert adds a key that is not there.
func (o *order) insert(key string) {
	if len(o.blocks) == 0 {
		o.blocks = [][]string{{key}}
		return
	}
	i := o.block(key)
	if len(o.blocks[i]) >= blockSize {
		o.split(i, key)
		i = o.block(key)
	}
	at, _ := slices.BinarySearch(o.blocks[i], key)
	o.blocks[i] = slices.Insert(o.blocks[i], at, key)
}

// split makes room in block i for key. Keys that come in their order leave full
// blocks behind them, others half of them.
func (o *order) split(i int, key string) {
	b := o.blocks[i]
	at := len(b) / 2
	if key > b[len(b)-1] {
		at = len(b) - 1
	}
	right := append(make([]string, 0, blockSize), b[at:]...)
	clear(b[at:])
	o.blocks[i] = b[:at]
	o.blocks = slices.Insert(o.blocks, i+1, right)
}

// remove takes away a key that is there.
func (o *order) remove(key string) {
	i := o.block(key)
	if i >= len(o.blocks) {
		return
	}
	at, ok := slices.BinarySearch(o.blocks[i], key)
	if !ok {
		return
	}
	o.blocks[i] = slices.Delete(o.blocks[i], at, at+1)
	if len(o.blocks[i]) == 0 {
		o.blocks = slices.Delete(o.blocks, i, i+1)
	}
}

// page returns up to n keys with the prefix that are greater than after.
func (o *order) page(prefix, after string, n int) []string {
	from := max(prefix, after)
	var keys []string
	for i := o.block(from); i < len(o.blocks); i++ {
		b := o.blocks[i]
		at, _ := slices.BinarySearch(b, from)
		for _, key := range b[at:] {
			switch {
			case key <= after:
				continue
			case !strings.HasPrefix(key, prefix) || len(keys) == n:
				return keys
			}
			keys = append(keys, key)
		}
	}
	return keys
}
