// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// An air is the network between a loop and its sockets: it loses datagrams and
// lets others overtake them. Each direction has its own generator, so that what
// becomes of one does not depend on the other.
type air struct {
	socket
	clock    clock
	up, down way
}

// maxHeld is how long a datagram that is to be overtaken waits for one that does
// so.
const maxHeld = 5 * 1e6 // nanoseconds

// A way is one direction.
type way struct {
	loss, reorder float64
	rng           *rand.PCG
	held          udp.Datagram // one at a time; its N is 0 if there is none
	until         tick.Time
}

func newAir(conn socket, cfg *Config, clock clock, number int) *air {
	direction := func(d int) way {
		return way{
			loss: cfg.Loss, reorder: cfg.Reorder, rng: rand.NewPCG(cfg.Seed, uint64(2*number+d)),
			held: udp.Datagram{Buf: make([]byte, receiveSize)},
		}
	}
	return &air{socket: conn, clock: clock, up: direction(0), down: direction(1)}
}

// chance is true in a part of all cases.
func (w *way) chance(part float64) bool {
	return part > 0 && float64(w.rng.Uint64()>>11)/(1<<53) < part
}

// takes reports whether a datagram does not go on now: because it is lost, or
// because it is held.
func (w *way) takes(now tick.Time, d *udp.Datagram) bool {
	if w.chance(w.loss) {
		return true
	}
	if w.held.N > 0 || d.N == 0 || !w.chance(w.reorder) {
		return false
	}
	w.put(&w.held, d)
	w.until = now.Add(maxHeld)
	return true
}

// put copies a datagram.
func (w *way) put(to, from *udp.Datagram) {
	to.N = copy(to.Buf, from.Payload())
	to.Remote, to.Local = from.Remote, from.Local
}

// Recv returns what is left of a batch, and behind it what was held before.
func (a *air) Recv(batch []udp.Datagram) (int, error) {
	n, err := a.socket.Recv(a.room(batch))
	return a.sift(batch, n, err)
}

// Poll is Recv that does not wait.
func (a *air) Poll(batch []udp.Datagram) (int, error) {
	n, err := a.socket.Poll(a.room(batch))
	return a.sift(batch, n, err)
}

// Await does not wait for the socket when what is held may go on.
func (a *air) Await(d time.Duration) bool {
	return a.socket.Await(d) || a.down.held.N > 0
}

// room leaves a place for what is held.
func (a *air) room(batch []udp.Datagram) []udp.Datagram { return batch[:len(batch)-1] }

func (a *air) sift(batch []udp.Datagram, n int, err error) (int, error) {
	w := &a.down
	waits := w.held.N > 0
	now := a.clock.now()
	kept := 0
	for i := range n {
		if !w.takes(now, &batch[i]) {
			batch[kept], batch[i] = batch[i], batch[kept]
			kept++
		}
	}
	overtaken := kept > 0 || w.until <= now
	if waits && overtaken && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		w.put(&batch[kept], &w.held)
		w.held.N = 0
		return kept + 1, nil
	}
	return kept, err
}

// Send claims success for what it loses, as the network does.
func (a *air) Send(batch []udp.Datagram) (int, error) {
	now := a.clock.now()
	waits := a.up.held.N > 0
	first := 0 // of those that go on and have not yet
	passed := 0
	for i := range batch {
		if !a.up.takes(now, &batch[i]) {
			continue
		}
		n, err := a.pass(batch[first:i])
		if err != nil {
			return first + n, err
		}
		passed += i - first
		first = i + 1
	}
	n, err := a.pass(batch[first:])
	if err == nil && waits && passed+n > 0 {
		a.letGo()
	}
	return first + n, err
}

func (a *air) pass(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	return a.socket.Send(batch)
}

// letGo sends what is held.
func (a *air) letGo() {
	held := [1]udp.Datagram{a.up.held}
	_, _ = a.socket.Send(held[:]) // a loss like any other
	a.up.held.N = 0
}

// flush sends what nothing has overtaken in time.
func (a *air) flush() {
	if a.up.held.N > 0 && a.up.until <= a.clock.now() {
		a.letGo()
	}
}

// deadline is when something held goes on at the latest.
func (a *air) deadline() tick.Time {
	at := tick.Never
	for _, w := range [...]*way{&a.up, &a.down} {
		if w.held.N > 0 {
			at = min(at, w.until)
		}
	}
	return at
}
