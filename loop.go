// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A loop is one socket, the endpoint on it, and the one goroutine that touches
// them. Servers and clients run the same loop.
type loop struct {
	conn   udp.Conn
	poller udp.Poller // conn, if it is one
	ep     *endpoint.Endpoint
	clock  clock
	mail   mailbox
	in     []udp.Datagram
	out    []udp.Datagram
	event  endpoint.Event // the one being handled

	handle   func(now tick.Time, ev *endpoint.Event)                 // what the application does with an event
	handOver func() (given bool)                                     // sets others to work on what events were about; whether anybody has work
	giveWay  func()                                                  // lets other loops look at their sockets
	ring     func(now tick.Time)                                     // called when alarm has come
	seen     func(now tick.Time, sent bool, a netip.AddrPort, n int) // watches datagrams; may be nil

	alarm    tick.Time // when ring is to be called; tick.Never if not
	running  bool
	failures int  // to receive, one after the other
	passed   bool // the last turn has not looked at the socket
	behind   int  // turns in a row in which more was waiting than the buffers hold
	busy     bool // the last turn ended early: there is more to do
	done     chan struct{}
}

// run is the event loop: datagrams up, letters in, time, datagrams down.
func (l *loop) run() {
	defer l.end()
	for l.running {
		l.turn()
	}
}

func (l *loop) turn() {
	n := l.receive()
	now := l.clock.now()
	for i := range l.in[:n] {
		l.ep.Receive(now, &l.in[i])
		l.events(now)
	}
	given := l.handOver()
	l.mail.deliver(now)
	if l.alarm <= now {
		l.alarm = tick.Never
		l.ring(now)
	}
	if l.ep.Deadline() <= now {
		l.ep.Expire(now)
	}
	l.events(now)
	for l.send(now) {
		l.events(now)
		if l.busy {
			break // the next turn goes on
		}
	}
	if l.handOver() || given {
		// What they do quickly is there when they have had their turn on this
		// processor, and can be sent at once and without a doorbell.
		runtime.Gosched()
	}
	l.pause(n == len(l.in))
}

// pause is after each turn, of which full ones need no wait. A loop that never
// waits would keep others, if the processors are all taken, waiting for the
// runtime to look at their sockets, which it does every 10 ms.
func (l *loop) pause(full bool) {
	if !full {
		l.behind = 0
		return
	}
	if l.behind++; l.behind == turnsBehind {
		l.behind = 0
		l.giveWay()
		runtime.Gosched()
	}
}

// events hands up what the endpoint has to tell. It must be empty before the
// next datagram is received, since events are views into the last.
func (l *loop) events(now tick.Time) {
	for l.ep.Next(&l.event) {
		l.handle(now, &l.event)
	}
}

// receive waits for datagrams, for the endpoint's deadline or for a letter,
// whichever comes first. When there is something to do already it does not wait.
func (l *loop) receive() (n int) {
	now := l.clock.now()
	until := min(l.ep.Deadline(), l.alarm)
	var err error
	if l.busy || until <= now || !l.mail.sleep(now, until) {
		n, err = l.poll(now)
	} else {
		n, err = l.conn.Recv(l.in)
		l.mail.awake()
	}
	if err != nil {
		l.receiveFailed(err)
		return 0
	}
	l.failures = 0
	if l.seen != nil {
		for i := range l.in[:n] {
			l.seen(l.clock.now(), false, l.in[i].Remote, l.in[i].N)
		}
	}
	return n
}

// poll takes the datagrams that are at hand. A Conn that can only be waited for
// is looked at every other time, so that neither letters nor datagrams keep the
// other waiting.
func (l *loop) poll(now tick.Time) (int, error) {
	if l.poller != nil {
		return l.poller.Poll(l.in)
	}
	if l.passed = !l.passed; l.passed {
		return 0, nil
	}
	// A deadline that has passed would not even look at the socket.
	l.mail.arm(now, now.Add(pollTime))
	return l.conn.Recv(l.in)
}

// pollTime is the shortest wait for a datagram, of a Conn that is no Poller.
const pollTime = 20 * time.Microsecond

// failuresInARow is after how many failures to receive the loop rests.
const failuresInARow = 16

func (l *loop) receiveFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.mail.bell = 0 // it may have been the doorbell
		return
	}
	u, unreachable := errors.AsType[*udp.Unreachable](err)
	switch {
	case unreachable:
		l.ep.Unreachable(l.clock.now(), u, errors.Is(u, syscall.ECONNREFUSED))
	case errors.Is(err, net.ErrClosed):
		l.running = false
	default:
		// Others can cause an error now and then: an ICMP message that the
		// kernel has no room to describe. A row of them is a shortage of the
		// system's, which waiting may mend.
		if l.failures++; l.failures > failuresInARow {
			time.Sleep(time.Millisecond)
		}
	}
}

// send sends what the endpoint has, in batches, and reports whether that has
// brought news: a peer that cannot be reached, or one that had to go.
func (l *loop) send(now tick.Time) (news bool) {
	l.busy = false
	for sent := 0; !l.busy; sent += len(l.out) {
		n := 0
		for n < len(l.out) && l.ep.Transmit(now, &l.out[n]) {
			n++
		}
		l.sendBatch(now, l.out[:n])
		if n < len(l.out) {
			break
		}
		l.busy = sent >= turnDatagrams
	}
	return l.ep.News()
}

// sendBatch passes over a datagram that the system refuses. Most often that is
// a loss like any other, which retransmission mends.
func (l *loop) sendBatch(now tick.Time, batch []udp.Datagram) {
	for len(batch) > 0 {
		n, err := l.conn.Send(batch)
		for i := range batch[:n] {
			if l.seen != nil {
				l.seen(now, true, batch[i].Remote, batch[i].N)
			}
		}
		if err == nil {
			return
		}
		if noWay(err) {
			l.ep.SendFailed(now, &batch[n], errors.Is(err, syscall.ECONNREFUSED))
		}
		batch = batch[n+1:]
	}
}

// noWay reports whether a datagram could not be sent for a reason that will
// last. A full buffer (ENOBUFS, EAGAIN) will not, and a size that some router
// did not like (EMSGSIZE) may have been another datagram's.
func noWay(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true // of the other family
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM,
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EINVAL,
	}, errno)
}

// defaultMTU is that of package dtls: the smallest MTU of IPv6 less its header
// and UDP's. CoAP's own messages are smaller (RFC 7252 section 4.6).
const defaultMTU = 1232

// newLoop makes a loop that is ready to run but for handle. It moves up to batch
// datagrams at once. An mtu of 0 leaves it to the layers.
func newLoop(conn udp.Conn, cfg endpoint.Config, mtu, batch int) (*loop, error) {
	clock := clock{time.Now()}
	cfg.Request.Limits.MessageBytes = mtu
	ep, err := endpoint.New(cfg, clock.now())
	if err != nil {
		return nil, err
	}
	l := &loop{conn: conn, ep: ep, clock: clock, running: true, alarm: tick.Never, done: make(chan struct{})}
	l.handOver, l.giveWay = func() bool { return false }, func() {}
	l.poller, _ = conn.(udp.Poller)
	l.mail.conn, l.mail.clock = conn, clock
	l.in, l.out = datagrams(batch, receiveSize), datagrams(batch, cmp.Or(mtu, defaultMTU))
	return l, nil
}

// datagrams makes n buffers. They do not begin at multiples of a page, as then
// their beginnings, which are all of them that is used as a rule, would compete
// for the same few lines of the processor's cache. Pages that are never used
// take no memory of the system.
func datagrams(n, size int) []udp.Datagram {
	const line = 64
	stride := (size+line-1)/line*line + 3*line
	batch := make([]udp.Datagram, n)
	all := make([]byte, n*stride)
	for i := range batch {
		batch[i].Buf = all[i*stride : i*stride+size : i*stride+size]
	}
	return batch
}

// ask posts a letter that answers, and waits for that. It reports false if the loop
// or ctx has ended before.
func ask[T any](ctx context.Context, l *loop, question letter, answer <-chan T) (got T, ok bool) {
	if l.mail.post(question, true) != nil {
		return got, false
	}
	select {
	case got = <-answer:
		return got, true
	case <-l.done:
	case <-ctx.Done():
	}
	return got, false
}

// ending is the letter that ends a loop: every session gets its close_notify.
type ending struct{ loop *loop }

func (e ending) deliver(now tick.Time) {
	e.loop.ep.Close(now)
	e.loop.running = false
}

// end sends what is left, for a while, and closes the socket.
func (l *loop) end() {
	until := l.clock.now().Add(closeTime)
	for now := l.clock.now(); l.busy && now < until; now = l.clock.now() {
		for l.send(now) && !l.busy {
			l.events(now)
		}
		l.events(now)
	}
	l.mail.close()
	_ = l.conn.Close()
	close(l.done)
}

// stop asks the loop to end. It may be called on any goroutine.
func (l *loop) stop() { _ = l.mail.post(ending{l}, true) }

// close ends the loop and waits for it.
func (l *loop) close() {
	l.stop()
	<-l.done
}
