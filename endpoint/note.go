// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"encoding/binary"
	"errors"

	"github.com/coaps-go/coaps/tick"
)

// MaxNote is how many bytes a note may have.
const MaxNote = 1 << 10

// ErrNoteTooLong is SetNote's error for a note of more than MaxNote bytes.
var ErrNoteTooLong = errors.New("endpoint: the note is too long")

// SetNote leaves a few bytes with a session, in place of those that are there:
// who is at the other end, say, as it was found out during the handshake, which
// may still last. Unlike a tag they stay when the session sleeps, packed
// together with it, and are wiped when it ends. An empty note is none. It does
// not change when the session was last heard, and one that sleeps sleeps on.
//
// Errors: ErrGone, also for a peer without a session; ErrNoteTooLong.
func (e *Endpoint) SetNote(now tick.Time, id PeerID, note []byte) error {
	e.now = now
	at := e.slotOf(id)
	if at == nil || at.class == plain {
		return ErrGone
	}
	if len(note) > MaxNote {
		return ErrNoteTooLong
	}
	if at.asleep == 0 {
		e.keepNote(at, note)
		return nil
	}
	p := e.wake(id.index)
	e.keepNote(at, note)
	if !e.layDown(p) {
		e.touch(p) // it is laid down when it has nothing more to say
	}
	return nil
}

// Note is what SetNote has left with a session, nil if nothing. It is a view
// that holds until the next call.
func (e *Endpoint) Note(id PeerID) []byte {
	if at := e.slotOf(id); at != nil {
		return e.noteOf(at)
	}
	return nil
}

// The bytes of a note in the dormitory are its length (a varint) and itself. A
// session that sleeps has them before its own, with a length of 0 for none; one
// that is awake in cells of their own, and none for none.

// keepNote sets the note of a session that is awake.
func (e *Endpoint) keepNote(at *slot, note []byte) {
	e.forgetNote(at)
	if len(note) > 0 {
		bytes := append(binary.AppendUvarint(e.dormitory.scratch, uint64(len(note))), note...)
		at.note = e.dormitory.store(bytes)
	}
}

// forgetNote wipes the note of a session that is awake.
func (e *Endpoint) forgetNote(at *slot) {
	if at.note != 0 {
		e.dormitory.free(at.note)
		at.note = 0
	}
}

// appendNote appends the note of a session that is awake, as it lies before its
// bytes.
func (e *Endpoint) appendNote(dst []byte, at *slot) []byte {
	note := e.noteOf(at)
	return append(binary.AppendUvarint(dst, uint64(len(note))), note...)
}

// noteOf is the note of a session, asleep or awake.
func (e *Endpoint) noteOf(at *slot) []byte {
	first := at.note
	if first == 0 {
		first = at.asleep
	}
	if first == 0 {
		return nil
	}
	front := e.dormitory.cells.At(first)[:]
	length, header := binary.Uvarint(front)
	switch n := int(length) + header; {
	case length == 0:
		return nil
	case n <= len(front):
		return front[header:n:n]
	default:
		e.note = e.dormitory.read(e.note[:0], first, n)
		return e.note[header:]
	}
}

// noteLen is how many bytes the note before a sleeping session takes.
func noteLen(bytes []byte) int {
	length, header := binary.Uvarint(bytes)
	return int(length) + header
}
