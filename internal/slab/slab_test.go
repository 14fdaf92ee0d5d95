// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package slab

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func values(p *Pool[int], l *List) (got []int) {
	for i := l.First; i != 0; i = p.Next(i) {
		got = append(got, *p.At(i))
	}
	return got
}

// TestAgainstSlices runs random operations on two lists of one pool beside two
// slices that say what the lists must hold.
func TestAgainstSlices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 900 // more than three blocks
		p := New[int](limit)
		var lists [2]List
		var index, model [2][]int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"alloc": func(t *rapid.T) {
				n := rapid.IntRange(1, 300).Draw(t, "n")
				which := rapid.IntRange(0, 1).Draw(t, "list")
				for range n {
					i, ok := p.Alloc()
					if full := len(model[0])+len(model[1]) == limit; ok == full {
						t.Fatalf("Alloc = %v with %d used of %d", ok, p.Used(), limit)
					}
					if !ok {
						return
					}
					if *p.At(i) != 0 {
						t.Fatalf("Alloc returned a used value %d", *p.At(i))
					}
					next++
					*p.At(i) = next
					p.PushBack(&lists[which], i)
					index[which], model[which] = append(index[which], int(i)), append(model[which], next)
				}
			},
			"move or free": func(t *rapid.T) {
				which := rapid.IntRange(0, 1).Draw(t, "list")
				if len(model[which]) == 0 {
					t.Skip("empty")
				}
				at := rapid.IntRange(0, len(model[which])-1).Draw(t, "at")
				i, v := index[which][at], model[which][at]
				index[which], model[which] = slices.Delete(index[which], at, at+1), slices.Delete(model[which], at, at+1)
				p.Remove(&lists[which], uint32(i))
				if rapid.Bool().Draw(t, "free") {
					p.Free(uint32(i))
					return
				}
				other := 1 - which
				p.PushBack(&lists[other], uint32(i))
				index[other], model[other] = append(index[other], i), append(model[other], v)
			},
			"": func(t *rapid.T) {
				for i := range lists {
					if got := values(&p, &lists[i]); !slices.Equal(got, model[i]) {
						t.Fatalf("list %d holds %v, want %v", i, got, model[i])
					}
					if int(lists[i].Len) != len(model[i]) {
						t.Fatalf("list %d: Len %d, want %d", i, lists[i].Len, len(model[i]))
					}
				}
				if p.Used() != len(model[0])+len(model[1]) {
					t.Fatalf("Used = %d", p.Used())
				}
			},
		})
	})
}

func TestNoAllocationOnceMade(t *testing.T) {
	p := New[[3]uint64](10)
	var l List
	use := func() {
		i, _ := p.Alloc()
		p.PushBack(&l, i)
		p.Remove(&l, i)
		p.Free(i)
	}
	use()
	if n := testing.AllocsPerRun(100, use); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestZeroPoolRefuses(t *testing.T) {
	var p Pool[int]
	if _, ok := p.Alloc(); ok {
		t.Error("the zero Pool has room")
	}
}

// TestMemoryGoesBack: what was needed once is not kept for ever, and what is
// used again is clean.
func TestMemoryGoesBack(t *testing.T) {
	p := New[int](100_000)
	blocks := func() (n int) {
		for _, b := range p.blocks {
			if b != p.gone {
				n++
			}
		}
		return n
	}
	for range 3 {
		var all, few []uint32
		for n := range 50_000 {
			i, _ := p.Alloc()
			if v := *p.At(i); v != 0 {
				t.Fatalf("a new value is %d", v)
			}
			*p.At(i) = int(i)
			if n%1000 == 7 {
				few = append(few, i)
			} else {
				all = append(all, i)
			}
		}
		if got := blocks(); got != 196 || len(p.blocks) != 196 {
			t.Fatalf("%d of %d blocks for 50,000 values", got, len(p.blocks))
		}
		for _, i := range all {
			p.Free(i)
		}
		if got := blocks(); got > 52 {
			t.Errorf("%d blocks for 50 values", got)
		}
		for _, i := range few {
			if v := *p.At(i); v != int(i) {
				t.Errorf("value %d is %d", i, v)
			}
			p.Free(i)
		}
		if got := blocks(); got > 2 || p.Used() != 0 { // the first, and one to spare
			t.Errorf("%d blocks, %d used", got, p.Used())
		}
		for i := range uint32(p.Made()) {
			if v := *p.At(i + 1); v != 0 {
				t.Fatalf("value %d was freed and is %d", i+1, v)
			}
		}
	}
}

func BenchmarkAllocFree(b *testing.B) {
	p := New[[8]uint64](1 << 20)
	for range 1000 {
		p.Alloc()
	}
	b.ReportAllocs()
	for b.Loop() {
		i, _ := p.Alloc()
		p.Free(i)
	}
}
