// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "bytes"

const arenaChunk = 1 << 20

// An arena holds many short byte strings in a few large blocks, for an import
// of a million devices. What is in it does not move.
type arena struct {
	chunks [][]byte
	last   int // where the current value begins
}

// A span is where a byte string is in an arena.
type span struct {
	chunk    int32
	from, to int32
}

// begin makes room for a value of unknown length.
func (a *arena) begin() {
	const room = 4 << 10
	n := len(a.chunks)
	if n == 0 || cap(a.chunks[n-1])-len(a.chunks[n-1]) < room {
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
		n++
	}
	a.last = len(a.chunks[n-1])
}

// buffer is what a value is appended to.
func (a *arena) buffer() []byte { return a.chunks[len(a.chunks)-1] }

// end takes the buffer with the value appended. If it has outgrown its block it
// gets one of its own.
func (a *arena) end(appended []byte) span {
	n := len(a.chunks) - 1
	if cap(appended) != cap(a.chunks[n]) {
		value := bytes.Clone(appended[a.last:])
		clear(appended)
		a.chunks = append(a.chunks, value)
		return span{int32(n + 1), 0, int32(len(value))}
	}
	a.chunks[n] = appended
	return span{int32(n), int32(a.last), int32(len(appended))}
}

func (a *arena) text(s string) span {
	a.begin()
	return a.end(append(a.buffer(), s...))
}

func (a *arena) bytes(s span) []byte { return a.chunks[s.chunk][s.from:s.to] }

func (a *arena) string(s span) string { return string(a.bytes(s)) }

func (a *arena) compare(s, t span) int { return bytes.Compare(a.bytes(s), a.bytes(t)) }

func (a *arena) wipe() {
	for _, chunk := range a.chunks {
		clear(chunk[:cap(chunk)])
	}
}
