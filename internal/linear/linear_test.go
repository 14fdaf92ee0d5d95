// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package linear

import (
	"testing"

	"pgregory.net/rapid"
)

// A set of numbers, each with itself as hash.
type set struct {
	Table
	next map[uint32]uint32
}

func (s *set) put(i uint32) {
	head := s.Head(i)
	s.next[i], *head = *head, i
}

func (s *set) add(i uint32) {
	for loose := s.Add(); loose != 0; {
		one := loose
		loose = s.next[one]
		s.put(one)
	}
	s.put(i)
}

func (s *set) remove(i uint32) {
	link := s.Head(i)
	for *link != i {
		at := *link
		rest := s.next[at]
		if rest == i {
			s.next[at] = s.next[i]
			s.Remove()
			return
		}
		link = &rest
	}
	*link = s.next[i]
	s.Remove()
}

func (s *set) has(i uint32) bool {
	at := *s.Head(i)
	for at != 0 && at != i {
		at = s.next[at]
	}
	return at == i
}

// Whatever is added and removed is found while it is there and not otherwise, and
// each change moves one chain at most.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := &set{New(), map[uint32]uint32{}}, map[uint32]bool{}
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			i := rapid.Uint32Range(1, 3000).Draw(t, "entry")
			before := s.Chains()
			if want[i] {
				s.remove(i)
				delete(want, i)
			} else {
				s.add(i)
				want[i] = true
			}
			if s.Chains() > before+1 || int(s.Len()) != len(want) {
				t.Fatalf("%d chains, %d before; %d entries, want %d", s.Chains(), before, s.Len(), len(want))
			}
		}
		for i := range uint32(3001) {
			if i > 0 && s.has(i) != want[i] {
				t.Fatalf("%d: %v, want %v", i, s.has(i), want[i])
			}
		}
	})
}

// There are as many chains as there have been entries, so that they stay short.
func TestChainsStayShort(t *testing.T) {
	s := &set{New(), map[uint32]uint32{}}
	const n = 5 * block
	for i := range uint32(n) {
		s.add(i + 1)
	}
	if s.Chains() != n {
		t.Errorf("%d chains for %d entries", s.Chains(), n)
	}
	for c := range s.Chains() {
		length := 0
		for i := *s.Head(c); i != 0; i = s.next[i] {
			length++
		}
		if length > 2 {
			t.Errorf("chain %d has %d entries of consecutive hashes", c, length)
		}
	}
}
