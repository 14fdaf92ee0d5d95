// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/internal/ring"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Bounds of one turn of a loop.
const (
	batchSize   = 64   // datagrams in one system call
	receiveSize = 2048 // of each; what is longer is none that a client of ours should get
	turnSize    = 1024 // datagrams sent before looking at what has arrived
)

// A loop is some of the clients, the sockets they share, the endpoint behind
// them, and the one goroutine that touches all this.
type loop struct {
	run    *run
	share  *share
	number int
	conn   socket
	air    *air // between the loop and its sockets; nil where nothing is lost
	ep     *endpoint.Endpoint
	event  endpoint.Event
	in     []udp.Datagram
	out    []udp.Datagram
	bell   tick.Time // the read deadline in force

	clients  []client
	byPeer   []uint32 // the client, plus one, by the index of its peer
	flights  []flight // of each client its window's worth
	window   int
	profiles profiles
	mix      *mix
	rng      *rand.PCG
	sequence uint32             // of tokens and echoes
	token    [4]byte            // of the request being made
	echoes   ring.Queue[uint32] // flights whose datagram is to be sent
	refusals int                // of echoes, in a row
	refusal  string             // the reason of the last of them
	heard    bool               // an echo has come back

	waiting ring.Queue[uint32] // clients that may connect
	resting []rest             // those that may do so later
	free    ring.Queue[uint32] // flights that may be begun
	closed  int                // clients that have been closed, in order

	phase    Phase
	entered  bool
	doing    doing
	measured bool         // operations count
	since    tick.Time    // when measuring began
	complete atomic.Int32 // the phase in which nothing is left to do, plus one
	swept    int          // flights looked at for being late
	sweepAt  tick.Time

	budget uint64 // operations left to begin, if their number is given
	rollAt tick.Time

	connected int // sessions that are up
	shaking   int // handshakes in progress
	flying    int // requests or echoes in progress
	gone      int // clients that are out for good
	wire      wire
	step      step
	outcome

	doorbell atomic.Bool
	stop     atomic.Bool
	done     chan struct{}
}

// A client is what is kept of one beside its session. There may be a million.
type client struct {
	peer    endpoint.PeerID
	profile uint32
	state   state
	used    bool // the session has carried a request
	silent  bool // the last request was not answered
}

// state is how far a client is.
type state uint8

const (
	absent state = iota
	connecting
	up
	out // for good
)

// A flight is an operation in progress.
type flight struct {
	due    tick.Time
	id     request.ID // 0 for none
	queued bool       // it is free to be begun
}

// turn is one round of the loop: datagrams up, new operations, time, datagrams
// down.
func (l *loop) turn() {
	n := l.receive()
	now := l.run.clock.now()
	l.enterPhase(now)
	for i := range l.in[:n] {
		l.wire.bytesDown += uint64(l.in[i].N)
		l.up(now, &l.in[i])
	}
	l.wire.datagramsDown += uint64(n)
	if l.ep != nil && l.ep.Deadline() <= now {
		l.ep.Expire(now)
		l.events(now)
	}
	if n > 1 {
		now = l.run.clock.now() // what is begun now has not waited for what was received
	}
	l.begin(now)
	l.sweep(now)
	if l.air != nil {
		l.air.flush()
	}
	l.send(now)
	l.settle(now)
}

// up carries one datagram as far as it goes.
func (l *loop) up(now tick.Time, d *udp.Datagram) {
	if l.ep == nil {
		l.echoed(now, d)
		return
	}
	l.ep.Receive(now, d)
	l.events(now)
}

// serve runs the loop until it is told to stop.
func (l *loop) serve() {
	defer close(l.done)
	for !l.stop.Load() {
		l.turn()
	}
	l.roll(l.run.clock.now())
}

// wake makes a loop that waits look at what has changed. It may be called on
// any goroutine.
func (l *loop) wake() {
	l.doorbell.Store(true)
	_ = l.conn.SetReadDeadline(time.Unix(1, 0))
}

// grain is how late the runtime may wake who waits for a time: a millisecond,
// and as much again to be on the safe side.
const grain = 2 * time.Millisecond

// receive waits for datagrams or for the time at which there is something else
// to do. What is begun at a given time is begun at that time.
func (l *loop) receive() int {
	now := l.run.clock.now()
	until, exact := l.deadline(), l.exactly(now)
	if exact != tick.Never {
		until = min(until, exact-tick.Time(grain))
	}
	if until <= now {
		return l.look(min(exact, l.deadline()).Sub(now))
	}
	if l.bell <= now || until < l.bell {
		l.bell = until
		_ = l.conn.SetReadDeadline(l.run.clock.wall(until))
	}
	if l.doorbell.Swap(false) {
		l.bell = 0 // it may have been rung, and is then in the past
		return 0
	}
	return l.received(l.conn.Recv(l.in))
}

// look waits for so long, which is short if it is not over already.
func (l *loop) look(wait time.Duration) int {
	l.bell = 0 // some sockets use the read deadline for this
	if wait > 0 && !l.conn.Await(min(wait, grain)) {
		return 0
	}
	return l.received(l.conn.Poll(l.in))
}

func (l *loop) received(n int, err error) int {
	if err != nil {
		l.receiveFailed(err)
		return 0
	}
	return n
}

// deadline is when there is something to do if nothing arrives, give or take a
// millisecond.
func (l *loop) deadline() tick.Time {
	at := min(l.rollAt, l.sweepAt)
	if l.ep != nil {
		at = min(at, l.ep.Deadline())
	}
	return at
}

// exactly is when there is something to do just then.
func (l *loop) exactly(now tick.Time) tick.Time {
	at := l.nextBegin(now)
	if l.air != nil {
		at = min(at, l.air.deadline())
	}
	return at
}

func (l *loop) receiveFailed(err error) {
	now := l.run.clock.now()
	u, unreachable := errors.AsType[*udp.Unreachable](err)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.bell = 0
	case unreachable && l.ep != nil:
		l.ep.Unreachable(now, u, errors.Is(u, syscall.ECONNREFUSED))
		l.events(now)
	case unreachable:
		l.refused(errors.Is(u, syscall.ECONNREFUSED))
	case errors.Is(err, net.ErrClosed):
		l.stop.Store(true)
	default:
		time.Sleep(time.Millisecond) // a shortage of the system's, which waiting may mend
	}
}

// events takes what the endpoint has to tell, which must be before the next
// datagram.
func (l *loop) events(now tick.Time) {
	for l.ep.Next(&l.event) {
		l.handle(now, &l.event)
	}
}

func (l *loop) handle(now tick.Time, ev *endpoint.Event) {
	switch ev.Kind {
	case endpoint.EventResponse:
		l.answered(now, ev)
	case endpoint.EventFailed:
		l.failed(now, ev)
	case endpoint.EventConnected:
		l.established(now, ev)
	case endpoint.EventDisconnected:
		l.disconnected(now, ev)
	case endpoint.EventWantPSK, endpoint.EventWantVerdict, endpoint.EventNeedJob:
		l.keyTask(now, ev)
	case endpoint.EventRequest:
		_ = l.ep.Respond(now, ev.Exchange, notHere)
	}
}

// send sends what there is, in batches.
func (l *loop) send(now tick.Time) {
	for sent := 0; sent < turnSize; sent += len(l.out) {
		n := 0
		for n < len(l.out) && l.down(now, &l.out[n]) {
			l.wire.bytesUp += uint64(l.out[n].N)
			n++
		}
		l.wire.datagramsUp += uint64(n)
		l.sendBatch(now, l.out[:n])
		if n < len(l.out) {
			break
		}
	}
	if l.ep != nil && l.ep.News() {
		l.events(now)
	}
}

// down makes the next datagram.
func (l *loop) down(now tick.Time, d *udp.Datagram) bool {
	if l.ep == nil {
		return l.nextEcho(d)
	}
	return l.ep.Transmit(now, d)
}

// sendBatch passes over a datagram that the system refuses: a loss like any
// other, unless it is for good.
func (l *loop) sendBatch(now tick.Time, batch []udp.Datagram) {
	for len(batch) > 0 {
		n, err := l.conn.Send(batch)
		if err == nil {
			return
		}
		if noWay(err) {
			l.sendFailed(now, &batch[n], errors.Is(err, syscall.ECONNREFUSED))
		}
		batch = batch[n+1:]
	}
}

func (l *loop) sendFailed(now tick.Time, d *udp.Datagram, refused bool) {
	if l.ep == nil {
		l.refused(refused)
		return
	}
	l.ep.SendFailed(now, d, refused)
}

// noWay reports whether a datagram could not be sent for a reason that will
// last.
func noWay(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return false
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM,
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EINVAL:
		return true
	}
	return false
}
