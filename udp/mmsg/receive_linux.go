// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net"
	"os"
	"unsafe"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/internal/ancillary"
	"golang.org/x/sys/unix"
)

// inbound is what one recvmmsg is called with and what it has filled in.
type inbound struct {
	messages [maxBatch]message
	vectors  [maxBatch]unix.Iovec
	names    [maxBatch]sockaddr
	control  []byte // controlSize for each message

	asked int // messages that the kernel may fill
	count int // messages that it has filled, the last time
	errno unix.Errno
}

func (in *inbound) init() {
	in.control = make([]byte, maxBatch*controlSize)
	for i := range in.messages {
		h := &in.messages[i].header
		h.Name = &in.names[i][0]
		h.Control = &in.control[i*controlSize]
		h.Iov = &in.vectors[i]
		h.SetIovlen(1)
		in.reset(i)
	}
}

// reset tells the kernel again how much room there is, where it wrote how much
// it used.
func (in *inbound) reset(i int) {
	h := &in.messages[i].header
	h.Namelen = uint32(len(in.names[i]))
	h.SetControllen(controlSize)
}

// prepare points the messages to the buffers of batch.
func (in *inbound) prepare(batch []udp.Datagram) {
	for i := range in.count {
		in.reset(i)
	}
	in.asked = min(len(batch), maxBatch)
	for i := range batch[:in.asked] {
		v := &in.vectors[i]
		v.Base = unsafe.SliceData(batch[i].Buf)
		v.SetLen(len(batch[i].Buf))
	}
}

// Recv waits for at least one datagram and fills as many of batch, up to 64, as
// are at hand. Its errors are those of [udp.Conn]. Where there are both, ICMP
// errors and datagrams take turns: neither can be used to hold up the other.
func (c *Conn) Recv(batch []udp.Datagram) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	for {
		if c.errors && !c.reported {
			if u := c.nextError(); u != nil {
				return 0, u
			}
		}
		c.in.prepare(batch)
		if err := c.raw.Read(c.receive); err != nil {
			return 0, c.waitFailed(err)
		}
		if n, err := c.outcome(batch); n > 0 || err != nil {
			return n, err
		}
	}
}

// outcome is what a call has brought: datagrams, an error, or neither.
func (c *Conn) outcome(batch []udp.Datagram) (int, error) {
	switch errno := c.in.errno; {
	case errno == 0:
		c.reported = false
		c.collect(batch[:c.in.count])
		return c.in.count, nil
	case errno == unix.EAGAIN:
		c.reported = false
	case ancillary.MayBeOld(errno):
		// An ICMP error, which is in the queue with what it is about, for the next
		// attempt to report. If it is none to report, there is the socket still to
		// read.
		c.errors = true
	default:
		return 0, errno
	}
	return 0, nil
}

// waitFailed reports why the poller does not wait. It refuses when all it knows
// about the socket is an error.
func (c *Conn) waitFailed(err error) error {
	err = c.waitError(err)
	if err == os.ErrDeadlineExceeded || err == net.ErrClosed {
		return err
	}
	if u := c.nextError(); u != nil {
		return u
	}
	return err
}

// receiveAll receives what is at hand. It reports false when there is nothing,
// for the poller to wait until there is; but not while errors wait.
func (c *Conn) receiveAll(fd uintptr) bool {
	c.in.count, c.in.errno = c.in.recvmmsg(fd, 0, c.in.asked)
	return c.in.errno != unix.EAGAIN || c.errors
}

// recvmmsg fills up to n messages from first, with one system call.
func (in *inbound) recvmmsg(fd uintptr, first, n int) (int, unix.Errno) {
	return move(unix.SYS_RECVMMSG, fd, &in.messages[first], n)
}

// collect describes the datagrams received.
func (c *Conn) collect(batch []udp.Datagram) {
	for i := range batch {
		d, m := &batch[i], &c.in.messages[i]
		d.N = int(m.n)
		d.Remote = c.in.names[i].addrPort(&c.zones)
		d.Local = c.local.Addr()
		if c.info {
			control := c.in.control[i*controlSize:]
			d.Local = ancillary.Destination(control[:m.header.Controllen], &c.zones)
		}
	}
}
