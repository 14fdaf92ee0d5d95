// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import "testing"

// Whatever links and Message IDs come together, the records spread over the
// buckets, all are found while the index grows, and none after it was removed.
func TestIndexSpreads(t *testing.T) {
	for name, of := range map[string]func(i int) (link uint32, mid uint16){
		"one link":           func(i int) (uint32, uint16) { return 7, uint16(i) },
		"one Message ID":     func(i int) (uint32, uint16) { return uint32(i), 1 },
		"links far apart":    func(i int) (uint32, uint16) { return uint32(i) << 15, 1 },
		"links and sequence": func(i int) (uint32, uint16) { return uint32(i / 8), uint16(i % 8) },
	} {
		t.Run(name, func(t *testing.T) {
			const records = 1 << 16
			m := NewMemory(Params{}, Limits{})
			m.index.seed(m, seeded(1))
			for i := range records {
				n, _ := m.records.Alloc()
				r := m.records.At(n)
				r.link, r.mid = of(i)
				m.indexRecord(n)
				if at := m.find(of(i / 2)); at != uint32(i/2)+1 {
					t.Fatalf("record %d is found as %d", i/2+1, at)
				}
			}
			longest := 0
			for b := range m.index.Chains() {
				length := 0
				for i := *m.index.Head(b); i != 0; i = m.records.At(i).ownerOrChain {
					length++
				}
				longest = max(longest, length)
			}
			if longest > 24 || m.index.Chains() != records {
				t.Errorf("a chain of %d, %d buckets", longest, m.index.Chains())
			}
			for i := range records {
				m.unindexRecord(uint32(i) + 1)
				if at := m.find(of(i)); at != 0 {
					t.Fatalf("record %d is still found", i+1)
				}
			}
		})
	}
}
