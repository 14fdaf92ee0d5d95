// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Segments is the control message UDP_SEGMENT, which makes the kernel cut up
// what is sent with it into datagrams.
type Segments struct{ message, size []byte }

// NewSegments makes the control message.
func NewSegments() Segments {
	b := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	return Segments{b, b[unix.CmsgLen(0):][:2]}
}

// Of returns the control message for datagrams of size bytes, of which the last
// may have less. It is valid until the next call.
func (s *Segments) Of(size int) []byte {
	binary.NativeEndian.PutUint16(s.size, uint16(size))
	return s.message
}
