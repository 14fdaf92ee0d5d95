// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// overflows follows the kernel's counter, which has 32 bits.
type overflows struct {
	mu    sync.Mutex
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
	c.lost.mu.Lock()
	defer c.lost.mu.Unlock()
	_ = c.raw.Control(func(fd uintptr) { // fails only when closed
		if drops, ok := drops(fd); ok {
			c.lost.add(drops)
		}
	})
	return c.lost.total
}

// drops reads the kernel's counter.
func drops(fd uintptr) (uint32, bool) {
	var info [16]uint32 // SK_MEMINFO_VARS of them, 9 at present
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info[unix.SK_MEMINFO_DROPS], errno == 0
}
