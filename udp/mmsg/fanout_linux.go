// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/sys/unix"
)

// Send sends the datagrams in order, each from the socket that its Local names;
// the zero Addr is the first socket, and a name that none has is an error,
// EADDRNOTAVAIL. Neighbours of one socket leave in one system call. Else it does
// as [Conn.Send].
func (f *Fan) Send(batch []udp.Datagram) (int, error) {
	f.batch, f.sent, f.failed = batch, 0, nil
	err := f.raw.Write(f.send)
	f.batch = nil
	if err != nil {
		return 0, f.waitError(err)
	}
	return f.sent, f.failed
}

// sendBatch sends what Send has been called with. It does not make the poller
// wait: that knows nothing of the single sockets.
func (f *Fan) sendBatch(uintptr) bool {
	for f.sent < len(f.batch) && f.failed == nil {
		batch := f.batch[f.sent:]
		i, ok := f.find(batch[0].Local)
		if !ok {
			f.failed = unix.EADDRNOTAVAIL
			break
		}
		f.current = &f.sockets[i]
		f.out.v6 = f.current.v6
		var n int
		n, f.failed = f.out.send(batch[:sameSource(batch)], f.write)
		f.sent += n
		if f.out.old {
			f.out.old = false
			f.current.errors = true
			if !f.current.queued {
				f.again(i)
			}
		}
	}
	return true
}

// find is the socket of a name.
func (f *Fan) find(name netip.Addr) (int32, bool) {
	if !name.IsValid() {
		return 0, true
	}
	i, ok := f.index[name]
	return i, ok
}

// sameSource is how many datagrams at the beginning of batch leave from the
// same socket.
func sameSource(batch []udp.Datagram) int {
	for i := range batch {
		if batch[i].Local != batch[0].Local {
			return i
		}
	}
	return len(batch)
}

// patience is how long a wait for room in a socket's buffer takes no notice of
// Close, in milliseconds.
const patience = 10

// writeCurrent sends the messages of f.out, or as many as the kernel takes. It
// waits while the buffer of the socket is full.
func (f *Fan) writeCurrent() error {
	for {
		f.out.sendmmsg(uintptr(f.current.fd))
		if f.out.errno != unix.EAGAIN {
			return nil
		}
		if f.closed.Load() {
			return net.ErrClosed
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(f.current.fd), Events: unix.POLLOUT}}, patience)
	}
}
