// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// How a peer comes and goes:
//
//	rise       a peer for a slot: something begins there
//	wake       its session too, unpacked from the dormitory
//	layDown    the session goes to sleep: packed, its keys' schedules and tag dropped
//	dismiss    nothing is remembered of any exchange either: only the slot stays
//
// A session is laid down when it has been silent for Limits.SleepAfter, when
// more than Limits.Awake are awake, or at once if it was woken by a datagram
// that was not authentic. The last costs what a forged record must cost, and
// takes no place from others.

// rise makes a peer for slot i.
func (e *Endpoint) rise(i uint32) *peer {
	self, _ := e.peers.Alloc()
	p := e.peers.At(self)
	at := e.slots.At(i)
	at.awake = self
	p.id, p.at, p.self, p.armed = PeerID{i, at.generation}, at, self, tick.Never
	p.table.Init(e.mem, e.cfg.Rand)
	if at.class != ended {
		p.phase = open
		p.secure = at.class.session()
		p.connected = p.secure
	}
	return p
}

// wake returns the peer of slot i, with its session.
func (e *Endpoint) wake(i uint32) *peer {
	at := e.slots.At(i)
	p := e.awake(at)
	if p == nil {
		p = e.rise(i)
	}
	if at.asleep != 0 {
		bytes := e.dormitory.load(at.asleep)
		note := noteLen(bytes)
		if note > 1 {
			at.note = e.dormitory.lay(bytes[:note])
		}
		p.session = e.spare()
		p.session.Wake(e.now, e.counters, bytes[note:])
		clear(bytes[:note])
		e.dormitory.free(at.asleep)
		at.asleep = 0
		p.drowsy = true
		e.stats.Wakes++
	}
	return p
}

// awake is the peer of a slot, nil if there is none at the time.
func (e *Endpoint) awake(at *slot) *peer {
	if at.awake == 0 {
		return nil
	}
	return e.peers.At(at.awake)
}

// stir notes that a peer's session is in use. Once a second is enough, and
// spares a busy peer the relinking.
func (e *Endpoint) stir(p *peer) {
	if p.session == nil || p.phase != open {
		return
	}
	p.drowsy = false
	switch {
	case !e.recent.has(p):
		e.recent.push(p)
	case e.now.Sub(p.stirred) >= hearAgain:
		e.recent.toBack(p)
	default:
		return
	}
	p.stirred = e.now
}

// layDown puts a peer's session to sleep. It reports false if something is
// going on in it. To wait until a notification is acknowledged, or to be sent
// again, is nothing: an observer that is not there any more must not be kept
// awake by what it cannot hear.
func (e *Endpoint) layDown(p *peer) bool {
	if p.phase != open || p.session == nil || p.rival != nil || !p.table.Resting() || e.wants.has(p) || e.news.has(p) {
		return false
	}
	note := e.appendNote(e.dormitory.scratch, p.at)
	bytes, ok := p.session.Sleep(e.now, note)
	if !ok {
		clear(note)
		return false
	}
	e.forgetNote(p.at)
	p.at.asleep = e.dormitory.store(bytes)
	clear(note) // of which bytes may have been a copy
	e.keepSpare(p.session)
	p.session, p.tag, p.drowsy = nil, nil, false
	e.recent.remove(p)
	if !e.dismiss(p) {
		e.arm(p) // for what its exchanges remember
	}
	return true
}

// spare is a session to wake another in.
func (e *Endpoint) spare() *dtls.Session {
	n := len(e.spares)
	if n == 0 {
		return new(dtls.Session)
	}
	s := e.spares[n-1]
	e.spares = e.spares[:n-1]
	return s
}

// keepSpare keeps a session that was wiped for the next to wake.
func (e *Endpoint) keepSpare(s *dtls.Session) {
	if len(e.spares) < cap(e.spares) {
		e.spares = append(e.spares, s)
	}
}

// dismiss leaves nothing of a peer but its slot. It reports false if there is
// more to remember.
func (e *Endpoint) dismiss(p *peer) bool {
	if p.session != nil || p.phase != open || p.sent != nil || p.rival != nil || !p.table.Idle() || e.wants.has(p) || e.news.has(p) {
		return false
	}
	e.free(p)
	return true
}

// free gives back the memory of a peer.
func (e *Endpoint) free(p *peer) {
	p.table.Release()
	e.wheel.Stop(p.self)
	p.at.awake = 0
	e.peers.Free(p.self)
}

// trim puts sessions to sleep until no more than Limits.Awake are awake. It
// follows everything that wakes one, so a few at a time keep up.
func (e *Endpoint) trim() {
	if e.recent.n > e.limits.Awake {
		e.tire(e.recent.head)
	}
	if e.recent.n > e.limits.Awake {
		e.tire(e.recent.head)
	}
}

// tire puts the peer at the head of the recent ones to sleep, or, if it is busy,
// to their end.
func (e *Endpoint) tire(p *peer) {
	if !e.layDown(p) {
		p.stirred = e.now
		e.recent.toBack(p)
	}
}

// expireAwake puts sessions to sleep that nothing has stirred for long.
func (e *Endpoint) expireAwake(now tick.Time) {
	for range turn {
		p := e.recent.head
		if p == nil || p.stirred.Add(e.limits.SleepAfter) > now {
			return
		}
		e.tire(p)
	}
}

// A dormitory holds the bytes of sleeping sessions, in cells without pointers
// that never move.
type dormitory struct {
	cells   slab.Pool[cell]
	scratch []byte // one session on its way in or out; cleared in between
}

// A cell is a piece of a sleeping session, which is a list of cells.
type cell [cellLen]byte

// cellLen leaves little unused of a session with a PSK and of one with a raw
// public key. A cell has 8 bytes beside it.
const cellLen = 88

// bytes is how much the sleeping take.
func (d *dormitory) bytes() int { return d.cells.Used() * (cellLen + 8) }

// store takes a session's bytes, which Sleep has appended to scratch, and clears
// them. Scratch keeps the size they needed.
func (d *dormitory) store(bytes []byte) uint32 {
	first := d.lay(bytes)
	clear(bytes)
	d.scratch = bytes[:0]
	if n := (len(bytes) + cellLen - 1) / cellLen * cellLen; n > cap(bytes) {
		d.scratch = make([]byte, 0, n)
	}
	return first
}

// lay puts bytes into cells.
func (d *dormitory) lay(bytes []byte) uint32 {
	var l slab.List
	for len(bytes) > 0 {
		i, _ := d.cells.Alloc()
		d.cells.PushBack(&l, i)
		bytes = bytes[copy(d.cells.At(i)[:], bytes):]
	}
	return l.First
}

// load returns the bytes of a session, in scratch, with a few more behind them.
// Who wakes it clears them.
func (d *dormitory) load(first uint32) []byte {
	bytes := d.scratch
	for i := first; i != 0; i = d.cells.Next(i) {
		bytes = append(bytes, d.cells.At(i)[:]...)
	}
	return bytes
}

// read appends the first n bytes that were stored to dst.
func (d *dormitory) read(dst []byte, first uint32, n int) []byte {
	for i := first; len(dst) < n; i = d.cells.Next(i) {
		dst = append(dst, d.cells.At(i)[:min(cellLen, n-len(dst))]...)
	}
	return dst
}

// free wipes a session's cells and gives them back.
func (d *dormitory) free(first uint32) {
	for first != 0 {
		i := first
		first = d.cells.Next(i)
		d.cells.Free(i)
	}
}
