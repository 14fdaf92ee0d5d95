// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import "bytes"

// held are copies of the protected records that came before the session could
// open them, in order of arrival. They are not authenticated, so their
// number and size are bounded.
type held struct {
	records []Record
	bytes   int
}

// hold keeps a copy of an early record.
func (l *Layer) hold(r *Record) Result {
	maxRecords, maxBytes := DefaultHeldRecords, DefaultHeldBytes
	if l.Limits != nil && l.Limits.HeldRecords != 0 {
		maxRecords = l.Limits.HeldRecords
	}
	if l.Limits != nil && l.Limits.HeldBytes != 0 {
		maxBytes = l.Limits.HeldBytes
	}
	if l.held == nil {
		l.held = new(held)
	}
	for _, other := range l.held.records {
		if other.Header.Epoch == r.Header.Epoch && other.Header.Sequence == r.Header.Sequence {
			return DropHeldTwice
		}
	}
	if len(l.held.records) >= maxRecords || l.held.bytes+len(r.raw) > maxBytes {
		return DropHeldFull
	}
	l.held.records = append(l.held.records, Record{r.Header, bytes.Clone(r.raw)})
	l.held.bytes += len(r.raw)
	return Held
}

// NextHeld returns a held record that Open can now take, in order of arrival.
// Call it until it reports false after SetReadKeys and after Complete.
func (l *Layer) NextHeld() (r Record, ok bool) {
	if l.held == nil {
		return Record{}, false
	}
	return l.nextHeld()
}

func (l *Layer) nextHeld() (r Record, ok bool) {
	for i, r := range l.held.records {
		if l.due(&r.Header) != Held {
			l.held.records = append(l.held.records[:i], l.held.records[i+1:]...)
			l.held.bytes -= len(r.raw)
			return r, true
		}
	}
	if len(l.held.records) == 0 {
		l.held = nil
	}
	return Record{}, false
}

// HeldLen is the number of bytes of held records, for accounting.
func (l *Layer) HeldLen() int {
	if l.held == nil {
		return 0
	}
	return l.held.bytes
}
