// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// Recv waits for at least one datagram and fills as many of batch, up to 64, as
// are at hand. The sockets take turns: one that has much to receive does not
// hold up the others. Its errors are those of [udp.Conn].
func (f *Fan) Recv(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	f.in.prepare(batch)
	for {
		if err := f.raw.Read(f.receive); err != nil {
			return 0, f.waitError(err)
		}
		if n, err := f.outcome(batch); n > 0 || err != nil {
			return n, err
		}
	}
}

// Poll is Recv that does not wait: when nothing is at hand it returns 0. The
// read deadline means nothing to it. See [udp.Poller].
func (f *Fan) Poll(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	f.in.prepare(batch)
	if err := f.raw.Control(f.look); err != nil {
		return 0, net.ErrClosed // Control fails for no other reason
	}
	return f.outcome(batch)
}

// outcome is what the last look at the sockets has brought. Errors and datagrams
// take turns, so there may be neither: an error that was not looked at, or a
// socket that had nothing after all.
func (f *Fan) outcome(batch []udp.Datagram) (int, error) {
	f.turn = f.in.count == 0 && f.report != nil
	switch {
	case f.in.count > 0:
		f.collect(batch[:f.in.count])
		return f.in.count, nil
	case f.report != nil:
		return 0, f.report
	case f.in.errno != 0:
		return 0, f.in.errno
	}
	return 0, nil
}

// receiveReady receives from the sockets that have something. It reports false
// when there is none, for the poller to wait until there is: which only the set
// can say, as those that are in the queue may have been emptied, and what the set
// has not told yet will not be announced again.
func (f *Fan) receiveReady(epoll uintptr) bool {
	f.in.count, f.in.errno, f.report = 0, 0, nil
	for {
		if f.ready.Len() < f.in.asked {
			f.poll(int(epoll))
		}
		if f.ready.Len() == 0 {
			return false
		}
		for n := f.ready.Len(); n > 0 && f.in.count < f.in.asked && f.report == nil && f.in.errno == 0; n-- {
			f.visit(f.ready.Pop(), n)
		}
		if f.in.count > 0 || f.report != nil || f.in.errno != 0 || f.ready.Len() > 0 {
			return true
		}
	}
}

// poll asks which sockets have got something since they were found empty.
func (f *Fan) poll(epoll int) {
	n, err := unix.EpollWait(epoll, f.events[:], 0)
	if err != nil {
		return // the set is a good one, and the call does not wait
	}
	for i := range f.events[:n] {
		e := &f.events[i]
		s := &f.sockets[e.Fd]
		s.errors = s.errors || e.Events&unix.EPOLLERR != 0
		if !s.queued {
			s.queued = true
			f.ready.Push(e.Fd)
		}
	}
}

// minTurn is how many datagrams a socket is asked for at the least. The answer
// that there were fewer saves the call that would find the socket empty.
const minTurn = 8

// visit receives from a socket, which is not in the ready queue at the moment.
// It gets its share of the room among so many others.
func (f *Fan) visit(i int32, others int) {
	s := &f.sockets[i]
	s.queued = false
	if s.errors && !f.turn && f.in.count == 0 {
		if f.report = s.queue.Next(s.fd, &f.zones); f.report != nil {
			f.report.Local = f.names[i]
			f.again(i)
			return
		}
		s.errors = false
	}
	room := f.in.asked - f.in.count
	share := min(room, max(minTurn, room/others))
	first := f.in.count
	n, errno := f.in.recvmmsg(uintptr(s.fd), first, share)
	switch {
	case errno == 0:
		for m := range n {
			f.from[first+m] = i
		}
		f.in.count += n
	case errno == unix.EAGAIN:
	case ancillary.MayBeOld(errno):
		// An ICMP error, which is in the queue with what it is about.
		s.errors = true
	default:
		f.in.errno = errno
	}
	if n == share || s.errors || f.in.errno != 0 { // it may have more, and will not be announced again
		f.again(i)
	}
}

// again puts a socket at the end of the ready queue.
func (f *Fan) again(i int32) {
	f.sockets[i].queued = true
	f.ready.Push(i)
}

// collect describes the datagrams received.
func (f *Fan) collect(batch []udp.Datagram) {
	for i := range batch {
		d := &batch[i]
		d.N = int(f.in.messages[i].n)
		d.Remote = f.in.names[i].addrPort(&f.zones)
		d.Local = f.names[f.from[i]]
	}
}
