// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Watch waits for a socket to the microsecond, beside the runtime's poller,
// whose timers have a grain of a millisecond while nothing else happens. It is
// for loops that have to begin something at a given time, and Poll.
type Watch struct {
	raw     syscall.RawConn
	pending func() bool // there is something without waiting

	look  func(fd uintptr) // bound once, so that no call allocates
	fds   [1]unix.PollFd
	limit unix.Timespec
	found bool
}

func newWatch(raw syscall.RawConn, pending func() bool) *Watch {
	w := &Watch{raw: raw, pending: pending}
	w.look = w.ppoll
	return w
}

// Watch returns a Watch of the socket, for the goroutine that polls it.
func (c *Conn) Watch() *Watch { return newWatch(c.raw, func() bool { return c.errors }) }

// Watch returns a Watch of all sockets, for the goroutine that polls them.
func (f *Fan) Watch() *Watch { return newWatch(f.raw, func() bool { return f.ready.Len() > 0 }) }

// Await waits until Poll may have something, at most d, and reports whether it
// may. Neither the read deadline nor Close ends it, so d should be short.
func (w *Watch) Await(d time.Duration) bool {
	if w.pending() {
		return true
	}
	w.limit = unix.NsecToTimespec(max(d, 0).Nanoseconds())
	return w.raw.Control(w.look) != nil || w.found // a closed socket is for Poll to report
}

func (w *Watch) ppoll(fd uintptr) {
	w.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	n, err := unix.Ppoll(w.fds[:], &w.limit, nil)
	w.found = n > 0 && err == nil
}
