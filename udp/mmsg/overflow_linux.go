// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// overflows follows the kernel's counter, which has 32 bits.
type overflows struct {
	last  uint32
	total uint64
}

// add takes the kernel's counter as it is now.
func (o *overflows) add(drops uint32) {
	o.total += uint64(drops - o.last)
	o.last = drops
}

// Overflows is how many datagrams the system has dropped for want of room in
// the socket's receive buffer. It may be called on any goroutine; after Close it
// stays as it was.
//
// SO_MEMINFO has the counter that SO_RXQ_OVFL would send along with each
// datagram: asked for, it costs the data path nothing, and is right even while
// nothing is received.
func (c *Conn) Overflows() uint64 {
	c.asking.Lock()
	defer c.asking.Unlock()
	_ = c.raw.Control(func(fd uintptr) { // fails only when closed
		c.lost.ask(fd)
	})
	return c.lost.total
}

// Overflows is how many datagrams the system has dropped for want of room in
// the receive buffers of all sockets. It costs a system call a socket. It may be
// called on any goroutine; after Close it stays as it was.
func (f *Fan) Overflows() (total uint64) {
	f.asking.Lock()
	defer f.asking.Unlock()
	_ = f.raw.Control(func(uintptr) { // fails only when closed
		for i := range f.lost {
			f.lost[i].ask(uintptr(f.sockets[i].fd))
		}
	})
	for i := range f.lost {
		total += f.lost[i].total
	}
	return total
}

// ask adds what a socket has lost since it was asked.
func (o *overflows) ask(fd uintptr) {
	if drops, ok := drops(fd); ok {
		o.add(drops)
	}
}

// drops reads the kernel's counter.
func drops(fd uintptr) (uint32, bool) {
	var info [16]uint32 // SK_MEMINFO_VARS of them, 9 at present
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info[unix.SK_MEMINFO_DROPS], errno == 0
}
