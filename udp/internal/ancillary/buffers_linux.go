// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import "golang.org/x/sys/unix"

// SetBuffers asks for room for so many bytes in each direction. Without the
// right to it (CAP_NET_ADMIN) net.core.rmem_max and wmem_max are the most that
// is granted.
func SetBuffers(fd, bytes int) {
	for _, option := range [][2]int{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF},
		{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF},
	} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[0], bytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[1], bytes)
		}
	}
}

// Buffers is how much the kernel allows to wait in each direction, in its own
// measure. It is twice what was asked for, as it counts its own overhead, too.
func Buffers(fd int) (receive, send int) {
	receive, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	send, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return receive, send
}
