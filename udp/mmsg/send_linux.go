// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"unsafe"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// maxSegments is how many datagrams leave as one packet: UDP_MAX_SEGMENTS of
// the kernels that have the least.
const maxSegments = 64

// outbound is what one sendmmsg is called with. A message is one datagram or a
// run of them that leave as one packet; each datagram has its vector.
type outbound struct {
	messages [maxBatch]message
	runs     [maxBatch]int // datagrams in each message
	vectors  [maxBatch]unix.Iovec
	names    [maxBatch]sockaddr
	control  []byte // controlSize for each message
	source   ancillary.Source
	segments ancillary.Segments
	zones    *ancillary.Zones

	filled int // messages to send
	sent   int // messages that the kernel has taken
	errno  unix.Errno

	v6        bool // the socket is of the IPv6 family
	connected bool // there is one remote, which the kernel knows
	info      bool // datagrams say where they leave from
	cutsUp    bool // the kernel can cut up a run
	old       bool // a message was refused: the reason may have been an ICMP error, which nobody else will see
}

func (out *outbound) init(zones *ancillary.Zones, v6, cutsUp bool) {
	out.zones, out.v6, out.cutsUp = zones, v6, cutsUp
	out.source, out.segments = ancillary.NewSource(v6), ancillary.NewSegments()
	out.control = make([]byte, maxBatch*controlSize)
	for i := range out.messages {
		h := &out.messages[i].header
		h.Name = &out.names[i][0]
		h.Control = &out.control[i*controlSize]
	}
}

// Send sends the datagrams in order and returns how many it has disposed of. On
// an error, batch[n] is the one that could not be sent. It waits while the
// socket's buffer is full.
func (c *Conn) Send(batch []udp.Datagram) (int, error) {
	n, err := c.out.send(batch, c.write)
	if c.out.old {
		c.errors, c.out.old = true, false
	}
	return n, err
}

// writeOut sends the messages of c.out, or as many as the kernel takes.
func (c *Conn) writeOut() error { return c.waitError(c.raw.Write(c.transmitted)) }

// transmit makes the system call. It reports false when the socket's buffer is
// full, for the poller to wait until there is room.
func (c *Conn) transmit(fd uintptr) bool {
	c.out.sendmmsg(fd)
	return c.out.errno != unix.EAGAIN
}

// send sends batch with as many calls of write as it takes. One call sends the
// messages that are filled in, or as many as the kernel takes.
func (out *outbound) send(batch []udp.Datagram, write func() error) (n int, err error) {
	alone := 0     // datagrams that must not leave in a run
	again := false // this is the second attempt
	for n < len(batch) {
		if out.fill(batch[n:], alone); out.filled == 0 {
			return n, unaddressable(&batch[n])
		}
		if err := write(); err != nil {
			return n, err
		}
		out.old = out.old || out.sent < out.filled
		switch errno := out.errno; {
		case errno == 0:
			taken := out.taken()
			n, alone, again = n+taken, alone-taken, false
		case out.runs[0] > 1 && refusesRun(errno):
			alone = out.runs[0]
			out.cutsUp = errno != unix.EIO
		case ancillary.IsLoss(errno):
			n, alone, again = n+out.runs[0], alone-out.runs[0], false
		case ancillary.MayBeOld(errno) && !again:
			// The error is about a datagram sent before, perhaps to somebody else,
			// and would have woken Recv. This one has not been tried.
			again = true
		default:
			return n, errno
		}
	}
	return n, nil
}

// refusesRun tells the errors that a run meets where its datagrams, each alone,
// may not. EIO: there is nobody on the way out who computes the checksums, and
// there will not be. EINVAL, and EMSGSIZE of newer kernels: one of the datagrams
// is larger than this path takes in one piece.
func refusesRun(errno unix.Errno) bool {
	return errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE
}

func unaddressable(d *udp.Datagram) error {
	if d.Remote.Addr().IsValid() {
		return unix.EAFNOSUPPORT
	}
	return unix.EDESTADDRREQ
}

// fill makes messages of as much of batch as one call takes, up to a datagram
// whose destination the socket cannot reach. The first datagrams are each a
// message alone.
func (out *outbound) fill(batch []udp.Datagram, alone int) {
	out.filled = 0
	batch = batch[:min(len(batch), maxBatch)]
	for i := 0; i < len(batch); {
		run := 1
		if i >= alone && out.cutsUp {
			run = runLength(batch[i:])
		}
		if !out.address(out.filled, &batch[i], run) {
			return
		}
		for j := range run {
			payload := batch[i+j].Payload()
			out.vectors[i+j].Base = unsafe.SliceData(payload)
			out.vectors[i+j].SetLen(len(payload))
		}
		h := &out.messages[out.filled].header
		h.Iov = &out.vectors[i]
		h.SetIovlen(run)
		out.runs[out.filled] = run
		out.filled++
		i += run
	}
}

// address writes where message i goes, where it comes from and how it is cut up.
// It reports false if the socket cannot send there.
func (out *outbound) address(i int, d *udp.Datagram, run int) bool {
	h := &out.messages[i].header
	if !out.connected {
		h.Namelen = out.names[i].set(d.Remote, out.v6, out.zones)
		if h.Namelen == 0 {
			return false
		}
	}
	control := out.control[i*controlSize:][:controlSize]
	n := 0
	if out.info && d.Local.IsValid() {
		n = out.source.Put(control, d.Local, out.zones)
	}
	if run > 1 {
		n += out.segments.Put(control[n:], d.N)
	}
	h.SetControllen(n)
	return true
}

// runLength is how many datagrams at the beginning of batch can leave as one
// packet: between the same two addresses, of one size but for the last, which
// may be shorter.
func runLength(batch []udp.Datagram) int {
	first := &batch[0]
	total := first.N
	for i := 1; i < len(batch); i++ {
		d := &batch[i]
		total += d.N
		fits := i < maxSegments && 0 < d.N && d.N <= first.N && total <= udp.MaxDatagram
		if !fits || d.Remote != first.Remote || d.Local != first.Local {
			return i
		}
		if d.N < first.N {
			return i + 1
		}
	}
	return len(batch)
}

// sendmmsg sends the messages that are filled in, with one system call.
func (out *outbound) sendmmsg(fd uintptr) {
	out.sent, out.errno = move(unix.SYS_SENDMMSG, fd, &out.messages[0], out.filled)
}

// taken is how many datagrams the messages hold that the kernel has taken.
func (out *outbound) taken() (datagrams int) {
	for _, run := range out.runs[:out.sent] {
		datagrams += run
	}
	return datagrams
}
