// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package ancillary

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Segments writes the control message UDP_SEGMENT, which makes the kernel cut
// up what is sent with it into datagrams.
type Segments struct{ blank [segmentsSize]byte }

const segmentsSize = unix.SizeofCmsghdr + (2+align-1)&^(align-1)

// NewSegments makes the control message.
func NewSegments() (s Segments) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&s))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	return s
}

// Put writes the control message for datagrams of size bytes, of which the last
// may have less, to the beginning of control, and returns its length.
func (s *Segments) Put(control []byte, size int) int {
	*(*[segmentsSize]byte)(control) = s.blank
	binary.NativeEndian.PutUint16(control[unix.SizeofCmsghdr:], uint16(size))
	return segmentsSize
}
