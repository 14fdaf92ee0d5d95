// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// bbolt follows the pages of a damaged file wherever they lead, and if they
// lead in a circle, until the stack is used up: that ends the process and can
// not be caught. So the branches are walked through once when a file is
// opened. Leaves are not read: they lead nowhere, and they are a hundred times
// as many.
//
// In the byte order of the machine:
//
//	page     number 8, kind 2, count 2, overflow 4, then count elements
//	branch   at 4, key size 4, page number 8
//	leaf     flags 4, at 4, key size 4, value size 4; at is from the element
//	bucket   the value of a leaf element with flag 1: page number 8, sequence 8
const (
	pageHead    = 16
	elementSize = 16
	kindBranch  = 0x01
	kindLeaf    = 0x02
	flagBucket  = 0x01
	// deepest is more levels than a file of any size can have.
	deepest = 32
)

// pages reads pages past bbolt.
type pages struct {
	file io.ReaderAt
	size int
	end  uint64 // the first page number that is too large
}

// circles returns an error if a branch page leads back to one above it.
func circles(file io.ReaderAt, tx *bbolt.Tx) error {
	size := tx.DB().Info().PageSize
	p := pages{file: file, size: size, end: uint64(tx.Size()) / uint64(size)}
	root, err := p.root(uint64(tx.ID()))
	if err != nil {
		return err
	}
	roots, err := p.buckets(root)
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := p.walk(root); err != nil {
			return err
		}
	}
	return nil
}

func damagedPage(n uint64, why string) error {
	return fmt.Errorf("%w: page %d: %s", store.ErrCorrupt, n, why)
}

// root returns the first page of the tree that the meta page of the transaction
// names: bbolt alternates between two.
func (p pages) root(tx uint64) (uint64, error) {
	const atRoot, atTx = pageHead + 16, pageHead + 48
	b := make([]byte, pageHead+64)
	for n := range int64(2) {
		if _, err := p.file.ReadAt(b, n*int64(p.size)); err != nil {
			return 0, err
		}
		if binary.NativeEndian.Uint64(b[atTx:]) == tx {
			return binary.NativeEndian.Uint64(b[atRoot:]), nil
		}
	}
	return 0, damagedPage(0, "no meta page for the last change")
}

// page returns the kind of the page, how many elements it has, and its octets.
func (p pages) page(n uint64) (kind uint16, count int, b []byte, err error) {
	if n < 2 || n >= p.end {
		return 0, 0, nil, damagedPage(n, "there is no such page")
	}
	b = make([]byte, p.size)
	if _, err := p.file.ReadAt(b, int64(n)*int64(p.size)); err != nil {
		return 0, 0, nil, err
	}
	kind, count = binary.NativeEndian.Uint16(b[8:]), int(binary.NativeEndian.Uint16(b[10:]))
	if binary.NativeEndian.Uint64(b) != n || kind != kindBranch && kind != kindLeaf {
		return 0, 0, nil, damagedPage(n, "not a page of records")
	}
	if kind == kindBranch && (count == 0 || pageHead+count*elementSize > len(b)) {
		return 0, 0, nil, damagedPage(n, "a branch with a wrong number of elements")
	}
	return kind, count, b, nil
}

// buckets returns the first pages of all buckets; our few stand on one page.
func (p pages) buckets(root uint64) ([]uint64, error) {
	kind, count, b, err := p.page(root)
	if err != nil {
		return nil, err
	}
	if kind != kindLeaf {
		return nil, damagedPage(root, "too many buckets for a store of ours")
	}
	var roots []uint64
	for i := range count {
		at := pageHead + i*elementSize
		if at+elementSize > len(b) {
			return nil, damagedPage(root, "a wrong number of elements")
		}
		e := b[at:]
		value := at + int(binary.NativeEndian.Uint32(e[4:])) + int(binary.NativeEndian.Uint32(e[8:]))
		if binary.NativeEndian.Uint32(e)&flagBucket == 0 || value+8 > len(b) {
			return nil, damagedPage(root, "not a list of buckets")
		}
		// A small bucket is inside its element and has page 0.
		if n := binary.NativeEndian.Uint64(b[value:]); n != 0 {
			roots = append(roots, n)
		}
	}
	return roots, nil
}

// walk looks at all branches of a bucket, level by level. All its leaves are on
// one level, so the leftmost path tells how many levels of branches there are;
// what those of the last lead to must not be one of them.
func (p pages) walk(root uint64) error {
	levels, err := p.levels(root)
	if err != nil {
		return err
	}
	seen := map[uint64]bool{root: true}
	level := []uint64{root}
	for depth := range levels {
		var next []uint64
		for _, n := range level {
			children, err := p.children(n)
			if err != nil {
				return err
			}
			for _, child := range children {
				if seen[child] {
					return damagedPage(n, "it leads in a circle")
				}
				if depth < levels-1 {
					seen[child] = true
					next = append(next, child)
				}
			}
		}
		level = next
	}
	return nil
}

// levels returns how many branches are above the first leaf.
func (p pages) levels(n uint64) (int, error) {
	for depth := range deepest {
		children, err := p.children(n)
		if err != nil {
			return 0, err
		}
		if len(children) == 0 {
			return depth, nil
		}
		n = children[0]
	}
	return 0, damagedPage(n, "it leads in a circle")
}

// children returns where a branch leads; a leaf leads nowhere.
func (p pages) children(n uint64) ([]uint64, error) {
	kind, count, b, err := p.page(n)
	if err != nil || kind == kindLeaf {
		return nil, err
	}
	all := make([]uint64, count)
	for i := range all {
		all[i] = binary.NativeEndian.Uint64(b[pageHead+i*elementSize+8:])
		if all[i] < 2 || all[i] >= p.end {
			return nil, damagedPage(n, "it leads out of the file")
		}
	}
	return all, nil
}
