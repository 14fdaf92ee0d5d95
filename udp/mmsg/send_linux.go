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

	filled int // messages to send
	sent   int // messages that the kernel has taken
	errno  unix.Errno

	cutsUp bool // the kernel can cut up a run
}

func (out *outbound) init(v6, cutsUp bool) {
	out.cutsUp = cutsUp
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
func (c *Conn) Send(batch []udp.Datagram) (n int, err error) {
	alone := 0     // datagrams that must not leave in a run
	again := false // this is the second attempt
	for n < len(batch) {
		if c.fill(batch[n:], alone); c.out.filled == 0 {
			return n, unaddressable(&batch[n])
		}
		if err := c.raw.Write(c.send); err != nil {
			return n, c.waitError(err)
		}
		if c.out.sent < c.out.filled {
			c.errors = true // the reason may have been an ICMP error, which nobody else will see
		}
		switch errno := c.out.errno; {
		case errno == 0:
			taken := c.out.taken()
			n, alone, again = n+taken, alone-taken, false
		case c.out.runs[0] > 1 && refusesRun(errno):
			alone = c.out.runs[0]
			c.out.cutsUp = errno != unix.EIO
		case ancillary.IsLoss(errno):
			n, alone, again = n+c.out.runs[0], alone-c.out.runs[0], false
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
func (c *Conn) fill(batch []udp.Datagram, alone int) {
	out := &c.out
	out.filled = 0
	batch = batch[:min(len(batch), maxBatch)]
	for i := 0; i < len(batch); {
		run := 1
		if i >= alone && out.cutsUp {
			run = runLength(batch[i:])
		}
		if !c.address(out.filled, &batch[i], run) {
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
func (c *Conn) address(i int, d *udp.Datagram, run int) bool {
	h := &c.out.messages[i].header
	h.Namelen = c.out.names[i].set(d.Remote, c.v6, &c.zones)
	if h.Namelen == 0 {
		return false
	}
	control := c.out.control[i*controlSize:][:controlSize]
	n := 0
	if c.info && d.Local.IsValid() {
		n = copy(control, c.out.source.From(d.Local, &c.zones))
	}
	if run > 1 {
		n += copy(control[n:], c.out.segments.Of(d.N))
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

// sendmmsg makes the system call. It reports false when the socket's buffer is
// full, for the poller to wait until there is room.
func (c *Conn) sendmmsg(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&c.out.messages)), uintptr(c.out.filled), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.out.sent, c.out.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.out.sent, c.out.errno = 0, errno
			return true
		}
	}
}

// taken is how many datagrams the messages hold that the kernel has taken.
func (out *outbound) taken() (datagrams int) {
	for _, run := range out.runs[:out.sent] {
		datagrams += run
	}
	return datagrams
}
